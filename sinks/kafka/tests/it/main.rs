//! The Kafka edge against a real broker, which this binary starts and stops.
//!
//! One topic prefix per test; no sleeps, no retries: what must become true is awaited.

mod headers;
mod stack;

use meterline_core::hash::partition_of;
use meterline_core::position::TopicId;
use meterline_kafka::{
    Admin, Created, MAX_RECORD_BYTES, Next, Outgoing, Producer, Settings, TopicDescription,
    TopicSpec,
};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Who write at once: with a batch in flight each, they take all the room that there is.
const WRITERS: usize = 20;
/// Three batches.
const RECORDS_EACH: usize = 3 * 4_096;

fn spec(settings: &Settings, partitions: u32) -> TopicSpec {
    TopicSpec {
        name: settings.topics().usage_events(),
        partitions,
        replicas: 1,
        config: vec![
            ("message.timestamp.type", "LogAppendTime".to_owned()),
            ("retention.ms", "604800000".to_owned()),
            ("max.message.bytes", MAX_RECORD_BYTES.to_string()),
        ],
    }
}

/// A new topic of this many partitions.
fn topic(partitions: u32) -> (Settings, Admin, TopicSpec) {
    let settings = stack::settings();
    let admin = Admin::connect(&settings).expect("a client");
    let spec = spec(&settings, partitions);
    assert_eq!(
        admin.create_topic(&spec, TIMEOUT).expect("made"),
        Created::Now
    );
    (settings, admin, spec)
}

fn delete(settings: &Settings, topic: &str) {
    let client: AdminClient<DefaultClientContext> =
        settings.admin_config().create().expect("a client");
    let results = futures::executor::block_on(client.delete_topics(&[topic], &AdminOptions::new()));
    assert!(results.expect("an answer").iter().all(Result::is_ok));
}

/// The topic, once it is there or not: a broker answers a change before it applies it everywhere.
fn described(admin: &Admin, name: &str, there: bool) -> Option<TopicDescription> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let now = admin.describe_topic(name, TIMEOUT).expect("an answer");
        if now.is_some() == there {
            return now;
        }
        assert!(Instant::now() < deadline, "still {now:?}");
    }
}

/// The topic id that the broker itself wrote beside the log of partition 0.
fn id_on_disk(topic: &str) -> String {
    let folder = stack::STACK.folder().join(format!("kafka/log/{topic}-0"));
    let deadline = Instant::now() + TIMEOUT;
    let text = loop {
        // The broker answers before it writes the file.
        if let Ok(text) = std::fs::read_to_string(folder.join("partition.metadata")) {
            break text;
        }
        assert!(Instant::now() < deadline, "no file in {}", folder.display());
    };
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("topic_id: "));
    line.expect("an id").to_owned()
}

/// Kafka's text form of an id: URL-safe base 64 without padding.
fn as_kafka_writes_it(id: TopicId) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // 22 digits hold 132 bits: the id, then four zero bits.
    (0..22u32)
        .map(|place| {
            let six = if place == 21 {
                id.0 << 4
            } else {
                id.0 >> (122 - 6 * place)
            };
            char::from(DIGITS[usize::try_from(six & 63).expect("six bits")])
        })
        .collect()
}

#[test]
fn topic_ids_are_kafkas_and_change_when_a_topic_is_made_again() {
    let (settings, admin, spec) = topic(3);
    let first = described(&admin, &spec.name, true).expect("there");
    assert_eq!(as_kafka_writes_it(first.topic_id), id_on_disk(&spec.name));
    let numbers: Vec<_> = first.partitions.iter().map(|p| p.partition).collect();
    assert_eq!(numbers, [0, 1, 2]);
    assert_eq!((first.partition_count(), first.replicas()), (3, 1));

    delete(&settings, &spec.name);
    described(&admin, &spec.name, false);
    assert_eq!(
        admin.create_topic(&spec, TIMEOUT).expect("made"),
        Created::Now
    );
    let second = described(&admin, &spec.name, true).expect("there");
    assert_ne!(second.topic_id, first.topic_id);
    assert_eq!(as_kafka_writes_it(second.topic_id), id_on_disk(&spec.name));
}

#[test]
fn a_topic_that_is_there_is_described_and_not_changed() {
    let (_, admin, mut spec) = topic(2);
    spec.partitions = 5;
    assert_eq!(
        admin.create_topic(&spec, TIMEOUT).expect("an answer"),
        Created::Before
    );
    let described = described(&admin, &spec.name, true).expect("there");
    assert_eq!(described.partition_count(), 2);
    assert!(described.config.log_append_time);
    assert_eq!(described.config.retention_ms, 604_800_000);
    assert_eq!(described.config.cleanup_policy, "delete");
    assert_eq!(described.config.min_insync_replicas, 1);
    assert!(!described.config.unclean_leader_election);
    let absent = admin.describe_topic("no-such-topic", TIMEOUT);
    assert_eq!(absent.expect("an answer"), None);
    assert!(admin.brokers(TIMEOUT).expect("an answer") == 1);
}

