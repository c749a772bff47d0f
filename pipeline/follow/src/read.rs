//! Reading one topic whole: every partition, by assignment, on a thread of its own.
//!
//! It joins no group and commits nothing: every instance reads everything, from positions that
//! the tables or the log's beginning give. Records are handed over in batches through a bounded
//! channel, in the order of their partition, so that a slow judge slows the reading and nothing
//! else. What it refuses: to skip a record that it cannot read, to go on where a log of decisions
//! lost records. Such a log halts, with topic, partition and offset.

mod place;

pub use place::{Ends, Place, ends_of, places, places_from_beginning};

use crate::Follower;
use crate::error::LogHalt;
use crossbeam_channel::{SendTimeoutError, Sender};
use meterline_core::halt::Halt;
use meterline_core::position::Offset;
use meterline_core::time::LogTime;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _, Timestamp};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long one poll waits for a record: what noticing a shutdown may have to wait for.
const POLL: Duration = Duration::from_millis(100);

/// Most records of one batch: some milliseconds of folding, some hundred kilobytes.
const BATCH_RECORDS: usize = 2_000;

/// After this long without an error the brokers are back, even where the log has no new record:
/// the client repeats an error that lasts every 30 s.
const QUIET: Duration = Duration::from_secs(60);

/// Records of one partition, in its order.
#[derive(Debug)]
pub struct Batch<R> {
    /// The partition.
    pub partition: u32,
    /// What it holds; empty where only holes of transactions were passed.
    pub records: Vec<(Offset, R)>,
    /// The next record to read.
    pub position: Offset,
}

/// What a reader hands over.
#[derive(Debug)]
pub enum Read<R> {
    /// Records.
    Batch(Batch<R>),
    /// Retention took records of this partition before they were read.
    Stale(u32),
    /// Every partition was read to the end that it had at the start.
    CaughtUp,
}

/// Which topic, and how its records are read.
#[derive(Debug)]
pub struct Source<R> {
    /// Its name.
    pub topic: String,
    /// Whether retention may take records: those of values, which newer ones make up for.
    pub forgets: bool,
    /// Whether nothing is judged before it was read to its end of the start.
    pub gates: bool,
    /// Reads a record; the append time is missing where the topic has another kind of time.
    pub decode: fn(Option<LogTime>, &[u8]) -> Result<R, Halt>,
}

/// A reader of one topic. Generic over its records `R` and over what the channel carries.
pub struct Reader<R, I> {
    pub(crate) source: Source<R>,
    pub(crate) consumer: BaseConsumer,
    pub(crate) places: BTreeMap<u32, Place>,
    pub(crate) out: Sender<I>,
    pub(crate) wrap: fn(Read<R>) -> I,
    pub(crate) follower: Follower,
    /// Whether the partitions must be placed again before anything can be read.
    pub(crate) is_lost: bool,
}

/// Why a reader ends.
enum Ending {
    /// Nobody wants its records any more.
    Stopped,
    /// The log cannot be read on.
    Halted(LogHalt),
}

impl From<LogHalt> for Ending {
    fn from(halt: LogHalt) -> Self {
        Self::Halted(halt)
    }
}

impl<R, I> Reader<R, I> {
    /// Reads until it is told to stop, or the log halts. Blocks its thread.
    pub fn run(mut self) {
        let topic = self.source.topic.clone();
        if self.source.gates {
            self.follower.health.catches_up(&topic, false);
        }
        if let Err(Ending::Halted(halt)) = self.follow() {
            self.follower.halts(&halt);
        }
    }

    fn follow(&mut self) -> Result<(), Ending> {
        self.place_all()?;
        let mut is_behind = true;
        let mut failed_at: Option<Instant> = None;
        loop {
            if self.follower.stop.load(Ordering::Acquire) {
                return Err(Ending::Stopped);
            }
            if self.is_lost && !self.place_again()? {
                std::thread::sleep(POLL);
                continue;
            }
            if is_behind && self.places.values().all(Place::is_caught_up) {
                is_behind = false;
                self.follower.health.catches_up(&self.source.topic, true);
                self.hand_over(Read::CaughtUp)?;
            }
            if let Some(error) = self.gather()? {
                self.failed(&error);
                failed_at = Some(Instant::now());
            } else if failed_at.is_some_and(|at| at.elapsed() > QUIET) {
                failed_at = None;
                self.follower.health.works("kafka");
            }
        }
    }

