//! Watches the topics that the stage stands on: their ids, their ends, the ages of what is known.
//!
//! A topic that was made again, or lost its end, is no longer the one that was read: the stage
//! stops judging and says so. Nothing else is decided here.

use crate::Follower;
use crate::error::LogHalt;
use crate::read::Ends;
use meterline_core::causes::chain;
use meterline_core::halt::Halt;
use meterline_core::position::{Offset, TopicId};
use meterline_kafka::{Admin, TopicDescription};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

/// How often the logs' ends are asked for.
const ENDS_INTERVAL: Duration = Duration::from_secs(2);

/// How often the topics' ids are asked for.
const IDS_INTERVAL: Duration = Duration::from_secs(10);

/// How long the thread sleeps between two looks at whether it should stop.
const LOOK: Duration = Duration::from_millis(50);

/// How long one question to the brokers may take.
const ANSWER: Duration = Duration::from_secs(5);

/// How long a log may end before what was read until that is believed: a new leader knows the end
/// only once its followers have asked.
const TRUNCATED_PATIENCE: Duration = Duration::from_secs(60);

/// A topic that is watched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Watched {
    topic: String,
    topic_id: TopicId,
    partitions: u32,
    is_totals: bool,
}

impl Watched {
    /// A topic, as it was at the start.
    #[must_use]
    pub fn new(topic: &TopicDescription) -> Self {
        Self {
            topic: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: topic.partition_count(),
            is_totals: false,
        }
    }

    /// The topic of totals, whose lag is shown.
    #[must_use]
    pub fn totals(topic: &TopicDescription) -> Self {
        Self {
            is_totals: true,
            ..Self::new(topic)
        }
    }
}

/// The watching thread's side.
pub(crate) struct Watch {
    pub(crate) admin: Admin,
    pub(crate) topics: Vec<Watched>,
    pub(crate) follower: Follower,
}

impl Watch {
    /// Watches until it is told to stop. Blocks its thread.
    pub(crate) fn run(self) {
        let (mut ends_at, mut ids_at) = (Instant::now(), Instant::now() + IDS_INTERVAL);
        let mut short: BTreeMap<(String, u32), Instant> = BTreeMap::new();
        while !self.follower.stop.load(Ordering::Acquire) {
            let now = Instant::now();
            if now >= ends_at {
                self.look_at_ends(&mut short);
                self.show_ages();
                ends_at = now + ENDS_INTERVAL;
            }
            if now >= ids_at {
                self.look_at_ids();
                ids_at = now + IDS_INTERVAL;
            }
            std::thread::sleep(LOOK);
        }
    }

    fn look_at_ends(&self, short: &mut BTreeMap<(String, u32), Instant>) {
        for watched in &self.topics {
            for partition in 0..watched.partitions {
                let is_read = self
                    .follower
                    .health
                    .position(&watched.topic, partition)
                    .is_some();
                if !is_read && !watched.is_totals {
                    continue;
                }
                let answer = self.admin.watermarks(&watched.topic, partition, ANSWER);
                match answer {
                    Ok((low, end)) => {
                        self.follower.health.works("log ends");
                        self.look_at_end(watched, partition, Ends { low, end }, short);
                    }
                    Err(error) => {
                        let why = chain(&error);
                        self.follower.metrics.failed("kafka");
                        self.follower.health.fails("log ends", &why, Instant::now());
                        return;
                    }
                }
            }
        }
    }

    fn look_at_end(
        &self,
        watched: &Watched,
        partition: u32,
        ends: Ends,
        short: &mut BTreeMap<(String, u32), Instant>,
    ) {
        let position = self.follower.health.position(&watched.topic, partition);
        if watched.is_totals {
            self.follower.health.log_ends(partition, position, ends.end);
            self.follower
                .metrics
                .read(partition, position.unwrap_or(0), ends.end);
        }
        let place = (watched.topic.clone(), partition);
        let Some(position) = position.filter(|position| *position > ends.end) else {
            short.remove(&place);
            return;
        };
        let since = *short.entry(place).or_insert_with(Instant::now);
        if since.elapsed() < TRUNCATED_PATIENCE {
            return;
        }
        let end = ends.end;
        let why = format!("the log ends at {end}, records before {position} had been read");
        self.halt(watched, partition, position, Halt::Truncated(why));
    }

    fn look_at_ids(&self) {
        for watched in &self.topics {
            let described = match self.admin.describe_topic(&watched.topic, ANSWER) {
                Ok(described) => described,
                Err(error) => {
                    self.follower.metrics.failed("kafka");
                    let why = chain(&error);
                    self.follower.health.fails("topics", &why, Instant::now());
                    return;
                }
            };
            self.follower.health.works("topics");
            let known = watched.topic_id;
            let Some(described) = described else {
                let why = "the topic is gone".to_owned();
                self.halt(watched, 0, 0, Halt::TopicChanged(why));
                continue;
            };
            if described.topic_id != known {
                let id = described.topic_id;
                let why = format!("the topic has id {id}, what was read has {known}; start again");
                self.halt(watched, 0, 0, Halt::TopicChanged(why));
            } else if described.partition_count() != watched.partitions {
                let (count, known) = (described.partition_count(), watched.partitions);
                let why =
                    format!("the topic has {count} partitions, {known} are read; start again");
                self.halt(watched, 0, 0, Halt::PartitionsChanged(why));
            }
        }
    }

    fn halt(&self, watched: &Watched, partition: u32, offset: Offset, source: Halt) {
        self.follower.halts(&LogHalt {
            topic: watched.topic.clone(),
            partition,
            offset,
            source,
        });
    }

    fn show_ages(&self) {
        for (partition, age) in self.follower.health.ages(SystemTime::now()) {
            self.follower.metrics.age(partition, age);
        }
    }
}
