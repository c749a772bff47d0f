-- INV-LEVELS: a month is the sum of its days, and a day of its hours, in every additive column.
CREATE TABLE levels_below ENGINE = MergeTree ORDER BY (level, tenant, meter, window_start) AS
SELECT
    if(level = 'hour', 'day', 'month') AS level,
    tenant, meter, kind, dimensions_text, log_partition,
    toUnixTimestamp(if(a.level = 'hour',
        toStartOfDay(toDateTime(a.window_start, 'UTC')),
        toDateTime(toStartOfMonth(toDateTime(a.window_start, 'UTC')), 'UTC'))) AS window_start,
    sum(a.events) AS events,
    sum(a.sum) AS sum
FROM actual AS a
WHERE a.level IN ('hour', 'day')
GROUP BY ALL;

CREATE TABLE levels_above ENGINE = MergeTree ORDER BY (level, tenant, meter, window_start) AS
SELECT level, tenant, meter, kind, dimensions_text, log_partition, window_start, events, sum
FROM actual
WHERE level IN ('day', 'month');
