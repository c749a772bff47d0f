-- Pushes to Stripe: the steps in force, a projection of meterline.pushes, which is the truth. One row
-- per record, by its position, so a repeat is the same row. What an outcome or a confirmation is
-- about (customer, value, version, attempt) is that of the intent before it, so that each row tells
-- all that is known of its window then.
CREATE TABLE IF NOT EXISTS stripe_pushes
(
    tenant String COMMENT 'who is billed',
    meter String COMMENT 'the meter',
    window_start DateTime('UTC') COMMENT 'first second of the hour window',
    step Enum8('intent' = 1, 'received' = 2, 'not_taken' = 3, 'unknown' = 4, 'refused' = 5, 'confirmed' = 6) COMMENT 'what the record says: an intent to push, what became of its call, or that a summary showed its value',
    customer String COMMENT 'id of the customer at Stripe',
    event_name LowCardinality(String) COMMENT 'event name of the meter at Stripe',
    quantity Decimal(38, 9) COMMENT 'value of the whole window that is pushed, in the meter''s base unit',
    stamps Array(Tuple(UUID, UInt32, UInt64)) COMMENT 'version of the window that has this value: topic, partition and stamp of the last change of each log partition of usage',
    attempt UInt32 COMMENT 'from 1 for each version',
    identifier String COMMENT 'what Stripe knows the attempt by',
    detail String COMMENT 'what Stripe said, or why it is not known, empty where the step says all',
    instance String COMMENT 'the process that wrote the record',
    write_id UInt128 COMMENT 'chosen at random by the writer, the same in every retry',
    append_time DateTime64(3, 'UTC') COMMENT 'when the broker took the record',
    topic_id UUID COMMENT 'incarnation of meterline.pushes',
    log_partition UInt32 COMMENT 'partition of meterline.pushes',
    offset UInt64 COMMENT 'offset of the record'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(window_start)
ORDER BY (tenant, meter, window_start, topic_id, log_partition, offset)
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = 0;

-- Windows at Stripe: the newest step in force of each chain. Chains are those of the current
-- incarnation of meterline.pushes (that with the highest append time), and a chain is in one
-- partition, so its offsets order it.
CREATE OR REPLACE VIEW stripe_windows AS
SELECT
    tenant,
    meter,
    window_start,
    argMax(p.step, p.offset) AS step,
    argMax(p.customer, p.offset) AS customer,
    argMax(p.event_name, p.offset) AS event_name,
    argMax(p.quantity, p.offset) AS quantity,
    argMax(p.stamps, p.offset) AS stamps,
    argMax(p.attempt, p.offset) AS attempt,
    argMax(p.identifier, p.offset) AS identifier,
    argMax(p.detail, p.offset) AS detail,
    argMax(p.instance, p.offset) AS instance,
    argMax(p.write_id, p.offset) AS write_id,
    argMax(p.append_time, p.offset) AS append_time,
    argMax(p.topic_id, p.offset) AS topic_id,
    argMax(p.log_partition, p.offset) AS log_partition,
    max(p.offset) AS offset
FROM stripe_pushes AS p
WHERE p.topic_id = (SELECT argMax(topic_id, append_time) FROM stripe_pushes)
GROUP BY tenant, meter, window_start;

-- Carries: differences that Stripe bills with a later window, a projection of meterline.pushes. One
-- row per record in force, by its position, so a repeat is the same row. Kept for ever: invoices were
-- corrected by them.
CREATE TABLE IF NOT EXISTS stripe_carries
(
    tenant String COMMENT 'who is billed',
    meter String COMMENT 'the meter',
    source String COMMENT 'what was billed otherwise: <id of the final invoice>/<first hour of its line>, or window/<hour> of a window that Stripe would not take, in hours since 1970',
    customer String COMMENT 'id of the customer at Stripe',
    event_name LowCardinality(String) COMMENT 'event name of the meter at Stripe',
    window_start DateTime('UTC') COMMENT 'first second of the hour window whose pushed value it is added to',
    quantity Decimal(38, 9) COMMENT 'what is added, in the meter''s base unit, may be negative',
    wanted Decimal(38, 9) COMMENT 'what the windows of the source come to',
    billed Decimal(38, 9) COMMENT 'what Stripe billed for them',
    stamps Array(Tuple(UUID, UInt32, UInt64)) COMMENT 'the versions that wanted was judged by: topic, partition and stamp of the last change of each log partition of usage',
    windows Array(Tuple(DateTime('UTC'), Decimal(38, 9), Decimal(38, 9), Array(Tuple(UUID, UInt32, UInt64)))) COMMENT 'windows that differ from what was confirmed last, 64 at most: start, value before and after, version',
    instance String COMMENT 'the process that wrote the record',
    write_id UInt128 COMMENT 'chosen at random by the writer, the same in every retry',
    append_time DateTime64(3, 'UTC') COMMENT 'when the broker took the record',
    topic_id UUID COMMENT 'incarnation of meterline.pushes',
    log_partition UInt32 COMMENT 'partition of meterline.pushes',
    offset UInt64 COMMENT 'offset of the record'
)
ENGINE = ReplacingMergeTree
ORDER BY (tenant, meter, source, topic_id, log_partition, offset)
SETTINGS non_replicated_deduplication_window = 0;
