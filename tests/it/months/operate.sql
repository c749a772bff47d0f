-- product.md, 5: ten features, each with its quantity; STORAGE_GB is a level, of which the peak is
-- billed. Only successes are tracked.
CREATE TABLE uses ENGINE = MergeTree ORDER BY (log_partition, offset) AS
SELECT
    *,
    ifNull(quantity, 0) AS much,
    CAST(multiIf(
        type = 'STORAGE_GB', [('storage_gb', 'latest', much, []), ('storage_gb_peak', 'max', much, [])],
        type = 'OCR_SCAN', [('ocr_scan', 'sum', much, ['document_type'])],
        type = 'API_CALL', [('api_call', 'sum', much, ['endpoint', 'method'])],
        [(lower(toString(type)), 'sum', much, [])]), 'Array(Tuple(String, String, Decimal(38, 9), Array(String)))') AS counts
FROM fresh;
