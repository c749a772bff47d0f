-- What people see, in the form of `shown`: the three views of the public contract.
CREATE TABLE seen ENGINE = MergeTree ORDER BY (level, tenant, meter, window_start) AS
SELECT
    level,
    tenant,
    meter,
    toJSONString(dimensions) AS dimensions_text,
    toUnixTimestamp(window_start) AS window_start,
    toUnixTimestamp(window_end) AS window_end,
    value,
    events,
    revision,
    toUnixTimestamp64Milli(updated_at) AS updated_at
FROM
(
    SELECT 'hour' AS level, * FROM {database}.usage_hourly
    UNION ALL
    SELECT 'day' AS level, * FROM {database}.usage_daily
    UNION ALL
    SELECT 'month' AS level, * FROM {database}.usage_monthly
);

-- What people must see: parts and meters without group-by, each with its value.
CREATE TABLE shown ENGINE = MergeTree ORDER BY (level, tenant, meter, window_start) AS
SELECT
    level, tenant, meter, dimensions_text, window_start, window_end,
    CAST(multiIf(
        aggregated = 'count', CAST(events, 'Decimal(38, 9)'),
        aggregated = 'sum', sum,
        aggregated = 'min', min,
        aggregated = 'max', max,
        aggregated = 'latest', latest,
        CAST(CAST(sum, 'Decimal(76, 9)') / events, 'Decimal(38, 9)')), 'Decimal(38, 9)') AS value,
    events, revision, updated_at
FROM expected
WHERE kind != 'whole';
