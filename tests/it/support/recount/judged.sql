-- Every record sent, with the log time at it and the reason for which it is to be rejected.
-- The first reason that fits wins: those of form and fields come before the time, those of
-- meters after it.
CREATE TABLE judged ENGINE = MergeTree ORDER BY (log_partition, offset) AS
SELECT
    *,
    max(append_time) OVER (PARTITION BY log_partition ORDER BY offset) AS log_time,
    multiIf(
        fault NOT IN ('', 'no_meter', 'bad_quantity', 'bad_dimension', 'too_many_dimensions', 'overflow'),
            toString(fault),
        type = 'noise', '',
        time < (log_time - 35 * 86400000) * 1000, 'too_late',
        time > (log_time + 5 * 60000) * 1000, 'from_the_future',
        toString(fault)) AS reason,
    sipHash128(tenant, '\n', source, '\n', id) AS identity,
    -- Hours that end at or before this are sealed, five minutes after their end.
    intDiv((log_time - 5 * 60000), 3600000) * 3600000000 AS sealed_to
FROM raw;

-- The duplicate rule: an identity is recorded in the hour of every event that passes, counted or
-- not; an event is a duplicate if it is recorded before in an hour that touches its time by up to
-- 15 minutes.
CREATE TABLE passed ENGINE = MergeTree ORDER BY (log_partition, offset) AS
SELECT *, intDiv(time, 3600000000) AS hour
FROM judged
WHERE reason = '' AND type != 'noise';

CREATE TABLE duplicates ENGINE = MergeTree ORDER BY (log_partition, offset) AS
SELECT DISTINCT near.log_partition AS log_partition, near.offset AS offset
FROM
(
    SELECT
        log_partition,
        offset,
        identity,
        arrayJoin(range(
            intDiv(time - 15 * 60000000, 3600000000),
            intDiv(time + 15 * 60000000, 3600000000) + 1)) AS hour
    FROM passed
) AS near
INNER JOIN
(
    SELECT identity, hour, min(offset) AS first
    FROM passed
    GROUP BY identity, hour
) AS recorded
ON near.identity = recorded.identity AND near.hour = recorded.hour
WHERE recorded.first < near.offset;

CREATE TABLE fresh ENGINE = MergeTree ORDER BY (log_partition, offset) AS
SELECT *
FROM passed
LEFT ANTI JOIN duplicates
ON passed.log_partition = duplicates.log_partition AND passed.offset = duplicates.offset;
