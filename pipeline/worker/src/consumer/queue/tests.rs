//! The queue on librdkafka's own mock of a broker.

use super::*;
use rdkafka::ClientConfig;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::DefaultConsumerContext;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::time::Instant;

const TOPIC: &str = "usage.events";

/// How long anything may take.
const SOON: Duration = Duration::from_secs(30);

/// One broker with one partition, somebody who writes to it, and the consumer of a queue.
struct Log<'c> {
    _cluster: MockCluster<'c, rdkafka::producer::DefaultProducerContext>,
    producer: BaseProducer,
    consumer: Arc<BaseConsumer<DefaultConsumerContext>>,
    queue: Queue,
}

impl Log<'_> {
    fn new() -> Self {
        let cluster = MockCluster::new(1).expect("a cluster");
        cluster.create_topic(TOPIC, 1, 1).expect("a topic");
        let config = |more: &[(&str, &str)]| {
            let mut config = ClientConfig::new();
            config.set("bootstrap.servers", cluster.bootstrap_servers());
            more.iter().for_each(|(key, value)| {
                config.set(*key, *value);
            });
            config
        };
        let producer = config(&[]).create().expect("a producer");
        let consumer: BaseConsumer = config(&[
            ("group.id", "tests"),
            ("enable.auto.commit", "false"),
            ("enable.partition.eof", "true"),
            ("auto.offset.reset", "error"),
        ])
        .create()
        .expect("a consumer");
        let consumer = Arc::new(consumer);
        let queue = Queue::split(Arc::clone(&consumer), TOPIC, 0).expect("a queue");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(TOPIC, 0, rdkafka::Offset::Beginning)
            .expect("a position");
        consumer.assign(&list).expect("assigned");
        Self {
            _cluster: cluster,
            producer,
            consumer,
            queue,
        }
    }

    fn write(&self, count: usize) {
        for _ in 0..count {
            let record: BaseRecord<'_, (), str> = BaseRecord::to(TOPIC).payload("x").partition(0);
            self.producer
                .send(record)
                .map_err(|(error, _)| error)
                .expect("queued");
        }
        self.producer.flush(SOON).expect("written");
    }

    /// Offsets of the records up to the log's end.
    fn read_to_end(&mut self) -> Vec<u64> {
        let deadline = Instant::now() + SOON;
        let mut offsets = Vec::new();
        loop {
            match self.queue.poll(Duration::from_millis(100)) {
                Some(Ok(record)) => offsets.push(record.offset),
                Some(Err(KafkaError::PartitionEOF(_))) if !offsets.is_empty() => return offsets,
                _ => assert!(Instant::now() < deadline, "no end after {offsets:?}"),
            }
        }
    }

    /// Waits until so much is ready that it can be taken at once.
    fn wait_ready(&self, count: usize) {
        let deadline = Instant::now() + SOON;
        // SAFETY: the queue is alive.
        let length = || unsafe { bindings::rd_kafka_queue_length(self.queue.queue.as_ptr()) };
        while length() < count {
            assert!(Instant::now() < deadline, "{} are ready", length());
            std::thread::yield_now();
        }
    }

    /// What the client library does by itself in every rebalance, while somebody writes.
    fn write_in_a_pause(&self, count: usize) {
        let mut list = TopicPartitionList::new();
        list.add_partition(TOPIC, 0);
        self.consumer.pause(&list).expect("paused");
        self.write(count);
        self.consumer.resume(&list).expect("resumed");
    }
}

#[test]
fn every_record_comes_once_and_in_order() {
    let mut log = Log::new();
    log.write(1_000);
    assert_eq!(log.read_to_end(), (0..1_000).collect::<Vec<_>>());
}

/// librdkafka's call that fills an array counts the end of the log as a record that was read; going
/// on after a pause, the next record was left out.
#[test]
fn a_pause_at_the_end_of_the_log_leaves_no_record_out() {
    let mut log = Log::new();
    log.write(3);
    for first in (0..30).step_by(3) {
        // Three records, that there are no more, and the mark that a new reading leaves before them.
        log.wait_ready(5);
        assert_eq!(log.read_to_end(), [first, first + 1, first + 2]);
        log.write_in_a_pause(3);
    }
}
