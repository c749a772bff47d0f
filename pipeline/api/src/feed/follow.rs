//! The consumer of `usage.standing`: no group, nothing committed, every partition.

use super::{Feed, LOOK, Loaded};
use crate::error::ApiError;
use meterline_core::causes::chain;
use meterline_kafka::{Admin, Backoff};
use meterline_schemas::records::{Record, decode};
use rdkafka::Offset as KafkaOffset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::TopicPartitionList;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How long one poll waits: bounds how long it takes the thread to notice that it should end.
const POLL: Duration = Duration::from_millis(100);
/// How long one question to a broker may take.
const ANSWER: Duration = Duration::from_secs(5);
/// How often the topic is asked for new partitions.
const DESCRIBE_EVERY: Duration = Duration::from_secs(30);
/// How often the thread says that it lives, while records come.
const BEAT_EVERY: Duration = Duration::from_millis(200);
/// Group name for the client library; the group is never joined.
const GROUP: &str = "meterline-api-standings";

/// Follows the topic.
pub(super) struct Follower<'a> {
    feed: &'a Feed,
    topic: String,
    admin: Admin,
    consumer: BaseConsumer,
    given: Loaded,
    /// The next record of every partition that is read.
    next: BTreeMap<u32, u64>,
    /// Partitions whose end was reached once.
    ended: BTreeSet<u32>,
    is_caught_up: bool,
    describe_at: Instant,
}

/// What stops the view for good.
struct Unreadable {
    partition: i32,
    offset: i64,
    why: String,
}

impl<'a> Follower<'a> {
    /// Makes the clients; nothing is read yet.
    pub(super) fn connect(feed: &'a Feed, given: Loaded) -> Result<Self, ApiError> {
        let kafka = &feed.connections.kafka;
        let mut config = kafka.consumer_config(GROUP);
        config.set("client.id", &feed.connections.instance);
        let failed = |source| ApiError::Consumer(Box::new(source));
        Ok(Self {
            feed,
            topic: kafka.topics().standing(),
            admin: Admin::connect(kafka)?,
            consumer: config.create().map_err(failed)?,
            given,
            next: BTreeMap::new(),
            ended: BTreeSet::new(),
            is_caught_up: false,
            describe_at: Instant::now(),
        })
    }

    /// Follows until the thread should end.
    pub(super) fn run(mut self) {
        let mut backoff = Backoff::new();
        let mut beat_at = Instant::now();
        while !self.feed.is_stopping() {
            if Instant::now() >= beat_at {
                self.feed.beat();
                beat_at = Instant::now() + BEAT_EVERY;
            }
            if Instant::now() >= self.describe_at {
                match self.place() {
                    Ok(()) => {
                        self.feed.shared.health.works("kafka");
                        backoff = Backoff::new();
                    }
                    Err(error) => {
                        tracing::warn!(stage = "api", error, "cannot read standings, trying on");
                        self.feed.pause("kafka", &error, backoff.pause());
                        continue;
                    }
                }
            }
            let polled = self
                .consumer
                .poll(POLL)
                .map(|polled| polled.map(|m| self.take(&m)));
            match polled {
                None => {}
                Some(Ok(Ok((partition, offset)))) => {
                    self.next.insert(partition, offset + 1);
                }
                Some(Ok(Err(unreadable))) => return self.stand_still(&unreadable),
                Some(Err(error)) => self.tell(&error),
            }
        }
    }

    /// Takes one record into the view.
    fn take(&self, message: &BorrowedMessage<'_>) -> Result<(u32, u64), Unreadable> {
        let unreadable = |why: String| Unreadable {
            partition: message.partition(),
            offset: message.offset(),
            why,
        };
        let record = decode(message.payload().unwrap_or_default());
        match record.map_err(|error| unreadable(error.to_string()))? {
            Record::Standing(standing) => {
                self.feed.shared.standings.take(&standing);
            }
            Record::StandingProgress(progress) => self.feed.shared.take_progress(&progress),
            _ => return Err(unreadable("a record of another log".to_owned())),
        }
        let partition = u32::try_from(message.partition()).expect("a delivered record has one");
        let offset = u64::try_from(message.offset()).expect("a delivered record has one");
        Ok((partition, offset))
    }

    /// What the client said instead of a record.
    fn tell(&mut self, error: &KafkaError) {
        match error {
            KafkaError::PartitionEOF(partition) => self.reach_end(*partition),
            // The log no longer has the position: what was missed stays missed until newer
            // standings, which progress shows, and the table has it.
            KafkaError::MessageConsumption(
                RDKafkaErrorCode::OffsetOutOfRange | RDKafkaErrorCode::AutoOffsetReset,
            ) => self.describe_at = Instant::now(),
            error => {
                let health = &self.feed.shared.health;
                health.fails("kafka", &chain(error), Instant::now());
                // Asked at once, so that an end of the failure is noticed.
                self.describe_at = self.describe_at.min(Instant::now() + ANSWER);
            }
        }
    }

    fn reach_end(&mut self, partition: i32) {
        let Ok(partition) = u32::try_from(partition) else {
            return;
        };
        self.ended.insert(partition);
        let all = self.next.keys().all(|read| self.ended.contains(read));
        if all && !self.is_caught_up {
            self.is_caught_up = true;
            self.feed.shared.catch_up();
            self.feed.shared.health.phase(None);
            tracing::info!(
                stage = "api",
                standings = self.feed.shared.standings.len(),
                "caught up: the view is complete"
            );
        }
    }

    /// Reads every partition that the topic has, each within what it has.
    fn place(&mut self) -> Result<(), String> {
        let text = |error: meterline_kafka::Error| chain(&error);
        let described = self
            .admin
            .describe_topic(&self.topic, ANSWER)
            .map_err(text)?;
        let topic = described
            .ok_or_else(|| format!("topic {} does not exist; run `meterline init`", self.topic))?;
        let mut next = BTreeMap::new();
        for partition in 0..topic.partition_count() {
            let ends = self.admin.watermarks(&self.topic, partition, ANSWER);
            let (low, high) = ends.map_err(text)?;
            let known = self.next.get(&partition);
            let known = known.or_else(|| self.given.positions.get(&partition));
            // A position beyond the end is one of a topic that was made again.
            let wanted = known.copied().filter(|wanted| *wanted <= high);
            next.insert(partition, wanted.unwrap_or(low).max(low));
        }
        if next != self.next {
            self.assign(&next).map_err(|error| chain(&error))?;
            self.next = next;
        }
        self.describe_at = Instant::now() + DESCRIBE_EVERY;
        Ok(())
    }

    fn assign(&self, next: &BTreeMap<u32, u64>) -> KafkaResult<()> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in next {
            let partition = i32::try_from(*partition).expect("partition numbers are 31 bits");
            let offset = i64::try_from(*offset).expect("offsets are 63 bits");
            list.add_partition_offset(&self.topic, partition, KafkaOffset::Offset(offset))?;
        }
        self.consumer.assign(&list)
    }

    /// The view stays as it is, and grows old.
    fn stand_still(&self, unreadable: &Unreadable) {
        let Unreadable {
            partition,
            offset,
            why,
        } = unreadable;
        let topic = &self.topic;
        tracing::error!(topic, partition, offset, why, "stopped following standings");
        let text = format!(
            "topic {topic} partition {partition} offset {offset} cannot be read: {why}; \
             run the release that wrote it, or a newer one"
        );
        while !self.feed.is_stopping() {
            self.feed.beat();
            let health = &self.feed.shared.health;
            health.fails("usage.standing", &text, Instant::now());
            std::thread::sleep(LOOK);
        }
    }
}
