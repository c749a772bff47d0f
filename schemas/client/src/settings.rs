//! What a client is made with.
//!
//! Refuses the librdkafka settings that exactness depends on: acknowledgement, idempotence, the
//! partitioner and the queues, which have settings of their own here.

use crate::buffer::Limits;
use crate::client::Client;
use crate::delivery::{Delivery, OnDelivery};
use crate::encode::Form;
use crate::error::ConnectError;
use meterline_core::catalog::Bounds;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use std::collections::BTreeMap;
use std::time::Duration;

/// What happens to an event while the buffer is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum WhenFull {
    /// The event is dropped and counted; the caller never waits.
    #[default]
    Drop,
    /// The caller waits for room, at most this long; then the event is dropped and counted.
    ///
    /// It waits on its thread: on threads of an async runtime keep to [`WhenFull::Drop`], or to
    /// [`Client::try_emit`].
    Wait(Duration),
}

/// Default bound on events in flight: some tenths of a second of the busiest producer.
const BUFFER_EVENTS: u64 = 100_000;
/// Default bound on the memory of events in flight.
const BUFFER_BYTES: u64 = 64 << 20;
/// Most events in flight: their places are allocated when the client is made.
const BUFFER_EVENTS_MAX: u64 = 10_000_000;
/// Most memory in flight: librdkafka counts kibibytes in 31 bits, and gets twice as many.
const BUFFER_BYTES_MAX: u64 = 1 << 39;
/// Default time after which an event is given up: a broker's restart and an election fit in.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(300);
/// Default time that the last drop of a client waits for its events.
const DROP_TIMEOUT: Duration = Duration::from_secs(5);
/// Librdkafka's limit of a time in milliseconds.
const MILLIS_MAX: u128 = 900_000;

const ACKNOWLEDGED: &str = "an event counts as delivered once all in-sync replicas have it";
const PARTITIONS: &str =
    "a tenant's partition is the murmur2 hash of its name, and that is checked";
const OWN: &str = "the client has a setting of its own for it";
const INTERNAL: &str = "the client library's events are wired by the client";

/// Settings that cannot be set, each with its reason.
const RESERVED: [(&str, &str); 19] = [
    ("acks", ACKNOWLEDGED),
    ("bootstrap.servers", OWN),
    ("delivery.report.only.error", ACKNOWLEDGED),
    ("delivery.timeout.ms", OWN),
    ("enable.gapless.guarantee", ACKNOWLEDGED),
    ("enable.idempotence", ACKNOWLEDGED),
    ("enabled_events", INTERNAL),
    ("message.max.bytes", OWN),
    ("message.timeout.ms", OWN),
    ("metadata.broker.list", OWN),
    ("opaque", INTERNAL),
    ("partitioner", PARTITIONS),
    ("partitioner_cb", PARTITIONS),
    ("queue.buffering.max.kbytes", OWN),
    ("queue.buffering.max.messages", OWN),
    ("request.required.acks", ACKNOWLEDGED),
    ("test.mock.broker.rtt", INTERNAL),
    ("test.mock.num.brokers", INTERNAL),
    ("transactional.id", ACKNOWLEDGED),
];

/// Makes a [`Client`]; see [`Client::builder`].
#[must_use = "a client is made by `connect`"]
pub struct Builder {
    pub(crate) source: String,
    pub(crate) topic: String,
    pub(crate) form: Form,
    pub(crate) bounds: Bounds,
    pub(crate) limits: Limits,
    pub(crate) when_full: WhenFull,
    pub(crate) drop_timeout: Duration,
    pub(crate) on_delivery: Option<OnDelivery>,
    brokers: String,
    delivery_timeout: Duration,
    properties: BTreeMap<String, String>,
}

