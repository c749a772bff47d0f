//! Reading single records of a log by their offsets, or all records up to its end of now.
//!
//! For commands, not for stages: nothing is joined, committed or followed. Reads what is committed
//! only. That a record is gone (retention, a topic made again) is an answer here, not an error;
//! whether it is the record that was meant is for the caller to check, by its hash.

use crate::admin::Admin;
use crate::error::Error;
use crate::headers::headers;
use crate::settings::Settings;
use meterline_core::position::Offset;
use meterline_core::time::LogTime;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message, Timestamp};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use std::time::{Duration, Instant};

/// Longest wait for one record before the deadline is looked at.
const POLL: Duration = Duration::from_millis(100);

/// Records that are read past rather than asked for anew: they came with the same answer.
const NEAR: Offset = 500;

/// Bytes that the client may read ahead: one answer of a broker, not its usual 64 MiB.
const AHEAD_KIB: usize = 4 * 1_024;

/// The failure of a read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Kafka could not be asked.
    #[error(transparent)]
    Kafka(#[from] Error),
    /// The client could not be positioned or has failed for good.
    #[error("failed to read topic {topic} partition {partition} at offset {offset}")]
    Read {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The offset.
        offset: Offset,
        /// Why.
        source: Box<KafkaError>,
    },
    /// No answer in time.
    #[error("topic {topic} partition {partition} gave no record at offset {offset} in {waited:?}")]
    Silent {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The offset.
        offset: Offset,
        /// How long was waited.
        waited: Duration,
    },
    /// A transaction that nobody has ended hides what is behind it.
    #[error(
        "an open transaction on topic {topic} partition {partition} at offset {at} hides records \
         before {end}; wait until its producer or the brokers have ended it"
    )]
    Open {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Where the committed records end.
        at: Offset,
        /// Where the log ends.
        end: Offset,
    },
}

/// A record with its own copy of the bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReadRecord {
    /// Its offset.
    pub offset: Offset,
    /// When the broker appended it; `None` where it carries another kind of time.
    pub append_time: Option<LogTime>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its headers in written order, those whose names are UTF-8.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Its value; `None` in a tombstone.
    pub payload: Option<Vec<u8>>,
}

/// Where the client stands.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Place {
    topic: String,
    partition: u32,
    next: Offset,
}

/// Reads records of any topic. One connection; keeps its place, so that ascending reads are cheap.
pub struct Reader {
    consumer: BaseConsumer,
    committed: Admin,
    /// Sees the ends of logs behind open transactions too.
    everything: BaseConsumer,
    place: Option<Place>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// What a poll came to.
enum Polled {
    Record(ReadRecord),
    End,
    Gone,
    Nothing,
}

impl Reader {
    /// Makes a reader; `name` is the group it never joins.
    ///
    /// # Errors
    /// [`Error::Client`] where the client library refuses the settings.
    pub fn connect(settings: &Settings, name: &str) -> Result<Self, Error> {
        let mut config = settings.consumer_config(name);
        config.set("queued.max.messages.kbytes", AHEAD_KIB.to_string());
        let mut everything: ClientConfig = settings.consumer_config(name);
        everything.set("isolation.level", "read_uncommitted");
        Ok(Self {
            consumer: config.create().map_err(Error::client)?,
            committed: Admin::connect(settings)?,
            everything: everything.create().map_err(Error::client)?,
            place: None,
        })
    }

    /// The record at an offset; `None` where the log does not have it (any more). Blocks.
    ///
    /// # Errors
    /// Any [`ReadError`].
    pub fn read_at(
        &mut self,
        topic: &str,
        partition: u32,
        offset: Offset,
        timeout: Duration,
    ) -> Result<Option<ReadRecord>, ReadError> {
        let deadline = Instant::now() + timeout;
        let mut is_fresh = self.go_to(topic, partition, offset)?;
        loop {
            match self.poll()? {
                Polled::Record(record) if record.offset < offset => {}
                Polled::Record(record) => return Ok((record.offset == offset).then_some(record)),
                // The end that an earlier read found; there may be more by now.
                Polled::End if !is_fresh => {
                    self.place = None;
                    is_fresh = self.go_to(topic, partition, offset)?;
                }
                Polled::End | Polled::Gone => {
                    self.place = None;
                    return Ok(None);
                }
                Polled::Nothing if Instant::now() < deadline => {}
                Polled::Nothing => {
                    return Err(ReadError::Silent {
                        topic: topic.to_owned(),
                        partition,
                        offset,
                        waited: timeout,
                    });
                }
            }
        }
    }

    /// Reads every committed record from an offset to the log's end of now, and returns that end.
    ///
    /// Begins at the log's first record where that is later. Blocks.
    ///
    /// # Errors
    /// Any [`ReadError`]; [`ReadError::Open`] where the log's end is not decided in time; those of
    /// `take`, which end the reading.
    pub fn read_to_end<E: From<ReadError>>(
        &mut self,
        topic: &str,
        partition: u32,
        from: Offset,
        timeout: Duration,
        mut take: impl FnMut(ReadRecord) -> Result<(), E>,
    ) -> Result<Offset, E> {
        let end = self.decided_end(topic, partition, timeout)?;
        let (low, _) = self
            .committed
            .watermarks(topic, partition, timeout)
            .map_err(ReadError::from)?;
        let mut next = from.max(low);
        let mut deadline = Instant::now() + timeout;
        self.place = None;
        if next < end {
            self.go_to(topic, partition, next)?;
        }
        while next < end {
            match self.poll()? {
                Polled::Record(record) => {
                    next = record.offset + 1;
                    deadline = Instant::now() + timeout;
                    take(record)?;
                }
                // Markers of transactions have offsets and are never delivered.
                Polled::End => next = end,
                Polled::Nothing if Instant::now() < deadline => {}
                Polled::Nothing | Polled::Gone => {
                    return Err(E::from(ReadError::Silent {
                        topic: topic.to_owned(),
                        partition,
                        offset: next,
                        waited: timeout,
                    }));
                }
            }
        }
        self.place = None;
        Ok(end)
    }

