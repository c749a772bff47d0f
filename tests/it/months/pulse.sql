-- product.md, 1: participant_minutes (by room, participant), egress_minutes (egress id), storage_gb
-- (level), bandwidth_gb, api_requests (whole, by endpoint). Every request counts, failed ones too.
-- Durations are seconds, sizes bytes.
CREATE TABLE uses ENGINE = MergeTree ORDER BY (log_partition, offset) AS
SELECT
    *,
    ifNull(quantity, 0) AS much,
    CAST(multiIf(
        type = 'participant.left', [('participant_minutes', 'sum', much, ['participant', 'room'])],
        type = 'egress.ended', [('egress_minutes', 'sum', much, ['egress_id'])],
        type = 'storage.size', [('storage_gb', 'latest', much, [])],
        type = 'bandwidth.used', [('bandwidth_gb', 'sum', much, [])],
        type = 'api.request', [('api_requests', 'sum', much, ['endpoint'])],
        []), 'Array(Tuple(String, String, Decimal(38, 9), Array(String)))') AS counts
FROM fresh;
