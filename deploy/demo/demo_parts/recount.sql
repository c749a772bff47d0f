-- An independent recount of the demo's usage: from what was sent, by SQL alone.
--
-- It reads nothing that Meterline computed; the meters are written down here a second time, from
-- schemas/catalogs/demo.yaml. Statements are separated by lines of dashes; the last ones compare.

-- What was sent, one row per record, in the order of sending.
CREATE TABLE recount_raw
(
    recording UInt8,
    seq UInt64,
    form String,
    kind String,
    id String,
    source String,
    type String,
    tenant String,
    time DateTime64(6, 'UTC'),
    quantity Nullable(String),
    properties Map(String, String)
)
ENGINE = MergeTree
ORDER BY (recording, seq)
-----
-- Events that count. One is a duplicate if the same tenant, source and id was there before, in an
-- hour that touches 15 minutes around it.
CREATE VIEW recount_events AS
WITH attempts AS
(
    SELECT
        *,
        groupArray(toStartOfHour(time)) OVER
        (
            PARTITION BY tenant, source, id ORDER BY recording, seq
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS earlier_hours
    FROM recount_raw
    WHERE NOT startsWith(kind, 'broken:')
)
SELECT *
FROM attempts
WHERE NOT arrayExists(
    hour -> hour <= time + INTERVAL 15 MINUTE AND hour + INTERVAL 1 HOUR > time - INTERVAL 15 MINUTE,
    earlier_hours)
-----
-- One row per event and meter that counts it. Counts need no value.
CREATE VIEW recount_measured AS
WITH
    requests AS (SELECT * FROM recount_events WHERE type = 'http.request'),
    calls AS (SELECT * FROM recount_events WHERE type = 'llm.completion')
SELECT tenant, time, recording, seq, 'http_requests' AS meter, 'count' AS aggregation, '' AS value,
    map('method', properties['method'], 'status', properties['status']) AS dimensions FROM requests
UNION ALL
SELECT tenant, time, recording, seq, 'http_errors', 'count', '', map() FROM requests
WHERE properties['status'] NOT IN ('200', '302', '304')
UNION ALL
SELECT tenant, time, recording, seq, 'http_bytes', 'sum', properties['bytes'], map() FROM requests
UNION ALL
SELECT tenant, time, recording, seq, 'llm_calls', 'count', '', map() FROM calls
UNION ALL
SELECT tenant, time, recording, seq, 'llm_context_tokens', 'sum', properties['context_tokens'], map() FROM calls
UNION ALL
SELECT tenant, time, recording, seq, 'llm_generated_tokens', 'sum', properties['generated_tokens'], map() FROM calls
UNION ALL
SELECT tenant, time, recording, seq, 'llm_generated_min', 'min', properties['generated_tokens'], map() FROM calls
UNION ALL
SELECT tenant, time, recording, seq, 'llm_generated_max', 'max', properties['generated_tokens'], map() FROM calls
UNION ALL
SELECT tenant, time, recording, seq, 'llm_generated_avg', 'avg', properties['generated_tokens'], map() FROM calls
UNION ALL
SELECT tenant, time, recording, seq, 'llm_context_latest', 'latest', properties['context_tokens'], map() FROM calls
-----
-- Every meter by hour, day and month.
CREATE VIEW recount_expected AS
WITH measured AS
(
    SELECT *, toDecimal128(if(value = '', '0', value), 9) AS amount FROM recount_measured
)
SELECT
    window.1 AS level,
    tenant,
    meter,
    toString(dimensions) AS part,
    window.2 AS window_start,
    CAST(multiIf(
        aggregation = 'count', CAST(count(), 'Decimal(76, 9)'),
        aggregation = 'sum', CAST(sum(amount), 'Decimal(76, 9)'),
        aggregation = 'min', CAST(min(amount), 'Decimal(76, 9)'),
        aggregation = 'max', CAST(max(amount), 'Decimal(76, 9)'),
        aggregation = 'avg', CAST(sum(amount), 'Decimal(76, 9)') / count(),
        CAST(argMax(amount, (time, recording, seq)), 'Decimal(76, 9)')
    ), 'Decimal(38, 9)') AS value,
    count() AS events
FROM measured
ARRAY JOIN
[
    ('hour', toDateTime(toStartOfHour(time), 'UTC')),
    ('day', toDateTime(toStartOfDay(time), 'UTC')),
    ('month', toDateTime(toStartOfMonth(time), 'UTC'))
] AS window
GROUP BY level, tenant, meter, part, window_start, aggregation
-----
-- What Meterline says.
CREATE VIEW recount_actual AS
SELECT 'hour' AS level, tenant, meter, toString(dimensions) AS part, window_start, value, events FROM usage_hourly
UNION ALL
SELECT 'day', tenant, meter, toString(dimensions), window_start, value, events FROM usage_daily
UNION ALL
SELECT 'month', tenant, meter, toString(dimensions), window_start, value, events FROM usage_monthly
-----
-- Rows that only one side has, or that differ.
CREATE VIEW recount_differences AS
SELECT
    level,
    tenant,
    meter,
    part,
    window_start,
    expected.value AS expected_value,
    actual.value AS actual_value,
    expected.events AS expected_events,
    actual.events AS actual_events
FROM recount_expected AS expected
FULL JOIN recount_actual AS actual USING (level, tenant, meter, part, window_start)
WHERE expected_events IS NULL OR actual_events IS NULL
    OR expected_value != actual_value OR expected_events != actual_events
SETTINGS join_use_nulls = 1
-----
-- Dead letters by reason, where they are not those that the broken records were made for.
CREATE VIEW recount_letter_differences AS
WITH
    meant AS
    (
        SELECT substring(kind, length('broken:') + 1) AS reason, count() AS records
        FROM recount_raw
        WHERE startsWith(kind, 'broken:')
        GROUP BY reason
    ),
    found AS (SELECT toString(reason) AS reason, count() AS records FROM dead_letters FINAL GROUP BY reason)
SELECT reason, meant.records AS expected_records, found.records AS actual_records
FROM meant
FULL JOIN found USING (reason)
WHERE expected_records IS NULL OR actual_records IS NULL OR expected_records != actual_records
SETTINGS join_use_nulls = 1
