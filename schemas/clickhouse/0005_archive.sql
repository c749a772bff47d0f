-- The archive: every committed record of the usage log, one row per position however often it is
-- written.
--
-- A row is a function of the record and of the catalog that is in force at it, so that writing it
-- again writes the same row. The position is in the key, behind tenant and time, which the record
-- itself says: one tenant's page of raw usage reads that tenant's granules only. Insert
-- deduplication is pinned off: a repeat is the same row.
CREATE TABLE IF NOT EXISTS usage_events
(
    topic_id UUID COMMENT 'incarnation of the usage topic',
    log_partition UInt32 COMMENT 'partition of the usage topic',
    offset UInt64 COMMENT 'offset of the record' CODEC(Delta, ZSTD(1)),
    append_time DateTime64(3, 'UTC') COMMENT 'when the broker took it' CODEC(Delta, ZSTD(1)),
    catalog_version UInt32 COMMENT 'catalog in force at the record, by which it was decoded',
    form LowCardinality(String) COMMENT 'structured, binary, avro_single_object, avro_confluent, or empty',
    outcome LowCardinality(String) COMMENT 'event, unmatched, ignored, control, or why it is none',
    detail String COMMENT 'which field, which bound, empty for events' CODEC(ZSTD(1)),
    tenant String COMMENT 'empty where it could not be read' CODEC(ZSTD(1)),
    source String CODEC(ZSTD(1)),
    id String CODEC(ZSTD(1)),
    type LowCardinality(String),
    time DateTime64(6, 'UTC') COMMENT 'event time, 1970 where it could not be read' CODEC(Delta, ZSTD(1)),
    id_time DateTime64(6, 'UTC') COMMENT 'time that duplicates go by: that in the id, where its source promises one' CODEC(Delta, ZSTD(1)),
    touches_from Int32 COMMENT 'first hour since 1970 in which the same identity makes this a duplicate' CODEC(Delta, ZSTD(1)),
    touches_to Int32 COMMENT 'last such hour' CODEC(Delta, ZSTD(1)),
    quantity Nullable(Decimal(38, 9)) COMMENT 'null where there is none, or not one that fits' CODEC(ZSTD(1)),
    properties Map(String, String) COMMENT 'scalars beside the quantity' CODEC(ZSTD(1)),
    key String COMMENT 'the record''s key, cut at a bound' CODEC(ZSTD(1)),
    headers Map(String, String) COMMENT 'the record''s headers, cut at a bound' CODEC(ZSTD(1)),
    length UInt64 COMMENT 'bytes of the value' CODEC(ZSTD(1)),
    hash UInt128 COMMENT 'BLAKE3-128 of the value' CODEC(NONE),
    original String COMMENT 'the value, at most 64 KiB of it' CODEC(ZSTD(1)),
    truncated UInt8 COMMENT '1 where key, headers or original were cut'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(append_time)
ORDER BY (tenant, time, topic_id, log_partition, offset)
SETTINGS non_replicated_deduplication_window = 0, ttl_only_drop_parts = 1;

-- Up to where the archive has every record: its position, written after the rows. The highest
-- version stays; a position that has to go back takes the next epoch.
CREATE TABLE IF NOT EXISTS archive_progress
(
    topic String COMMENT 'name of the usage topic',
    topic_id UUID COMMENT 'incarnation of the usage topic',
    log_partition UInt32 COMMENT 'partition of the usage topic',
    epoch UInt16 COMMENT 'how often the position went back',
    to_offset UInt64 COMMENT 'next record to archive',
    log_time DateTime64(3, 'UTC') COMMENT 'running maximum of append times before it',
    catalog_version UInt32 COMMENT 'catalog in force there',
    version UInt64 COMMENT 'epoch in the top 16 bits, to_offset below'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (topic_id, log_partition)
SETTINGS non_replicated_deduplication_window = 0;

-- Records that the archive never got, or that the log has lost since.
CREATE TABLE IF NOT EXISTS archive_holes
(
    topic String COMMENT 'name of the usage topic',
    topic_id UUID COMMENT 'incarnation of the usage topic',
    log_partition UInt32 COMMENT 'partition of the usage topic',
    from_offset UInt64 COMMENT 'first missing record',
    to_offset UInt64 COMMENT 'first record that is there again',
    cause LowCardinality(String) COMMENT 'begun_late, retention or truncated',
    found_at DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'by the clock of the server'
)
ENGINE = ReplacingMergeTree
ORDER BY (topic_id, log_partition, from_offset, to_offset, cause)
SETTINGS non_replicated_deduplication_window = 0;

-- Per log partition: the archive has every committed record before `to_offset`, but for `holes`,
-- which are (first missing, first there again, cause).
CREATE OR REPLACE VIEW archive_complete AS
SELECT
    p.topic AS topic,
    p.topic_id AS topic_id,
    p.log_partition AS log_partition,
    p.to_offset AS to_offset,
    p.log_time AS log_time,
    h.holes AS holes
FROM (SELECT * FROM archive_progress FINAL) AS p
LEFT JOIN
(
    SELECT
        topic_id,
        log_partition,
        arraySort(groupArray((from_offset, to_offset, cause))) AS holes
    FROM archive_holes FINAL
    GROUP BY topic_id, log_partition
) AS h ON p.topic_id = h.topic_id AND p.log_partition = h.log_partition
SETTINGS join_use_nulls = 0;

-- One tenant's raw usage with event times in [since, until), and what became of each record:
--
--     SELECT * FROM usage_raw(tenant = 'acme', since = '2026-11-01', until = '2026-11-02')
--
-- verdict: `rejected` (with its reason), `ignored`, `duplicate`, `unmatched`, `counted`, or
-- `pending` where the rollup has not published that far. What counted follows from the duplicate
-- rule over the records that dead_letters does not name: every event that passes is recorded in
-- its hour, and one is a duplicate if its identity was recorded before, in the same log partition,
-- in an hour that it touches. Seven hours around the span are read for that: the longest
-- restamp_window of a catalog is six, and such an hour begins up to one before. Only where a source
-- promises a time in its ids may a first occurrence lie further away: ask for a span that holds it.
--
-- The tenant and the span are parameters, so that no query can forget them: outside of a window
-- function they would not reach the key.
CREATE OR REPLACE VIEW usage_raw AS
WITH
    near AS
    (
        SELECT *
        FROM usage_events FINAL
        WHERE tenant = {tenant:String}
            AND time >= {since:DateTime64(6, 'UTC')} - INTERVAL 7 HOUR
            AND time < {until:DateTime64(6, 'UTC')} + INTERVAL 7 HOUR
    ),
    letters AS
    (
        SELECT topic_id, log_partition, offset, reason AS letter_reason, detail AS letter_detail
        FROM dead_letters FINAL
        WHERE (topic_id, log_partition, offset) IN (SELECT topic_id, log_partition, offset FROM near)
    ),
    published AS
    (
        SELECT topic_id, log_partition, to_offset AS published_to
        FROM progress FINAL
    ),
    judged AS
    (
        SELECT
            *,
            offset < published_to AS is_published,
            letter_reason = '' AND outcome IN ('event', 'unmatched') AS passes,
            intDiv(toUnixTimestamp64Micro(id_time), 3600000000) AS hour
        FROM near
        LEFT ANY JOIN letters USING (topic_id, log_partition, offset)
        LEFT ANY JOIN published USING (topic_id, log_partition)
    ),
    placed AS
    (
        SELECT
            *,
            groupUniqArrayIf(hour, passes) OVER
            (
                PARTITION BY topic_id, log_partition, source, id
                ORDER BY offset
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS hours_before
        FROM judged
    )
SELECT
    tenant,
    id,
    source,
    type,
    time,
    quantity,
    properties,
    multiIf(
        letter_reason != '', 'rejected',
        NOT is_published, 'pending',
        outcome = 'ignored', 'ignored',
        NOT passes, 'rejected',
        arrayExists(h -> h BETWEEN touches_from AND touches_to, hours_before), 'duplicate',
        outcome = 'unmatched', 'unmatched',
        'counted') AS verdict,
    multiIf(letter_reason != '', letter_reason, verdict = 'rejected', toString(outcome), '') AS reason,
    multiIf(letter_reason != '', letter_detail, verdict = 'rejected', detail, '') AS reason_detail,
    append_time,
    topic_id,
    log_partition,
    offset
FROM placed
WHERE time >= {since:DateTime64(6, 'UTC')} AND time < {until:DateTime64(6, 'UTC')}
SETTINGS do_not_merge_across_partitions_select_final = 1, join_use_nulls = 0;

-- Identities of one tenant that were counted more than once in [since, until): further apart
-- than the duplicate rule looks, so both counted, and perhaps one event sent twice.
--
--     SELECT * FROM suspected_duplicate(tenant = 'acme', since = '2026-11-01', until = '2026-12-01')
CREATE OR REPLACE VIEW suspected_duplicate AS
SELECT
    tenant,
    source,
    id,
    count() AS counted,
    min(time) AS first_time,
    max(time) AS last_time,
    arraySort(groupArray((log_partition, offset))) AS positions
FROM usage_raw(
    tenant = {tenant:String},
    since = {since:DateTime64(6, 'UTC')},
    until = {until:DateTime64(6, 'UTC')})
WHERE verdict = 'counted'
GROUP BY tenant, source, id, topic_id
HAVING count() > 1;
