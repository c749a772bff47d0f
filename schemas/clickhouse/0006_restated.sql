-- What going back in a log restates.
--
-- A bucket that only a given up history filled is written again as it stood before that, which may
-- be as nothing: events 0. Such a row must take no part in an aggregate (its minimum of 0 is
-- nobody's), so the views leave out rows without events; otherwise they are those of 0004.
CREATE OR REPLACE VIEW usage_hourly
(
    tenant String,
    meter String,
    dimensions Map(String, String),
    window_start DateTime('UTC'),
    window_end DateTime('UTC'),
    value Decimal(38, 9),
    events UInt64,
    sealed UInt8,
    revision UInt32,
    updated_at DateTime64(3)
)
AS
SELECT
    tenant,
    meter,
    any(b.dimensions) AS dimensions,
    window_start,
    addHours(window_start, 1) AS window_end,
    CAST(multiIf(
        aggregation = 'count', CAST(sum(b.events), 'Decimal(76, 9)'),
        aggregation = 'sum', sum(CAST(b.sum, 'Decimal(76, 9)')),
        aggregation = 'min', CAST(min(b.min), 'Decimal(76, 9)'),
        aggregation = 'max', CAST(max(b.max), 'Decimal(76, 9)'),
        aggregation = 'avg', sum(CAST(b.sum, 'Decimal(76, 9)')) / greatest(sum(b.events), 1),
        aggregation = 'latest', CAST(argMax(b.latest, (b.latest_time, b.latest_version, b.topic_id, b.log_partition)), 'Decimal(76, 9)'),
        CAST(sum(b.unique_hour), 'Decimal(76, 9)')
    ), 'Decimal(38, 9)') AS value,
    sum(b.events) AS events,
    min(s.sealed_to) >= window_end AS sealed,
    accurateCast(sum(b.revision), 'UInt32') AS revision,
    CAST(max(b.updated_at), 'DateTime64(3)') AS updated_at
FROM bucket_hourly AS b FINAL
LEFT ANY JOIN log_partition_sealed AS s ON b.topic_id = s.topic_id AND b.log_partition = s.log_partition
WHERE kind != 'whole' AND b.events > 0
GROUP BY tenant, meter, window_start, kind, dimensions_hash, aggregation
SETTINGS do_not_merge_across_partitions_select_final = 1, join_use_nulls = 0;

CREATE OR REPLACE VIEW usage_daily
(
    tenant String,
    meter String,
    dimensions Map(String, String),
    window_start DateTime('UTC'),
    window_end DateTime('UTC'),
    value Decimal(38, 9),
    events UInt64,
    sealed UInt8,
    revision UInt32,
    updated_at DateTime64(3)
)
AS
SELECT
    tenant,
    meter,
    any(b.dimensions) AS dimensions,
    window_start,
    addDays(window_start, 1) AS window_end,
    CAST(multiIf(
        aggregation = 'count', CAST(sum(b.events), 'Decimal(76, 9)'),
        aggregation = 'sum', sum(CAST(b.sum, 'Decimal(76, 9)')),
        aggregation = 'min', CAST(min(b.min), 'Decimal(76, 9)'),
        aggregation = 'max', CAST(max(b.max), 'Decimal(76, 9)'),
        aggregation = 'avg', sum(CAST(b.sum, 'Decimal(76, 9)')) / greatest(sum(b.events), 1),
        aggregation = 'latest', CAST(argMax(b.latest, (b.latest_time, b.latest_version, b.topic_id, b.log_partition)), 'Decimal(76, 9)'),
        CAST(sum(b.unique_day), 'Decimal(76, 9)')
    ), 'Decimal(38, 9)') AS value,
    sum(b.events) AS events,
    min(s.levels_sealed_to) >= window_end AS sealed,
    accurateCast(sum(b.revision), 'UInt32') AS revision,
    CAST(max(b.updated_at), 'DateTime64(3)') AS updated_at
FROM bucket_daily AS b FINAL
LEFT ANY JOIN log_partition_sealed AS s ON b.topic_id = s.topic_id AND b.log_partition = s.log_partition
WHERE kind != 'whole' AND b.events > 0
GROUP BY tenant, meter, window_start, kind, dimensions_hash, aggregation
SETTINGS do_not_merge_across_partitions_select_final = 1, join_use_nulls = 0;

CREATE OR REPLACE VIEW usage_monthly
(
    tenant String,
    meter String,
    dimensions Map(String, String),
    window_start DateTime('UTC'),
    window_end DateTime('UTC'),
    value Decimal(38, 9),
    events UInt64,
    sealed UInt8,
    revision UInt32,
    updated_at DateTime64(3)
)
AS
SELECT
    tenant,
    meter,
    any(b.dimensions) AS dimensions,
    window_start,
    addMonths(window_start, 1) AS window_end,
    CAST(multiIf(
        aggregation = 'count', CAST(sum(b.events), 'Decimal(76, 9)'),
        aggregation = 'sum', sum(CAST(b.sum, 'Decimal(76, 9)')),
        aggregation = 'min', CAST(min(b.min), 'Decimal(76, 9)'),
        aggregation = 'max', CAST(max(b.max), 'Decimal(76, 9)'),
        aggregation = 'avg', sum(CAST(b.sum, 'Decimal(76, 9)')) / greatest(sum(b.events), 1),
        aggregation = 'latest', CAST(argMax(b.latest, (b.latest_time, b.latest_version, b.topic_id, b.log_partition)), 'Decimal(76, 9)'),
        CAST(sum(b.unique_month), 'Decimal(76, 9)')
    ), 'Decimal(38, 9)') AS value,
    sum(b.events) AS events,
    min(s.levels_sealed_to) >= window_end AS sealed,
    accurateCast(sum(b.revision), 'UInt32') AS revision,
    CAST(max(b.updated_at), 'DateTime64(3)') AS updated_at
FROM bucket_monthly AS b FINAL
LEFT ANY JOIN log_partition_sealed AS s ON b.topic_id = s.topic_id AND b.log_partition = s.log_partition
WHERE kind != 'whole' AND b.events > 0
GROUP BY tenant, meter, window_start, kind, dimensions_hash, aggregation
SETTINGS do_not_merge_across_partitions_select_final = 1, join_use_nulls = 0;