impl Builder {
    pub(crate) fn new(brokers: String, source: String) -> Self {
        Self {
            source,
            topic: "usage.events".to_owned(),
            form: Form::default(),
            bounds: Bounds::default(),
            limits: Limits {
                events: BUFFER_EVENTS,
                bytes: BUFFER_BYTES,
            },
            when_full: WhenFull::default(),
            drop_timeout: DROP_TIMEOUT,
            on_delivery: None,
            brokers,
            delivery_timeout: DELIVERY_TIMEOUT,
            properties: BTreeMap::new(),
        }
    }

    /// The usage topic. Default `usage.events`; an installation may have a prefix.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = topic.into();
        self
    }

    /// The record form. Default [`Form::Avro`].
    pub fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// A librdkafka setting, for TLS, SASL and the like. Its value never appears in an error.
    pub fn property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.insert(key.into(), value.into());
        self
    }

    /// Most events and most bytes of memory that are taken and not delivered yet.
    ///
    /// Default 100,000 events and 64 MiB. The client library keeps a copy while it sends, so a
    /// full buffer takes up to twice the bytes.
    pub fn buffer(mut self, events: u64, bytes: u64) -> Self {
        self.limits = Limits { events, bytes };
        self
    }

    /// What happens while the buffer is full. Default [`WhenFull::Drop`].
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// How long an event is tried before it is given up and counted as failed. Default 5 minutes,
    /// at most 15.
    pub fn delivery_timeout(mut self, timeout: Duration) -> Self {
        self.delivery_timeout = timeout;
        self
    }

    /// How long dropping the last handle waits for events in flight, as [`Client::close`] does.
    /// Default 5 seconds.
    pub fn drop_timeout(mut self, timeout: Duration) -> Self {
        self.drop_timeout = timeout;
        self
    }

    /// Bounds of the catalog, where they are not the default ones.
    ///
    /// Every property is held to `dimension_bytes`, since any may become a dimension.
    pub fn bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// Is called for every event when it is delivered or given up, on the sending thread: be
    /// brief. A panic in it is logged and otherwise ignored.
    pub fn on_delivery(mut self, report: impl Fn(&Delivery<'_>) + Send + Sync + 'static) -> Self {
        self.on_delivery = Some(Box::new(report));
        self
    }

    /// Makes the client; it connects in the background, and again whenever it has to.
    ///
    /// # Errors
    /// A setting that cannot be: see [`ConnectError`]. A broker that is away is none.
    pub fn connect(self) -> Result<Client, ConnectError> {
        let config = self.producer_config()?;
        Client::start(self, config)
    }

    fn producer_config(&self) -> Result<ClientConfig, ConnectError> {
        self.check()?;
        let mut config = ClientConfig::new();
        // Events of one tenant share a partition, and small records compress well together.
        config.set("compression.type", "lz4");
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        let kbytes = 2 * self.limits.bytes / 1_024 + 1;
        for (key, value) in [
            ("bootstrap.servers", self.brokers.clone()),
            ("enable.idempotence", "true".to_owned()),
            ("acks", "all".to_owned()),
            ("partitioner", "murmur2_random".to_owned()),
            ("message.timeout.ms", millis(self.delivery_timeout)),
            // Brokers bound what is compressed, so more than an event's bound is never too much.
            (
                "message.max.bytes",
                (2 * self.bounds.record_bytes).max(1_000_000).to_string(),
            ),
            // Above the buffer's own bounds, so that only the buffer is ever full.
            (
                "queue.buffering.max.messages",
                self.limits.events.to_string(),
            ),
            ("queue.buffering.max.kbytes", kbytes.to_string()),
        ] {
            config.set(key, value);
        }
        config.create_native_config().map_err(property_error)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConnectError> {
        for key in self.properties.keys() {
            if let Some((_, reason)) = RESERVED.iter().find(|(reserved, _)| reserved == key) {
                let key = key.clone();
                return Err(ConnectError::Reserved { key, reason });
            }
        }
        let not = |holds: bool, setting, problem: &str| {
            let problem = problem.to_owned();
            (!holds).then_some(ConnectError::Setting { setting, problem })
        };
        let Limits { events, bytes } = self.limits;
        let timeout = self.delivery_timeout.as_millis();
        let name = usize::try_from(self.bounds.name_bytes).unwrap_or(usize::MAX);
        let problem = not(
            !self.brokers.is_empty(),
            "brokers",
            "is empty: name one as host:port",
        )
        .or_else(|| not(!self.topic.is_empty(), "topic", "is empty"))
        .or_else(|| not(!self.source.is_empty(), "source", "is empty"))
        .or_else(|| {
            not(
                self.source.len() <= name,
                "source",
                "is longer than `name_bytes`",
            )
        })
        .or_else(|| {
            let range = (1..=BUFFER_EVENTS_MAX).contains(&events);
            not(range, "buffer", "holds 1 to 10,000,000 events")
        })
        .or_else(|| {
            // An event takes more memory than its record, by its frame.
            let least = 2 * u64::from(self.bounds.record_bytes);
            let range = (least..=BUFFER_BYTES_MAX).contains(&bytes);
            not(
                range,
                "buffer",
                "holds 2 records of `record_bytes` to 512 GiB",
            )
        })
        .or_else(|| {
            let range = (1..=MILLIS_MAX).contains(&timeout);
            not(range, "delivery_timeout", "is 1 millisecond to 15 minutes")
        });
        problem.map_or(Ok(()), Err)
    }
}

impl std::fmt::Debug for Builder {
    /// Shows no properties: they may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("brokers", &self.brokers)
            .field("source", &self.source)
            .field("topic", &self.topic)
            .field("form", &self.form)
            .field("limits", &self.limits)
            .field("when_full", &self.when_full)
            .finish_non_exhaustive()
    }
}

