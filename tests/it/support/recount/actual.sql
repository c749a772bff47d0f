-- The buckets that are there, in the form of `expected`.
CREATE TABLE actual ENGINE = MergeTree ORDER BY (level, tenant, meter, window_start) AS
SELECT
    level,
    tenant,
    meter,
    toString(kind) AS kind,
    toJSONString(dimensions) AS dimensions_text,
    toUnixTimestamp(window_start) AS window_start,
    toString(aggregation) AS aggregated,
    events, sum, min, max, latest,
    toUnixTimestamp64Micro(latest_time) AS latest_time,
    latest_version, revision,
    toUnixTimestamp64Milli(updated_at) AS updated_at,
    version, log_partition
FROM
(
    SELECT 'hour' AS level, * FROM {database}.bucket_hourly FINAL
    UNION ALL
    SELECT 'day' AS level, * FROM {database}.bucket_daily FINAL
    UNION ALL
    SELECT 'month' AS level, * FROM {database}.bucket_monthly FINAL
);