    /// The first record that the log still has, with its append time; `None` where it is empty.
    ///
    /// # Errors
    /// Any [`ReadError`].
    pub fn first(
        &mut self,
        topic: &str,
        partition: u32,
        timeout: Duration,
    ) -> Result<Option<ReadRecord>, ReadError> {
        let (low, _) = self.committed.watermarks(topic, partition, timeout)?;
        let deadline = Instant::now() + timeout;
        self.place = None;
        self.go_to(topic, partition, low)?;
        loop {
            match self.poll()? {
                Polled::Record(record) => return Ok(Some(record)),
                Polled::End => return Ok(None),
                Polled::Gone | Polled::Nothing if Instant::now() < deadline => {}
                Polled::Gone | Polled::Nothing => {
                    return Err(ReadError::Silent {
                        topic: topic.to_owned(),
                        partition,
                        offset: low,
                        waited: timeout,
                    });
                }
            }
        }
    }

    /// The log's end, once every transaction before it is committed or aborted.
    fn decided_end(
        &self,
        topic: &str,
        partition: u32,
        timeout: Duration,
    ) -> Result<Offset, ReadError> {
        let deadline = Instant::now() + timeout;
        let number = i32::try_from(partition).expect("partition numbers are 31 bits");
        let (_, end) = self
            .everything
            .fetch_watermarks(topic, number, timeout)
            .map_err(|source| Self::failed(topic, partition, 0, source))?;
        let end = Offset::try_from(end).expect("an end is no negative number");
        loop {
            let (_, at) = self.committed.watermarks(topic, partition, timeout)?;
            if at >= end {
                return Ok(end);
            }
            if Instant::now() >= deadline {
                let topic = topic.to_owned();
                return Err(ReadError::Open {
                    topic,
                    partition,
                    at,
                    end,
                });
            }
            std::thread::sleep(POLL);
        }
    }

    /// Stands before an offset; true where the broker has to be asked for it.
    fn go_to(&mut self, topic: &str, partition: u32, offset: Offset) -> Result<bool, ReadError> {
        let is_near = self.place.as_ref().is_some_and(|place| {
            let ahead = offset.checked_sub(place.next);
            place.topic == topic
                && place.partition == partition
                && ahead.is_some_and(|ahead| ahead <= NEAR)
        });
        if is_near {
            return Ok(false);
        }
        let number = i32::try_from(partition).expect("partition numbers are 31 bits");
        let at = i64::try_from(offset).expect("offsets are 63 bits");
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, number, KafkaOffset::Offset(at))
            .and_then(|()| self.consumer.assign(&list))
            .map_err(|source| Self::failed(topic, partition, offset, source))?;
        self.place = Some(Place {
            topic: topic.to_owned(),
            partition,
            next: offset,
        });
        Ok(true)
    }

    fn poll(&mut self) -> Result<Polled, ReadError> {
        let place = self.place.as_mut().expect("a place was chosen before");
        match self.consumer.poll(POLL) {
            None => Ok(Polled::Nothing),
            Some(Ok(message)) => {
                let record = ReadRecord::copy(&message);
                // A record of an earlier place may still be on its way.
                let is_here = message.topic() == place.topic
                    && u32::try_from(message.partition()) == Ok(place.partition)
                    && record.offset >= place.next;
                if !is_here {
                    return Ok(Polled::Nothing);
                }
                place.next = record.offset + 1;
                Ok(Polled::Record(record))
            }
            Some(Err(KafkaError::PartitionEOF(_))) => Ok(Polled::End),
            Some(Err(error)) => match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                    Ok(Polled::Gone)
                }
                Some(
                    RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::UnknownTopicOrPartition
                    | RDKafkaErrorCode::UnknownTopic
                    | RDKafkaErrorCode::UnknownPartition
                    | RDKafkaErrorCode::Fatal,
                ) => {
                    let place = place.clone();
                    Err(Self::failed(
                        &place.topic,
                        place.partition,
                        place.next,
                        error,
                    ))
                }
                // The client connects again by itself; the caller's deadline bounds it.
                _ => Ok(Polled::Nothing),
            },
        }
    }

    fn failed(topic: &str, partition: u32, offset: Offset, source: KafkaError) -> ReadError {
        ReadError::Read {
            topic: topic.to_owned(),
            partition,
            offset,
            source: Box::new(source),
        }
    }
}

impl ReadRecord {
    fn copy(message: &BorrowedMessage<'_>) -> Self {
        let copied =
            |(name, value): (&str, Option<&[u8]>)| (name.to_owned(), value.map(<[u8]>::to_vec));
        Self {
            offset: Offset::try_from(message.offset()).expect("records have offsets from 0"),
            append_time: match message.timestamp() {
                Timestamp::LogAppendTime(millis) => Some(LogTime(millis)),
                _ => None,
            },
            key: message.key().map(<[u8]>::to_vec),
            headers: headers(message).map(copied).collect(),
            payload: message.payload().map(<[u8]>::to_vec),
        }
    }
}
