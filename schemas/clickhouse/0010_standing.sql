-- Standing: how much of what it may use a tenant has used of a meter in the running period.
--
-- Every row is an absolute value, and `version` orders what was known. From the top: sum of the
-- offsets of the control log (catalog, the account's newest version, its version in effect; 39
-- bits), hours of the period's start (24 bits), sum of the stamps of usage (64 bits), whether the
-- limit was crossed (1 bit). The highest stays, in whatever order rows arrive.
CREATE TABLE IF NOT EXISTS standing
(
    tenant String COMMENT 'who is billed',
    meter String COMMENT 'the meter, or derived quantity',
    period_start DateTime('UTC') COMMENT 'first second of the running period',
    period_end DateTime('UTC') COMMENT 'first second after it',
    used Decimal(38, 9) COMMENT 'use in the period, in the meter''s base unit, of a level its latest value',
    included Nullable(Decimal(38, 9)) COMMENT 'what the plan includes, NULL where nothing is said',
    limit Nullable(Decimal(38, 9)) COMMENT 'the limit, NULL for unlimited',
    cap Enum8('none' = 0, 'soft' = 1, 'hard' = 2) COMMENT 'what a check does beyond the limit',
    health Enum8('healthy' = 0, 'caution' = 1, 'warning' = 2, 'critical' = 3) COMMENT 'how well the tenant is by this meter',
    crossed_at Nullable(DateTime64(3, 'UTC')) COMMENT 'when use first passed the limit in the period, NULL where it did not',
    plan LowCardinality(String) COMMENT 'the plan in force, empty where there is none',
    judged_usage Array(Tuple(UUID, UInt32, UInt64)) COMMENT 'what it was judged by: topic, partition and stamp of the last change of each log partition of usage',
    judged_catalog UInt64 COMMENT 'what it was judged by: offset of the catalog version in the control log',
    judged_account Nullable(UInt64) COMMENT 'what it was judged by: offset of the account''s newest version that was read in the control log, NULL where there is no account',
    judged_effective Nullable(UInt64) COMMENT 'what it was judged by: offset of the account''s version in effect in the control log, NULL where none is',
    version UInt128 COMMENT 'orders what was known'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (tenant, meter)
SETTINGS non_replicated_deduplication_window = 0;

-- Up to where the standings of the tenants of a log partition are complete. Written after them, so
-- that the highest position is true whoever wrote it.
CREATE TABLE IF NOT EXISTS standing_progress
(
    topic_id UUID COMMENT 'incarnation of the usage topic',
    log_partition UInt32 COMMENT 'partition of the usage topic',
    epoch UInt16 COMMENT 'verdicts applied',
    to_offset UInt64 COMMENT 'next record: every change before it is in the standings',
    log_time DateTime64(3, 'UTC') COMMENT 'running maximum of append times before to_offset',
    control_offset UInt64 COMMENT 'next record of the control log: every decision before it is in the standings',
    standing_offset Nullable(UInt64) COMMENT 'position in usage.standing from which a reader that has just read the table misses nothing, NULL for its start',
    version UInt128 COMMENT '(epoch << 48 | to_offset) << 64 | control_offset'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (topic_id, log_partition)
SETTINGS non_replicated_deduplication_window = 0;
