//! The broker, as a neighbour sees it: topics, ends, whole logs read from their beginning.

use super::wait::{SOON, until};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::future::Future;
use std::time::{Duration, Instant};

/// How long one request may take.
const REQUEST: Duration = Duration::from_secs(30);

/// A record as it lies in a log.
#[derive(Clone, Debug)]
pub(crate) struct LogRecord {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    /// Milliseconds since 1970, by the broker.
    pub(crate) append_time: i64,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
}

impl LogRecord {
    /// The value of a header, as text.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }
}

/// A broker.
#[derive(Clone, Debug)]
pub(crate) struct Kafka {
    brokers: String,
}

impl Kafka {
    pub(crate) fn new(brokers: &str) -> Self {
        Self {
            brokers: brokers.to_owned(),
        }
    }

    /// Settings of any client.
    pub(crate) fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    fn consumer(&self) -> BaseConsumer {
        let mut config = self.config();
        config
            .set("group.id", "meterline-tests")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "false");
        config
            .create()
            .expect("the settings of a consumer are right")
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.config()
            .create()
            .expect("the settings of an admin client are right")
    }

    /// Makes a topic as somebody else would have made it.
    pub(crate) fn create_topic(&self, topic: &str, partitions: i32, config: &[(&str, &str)]) {
        self.create(topic, partitions, TopicReplication::Fixed(1), config);
    }

    /// Makes a topic whose partitions lie on these brokers, the preferred leader first.
    pub(crate) fn create_topic_on(
        &self,
        topic: &str,
        replicas: &[&[i32]],
        config: &[(&str, &str)],
    ) {
        let partitions = i32::try_from(replicas.len()).expect("a handful of partitions");
        self.create(
            topic,
            partitions,
            TopicReplication::Variable(replicas),
            config,
        );
    }

    fn create(
        &self,
        topic: &str,
        partitions: i32,
        replication: TopicReplication<'_>,
        config: &[(&str, &str)],
    ) {
        let mut new = NewTopic::new(topic, partitions, replication);
        for (key, value) in config {
            new = new.set(key, value);
        }
        let admin = self.admin();
        let results = wait(admin.create_topics([&new], &AdminOptions::new()));
        for result in results.expect("the broker answers") {
            result.unwrap_or_else(|(topic, code)| panic!("topic {topic}: {code}"));
        }
    }

    /// Leader and replicas in sync of every partition; none while nobody knows.
    pub(crate) fn leaders(&self, topic: &str) -> Vec<(i32, Vec<i32>)> {
        let metadata = self.consumer().fetch_metadata(Some(topic), REQUEST);
        let metadata = metadata.unwrap_or_else(|e| panic!("metadata of {topic}: {e}"));
        let partitions = metadata
            .topics()
            .iter()
            .flat_map(|topic| topic.partitions());
        partitions
            .map(|partition| (partition.leader(), partition.isr().to_vec()))
            .collect()
    }

    /// Appends one record without a value, as anybody may.
    pub(crate) fn append(&self, topic: &str, partition: i32, headers: &[(&str, &[u8])]) {
        let producer: BaseProducer = self
            .config()
            .create()
            .expect("the settings of a producer are right");
        let mut owned = OwnedHeaders::new();
        for (key, value) in headers {
            owned = owned.insert(Header {
                key,
                value: Some(*value),
            });
        }
        let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic)
            .partition(partition)
            .key(b"somebody".as_slice())
            .headers(owned);
        producer
            .send(record)
            .unwrap_or_else(|(e, _)| panic!("a record is not taken: {e}"));
        producer
            .flush(REQUEST)
            .expect("the broker takes the record");
    }

    /// Deletes the records of one partition before an offset.
    pub(crate) fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(before))
            .expect("the offset is in range");
        let admin = self.admin();
        wait(admin.delete_records(&list, &AdminOptions::new())).expect("the broker answers");
        let (start, _) = self.ends(topic, partition);
        assert_eq!(start, before, "start of {topic}/{partition}");
    }

    /// Start and end of a partition, once it has a leader.
    pub(crate) fn ends(&self, topic: &str, partition: i32) -> (i64, i64) {
        let consumer = self.consumer();
        let what = format!("ends of {topic}/{partition}");
        until(&what, REQUEST, || {
            let ends = consumer.fetch_watermarks(topic, partition, REQUEST);
            ends.map_err(|error| error.to_string())
        })
    }

    /// Number of partitions of a topic; 0 where it is not there.
    pub(crate) fn partitions(&self, topic: &str) -> i32 {
        let metadata = self.consumer().fetch_metadata(Some(topic), REQUEST);
        let metadata = metadata.unwrap_or_else(|e| panic!("metadata of {topic}: {e}"));
        let count = metadata
            .topics()
            .first()
            .map_or(0, |t| t.partitions().len());
        i32::try_from(count).expect("partitions are numbered by i32")
    }

    /// Every record of a topic from its start to its end of now.
    pub(crate) fn read_all(&self, topic: &str) -> Vec<LogRecord> {
        (0..self.partitions(topic))
            .flat_map(|partition| self.read_from(topic, partition, 0))
            .collect()
    }

    /// Records of one partition from an offset (or the start, if that is later) to its end of now.
    pub(crate) fn read_from(&self, topic: &str, partition: i32, from: i64) -> Vec<LogRecord> {
        let consumer = self.consumer();
        let (start, end) = self.ends(topic, partition);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(from.max(start)))
            .expect("the offset is in range");
        consumer.assign(&list).expect("the partition is there");
        let mut records = Vec::new();
        let give_up = Instant::now() + SOON;
        while from.max(start) < end {
            // Transaction markers have offsets but are never delivered; the position passes them.
            if position(&consumer) >= end {
                break;
            }
            assert!(
                Instant::now() < give_up,
                "{topic}/{partition} is not read to {end}"
            );
            let Some(message) = consumer.poll(Duration::from_millis(100)) else {
                continue;
            };
            let message = message.unwrap_or_else(|e| panic!("reading {topic}: {e}"));
            records.push(owned(&message));
            if message.offset() + 1 >= end {
                break;
            }
        }
        records
    }
}

fn position(consumer: &BaseConsumer) -> i64 {
    let list = consumer.position().expect("a consumer has a position");
    list.elements()
        .first()
        .and_then(|e| e.offset().to_raw())
        .unwrap_or(-1)
}

fn owned(message: &impl Message) -> LogRecord {
    let headers = message.headers().into_iter().flat_map(|headers| {
        headers
            .iter()
            .map(|h| (h.key.to_owned(), h.value.unwrap_or_default().to_vec()))
    });
    LogRecord {
        partition: message.partition(),
        offset: message.offset(),
        append_time: message.timestamp().to_millis().unwrap_or(-1),
        key: message.key().unwrap_or_default().to_vec(),
        value: message.payload().unwrap_or_default().to_vec(),
        headers: headers.collect(),
    }
}

/// Drives one admin request to its end.
fn wait<T>(request: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made")
        .block_on(request)
}
