//! librdkafka settings that an operator may not change, and why.
//!
//! A name and all of its aliases are listed: librdkafka takes either.

/// Why a setting of the consumer is fixed.
const POSITIONS: &str = "positions come from checkpoints, never from Kafka's consumer offsets";
const COMMITTED: &str = "aborted transactions must not be counted";
const DAMAGE: &str = "a damaged record must be noticed, not counted";
const CREATION: &str = "topics are made by `meterline init`, with the settings they need";
const ASSIGNMENT: &str = "partitions are assigned with explicit offsets, incrementally";
const ACKNOWLEDGED: &str = "a record counts as written once all in-sync replicas have it";
const PARTITIONS: &str = "tenants are found by murmur2 of the key, as the fold checks it";
const STAGES: &str = "each stage has its own, so that stages and workers do not disturb each other";
const BROKERS: &str = "set `kafka.brokers` instead";
const SESSION: &str = "set `rollup.session_timeout` instead: it follows from that";
const FETCH: &str = "set `rollup.fetch_ahead_kib` instead";
const NAME: &str = "set `worker.instance` instead";
const INTERNAL: &str = "the client library's events and callbacks are wired by Meterline";
const BATCHES: &str = "brokers refuse a batch as a whole: one must fit what they take of a record";
const MEMORY: &str = "memory for records in flight is bounded by Meterline";

/// Settings that cannot be set, each with its reason.
pub const RESERVED: &[(&str, &str)] = &[
    ("acks", ACKNOWLEDGED),
    ("allow.auto.create.topics", CREATION),
    ("auto.commit.enable", POSITIONS),
    ("auto.offset.reset", POSITIONS),
    ("background_event_cb", INTERNAL),
    ("batch.size", BATCHES),
    ("bootstrap.servers", BROKERS),
    ("check.crcs", DAMAGE),
    ("client.id", NAME),
    ("delivery.report.only.error", ACKNOWLEDGED),
    ("enable.auto.commit", POSITIONS),
    ("enable.auto.offset.store", POSITIONS),
    ("enable.gapless.guarantee", ACKNOWLEDGED),
    ("enable.idempotence", ACKNOWLEDGED),
    ("enable.partition.eof", ASSIGNMENT),
    ("enabled_events", INTERNAL),
    ("group.id", STAGES),
    ("group.instance.id", STAGES),
    ("group.protocol", ASSIGNMENT),
    ("group.remote.assignor", ASSIGNMENT),
    ("heartbeat.interval.ms", SESSION),
    ("isolation.level", COMMITTED),
    ("max.poll.interval.ms", SESSION),
    ("message.max.bytes", MEMORY),
    ("metadata.broker.list", BROKERS),
    ("msg_order_cmp", INTERNAL),
    ("opaque", INTERNAL),
    ("partition.assignment.strategy", ASSIGNMENT),
    ("partitioner", PARTITIONS),
    ("partitioner_cb", PARTITIONS),
    ("plugin.library.paths", INTERNAL),
    ("queue.buffering.max.kbytes", MEMORY),
    ("queue.buffering.max.messages", MEMORY),
    ("queued.max.messages.kbytes", FETCH),
    ("request.required.acks", ACKNOWLEDGED),
    ("session.timeout.ms", SESSION),
    ("test.mock.broker.rtt", INTERNAL),
    ("test.mock.num.brokers", INTERNAL),
    ("transactional.id", ACKNOWLEDGED),
];

/// The reason why `key` is reserved; `None` where it may be set.
pub(crate) fn reason(key: &str) -> Option<&'static str> {
    RESERVED
        .iter()
        .find(|(reserved, _)| *reserved == key)
        .map(|(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_names_each_setting_once() {
        assert!(RESERVED.is_sorted_by(|(a, _), (b, _)| a < b));
    }
}
