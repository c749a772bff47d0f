-- All totals that were published, by their place in the topic.
CREATE OR REPLACE TABLE totals_published
(
    level String, tenant String, meter String, kind String, window_start UInt32,
    log_partition UInt32, aggregated String, events UInt64, sum Decimal(38, 9),
    min Decimal(38, 9), max Decimal(38, 9), latest Decimal(38, 9), latest_time Int64,
    latest_version UInt64, revision UInt32, updated_at Int64, version UInt64, place UInt64
)
ENGINE = MergeTree ORDER BY (level, tenant, meter, window_start);

-- What a reader keeps: the highest stamp per bucket. Two rows here would be two values under one
-- stamp (INV-STAMP).
CREATE OR REPLACE VIEW totals_kept AS
SELECT DISTINCT * EXCEPT (place)
FROM totals_published
WHERE (level, tenant, meter, kind, window_start, log_partition, version) IN
(
    SELECT level, tenant, meter, kind, window_start, log_partition, max(version)
    FROM totals_published
    GROUP BY ALL
);

CREATE OR REPLACE VIEW totals_expected AS
SELECT * FROM expected WHERE kind != 'part';

-- Dead letters in the topic: a replay may publish one again, but never with another reason.
CREATE OR REPLACE TABLE letters_replayed
(
    log_partition UInt32, offset UInt64, reason String
)
ENGINE = MergeTree ORDER BY (log_partition, offset);

CREATE OR REPLACE VIEW letters_published AS
SELECT DISTINCT log_partition, offset, reason FROM letters_replayed;
