-- Conservation (INV-CONSERVE): what became of every record, by partition and name.
-- Ticks and placements are not in the raw table, so their number is taken from the progress row.
CREATE TABLE counters_expected ENGINE = MergeTree ORDER BY (log_partition, name) AS
WITH
    events AS
    (
        SELECT log_partition, offset, max(intDiv(time, 3600000000) * 3600000000 + 3600000000 <= sealed_to) AS is_late
        FROM measured GROUP BY log_partition, offset
    )
SELECT log_partition, name, count() AS records
FROM
(
    SELECT log_partition, 'delivered' AS name FROM judged
    UNION ALL SELECT log_partition, 'ignored' FROM judged WHERE reason = '' AND type = 'noise'
    UNION ALL SELECT log_partition, 'duplicate' FROM duplicates
    UNION ALL SELECT log_partition, 'accepted' FROM events
    UNION ALL SELECT log_partition, 'late' FROM events WHERE is_late
    UNION ALL SELECT log_partition, 'unmatched' FROM fresh LEFT ANTI JOIN events
        ON fresh.log_partition = events.log_partition AND fresh.offset = events.offset
    UNION ALL SELECT log_partition, concat('rejected ', reason) FROM judged WHERE reason != ''
    UNION ALL SELECT log_partition, concat('matched ', meter) FROM measured WHERE kind != 'part'
)
GROUP BY log_partition, name;

CREATE TABLE counters_actual ENGINE = MergeTree ORDER BY (log_partition, name) AS
SELECT log_partition, counter.1 AS name, counter.2 AS records
FROM
(
    SELECT
        log_partition,
        arrayConcat(
            [
                ('delivered', toUInt64(delivered - control)), ('ignored', ignored), ('duplicate', duplicate),
                ('accepted', accepted), ('late', late), ('unmatched', unmatched)
            ],
            arrayMap((k, v) -> (concat('rejected ', k), v), mapKeys(rejected), mapValues(rejected)),
            arrayMap((k, v) -> (concat('matched ', k), v), mapKeys(matched), mapValues(matched))) AS counters
    FROM {database}.progress FINAL
)
ARRAY JOIN counters AS counter
WHERE records > 0;
