//! The reader against a broker, with a sink that refuses: nothing stops it for good.

use super::{Consumer, Reader, Stage, Start};
use crate::health::{Health, RelayPartition};
use crate::message::RawRecord;
use crate::metrics::Metrics;
use crate::settings::{Connections, StageSettings};
use crate::sink::{Delivered, Failure, Sink, Size};
use meterline_core::position::{LogPartition, Offset};
use meterline_kafka::{Admin, Settings, TopicSpec};
use meterline_stack::{Parts, Service, Stack};
use rdkafka::consumer::Consumer as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::topic_partition_list::TopicPartitionList;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

static RUNNING: Mutex<Weak<Stack>> = Mutex::new(Weak::new());

const PARTITIONS: u32 = 2;
/// Records of each partition.
const RECORDS: Offset = 50;
const SOON: Duration = Duration::from_secs(60);

/// What a sink did, and is to do.
#[derive(Debug, Default)]
struct Inner {
    batch: Vec<(u32, Offset)>,
    delivered: Vec<(u32, Offset)>,
    /// Not taken, and its partition does not begin either, as while something needed is silent.
    refused: Option<(u32, Offset)>,
    /// The next delivery finds this partition no longer fetched, and has to be read again.
    lost: Option<u32>,
}

impl Inner {
    /// The next record of a partition that is not delivered.
    fn next(&self, partition: u32) -> Offset {
        let ours = self.delivered.iter().filter(|(p, _)| *p == partition);
        ours.map(|(_, offset)| offset + 1).max().unwrap_or(0)
    }

    fn refuses(&self, partition: u32, offset: Offset) -> Result<(), Failure> {
        if self.refused == Some((partition, offset)) {
            return Err(Failure::again("something needed", "silent"));
        }
        Ok(())
    }
}

/// A sink that keeps what it is given; clones share it.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Inner>>);

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Kept {
    fn saved(&mut self, _: &Consumer, place: LogPartition) -> Result<Option<Offset>, Failure> {
        Ok(Some(self.lock().next(place.partition)))
    }

    fn begin(&mut self, place: LogPartition, start: Start) -> Result<Offset, Failure> {
        let Start::Saved(offset) = start else {
            panic!("{start:?} of a log that has everything");
        };
        self.lock().refuses(place.partition, offset)?;
        Ok(offset)
    }

    fn take(&mut self, place: LogPartition, raw: &RawRecord<'_>) -> Result<(), Failure> {
        let mut inner = self.lock();
        inner.refuses(place.partition, raw.offset)?;
        inner.batch.push((place.partition, raw.offset));
        Ok(())
    }

    fn reached(&mut self, _: LogPartition, _: Offset) {}

    fn is_empty(&self) -> bool {
        self.lock().batch.is_empty()
    }

    fn size(&self) -> Size {
        Size {
            records: self.lock().batch.len(),
            bytes: 0,
        }
    }

    fn deliver(&mut self, consumer: &Consumer) -> Result<Delivered, Failure> {
        let mut inner = self.lock();
        if let Some(lost) = inner.lost.take() {
            let assigned = consumer.assignment().expect("a consumer has an assignment");
            let mut list = TopicPartitionList::new();
            for element in assigned.elements_for_topic(assigned.elements()[0].topic()) {
                if u32::try_from(element.partition()) == Ok(lost) {
                    list.add_partition(element.topic(), element.partition());
                }
            }
            assert_eq!((assigned.count(), list.count()), (2, 1), "{assigned:?}");
            consumer.incremental_unassign(&list).expect("it is fetched");
            return Err(Failure::reread("something needed", "to be read again"));
        }
        let batch = std::mem::take(&mut inner.batch);
        inner.delivered.extend(batch);
        let positions = (0..PARTITIONS).map(|p| (p, inner.next(p))).collect();
        Ok(Delivered {
            positions,
            ..Delivered::default()
        })
    }

    fn discard(&mut self) {
        self.lock().batch.clear();
    }
}

/// A stage and its sink.
struct Running {
    stage: Stage,
    sink: Kept,
}

impl Running {
    fn partitions(&self) -> BTreeMap<u32, RelayPartition> {
        let partitions = self.stage.health.status(Instant::now()).partitions;
        partitions.into_iter().map(|p| (p.partition, p)).collect()
    }

