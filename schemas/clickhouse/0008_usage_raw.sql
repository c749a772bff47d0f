-- What became of a record: two verdicts that 0005 did not know, and suspects of all tenants.
--
-- An event that lies before its partition's adoption was never the rollup's to count. And a letter
-- that was replayed was rejected, whether or not its row is still there; a record that came to lie
-- at its place later (a log that lost its end) was not.
--
-- One tenant's raw usage with event times in [since, until), and what became of each record:
--
--     SELECT * FROM usage_raw(tenant = 'acme', since = '2026-11-01', until = '2026-11-02')
--
-- verdict: `before_adoption` (not Meterline's to count), `rejected` (with its reason), `ignored`,
-- `duplicate`, `unmatched`, `counted`, or `pending` where the rollup has not published that far.
--
-- What counted follows from the duplicate rule over the records that dead_letters does not name:
-- every event that passes is recorded in its hour, and one is a duplicate if its identity was
-- recorded before, in the same log partition, in an hour that it touches. Seven hours around the
-- span are read for that: the longest restamp_window of a catalog is six, and such an hour begins
-- up to one before. Only where a source promises a time in its ids may a first occurrence lie
-- further away: ask for a span that holds it.
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
    replays AS
    (
        SELECT topic_id, log_partition, offset, replayed_at
        FROM dead_letter_replays FINAL
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
            outcome = 'before_adoption' AS is_before,
            offset < published_to AS is_published,
            multiIf(letter_reason != '', toString(letter_reason), replayed_at >= append_time, 'replayed', '') AS rejected_for,
            rejected_for = '' AND outcome IN ('event', 'unmatched') AS passes,
            intDiv(toUnixTimestamp64Micro(id_time), 3600000000) AS hour
        FROM near
        LEFT ANY JOIN letters USING (topic_id, log_partition, offset)
        LEFT ANY JOIN replays USING (topic_id, log_partition, offset)
        LEFT ANY JOIN published USING (topic_id, log_partition)
    ),
    placed AS
    (
        SELECT
            *,
            groupUniqArrayIf(hour, passes) OVER
            (
                PARTITION BY topic_id, log_partition, tenant, source, id
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
        is_before, 'before_adoption',
        rejected_for != '', 'rejected',
        NOT is_published, 'pending',
        outcome = 'ignored', 'ignored',
        NOT passes, 'rejected',
        arrayExists(h -> h BETWEEN touches_from AND touches_to, hours_before), 'duplicate',
        outcome = 'unmatched', 'unmatched',
        'counted') AS verdict,
    multiIf(verdict != 'rejected', '', rejected_for != '', rejected_for, toString(outcome)) AS reason,
    multiIf(verdict != 'rejected', '', rejected_for != '', letter_detail, detail) AS reason_detail,
    append_time,
    topic_id,
    log_partition,
    offset
FROM placed
WHERE time >= {since:DateTime64(6, 'UTC')} AND time < {until:DateTime64(6, 'UTC')}
SETTINGS do_not_merge_across_partitions_select_final = 1, join_use_nulls = 0;

-- The same of all tenants, for whoever operates Meterline. It reads every event of the span, so
-- ask for a day or a few. Written out, because a view with parameters that reads another one is
-- found in the current database only.
CREATE OR REPLACE VIEW usage_raw_of_all AS
WITH
    near AS
    (
        SELECT *
        FROM usage_events FINAL
        WHERE time >= {since:DateTime64(6, 'UTC')} - INTERVAL 7 HOUR
            AND time < {until:DateTime64(6, 'UTC')} + INTERVAL 7 HOUR
    ),
    letters AS
    (
        SELECT topic_id, log_partition, offset, reason AS letter_reason, detail AS letter_detail
        FROM dead_letters FINAL
        WHERE (topic_id, log_partition, offset) IN (SELECT topic_id, log_partition, offset FROM near)
    ),
    replays AS
    (
        SELECT topic_id, log_partition, offset, replayed_at
        FROM dead_letter_replays FINAL
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
            outcome = 'before_adoption' AS is_before,
            offset < published_to AS is_published,
            multiIf(letter_reason != '', toString(letter_reason), replayed_at >= append_time, 'replayed', '') AS rejected_for,
            rejected_for = '' AND outcome IN ('event', 'unmatched') AS passes,
            intDiv(toUnixTimestamp64Micro(id_time), 3600000000) AS hour
        FROM near
        LEFT ANY JOIN letters USING (topic_id, log_partition, offset)
        LEFT ANY JOIN replays USING (topic_id, log_partition, offset)
        LEFT ANY JOIN published USING (topic_id, log_partition)
    ),
    placed AS
    (
        SELECT
            *,
            groupUniqArrayIf(hour, passes) OVER
            (
                PARTITION BY topic_id, log_partition, tenant, source, id
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
        is_before, 'before_adoption',
        rejected_for != '', 'rejected',
        NOT is_published, 'pending',
        outcome = 'ignored', 'ignored',
        NOT passes, 'rejected',
        arrayExists(h -> h BETWEEN touches_from AND touches_to, hours_before), 'duplicate',
        outcome = 'unmatched', 'unmatched',
        'counted') AS verdict,
    multiIf(verdict != 'rejected', '', rejected_for != '', rejected_for, toString(outcome)) AS reason,
    multiIf(verdict != 'rejected', '', rejected_for != '', letter_detail, detail) AS reason_detail,
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

-- Suspects of all tenants, for whoever operates Meterline. It reads every event of the span:
-- ask for a day or a few.
--
--     SELECT * FROM suspected_duplicate_of_all(since = '2026-11-01', until = '2026-11-02')
CREATE OR REPLACE VIEW suspected_duplicate_of_all AS
SELECT
    tenant,
    source,
    id,
    count() AS counted,
    min(time) AS first_time,
    max(time) AS last_time,
    arraySort(groupArray((log_partition, offset))) AS positions
FROM usage_raw_of_all(
    since = {since:DateTime64(6, 'UTC')},
    until = {until:DateTime64(6, 'UTC')})
WHERE verdict = 'counted'
GROUP BY tenant, source, id, topic_id
HAVING count() > 1;
