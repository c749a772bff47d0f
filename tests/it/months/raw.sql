-- The log's bytes (those in Avro as JSON) as usage events: what a reader of product.md and of the
-- CloudEvents specification makes of them. `fault` is the first reason of the design's list that
-- fits, apart from those that depend on log time.
CREATE TABLE parsed ENGINE = MergeTree ORDER BY (log_partition, offset) AS
SELECT
    log_partition, offset, append_time, value, headers, size,
    mapContains(headers, 'ce_specversion') AS is_binary,
    multiIf(avro != '', avro, is_binary, 'binary', 'json') AS form,
    if(is_binary, headers['ce_id'], JSONExtractString(value, 'id')) AS id,
    if(is_binary, headers['ce_source'], JSONExtractString(value, 'source')) AS source,
    if(is_binary, headers['ce_type'], JSONExtractString(value, 'type')) AS type,
    if(is_binary, headers['ce_subject'], JSONExtractString(value, 'subject')) AS tenant,
    if(is_binary, headers['ce_time'], JSONExtractString(value, 'time')) AS time_text,
    CAST(JSONExtractKeysAndValues(if(is_binary, value, JSONExtractRaw(value, 'data')), 'String'), 'Map(String, String)') AS given,
    parseDateTime64BestEffortOrNull(time_text, 6, 'UTC') AS at,
    at IS NOT NULL AND startsWith(time_text, formatDateTime(assumeNotNull(at), '%Y-%m-%dT%H:%i:%S')) AS has_time
FROM log
-- Ticks and pointers that Meterline wrote carry no event.
WHERE NOT (mapContains(headers, 'meterline-control') AND value = '');

-- What each product's events must carry: quantities that some meter reads, and dimensions.
CREATE TABLE carried ENGINE = MergeTree ORDER BY type AS
SELECT type, quantities, dimensions
FROM values('product String, type String, quantities Array(String), dimensions Array(String)',
    ('pulse', 'participant.left', ['quantity'], ['room', 'participant']),
    ('pulse', 'egress.ended', ['quantity'], ['egress_id']),
    ('pulse', 'storage.size', ['quantity'], []),
    ('pulse', 'bandwidth.used', ['quantity'], []),
    ('pulse', 'api.request', ['quantity'], ['endpoint']),
    ('provider', 'api.request', ['request_bytes', 'response_ms'], ['status']),
    ('provider', 'webhook.attempt', ['response_ms'], ['webhook_id', 'success']),
    ('provider', 'storage.size', ['quantity'], []),
    ('provider', 'devices.active', ['quantity'], []),
    ('provider', 'stores.active', ['quantity'], []),
    ('stack', 'llm.completion', ['quantity'], ['model']),
    ('stack', 'agent.execution', ['quantity'], ['agent_type']),
    ('stack', 'api.call', ['quantity'], []),
    ('stack', 'storage.size', ['quantity'], []),
    ('stack', 'seats.size', ['quantity'], []),
    -- A call whose length is no number above zero is no call that counts.
    ('irisx', 'call.ended', [], ['carrier', 'region']),
    ('irisx', 'sms.sent', [], ['carrier', 'region']),
    ('irisx', 'email.sent', ['recipients'], []),
    ('irisx', 'whatsapp.sent', [], []),
    ('irisx', 'social.sent', [], ['network']),
    ('operate', 'OCR_SCAN', ['quantity'], ['document_type']),
    ('operate', 'API_CALL', ['quantity'], ['endpoint', 'method']),
    ('operate', 'STORAGE_GB', ['quantity'], []),
    ('operate', 'AI_CLASSIFICATION', ['quantity'], []),
    ('operate', 'EMAIL_SENT', ['quantity'], []),
    ('operate', 'BANK_SYNC', ['quantity'], []),
    ('operate', 'SMS_SENT', ['quantity'], []),
    ('operate', 'PDF_EXPORT', ['quantity'], []),
    ('operate', 'WEBHOOK', ['quantity'], []),
    ('operate', 'CUSTOM_REPORT', ['quantity'], []))
WHERE product = '{product}';

CREATE TABLE raw ENGINE = MergeTree ORDER BY (log_partition, offset) AS
SELECT
    log_partition, offset, append_time, form, tenant, source, id, type,
    toUnixTimestamp64Micro(ifNull(at, toDateTime64(0, 6, 'UTC'))) AS time,
    toDecimal128OrNull(given['quantity'], 9) AS quantity,
    mapFilter((k, v) -> k != 'quantity', given) AS properties,
    multiIf(
        mapContains(headers, 'meterline-control'), 'bad_pointer',
        size > 1048576, 'too_large',
        startsWith(value, '[') OR headers['content-type'] = 'application/cloudevents-batch+json', 'batch',
        startsWith(value, unhex('C301')) OR startsWith(value, unhex('00')), 'unknown_schema',
        NOT isValidJSON(value), 'malformed',
        NOT is_binary AND JSONExtractString(value, 'specversion') != '1.0', 'malformed',
        id = '', 'missing_id',
        source = '', 'missing_source',
        type = '', 'missing_type',
        tenant = '', 'missing_tenant',
        length(id) > 256, 'bad_id',
        length(source) > 256 OR length(type) > 256 OR length(tenant) > 128, 'too_long',
        NOT has_time, 'bad_time',
        bitAnd(kafkaMurmurHash(tenant), 0x7FFFFFFF) % {partitions} != log_partition, 'wrong_partition',
        carried.type = '', 'no_meter',
        arrayExists(name -> NOT match(given[name], '^[0-9]+(\\.[0-9]{1,9})?$'), carried.quantities), 'bad_quantity',
        arrayExists(name -> length(given[name]) > 256, carried.dimensions), 'bad_dimension',
        '') AS fault
FROM parsed
LEFT JOIN carried ON parsed.type = carried.type
SETTINGS join_use_nulls = 0;