    /// Reads what is there, at most one batch of each partition, and hands it over; an error of
    /// the consumer comes after the records before it.
    fn gather(&mut self) -> Result<Option<KafkaError>, Ending> {
        let mut batches: BTreeMap<u32, Vec<(Offset, R)>> = BTreeMap::new();
        let (mut count, mut wait) = (0, POLL);
        let mut failure = None;
        let mut ended = Vec::new();
        while count < BATCH_RECORDS {
            let Some(polled) = self.consumer.poll(wait) else {
                break;
            };
            wait = Duration::ZERO;
            match polled {
                Ok(message) => {
                    let (partition, offset, record) = read(&self.source, &message)?;
                    batches.entry(partition).or_default().push((offset, record));
                    count += 1;
                }
                Err(KafkaError::PartitionEOF(partition)) => ended.push(partition),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        if count > 0 || !ended.is_empty() {
            self.follower.health.works("kafka");
        }
        for (partition, records) in batches {
            self.take(partition, records)?;
        }
        for partition in ended {
            self.at_end(partition)?;
        }
        Ok(failure)
    }

    fn take(&mut self, partition: u32, records: Vec<(Offset, R)>) -> Result<(), Ending> {
        let Some(place) = self.places.get_mut(&partition) else {
            return Ok(());
        };
        // A record of before a second assignment may still be on its way.
        let next = place.next;
        let records: Vec<_> = records.into_iter().filter(|(at, _)| *at >= next).collect();
        let Some((last, _)) = records.last() else {
            return Ok(());
        };
        let position = last + 1;
        place.next = position;
        self.hand_over(Read::Batch(Batch {
            partition,
            records,
            position,
        }))
    }

    /// The client library has read a partition to its end: its position is behind the holes that
    /// transactions leave.
    fn at_end(&mut self, number: i32) -> Result<(), Ending> {
        let Ok(partition) = u32::try_from(number) else {
            return Ok(());
        };
        let reached = self.consumer.position().ok().and_then(|positions| {
            let place = positions.find_partition(&self.source.topic, number)?;
            Offset::try_from(place.offset().to_raw()?).ok()
        });
        let Some(place) = self.places.get_mut(&partition) else {
            return Ok(());
        };
        place.is_at_end = true;
        match reached.filter(|position| *position > place.next) {
            Some(position) => {
                place.next = position;
                self.hand_over(Read::Batch(Batch {
                    partition,
                    records: Vec::new(),
                    position,
                }))
            }
            None => Ok(()),
        }
    }

    /// Notes an error of the consumer; after some of them the client library stays silent about a
    /// partition, without saying which.
    fn failed(&mut self, error: &KafkaError) {
        let why = meterline_core::causes::chain(error);
        self.follower.health.fails("kafka", &why, Instant::now());
        tracing::debug!(topic = self.source.topic, why, "kafka consumer");
        self.is_lost = matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::AutoOffsetReset
                    | RDKafkaErrorCode::OffsetOutOfRange
                    | RDKafkaErrorCode::BadMessage
                    | RDKafkaErrorCode::BadCompression
                    | RDKafkaErrorCode::NotImplemented
                    | RDKafkaErrorCode::MessageSizeTooLarge
            )
        );
    }

    /// Hands something over, however long the judge takes.
    fn hand_over(&self, read: Read<R>) -> Result<(), Ending> {
        let mut input = (self.wrap)(read);
        loop {
            input = match self.out.send_timeout(input, POLL) {
                Ok(()) => return Ok(()),
                Err(SendTimeoutError::Disconnected(_)) => return Err(Ending::Stopped),
                Err(SendTimeoutError::Timeout(input)) => input,
            };
            if self.follower.stop.load(Ordering::Acquire) {
                return Err(Ending::Stopped);
            }
        }
    }
}

/// The record of a message.
fn read<R>(source: &Source<R>, message: &BorrowedMessage<'_>) -> Result<(u32, Offset, R), LogHalt> {
    let partition = u32::try_from(message.partition()).expect("a delivered record has a partition");
    let offset = Offset::try_from(message.offset()).expect("a delivered record has an offset");
    let append_time = match message.timestamp() {
        Timestamp::LogAppendTime(millis) => Some(LogTime(millis)),
        Timestamp::CreateTime(_) | Timestamp::NotAvailable => None,
    };
    let none = || Halt::UnknownFormat("the record has no value".to_owned());
    let bytes = message.payload().ok_or_else(none);
    let record = bytes.and_then(|bytes| (source.decode)(append_time, bytes));
    let record = record.map_err(|halt| LogHalt {
        topic: source.topic.clone(),
        partition,
        offset,
        source: halt,
    })?;
    Ok((partition, offset, record))
}