#[test]
fn records_go_where_murmur2_of_their_key_says() {
    let (settings, admin, spec) = topic(7);
    let producer = Producer::connect(&settings).expect("a client");
    for n in 0..50 {
        let key = format!("tenant-{n}");
        let written = producer.send_blocking(Outgoing {
            topic: &spec.name,
            key: Some(key.as_bytes()),
            payload: Some(b"{}"),
            ..Outgoing::default()
        });
        let written = written.expect("acknowledged");
        assert_eq!(written.partition, partition_of(key.as_bytes(), 7), "{key}");
    }
    let ends = (0..7).map(|p| admin.watermarks(&spec.name, p, TIMEOUT).expect("answer").1);
    assert_eq!(ends.sum::<u64>(), 50);
}

#[test]
fn records_arrive_as_they_were_sent() {
    let (settings, _, spec) = topic(2);
    let producer = Producer::connect(&settings).expect("a client");
    let written = producer.send_blocking(Outgoing {
        topic: &spec.name,
        partition: Some(1),
        headers: &[
            ("meterline-control", Some(b"tick")),
            ("empty", Some(b"")),
            ("absent", None),
        ],
        ..Outgoing::default()
    });
    let written = written.expect("acknowledged");
    assert_eq!((written.partition, written.offset), (1, 0));
    let consumer: BaseConsumer = settings.consumer_config("test").create().expect("a client");
    let mut start = TopicPartitionList::new();
    start
        .add_partition_offset(&spec.name, 1, Offset::Offset(0))
        .and_then(|()| consumer.assign(&start))
        .expect("assigned");
    let message = consumer.poll(TIMEOUT).expect("in time").expect("a record");
    assert_eq!((message.key(), message.payload()), (None, None));
    let headers = message.headers().expect("headers");
    let sent = |n: usize| {
        let header = headers.get(n);
        (header.key, header.value)
    };
    assert_eq!(headers.count(), 3);
    assert_eq!(sent(0), ("meterline-control", Some(&b"tick"[..])));
    assert_eq!(sent(1), ("empty", Some(&b""[..])));
    assert_eq!(sent(2), ("absent", None));
}

#[test]
fn more_than_fits_in_flight_is_written_all_the_same() {
    let (settings, admin, spec) = topic(1);
    let producer = Producer::connect(&settings).expect("a client");
    let (small, large) = (vec![1; 100], vec![2; 4 << 20]);
    let smalls = (0..100_000).map(|_| &small);
    let larges = (0..24).map(|_| &large);
    let records = smalls.chain(larges).map(|payload| Outgoing {
        topic: &spec.name,
        partition: Some(0),
        payload: Some(payload),
        ..Outgoing::default()
    });
    producer.send_all_blocking(records).expect("acknowledged");
    let (_, end) = admin.watermarks(&spec.name, 0, TIMEOUT).expect("answer");
    assert_eq!(end, 100_024);
}

#[test]
fn many_who_write_more_than_fits_in_flight_wait_for_each_other_and_not_for_ever() {
    let (settings, admin, spec) = topic(1);
    let producer = Producer::connect(&settings).expect("a client");
    let (ended, ends) = std::sync::mpsc::channel();
    for _ in 0..WRITERS {
        let (producer, topic, ended) = (producer.clone(), spec.name.clone(), ended.clone());
        std::thread::spawn(move || {
            let record = Outgoing {
                topic: &topic,
                partition: Some(0),
                payload: Some(b"1"),
                ..Outgoing::default()
            };
            let records = std::iter::repeat_n(record, RECORDS_EACH);
            ended.send(producer.send_all_blocking(records))
        });
    }
    for _ in 0..WRITERS {
        let sent = ends.recv_timeout(TIMEOUT).expect("nobody waits for ever");
        sent.expect("acknowledged");
    }
    let (_, end) = admin.watermarks(&spec.name, 0, TIMEOUT).expect("answer");
    assert_eq!(usize::try_from(end), Ok(WRITERS * RECORDS_EACH));
}

#[test]
fn a_record_that_can_never_be_written_says_so_and_where() {
    let (settings, _, spec) = topic(1);
    let producer = Producer::connect(&settings).expect("a client");
    let payload = vec![0; MAX_RECORD_BYTES + 1];
    let send = |partition, payload: &[u8]| {
        let record = Outgoing {
            topic: &spec.name,
            partition: Some(partition),
            payload: Some(payload),
            ..Outgoing::default()
        };
        producer.send_blocking(record).expect_err("refused")
    };
    let error = send(0, &payload);
    assert_eq!(error.next(), Next::Never);
    let text = error.to_string();
    let place = format!("topic {} partition 0", spec.name);
    assert!(text.contains(&place), "{text}");
    let error = send(u32::MAX, b"");
    assert_eq!(error.next(), Next::Never);
}

#[test]
fn a_broker_that_is_away_is_worth_another_try() {
    let mut settings = stack::settings();
    settings.brokers = "127.0.0.1:1".to_owned();
    let admin = Admin::connect(&settings).expect("a client");
    let short = Duration::from_millis(200);
    let described = admin.describe_topic("any", short).expect_err("away");
    assert_eq!(described.next(), Next::Retry, "{described:?}");
    let watermarks = admin.watermarks("any", 0, short).expect_err("away");
    assert_eq!(watermarks.next(), Next::Retry, "{watermarks:?}");
}
