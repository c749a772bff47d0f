-- Buckets: one row per series, window and log partition; every row is an absolute value.
--
-- A row is stamped with the record of its last change (epoch in the top 16 bits of `version`,
-- offset below), and the highest stamp stays, in whatever order rows arrive (INV-STAMP). So an
-- insert may be repeated at will, and a stale worker can do no harm.
--
-- Partitioned by month of the window: retention drops whole parts, and FINAL never has to look
-- across partitions, because window_start is in the key. Insert deduplication is pinned off: it
-- would swallow a block that is inserted again after somebody removed its rows.
CREATE TABLE IF NOT EXISTS bucket_hourly
(
    tenant String COMMENT 'who is billed',
    meter String COMMENT 'name of the meter',
    window_start DateTime('UTC') COMMENT 'first second of the window',
    kind Enum8('only' = 1, 'whole' = 2, 'part' = 3) COMMENT 'only (meter without group-by), whole (all dimensions together) or part (one combination)',
    dimensions Map(String, String) COMMENT 'sorted by key, empty but for parts',
    dimensions_hash UInt128 COMMENT 'BLAKE3-128 over the sorted, length-prefixed pairs, 0 where there are none',
    topic_id UUID COMMENT 'incarnation of the usage topic',
    log_partition UInt32 COMMENT 'partition of the usage topic',
    aggregation Enum8('count' = 1, 'sum' = 2, 'min' = 3, 'max' = 4, 'avg' = 5, 'latest' = 6, 'unique_count' = 7) COMMENT 'says which of the value columns count, the others are 0',
    events UInt64 COMMENT 'events counted',
    sum Decimal(38, 9) COMMENT 'of sum and avg',
    min Decimal(38, 9) COMMENT 'of min',
    max Decimal(38, 9) COMMENT 'of max',
    latest Decimal(38, 9) COMMENT 'of latest: quantity of the highest (event time, stamp)',
    latest_time DateTime64(6, 'UTC') COMMENT 'event time of latest',
    latest_version UInt64 COMMENT 'stamp of the record of latest',
    unique_hour UInt64 DEFAULT 0 COMMENT 'of unique_count: values first seen in their hour',
    unique_day UInt64 DEFAULT 0 COMMENT 'of unique_count: values first seen in their day',
    unique_month UInt64 DEFAULT 0 COMMENT 'of unique_count: values first seen in their month',
    revision UInt32 COMMENT 'changes after the window was sealed',
    updated_at DateTime64(3, 'UTC') COMMENT 'log time of the last change',
    version UInt64 COMMENT 'stamp of the last change: epoch << 48 | offset'
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(window_start)
ORDER BY (tenant, meter, window_start, kind, dimensions_hash, topic_id, log_partition)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 0;

-- The columns are those of bucket_hourly.
CREATE TABLE IF NOT EXISTS bucket_daily AS bucket_hourly
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(window_start)
ORDER BY (tenant, meter, window_start, kind, dimensions_hash, topic_id, log_partition)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 0;

-- The columns are those of bucket_hourly.
CREATE TABLE IF NOT EXISTS bucket_monthly AS bucket_hourly
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(window_start)
ORDER BY (tenant, meter, window_start, kind, dimensions_hash, topic_id, log_partition)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 0;
