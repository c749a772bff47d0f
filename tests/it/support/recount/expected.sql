-- The buckets that must be there, with every column that a row has of its own.
CREATE TABLE expected ENGINE = MergeTree ORDER BY (level, tenant, meter, window_start) AS
SELECT
    window.1 AS level,
    tenant,
    meter,
    kind,
    toJSONString(dimensions) AS dimensions_text,
    toUnixTimestamp(window.2) AS window_start,
    toUnixTimestamp(window.3) AS window_end,
    any(aggregation) AS aggregated,
    count() AS events,
    if(aggregated IN ('sum', 'avg'), sum(quantity), 0) AS sum,
    if(aggregated = 'min', min(quantity), 0) AS min,
    if(aggregated = 'max', max(quantity), 0) AS max,
    if(aggregated = 'latest', argMax(quantity, (time, offset)), 0) AS latest,
    if(aggregated = 'latest', max(time), 0) AS latest_time,
    if(aggregated = 'latest', argMax(offset, (time, offset)), 0) AS latest_version,
    countIf(window_end * 1000000 <= sealed_to) AS revision,
    max(log_time) AS updated_at,
    max(offset) AS version,
    log_partition
FROM
(
    SELECT
        *,
        toDateTime(intDiv(time, 1000000), 'UTC') AS at
    FROM measured
)
ARRAY JOIN
[
    ('hour', toStartOfHour(at), addHours(toStartOfHour(at), 1)),
    ('day', toStartOfDay(at), addDays(toStartOfDay(at), 1)),
    ('month', toDateTime(toStartOfMonth(at), 'UTC'), toDateTime(addMonths(toStartOfMonth(at), 1), 'UTC'))
] AS window
GROUP BY level, tenant, meter, kind, dimensions_text, window_start, window_end, log_partition;
