-- Dead letters that were purged: the row stays, so that the record stays rejected and counted, and
-- what it held of the record is gone. A letter that a worker writes once more is whole again.
ALTER TABLE dead_letters
    ADD COLUMN IF NOT EXISTS purged_at DateTime64(3, 'UTC') DEFAULT toDateTime64(0, 3, 'UTC') COMMENT 'when its bytes were removed, 1970 where they were not',
    ADD COLUMN IF NOT EXISTS purged_by String DEFAULT '' COMMENT 'who removed them',
    ADD COLUMN IF NOT EXISTS purge_note String DEFAULT '' COMMENT 'why, in the actor''s words';
