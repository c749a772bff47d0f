-- product.md, 2: api_calls (every request: size, response time, status), webhook_calls (every
-- attempt: webhook id, success, response time), storage, devices and stores as levels, of which
-- the peak is billed. A request has failed from status 400 on, an attempt without success.
CREATE TABLE uses ENGINE = MergeTree ORDER BY (log_partition, offset) AS
SELECT
    *,
    ifNull(quantity, 0) AS much,
    toDecimal128OrZero(properties['request_bytes'], 9) AS bytes,
    toDecimal128OrZero(properties['response_ms'], 9) AS millis,
    toDecimal128(0, 9) AS one,
    arrayConcat(
        multiIf(
            type = 'api.request', [
                ('api_calls', 'count', one, ['status']),
                ('api_request_bytes', 'sum', bytes, []),
                ('api_response_time', 'avg', millis, []),
                ('api_response_time_max', 'max', millis, [])],
            type = 'webhook.attempt', [
                ('webhook_calls', 'count', one, ['success', 'webhook_id']),
                ('webhook_response_time', 'avg', millis, []),
                ('webhook_response_time_max', 'max', millis, [])],
            type = 'storage.size', [('storage', 'latest', much, []), ('storage_peak', 'max', much, [])],
            type = 'devices.active', [('active_devices', 'latest', much, []), ('active_devices_peak', 'max', much, [])],
            type = 'stores.active', [('active_stores', 'latest', much, []), ('active_stores_peak', 'max', much, [])],
            CAST([], 'Array(Tuple(String, String, Decimal(38, 9), Array(String)))')),
        multiIf(
            type = 'api.request' AND toUInt16OrZero(properties['status']) >= 400, [('api_calls_failed', 'count', one, [])],
            type = 'webhook.attempt' AND properties['success'] = 'false', [('webhook_calls_failed', 'count', one, [])],
            CAST([], 'Array(Tuple(String, String, Decimal(38, 9), Array(String)))'))) AS counts
FROM fresh;
