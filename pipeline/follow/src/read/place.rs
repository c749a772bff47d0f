//! Where the partitions of a topic are read from, and what is wrong with such a place.

use super::{Ending, Read, Reader};
use crate::error::LogHalt;
use meterline_core::halt::Halt;
use meterline_core::position::Offset;
use meterline_kafka::Admin;
use rdkafka::Offset as KafkaOffset;
use rdkafka::consumer::Consumer as _;
use rdkafka::topic_partition_list::TopicPartitionList;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long one question to the brokers may take.
const ANSWER: Duration = Duration::from_secs(5);

/// First and next record of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ends {
    /// The first record that is there.
    pub low: Offset,
    /// The record after the last.
    pub end: Offset,
}

/// How far a partition is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The next record to take.
    pub(crate) next: Offset,
    /// What the log was at the last look.
    pub(crate) ends: Ends,
    /// The end that the partition had at the start.
    pub(crate) end_of_start: Offset,
    /// Whether the client library came to the log's end since the start.
    pub(crate) is_at_end: bool,
}

impl Place {
    /// A place in a log that is as `ends` says.
    #[must_use]
    pub fn new(next: Offset, ends: Ends) -> Self {
        Self {
            next,
            ends,
            end_of_start: ends.end,
            is_at_end: false,
        }
    }

    /// Whether everything was read that was there at the start. The log's end counts too: a
    /// transaction's marker may be the last of it.
    pub(crate) fn is_caught_up(&self) -> bool {
        self.is_at_end || self.next >= self.end_of_start
    }
}

/// What is to be done about a position in a log.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Found {
    /// It is there.
    There,
    /// Retention took what was there; reading begins where the log does.
    Gone,
    /// The log cannot be read on.
    Halted(Halt),
}

fn find(topic: &str, next: Offset, ends: Ends, forgets: bool) -> Found {
    let Ends { low, end } = ends;
    if next > end {
        return Found::Halted(Halt::Truncated(format!(
            "topic {topic} ends at {end}, records before {next} had been read; was it deleted, or \
             did an unclean election lose records? Start the stage again once it is whole"
        )));
    }
    match next < low {
        false => Found::There,
        true if forgets => Found::Gone,
        true => Found::Halted(Halt::LogGap(format!(
            "topic {topic} begins at {low} and no longer has {next}; it must never be cut off"
        ))),
    }
}

impl<R, I> Reader<R, I> {
    /// Stands before the next record of every partition.
    pub(super) fn place_all(&mut self) -> Result<(), Ending> {
        let (topic, forgets) = (self.source.topic.clone(), self.source.forgets);
        let mut gone = Vec::new();
        for (partition, place) in &mut self.places {
            match find(&topic, place.next, place.ends, forgets) {
                Found::There => {}
                Found::Gone => {
                    place.next = place.ends.low;
                    gone.push(*partition);
                }
                Found::Halted(source) => {
                    return Err(Ending::Halted(LogHalt {
                        topic,
                        partition: *partition,
                        offset: place.next,
                        source,
                    }));
                }
            }
        }
        self.assign()?;
        for partition in gone {
            tracing::warn!(
                stage = self.follower.stage(),
                topic,
                partition,
                "totals are gone that were not read; newer progress mends it"
            );
            self.hand_over(Read::Stale(partition))?;
        }
        Ok(())
    }

    /// Asks where the log begins and ends now, and stands before the next record of every
    /// partition; false where nobody answers.
    pub(super) fn place_again(&mut self) -> Result<bool, Ending> {
        let topic = &self.source.topic;
        for (partition, place) in &mut self.places {
            let number = i32::try_from(*partition).expect("partition numbers are 31 bits");
            match self.consumer.fetch_watermarks(topic, number, ANSWER) {
                Ok((low, end)) => {
                    let offset = |n| Offset::try_from(n).expect("an end is no negative number");
                    let (low, end) = (offset(low), offset(end));
                    place.ends = Ends { low, end };
                }
                Err(error) => {
                    let why = meterline_core::causes::chain(&error);
                    self.follower.health.fails("kafka", &why, Instant::now());
                    return Ok(false);
                }
            }
        }
        self.place_all()?;
        self.is_lost = false;
        Ok(true)
    }

    fn assign(&self) -> Result<(), LogHalt> {
        let mut list = TopicPartitionList::new();
        for (partition, place) in &self.places {
            let number = i32::try_from(*partition).expect("partition numbers are 31 bits");
            let at = i64::try_from(place.next).expect("offsets are 63 bits");
            list.add_partition_offset(&self.source.topic, number, KafkaOffset::Offset(at))
                .expect("the client library takes every offset");
        }
        self.consumer.assign(&list).map_err(|error| LogHalt {
            topic: self.source.topic.clone(),
            partition: 0,
            offset: 0,
            source: Halt::LogGap(format!(
                "the client library refuses the assignment: {error}"
            )),
        })
    }
}

/// Where each partition is read from, which `position` chooses.
#[must_use]
pub fn places(
    ends: &BTreeMap<u32, Ends>,
    position: impl Fn(u32, Ends) -> Offset,
) -> BTreeMap<u32, Place> {
    let all = ends.iter();
    all.map(|(partition, ends)| (*partition, Place::new(position(*partition, *ends), *ends)))
        .collect()
}

/// A log of decisions is read from its beginning; where that is gone, its reader halts.
#[must_use]
pub fn places_from_beginning(ends: &BTreeMap<u32, Ends>) -> BTreeMap<u32, Place> {
    places(ends, |_, _| 0)
}

/// Where every partition of a topic begins and ends now.
///
/// # Errors
/// What the brokers answered, or that they did not.
pub fn ends_of(
    admin: &Admin,
    topic: &str,
    partitions: u32,
) -> Result<BTreeMap<u32, Ends>, meterline_kafka::Error> {
    let all = (0..partitions).map(|partition| {
        let (low, end) = admin.watermarks(topic, partition, ANSWER)?;
        Ok((partition, Ends { low, end }))
    });
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(next: Offset, (low, end): (Offset, Offset), forgets: bool, expected: &str) {
        let found = match find("t", next, Ends { low, end }, forgets) {
            Found::There => "there",
            Found::Gone => "gone",
            Found::Halted(halt) => halt.name(),
        };
        assert_eq!(
            found, expected,
            "{next} in {low}..{end}, forgets: {forgets}"
        );
    }

    #[test]
    fn a_log_that_lost_records_halts_unless_newer_ones_make_up_for_them() {
        check(0, (0, 0), false, "there");
        check(5, (2, 5), true, "there");
        check(1, (2, 5), true, "gone");
        check(1, (2, 5), false, "log_gap");
        check(6, (2, 5), false, "truncated");
        check(6, (2, 5), true, "truncated");
    }

    #[test]
    fn a_partition_is_caught_up_at_its_end_of_the_start() {
        let mut place = Place::new(3, Ends { low: 0, end: 5 });
        assert!(!place.is_caught_up());
        place.next = 5;
        assert!(place.is_caught_up());
        // The last record of the log is a transaction's marker, which is never delivered.
        let mut place = Place::new(3, Ends { low: 0, end: 5 });
        place.is_at_end = true;
        assert!(place.is_caught_up());
    }
}
