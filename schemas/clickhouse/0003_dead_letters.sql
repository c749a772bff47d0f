-- Dead letters: records that were not counted, one row per offset however often replayed
-- (INV-ONCE). Not partitioned: a row's month would follow its log time, which a verdict may
-- change, and then one offset would have two rows.
CREATE TABLE IF NOT EXISTS dead_letters
(
    topic String COMMENT 'name of the usage topic',
    topic_id UUID COMMENT 'incarnation of the usage topic',
    log_partition UInt32 COMMENT 'partition of the usage topic',
    offset UInt64 COMMENT 'offset of the record',
    epoch UInt16 COMMENT 'verdicts applied before the record, the highest stays',
    log_time DateTime64(3, 'UTC') COMMENT 'running maximum of append times, its own included',
    reason LowCardinality(String) COMMENT 'why it was not counted',
    detail String COMMENT 'which field, which bound, at most 512 bytes',
    tenant String COMMENT 'empty where it could not be read',
    key String COMMENT 'the record''s key, cut at a bound',
    headers Map(String, String) COMMENT 'the record''s headers, cut at a bound',
    length UInt64 COMMENT 'bytes of the value',
    hash UInt128 COMMENT 'BLAKE3-128 of the value',
    original String COMMENT 'the value, at most 64 KiB of it',
    truncated UInt8 COMMENT '1 where key, headers or original were cut'
)
ENGINE = ReplacingMergeTree(epoch)
ORDER BY (topic_id, log_partition, offset)
SETTINGS non_replicated_deduplication_window = 0;
