//! A cluster, and what lies in its log.

use meterline_client::{Builder, Client, Delivery};
use meterline_core::decode::Decoder;
use meterline_core::event::{Event, EventQuantity};
use meterline_core::position::Offset;
use meterline_core::record::Record;
use meterline_core::time::LogTime;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{Offset as Start, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Long enough for everything on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

const TOPIC: &str = "usage.events";
const BROKER: i32 = 1;

/// A cluster of one broker with a usage topic of one partition.
pub(crate) struct Cluster(MockCluster<'static, DefaultProducerContext>);

/// An event as it was read back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) kind: String,
    pub(crate) tenant: String,
    pub(crate) micros: i64,
    pub(crate) quantity: Option<String>,
    pub(crate) properties: BTreeMap<String, String>,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let cluster = MockCluster::new(1).expect("a cluster in this process");
        cluster.create_topic(TOPIC, 1, 1).expect("a topic");
        Self(cluster)
    }

    pub(crate) fn builder(&self) -> Builder {
        Client::builder(self.0.bootstrap_servers(), "//test")
    }

    /// A client with the usual settings.
    pub(crate) fn client(&self) -> Client {
        self.builder().connect().expect("the settings are right")
    }

    pub(crate) fn take_down(&self) {
        self.0.broker_down(BROKER).expect("there is a broker");
    }

    pub(crate) fn bring_up(&self) {
        self.0.broker_up(BROKER).expect("there is a broker");
    }

    /// The next produce requests are answered with these errors.
    pub(crate) fn refuse_next(&self, errors: &[RDKafkaRespErr]) {
        self.0.request_errors(RDKafkaApiKey::Produce, errors);
    }

    /// The first events of the log, once there are so many.
    pub(crate) fn read(&self, count: usize) -> Vec<Seen> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", self.0.bootstrap_servers())
            .set("group.id", "test")
            .create()
            .expect("the settings are right");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(TOPIC, 0, Start::Beginning)
            .expect("an offset");
        consumer.assign(&list).expect("the partition is there");
        let end = Instant::now() + SOON;
        let mut seen = Vec::new();
        while seen.len() < count {
            assert!(Instant::now() < end, "{} of {count} events", seen.len());
            let Some(message) = consumer.poll(Duration::from_millis(100)) else {
                continue;
            };
            seen.push(decode(&message.expect("a record")));
        }
        seen
    }
}

fn decode(message: &impl Message) -> Seen {
    let headers: Vec<_> = message
        .headers()
        .into_iter()
        .flat_map(Headers::iter)
        .collect();
    let headers: Vec<_> = headers.iter().map(|h| (h.key, h.value)).collect();
    let record = Record {
        offset: Offset::default(),
        append_time: LogTime(0),
        headers: &headers,
        payload: message.payload(),
        size: 0,
        placement: None,
    };
    let decoder = Decoder::new(&[]).expect("the built-in schema");
    let event = decoder.decode(&record).expect("a record form");
    assert_eq!(message.key(), Some(event.tenant.as_bytes()), "the key");
    seen(event)
}

fn seen(event: Event<'_>) -> Seen {
    let properties = event.properties.into_iter();
    Seen {
        id: event.id.into_owned(),
        source: event.source.into_owned(),
        kind: event.kind.into_owned(),
        tenant: event.tenant.into_owned(),
        micros: event.time.expect("a time").0,
        quantity: match event.quantity {
            EventQuantity::Absent => None,
            EventQuantity::Text(text) => Some(text.into_owned()),
            EventQuantity::Exact(quantity) => Some(quantity.expect("exact").to_string()),
            EventQuantity::NotANumber => panic!("no number"),
        },
        properties: properties
            .map(|(key, value)| (key.into_owned(), value.into_owned()))
            .collect(),
    }
}

/// Collects delivery reports: the ids, and whether they were delivered.
#[derive(Clone, Default)]
pub(crate) struct Reports(Arc<Mutex<Vec<(String, bool)>>>);

impl Reports {
    pub(crate) fn collector(&self) -> impl Fn(&Delivery<'_>) + Send + Sync + use<> {
        let list = Arc::clone(&self.0);
        move |delivery| {
            let report = (delivery.id.to_owned(), delivery.outcome.is_ok());
            list.lock().expect("nobody panics").push(report);
        }
    }

    pub(crate) fn sorted(&self) -> Vec<(String, bool)> {
        let mut list = self.0.lock().expect("nobody panics").clone();
        list.sort();
        list
    }
}

/// Polls until it holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < end, "waited for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
