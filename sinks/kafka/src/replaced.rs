//! Whether the records before a position are still those that were read.
//!
//! After an unclean leader election other records may lie at the same offsets. The brokers know:
//! a position that names the leader epoch of the record before it is compared with the log's own
//! epochs (KIP-320). The client library does that when it is placed, and says no more than that
//! the position was reset, also where the question itself failed; so a refusal counts only if a
//! fresh client gets it again. What is refused: to guess where no epoch is known.

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
    let config = settings.consumer_config("meterline-replaced");
    let consumer: BaseConsumer = config.create().map_err(Error::client)?;
    assign(&consumer, place)?;
    while Instant::now() < deadline {
        match consumer.poll(POLL) {
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => return Ok(false),
            Some(Err(error)) => {
                let code = error.rdkafka_error_code();
                if code == Some(RDKafkaErrorCode::AutoOffsetReset) {
                    return Ok(true);
                }
            }
            None => {}
        }
    }
    Err(ReadError::Silent {
        topic: place.topic.to_owned(),
        partition: place.partition,
        offset: place.offset,
        waited: timeout,
    })
}

fn assign(consumer: &BaseConsumer, place: AfterLeader<'_>) -> Result<(), ReadError> {
    let number = i32::try_from(place.partition).expect("partition numbers are 31 bits");
    let at = i64::try_from(place.offset).expect("offsets are 63 bits");
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(place.topic, number, KafkaOffset::Offset(at))
        .and_then(|()| {
            set_leader_epoch(&mut list, place.topic, number, place.leader_epoch);
            consumer.assign(&list)
        })
        .map_err(|source| ReadError::Read {
            topic: place.topic.to_owned(),
            partition: place.partition,
            offset: place.offset,
            source: Box::new(source),
        })
}
