-- Who decided what, when and why: every record of the control log, in force or not, by its offset,
-- so a repeat is the same row. Kept for ever.
--
-- The body is the decision without what must stay secret (hashes of API keys) and without what
-- may hold a secret (of a webhook's address only scheme, host and port are there) or repeats
-- itself (the text that a catalog was read from).
CREATE TABLE IF NOT EXISTS audit_log
(
    topic_id UUID COMMENT 'incarnation of meterline.control',
    offset UInt64 COMMENT 'offset of the record',
    append_time DateTime64(3, 'UTC') COMMENT 'when the broker took it',
    kind LowCardinality(String) COMMENT 'what was decided: catalog, topic, adoption, verdict, account, api_key, route',
    id String COMMENT 'what it is about: the name of the catalog or topic, the partition (with the offset, of a verdict), the account, key or route',
    actor String COMMENT 'who wrote it',
    note String COMMENT 'why, in the actor''s words',
    origin String COMMENT 'from where, empty where it is not said',
    in_force UInt8 COMMENT '1 where it took effect, 0 where another decision was first and every reader ignores it',
    follows Nullable(UInt64) COMMENT 'offset of the record that it names as the head of its chain, NULL for none',
    body String COMMENT 'the decision as JSON'
)
ENGINE = ReplacingMergeTree
ORDER BY (topic_id, offset)
SETTINGS non_replicated_deduplication_window = 0;
