-- Progress: up to where the rows of a log partition are complete.
--
-- `progress` keeps the newest row per log partition for ever; `progress_history` keeps all of
-- them for as long as the settings say. One table cannot do both: what a TTL removes depends on
-- a row's age, never on whether it is the newest of its key.
--
-- `version` orders by (epoch, to_offset, levels_to): a stale worker's row never replaces a newer
-- one, and rows of one `to_offset` are ordered by how far their days and months have come.
CREATE TABLE IF NOT EXISTS progress
(
    topic String COMMENT 'name of the usage topic',
    topic_id UUID COMMENT 'incarnation of the usage topic',
    log_partition UInt32 COMMENT 'partition of the usage topic',
    epoch UInt16 COMMENT 'verdicts applied',
    to_offset UInt64 COMMENT 'next record: hour rows and totals are complete up to here',
    levels_to UInt64 COMMENT 'next record: day and month rows are complete up to here',
    log_time DateTime64(3, 'UTC') COMMENT 'running maximum of append times before to_offset',
    sealed_to DateTime('UTC') COMMENT 'hours that end at or before this are sealed',
    levels_sealed_to DateTime('UTC') COMMENT 'sealed_to at levels_to: days and months that end at or before this are sealed',
    catalog_version UInt32 COMMENT 'catalog version in force at to_offset',
    delivered UInt64 COMMENT 'records handed to the fold',
    accepted UInt64 COMMENT 'events counted by at least one meter',
    duplicate UInt64 COMMENT 'events whose identity was recorded before',
    ignored UInt64 COMMENT 'events of a type that the catalog ignores',
    unmatched UInt64 COMMENT 'events of a known type that no filter fits',
    control UInt64 COMMENT 'ticks and placements',
    late UInt64 COMMENT 'accepted events whose hour was sealed already',
    rejected Map(String, UInt64) COMMENT 'dead letters by reason',
    matched Map(String, UInt64) COMMENT 'events that each meter matched',
    totals_offset Nullable(Int64) COMMENT 'position in usage.totals from which a reader that has just read the tables misses nothing',
    version UInt128 COMMENT '(epoch << 48 | to_offset) << 64 | levels_to'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (topic_id, log_partition)
SETTINGS non_replicated_deduplication_window = 0;

CREATE TABLE IF NOT EXISTS progress_history AS progress
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(log_time)
ORDER BY (topic_id, log_partition, version)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 0;

-- A copy of every row, not a sum: a repeated insert makes the same row again.
CREATE MATERIALIZED VIEW IF NOT EXISTS progress_to_history TO progress_history
AS SELECT * FROM progress;

-- How far each log partition is sealed, for the column `sealed` of the usage views: hours by
-- `sealed_to`, days and months by `levels_sealed_to`, since their rows come later.
--
-- A partition of an earlier incarnation of a topic gets no more records; what can still change
-- its windows are late events in the partitions of the current one (that with the highest log
-- time). So it counts as sealed as far as all of those are.
CREATE OR REPLACE VIEW log_partition_sealed AS
WITH
    newest AS
    (
        SELECT topic, topic_id, log_partition, sealed_to, levels_sealed_to, log_time
        FROM progress FINAL
    ),
    current_topic AS
    (
        SELECT topic, argMax(topic_id, (log_time, topic_id)) AS current_id
        FROM newest
        GROUP BY topic
    ),
    current_sealed AS
    (
        SELECT
            topic,
            current_id,
            minIf(sealed_to, topic_id = current_id) AS all_sealed_to,
            minIf(levels_sealed_to, topic_id = current_id) AS all_levels_sealed_to
        FROM newest
        INNER JOIN current_topic USING (topic)
        GROUP BY topic, current_id
    )
SELECT
    topic_id,
    log_partition,
    if(topic_id = current_id, sealed_to, all_sealed_to) AS sealed_to,
    if(topic_id = current_id, levels_sealed_to, all_levels_sealed_to) AS levels_sealed_to
FROM newest
INNER JOIN current_sealed USING (topic);
