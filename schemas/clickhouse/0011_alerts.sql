-- Alerts: the transitions in force, a projection of usage.alerts, which is the truth. One row per
-- record, by its position, so a repeat is the same row. Kept for ever.
CREATE TABLE IF NOT EXISTS alerts
(
    tenant String COMMENT 'who is billed',
    meter String COMMENT 'the meter, or derived quantity',
    period_start DateTime('UTC') COMMENT 'first second of the period',
    period_end DateTime('UTC') COMMENT 'first second after it',
    threshold LowCardinality(String) COMMENT 'its name: 80 for at or above 80 %, >100 for above 100 %',
    state Enum8('opened' = 1, 'resolved' = 2) COMMENT 'what became of the alert',
    episode UInt32 COMMENT 'from 1, each opening counts up',
    severity Enum8('info' = 1, 'medium' = 2, 'warning' = 3, 'critical' = 4) COMMENT 'how bad it is',
    kind LowCardinality(String) COMMENT 'what receivers call it, such as usage.threshold',
    used Decimal(38, 9) COMMENT 'use that it was judged by, in the meter''s base unit',
    limit Decimal(38, 9) COMMENT 'what the share is taken of, in the meter''s base unit',
    percentage Nullable(Decimal(38, 9)) DEFAULT accurateCastOrNull(CAST(used, 'Decimal(76, 9)') * 100 / nullIf(limit, 0), 'Decimal(38, 9)') COMMENT 'used of limit, cut off after nine decimals, NULL where the limit is 0',
    plan LowCardinality(String) COMMENT 'the plan in force',
    judged_usage Array(Tuple(UUID, UInt32, UInt64)) COMMENT 'what it was judged by: topic, partition and stamp of the last change of each log partition of usage',
    judged_catalog UInt64 COMMENT 'what it was judged by: offset of the catalog version in the control log',
    judged_account Nullable(UInt64) COMMENT 'what it was judged by: offset of the account''s newest version that was read in the control log, NULL where there is no account',
    judged_effective Nullable(UInt64) COMMENT 'what it was judged by: offset of the account''s version in effect in the control log, NULL where none is',
    notification UInt128 COMMENT 'id of its notification, a hash of the alert''s key, episode and state',
    instance String COMMENT 'the process that wrote the record',
    append_time DateTime64(3, 'UTC') COMMENT 'when the broker took the record',
    topic_id UUID COMMENT 'incarnation of usage.alerts',
    log_partition UInt32 COMMENT 'partition of usage.alerts',
    offset UInt64 COMMENT 'offset of the record'
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, meter, period_start, threshold, topic_id, log_partition, offset)
SETTINGS non_replicated_deduplication_window = 0;

-- Alerts that are open: the newest transition in force of each chain, where it opened one. Chains
-- are those of the current incarnation of usage.alerts (that with the highest append time), and a
-- chain is in one partition, so its offsets order it.
--
-- An alert of a period that has ended stays open where use ended at its threshold. `period_end`
-- tells them apart.
CREATE OR REPLACE VIEW open_alerts AS
SELECT
    tenant,
    meter,
    period_start,
    argMax(a.period_end, a.offset) AS period_end,
    threshold,
    argMax(a.episode, a.offset) AS episode,
    argMax(a.severity, a.offset) AS severity,
    argMax(a.kind, a.offset) AS kind,
    argMax(a.used, a.offset) AS used,
    argMax(a.limit, a.offset) AS limit,
    argMax(tuple(a.percentage), a.offset).1 AS percentage,
    argMax(a.plan, a.offset) AS plan,
    argMax(a.notification, a.offset) AS notification,
    argMax(a.append_time, a.offset) AS append_time,
    argMax(a.log_partition, a.offset) AS log_partition,
    max(a.offset) AS offset
FROM alerts AS a
WHERE a.topic_id = (SELECT argMax(topic_id, append_time) FROM alerts)
GROUP BY tenant, meter, period_start, threshold
HAVING argMax(a.state, a.offset) = 'opened';

-- What was told of alerts: the outcomes of attempts, a projection of usage.alerts. One row per
-- record, by its position, so a repeat is the same row. A record's append time never changes, so
-- its month does not either.
CREATE TABLE IF NOT EXISTS alert_deliveries
(
    notification UInt128 COMMENT 'id of the notification, as in alerts',
    tenant String COMMENT 'who is billed',
    route String COMMENT 'id of the notification route',
    outcome Enum8('delivered' = 1, 'failed' = 2, 'parked' = 3, 'requested' = 4) COMMENT 'what became of the attempt',
    attempt UInt32 COMMENT 'from 1',
    at DateTime64(3, 'UTC') COMMENT 'when it was made, by the clock of whoever made it',
    instance String COMMENT 'the process that made it',
    detail String COMMENT 'what the receiver said, or why there was no answer',
    append_time DateTime64(3, 'UTC') COMMENT 'when the broker took the record',
    topic_id UUID COMMENT 'incarnation of usage.alerts',
    log_partition UInt32 COMMENT 'partition of usage.alerts',
    offset UInt64 COMMENT 'offset of the record'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(append_time)
ORDER BY (notification, route, topic_id, log_partition, offset)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 0;

-- Up to where a log is projected into the tables that hold its records: written after them, so
-- that the highest position is true whoever wrote it.
CREATE TABLE IF NOT EXISTS projection_positions
(
    name LowCardinality(String) COMMENT 'the projection: alerts (with alert_deliveries) or audit_log',
    topic_id UUID COMMENT 'incarnation of the log''s topic',
    log_partition UInt32 COMMENT 'partition of the log',
    position UInt64 COMMENT 'first offset that is not projected'
)
ENGINE = ReplacingMergeTree(position)
ORDER BY (name, topic_id, log_partition)
SETTINGS non_replicated_deduplication_window = 0;
