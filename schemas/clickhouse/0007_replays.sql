-- Dead letters that were replayed: a projection of the markers on usage.dead-letter, which are
-- the truth. A repeat is the same row. Kept for ever: a letter never replays twice.
CREATE TABLE IF NOT EXISTS dead_letter_replays
(
    topic_id UUID COMMENT 'incarnation of the topic of the letter''s record',
    log_partition UInt32 COMMENT 'partition of the letter''s record',
    offset UInt64 COMMENT 'offset of the letter''s record',
    to_topic String COMMENT 'where it was published again',
    to_topic_id UUID COMMENT 'incarnation of that topic',
    to_partition UInt32 COMMENT 'the partition there',
    to_offset UInt64 COMMENT 'the offset there',
    copy LowCardinality(String) COMMENT 'where its bytes came from: log, or letter',
    actor String COMMENT 'who replayed it',
    note String COMMENT 'why, in the actor''s words',
    replayed_at DateTime64(3, 'UTC') COMMENT 'append time of the marker',
    marker_topic_id UUID COMMENT 'incarnation of usage.dead-letter',
    marker_offset UInt64 COMMENT 'offset of the marker in its partition 0'
)
ENGINE = ReplacingMergeTree
ORDER BY (topic_id, log_partition, offset)
SETTINGS non_replicated_deduplication_window = 0;

-- Up to where the markers of an incarnation of usage.dead-letter are in the table: written after
-- them, so that the highest position is true whoever wrote it.
CREATE TABLE IF NOT EXISTS dead_letter_replay_positions
(
    marker_topic_id UUID COMMENT 'incarnation of usage.dead-letter',
    position UInt64 COMMENT 'first offset of partition 0 that is not projected',
    certain_from DateTime64(3, 'UTC') COMMENT 'markers before it may have left the log unread'
)
ENGINE = ReplacingMergeTree(position)
ORDER BY marker_topic_id
SETTINGS non_replicated_deduplication_window = 0;