    /// Waits until this holds of the sink and of what the stage says.
    fn until(&self, holds: impl Fn(&Inner, &BTreeMap<u32, RelayPartition>) -> bool) {
        let deadline = Instant::now() + SOON;
        loop {
            let partitions = self.partitions();
            let inner = self.sink.lock();
            if holds(&inner, &partitions) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "still {partitions:?}, {:?}",
                inner.delivered
            );
            drop(inner);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn until_all(&self) {
        self.until(|inner, partitions| {
            let is_read = |p: u32| partitions.get(&p).is_some_and(|s| s.waits_for.is_none());
            (0..PARTITIONS).all(|p| inner.next(p) == RECORDS && is_read(p))
        });
        let mut delivered = self.sink.lock().delivered.clone();
        // Each partition in its own order, and nothing twice.
        delivered.sort_by_key(|(partition, _)| *partition);
        let all = (0..PARTITIONS).flat_map(|p| (0..RECORDS).map(move |offset| (p, offset)));
        assert_eq!(delivered, all.collect::<Vec<_>>());
    }
}

/// A topic with records, under a name of its own.
fn topic(stack: &Stack, name: &str) -> Connections {
    let kafka = Settings {
        brokers: stack.brokers(),
        properties: BTreeMap::new(),
        topic_prefix: format!("{name}."),
    };
    let topic = kafka.topics().usage_events();
    let admin = Admin::connect(&kafka).expect("a client");
    let spec = TopicSpec {
        name: topic.clone(),
        partitions: PARTITIONS,
        replicas: 1,
        config: vec![("message.timestamp.type", "LogAppendTime".to_owned())],
    };
    admin.create_topic(&spec, SOON).expect("the topic is made");
    let producer: BaseProducer = kafka.producer_config().create().expect("a producer");
    for partition in 0..PARTITIONS {
        let partition = i32::try_from(partition).expect("a few");
        for _ in 0..RECORDS {
            let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&topic).partition(partition);
            let sent = producer.send(record.payload(b"x"));
            sent.map_err(|(error, _)| error).expect("a record is taken");
        }
    }
    producer.flush(SOON).expect("the records are written");
    Connections {
        kafka,
        clickhouse: meterline_clickhouse::Settings::new("http://127.0.0.1:1"),
        instance: "reader-test".to_owned(),
    }
}

/// Runs a reader beside the test.
fn run(name: &str, first: Inner, test: impl FnOnce(&Running)) {
    let stack = Stack::running(&RUNNING, Parts::only(Service::Kafka));
    let connections = topic(&stack, name);
    let mut settings = StageSettings::new(name);
    settings.flush_interval = Duration::from_millis(100);
    let topic = connections.kafka.topics().usage_events();
    let health = Health::new("test", name, &topic, SOON, Instant::now());
    let running = Running {
        stage: Stage {
            name: "test",
            topic,
            settings,
            health: Arc::new(health),
            metrics: Metrics::new("test").0,
        },
        sink: Kept(Arc::new(Mutex::new(first))),
    };
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = Reader::connect(&running.stage, &connections, &stop, running.sink.clone());
        let reader = reader.expect("a consumer");
        let thread = scope.spawn(move || reader.run());
        let tested = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| test(&running)));
        stop.store(true, Ordering::Release);
        let ended = thread.join().expect("the reader's thread ends");
        tested.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        ended.expect("the reader ends well");
    });
}

#[test]
fn a_partition_whose_record_was_refused_says_so_and_goes_on_afterwards() {
    const REFUSED: (u32, Offset) = (0, 10);
    let first = Inner {
        refused: Some(REFUSED),
        ..Inner::default()
    };
    run("refused", first, |running| {
        // What came before it is delivered, the other partition does not wait, and the reason
        // outlives the delivery.
        running.until(|inner, partitions| {
            let waits_for = partitions.get(&0).and_then(|p| p.waits_for.as_deref());
            inner.next(0) == REFUSED.1 && inner.next(1) == RECORDS && waits_for == Some("silent")
        });
        running.sink.lock().refused = None;
        running.until_all();
    });
}

#[test]
fn a_partition_that_is_not_fetched_any_more_keeps_no_other_from_being_read_again() {
    let first = Inner {
        lost: Some(0),
        ..Inner::default()
    };
    run("lost", first, Running::until_all);
}
