//! Whether the records before a position are still those that were read.
//!
//! After an unclean leader election other records may lie at the same offsets. The brokers know:
//! a position that names the leader epoch of the record before it is compared with the log's own
//! epochs (KIP-320). The client library (librdkafka 2.12) does so when it seeks or hears of a new
//! leader, but not where it is first assigned, and says no more than that the position was reset.
//! So this asks by a seek, and believes a refusal if a fresh client gets it again. What is refused:
//! to guess where no epoch is known.

use crate::error::Error;
use crate::leader_epoch::set_leader_epoch;
use crate::reader::ReadError;
use crate::settings::Settings;
use meterline_core::position::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use std::time::{Duration, Instant};

/// Longest wait for one answer before the deadline is looked at.
const POLL: Duration = Duration::from_millis(100);

/// Longest wait for a client to begin with a partition before it is asked to seek again.
const SETTLE: Duration = Duration::from_millis(5);

/// How long a broker may hold its answer where the log has no more.
const FETCH_WAIT_MS: &str = "10";

/// Refusals, each by a client of its own, that are needed to believe one.
const REFUSALS: usize = 2;

/// A position and the leader that appended the record before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AfterLeader<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: u32,
    /// The position.
    pub offset: Offset,
    /// Leader epoch of the record before it; with a negative one nothing is compared.
    pub leader_epoch: i32,
}

/// Whether the brokers say that records before the position were replaced by others. Blocks, for
/// up to twice `timeout`.
///
/// # Errors
/// [`ReadError::Silent`] where nobody answers in time, and the client's own.
pub fn is_replaced(
    settings: &Settings,
    place: AfterLeader<'_>,
    timeout: Duration,
) -> Result<bool, ReadError> {
    for _ in 0..REFUSALS {
        if !is_refused(settings, place, timeout)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_refused(
    settings: &Settings,
    place: AfterLeader<'_>,
    timeout: Duration,
) -> Result<bool, ReadError> {
    let deadline = Instant::now() + timeout;
    let mut config = settings.consumer_config("meterline-replaced");
    config.set("fetch.wait.max.ms", FETCH_WAIT_MS);
    let consumer: BaseConsumer = config.create().map_err(Error::client)?;
    seek(&consumer, place, deadline)?;
    let mut failure = place.silent(timeout);
    while Instant::now() < deadline {
        match consumer.poll(POLL) {
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => return Ok(false),
            Some(Err(error)) => {
                let code = error.rdkafka_error_code();
                if code == Some(RDKafkaErrorCode::AutoOffsetReset) {
                    return Ok(true);
                }
                // It may pass; where it does not, it says why nobody answered.
                failure = place.failed(error);
            }
            None => {}
        }
    }
    Err(failure)
}

/// Assigns the partition and seeks in it as soon as its reading has begun; what was read before
/// the seek is dropped by the client library.
fn seek(
    consumer: &BaseConsumer,
    place: AfterLeader<'_>,
    deadline: Instant,
) -> Result<(), ReadError> {
    let began = Instant::now();
    let list = place.list().map_err(|source| place.failed(source))?;
    consumer
        .assign(&list)
        .map_err(|source| place.failed(source))?;
    while Instant::now() < deadline {
        let sought = consumer.seek_partitions(list.clone(), deadline - began);
        let sought = sought.map_err(|source| place.failed(source))?;
        if sought.elements().iter().all(|e| e.error().is_ok()) {
            return Ok(());
        }
        // Not assigned yet: a moment in which the client can be.
        let _ = consumer.poll(SETTLE);
    }
    Err(place.silent(began.elapsed()))
}

impl AfterLeader<'_> {
    fn list(&self) -> Result<TopicPartitionList, KafkaError> {
        let number = i32::try_from(self.partition).expect("partition numbers are 31 bits");
        let at = i64::try_from(self.offset).expect("offsets are 63 bits");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(self.topic, number, KafkaOffset::Offset(at))?;
        set_leader_epoch(&mut list, self.topic, number, self.leader_epoch);
        Ok(list)
    }

    fn failed(&self, source: KafkaError) -> ReadError {
        ReadError::Read {
            topic: self.topic.to_owned(),
            partition: self.partition,
            offset: self.offset,
            source: Box::new(source),
        }
    }

    fn silent(&self, waited: Duration) -> ReadError {
        ReadError::Silent {
            topic: self.topic.to_owned(),
            partition: self.partition,
            offset: self.offset,
            waited,
        }
    }
}
