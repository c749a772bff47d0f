-- product.md, 3: llm_tokens (by model), agent_executions (by agent type), api_calls, storage_gb and
-- user_seats (levels, of which the peak is billed). What was let through counts, and nothing else
-- is emitted.
CREATE TABLE uses ENGINE = MergeTree ORDER BY (log_partition, offset) AS
SELECT
    *,
    ifNull(quantity, 0) AS much,
    CAST(multiIf(
        type = 'llm.completion', [('llm_tokens', 'sum', much, ['model'])],
        type = 'agent.execution', [('agent_executions', 'sum', much, ['agent_type'])],
        type = 'api.call', [('api_calls', 'sum', much, [])],
        type = 'storage.size', [('storage_gb', 'latest', much, []), ('storage_gb_peak', 'max', much, [])],
        type = 'seats.size', [('user_seats', 'latest', much, []), ('user_seats_peak', 'max', much, [])],
        []), 'Array(Tuple(String, String, Decimal(38, 9), Array(String)))') AS counts
FROM fresh;
