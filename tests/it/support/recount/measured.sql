-- What each meter of catalogs/load.yaml takes from each event: one row per event, meter and
-- bucket. A meter with group-by has a whole and a part.
CREATE TABLE measured ENGINE = MergeTree ORDER BY (meter, log_partition, offset) AS
SELECT
    log_partition, offset, log_time, sealed_to, time, tenant,
    taken.1 AS meter,
    taken.2 AS aggregation,
    taken.3 AS quantity,
    taken.4 AS kind,
    if(taken.5 = '', CAST(map(), 'Map(String, String)'), map(taken.5, properties[taken.5])) AS dimensions
FROM
(
    SELECT
        *,
        ifNull(quantity, 0) AS given,
        toDecimal128OrZero(properties['seconds'], 9) AS seconds,
        properties['direction'] = 'outbound' AND seconds > 0 AS is_call,
        -- (meter, aggregation, quantity, kind, the key that it is grouped by)
        CAST(multiIf(
            type = 'api.request', [
                ('requests', 'count', toDecimal128(0, 9), 'whole', ''),
                ('requests', 'count', toDecimal128(0, 9), 'part', 'endpoint')],
            type = 'llm.completion', [
                ('tokens', 'sum', given, 'whole', ''),
                ('tokens', 'sum', given, 'part', 'model'),
                ('tokens_most', 'max', given, 'only', ''),
                ('tokens_least', 'min', given, 'whole', ''),
                ('tokens_least', 'min', given, 'part', 'model')],
            type = 'call' AND is_call, [
                ('call_credits', 'sum', CAST(seconds / 8, 'Decimal(38, 9)'), 'only', ''),
                ('call_length', 'avg', seconds, 'only', '')],
            type = 'storage.level', [('storage', 'latest', given, 'only', '')],
            type = 'credit', [('credit', 'sum', given, 'only', '')],
            []), 'Array(Tuple(String, String, Decimal(38, 9), String, String))') AS buckets
    FROM fresh
)
ARRAY JOIN buckets AS taken;