fn millis(time: Duration) -> String {
    time.as_millis().to_string()
}

/// Names the key that librdkafka refused, and never its value.
fn property_error(error: KafkaError) -> ConnectError {
    match error {
        KafkaError::ClientConfig(_, _, key, _) => ConnectError::Property { key },
        source => ConnectError::Producer {
            source: Box::new(source),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(Builder) -> Builder, expected: Result<(), &str>) {
        let builder = change(Builder::new("localhost:1".to_owned(), "//here".to_owned()));
        let shown = format!("{builder:?}");
        let text = builder.producer_config().map_err(|error| error.to_string());
        match (&text, expected) {
            (Ok(_), Ok(())) => {}
            (Err(text), Err(part)) => assert!(text.contains(part), "{text}"),
            _ => panic!("{text:?}, not {expected:?}"),
        }
        assert!(!shown.contains("hidden"), "{shown}");
        assert!(!text.is_err_and(|text| text.contains("hidden")));
    }

    #[test]
    fn refuses_what_exactness_depends_on() {
        for (key, reason) in RESERVED {
            check(
                |b| b.property(key, "hidden"),
                Err(&format!("`{key}` cannot be set: {reason}")),
            );
        }
    }

    #[test]
    fn names_a_setting_that_cannot_be_but_never_its_value() {
        check(|b| b, Ok(()));
        check(|b| b.property("linger.ms", "20"), Ok(()));
        check(|b| b.property("linger.ms", "hidden"), Err("`linger.ms`"));
        check(|b| b.property("lingre.ms", "hidden"), Err("`lingre.ms`"));
        check(|b| b.topic(""), Err("`topic` is empty"));
        check(|b| b.buffer(0, BUFFER_BYTES), Err("`buffer` holds 1 to"));
        check(|b| b.buffer(1, 1_000), Err("`buffer` holds 2 records"));
        check(
            |b| b.delivery_timeout(Duration::ZERO),
            Err("`delivery_timeout`"),
        );
        check(|b| b.buffer(BUFFER_EVENTS_MAX, BUFFER_BYTES_MAX), Ok(()));
    }

    #[test]
    fn a_client_without_brokers_or_source_is_refused() {
        for (brokers, source, part) in [("", "//here", "`brokers`"), ("b:1", "", "`source`")] {
            let builder = Builder::new(brokers.to_owned(), source.to_owned());
            let error = builder.producer_config().expect_err("one is missing");
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
