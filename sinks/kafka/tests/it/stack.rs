//! One local Kafka for a test binary, on free ports, gone when the binary ends.

use meterline_kafka::Settings;
use meterline_stack::{Service, Stack};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The stack.
pub(crate) static STACK: LazyLock<Stack> = LazyLock::new(|| Stack::own(Service::Kafka));
static PREFIXES: AtomicU32 = AtomicU32::new(0);

/// Settings of a client of this binary's Kafka, with a topic prefix that no other test has.
pub(crate) fn settings() -> Settings {
    let prefix = PREFIXES.fetch_add(1, Ordering::Relaxed);
    Settings {
        brokers: STACK.brokers(),
        properties: BTreeMap::new(),
        topic_prefix: format!("test{prefix}."),
    }
}
