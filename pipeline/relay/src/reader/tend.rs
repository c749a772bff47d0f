//! Owned partitions: rebalances, where each is read from, the logs' ends.

use super::context::Change;
use super::{ANSWER, Ends, Reader, Reading, Slot, Start, number};
use crate::metrics::{Gap, Standing};
use crate::sink::{Failure, Sink};
use meterline_core::causes::chain;
use meterline_core::position::{LogPartition, Offset, TopicId};
use meterline_core::time::LogTime;
use rdkafka::Offset as KafkaOffset;
use rdkafka::consumer::Consumer as _;
use rdkafka::topic_partition_list::TopicPartitionList;
use std::time::{Duration, Instant, SystemTime};

/// How often the logs' ends are asked for.
const ENDS_INTERVAL: Duration = Duration::from_secs(2);

/// How long a log may end before a saved position until that is believed: a new leader knows the
/// end only once its followers have asked.
const TRUNCATED_PATIENCE: Duration = Duration::from_secs(60);

impl<S: Sink> Reader<'_, S> {
    /// Answers rebalances, places what is due, asks for the logs' ends.
    pub(super) fn tend(&mut self) {
        let now = Instant::now();
        self.stage.health.beat(now);
        for change in self.consumer.context().take() {
            self.stage.health.phase(None);
            match change {
                Change::Given(partitions) => self.given(&partitions, now),
                Change::Taken(partitions) => self.taken(&partitions),
            }
        }
        self.place_due(now);
        let reading = self.reading().count();
        let waiting = self.slots.len() - reading;
        self.stage.metrics.own(reading, waiting);
        self.ask_for_ends_if_due(now);
    }

    fn given(&mut self, partitions: &[u32], now: Instant) {
        let stage = self.stage;
        tracing::info!(
            stage = stage.name,
            topic = stage.topic,
            ?partitions,
            "given"
        );
        for partition in partitions {
            self.slots.insert(*partition, Slot::waiting(now));
            stage.health.enters(*partition, now);
        }
    }

    fn taken(&mut self, partitions: &[u32]) {
        let stage = self.stage;
        tracing::info!(
            stage = stage.name,
            topic = stage.topic,
            ?partitions,
            "taken"
        );
        for partition in partitions {
            self.slots.remove(partition);
            stage.health.leaves(*partition);
            stage.metrics.leave(*partition);
        }
    }

    /// Starts to read the partitions whose time has come.
    fn place_due(&mut self, now: Instant) {
        let is_due = |slot: &Slot| matches!(slot, Slot::Waiting { at, .. } if *at <= now);
        let due = self.slots.iter().filter(|(_, slot)| is_due(slot));
        let due: Vec<u32> = due.map(|(partition, _)| *partition).collect();
        if due.is_empty() {
            return;
        }
        let topic_id = self.describe();
        for partition in due {
            let placed = topic_id
                .clone()
                .and_then(|topic_id| self.place(topic_id, partition));
            match placed.and_then(|offset| self.assign(partition, offset)) {
                Ok(offset) => {
                    let reading = Reading {
                        next: offset,
                        log_time: None,
                    };
                    self.slots.insert(partition, Slot::Reading(reading));
                    self.stage.health.reaches(partition, offset, now);
                }
                Err(failure) => self.put_off(partition, &failure),
            }
        }
    }

    /// The topic's id now; positions are those of this incarnation from here on.
    pub(super) fn describe(&mut self) -> Result<TopicId, Failure> {
        let topic = &self.stage.topic;
        let described = self.admin.describe_topic(topic, ANSWER);
        let described = described.map_err(|error| Failure::of("kafka", &error))?;
        let described = described.ok_or_else(|| {
            Failure::again(
                "kafka",
                format!("there is no topic {topic}: run `meterline init`"),
            )
        })?;
        if self
            .topic_id
            .is_some_and(|known| known != described.topic_id)
        {
            tracing::warn!(topic, id = %described.topic_id, "the topic was made again");
            self.read_again();
        }
        self.topic_id = Some(described.topic_id);
        Ok(described.topic_id)
    }

    fn place(&mut self, topic_id: TopicId, partition: u32) -> Result<Offset, Failure> {
        let log_partition = LogPartition {
            topic_id,
            partition,
        };
        let ends = self
            .admin
            .watermarks(&self.stage.topic, partition, ANSWER)
            .map_err(|error| Failure::of("kafka", &error))?;
        let (low, end) = ends;
        let saved = self.sink.saved(&self.consumer, log_partition)?;
        let start = Start::of(saved, Ends { low, end });
        self.believe(partition, start)?;
        self.say(log_partition, start);
        self.sink.begin(log_partition, start)
    }

    /// Refuses to believe at once that a log lost its end.
    fn believe(&mut self, partition: u32, start: Start) -> Result<(), Failure> {
        let Some(Slot::Waiting { short_since, .. }) = self.slots.get_mut(&partition) else {
            return Ok(());
        };
        let Start::Truncated { end, saved, .. } = start else {
            *short_since = None;
            return Ok(());
        };
        let since = *short_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= TRUNCATED_PATIENCE {
            return Ok(());
        }
        let text = format!("the log ends at {end}, before the saved position {saved}");
        Err(Failure::again("kafka", text))
    }

    fn assign(&self, partition: u32, offset: Offset) -> Result<Offset, Failure> {
        // Should it be fetched still, a second assignment would be refused for ever.
        self.unassign(&[partition]);
        let mut list = TopicPartitionList::new();
        let at = KafkaOffset::Offset(i64::try_from(offset).expect("offsets are 63 bits"));
        list.add_partition_offset(&self.stage.topic, number(partition), at)
            .and_then(|()| self.consumer.incremental_assign(&list))
            .map_err(|error| Failure::of("kafka", &error))?;
        Ok(offset)
    }

    fn put_off(&mut self, partition: u32, failure: &Failure) {
        self.not_read(partition, failure);
        if let Some(Slot::Waiting { at, backoff, .. }) = self.slots.get_mut(&partition) {
            *at = Instant::now() + backoff.pause();
        }
    }

    /// Says why a partition is not read.
    pub(super) fn not_read(&self, partition: u32, failure: &Failure) {
        let (stage, need, now) = (self.stage.name, failure.need, Instant::now());
        self.stage.metrics.failed(need);
        self.stage.health.waits(partition, need, &failure.text, now);
        tracing::warn!(stage, partition, need, error = failure.text, "not read yet");
    }

    /// Asks where the logs begin and end, every so often.
    pub(super) fn ask_for_ends_if_due(&mut self, now: Instant) {
        if now >= self.ends_at {
            self.ends_at = now + ENDS_INTERVAL;
            self.ask_for_ends();
        }
    }

    fn ask_for_ends(&mut self) {
        let (health, metrics) = (&self.stage.health, &self.stage.metrics);
        for (partition, reading) in self.reading() {
            match self.admin.watermarks(&self.stage.topic, partition, ANSWER) {
                Ok((low, end)) => {
                    health.works("log ends");
                    health.log_ends(partition, end, Instant::now());
                    let standing = Standing {
                        position: health.position(partition).unwrap_or(reading.next),
                        low,
                        end,
                        age: reading.log_time.map(age),
                    };
                    metrics.read(partition, standing);
                }
                Err(error) => {
                    health.fails("log ends", &chain(&error), Instant::now());
                    return;
                }
            }
        }
    }

    pub(super) fn reading(&self) -> impl Iterator<Item = (u32, Reading)> {
        self.slots
            .iter()
            .filter_map(|(partition, slot)| match slot {
                Slot::Reading(reading) => Some((*partition, *reading)),
                Slot::Waiting { .. } => None,
            })
    }

    /// Says where a partition is read from, loudly where something is missing.
    fn say(&self, log_partition: LogPartition, start: Start) {
        let stage = self.stage.name;
        let (gap, why) = match start {
            Start::Saved(_) | Start::Fresh(_) => {
                tracing::info!(stage, %log_partition, ?start, "placed");
                return;
            }
            Start::Gone { .. } => {
                let why = "the log's retention is shorter than this stage was down";
                (Gap::Retention, why)
            }
            Start::Truncated { .. } => {
                let why = "the log lost its end: was a leader elected uncleanly?";
                (Gap::Truncated, why)
            }
        };
        self.stage.metrics.misses(gap);
        tracing::error!(stage, %log_partition, ?start, why, "the log does not have the saved position");
    }
}

/// How long ago a record was appended, by this machine's clock.
fn age(log_time: LogTime) -> Duration {
    let appended = u64::try_from(log_time.0).unwrap_or(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default()
        .saturating_sub(Duration::from_millis(appended))
}
