//! Batches: records into the sink, and the sink's batch to its destination.

use super::{POLL, Reader, Slot, context, number};
use crate::message;
use crate::sink::{Delivered, Failure, Next, Sink};
use meterline_core::position::{LogPartition, Offset, TopicId};
use meterline_kafka::Backoff;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::topic_partition_list::TopicPartitionList;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long reading again waits: what failed should have a moment.
const PAUSE: Duration = Duration::from_secs(1);

impl<S: Sink> Reader<'_, S> {
    /// Reads until the batch is full or due, or a moment where there is nothing.
    ///
    /// # Errors
    /// Where the client library cannot go on.
    pub(super) fn fill(&mut self) -> Result<(), KafkaError> {
        let settings = &self.stage.settings;
        let mut due = None;
        while !self.is_stopping() {
            let size = self.sink.size();
            if size.records >= settings.batch_records || size.bytes >= settings.batch_bytes {
                break;
            }
            if size.records > 0 {
                let now = Instant::now();
                if now >= *due.get_or_insert_with(|| now + settings.flush_interval) {
                    break;
                }
            }
            let Some(polled) = self.consumer.poll(POLL) else {
                if size.records == 0 {
                    break;
                }
                continue;
            };
            match polled {
                Ok(message) => {
                    let taken = take(&mut self.sink, &mut self.slots, self.topic_id, &message);
                    let partition = message.partition();
                    if let Err(failure) = taken {
                        drop(message);
                        self.refuse(partition, &failure);
                        break;
                    }
                }
                Err(KafkaError::PartitionEOF(partition)) => self.at_end(partition),
                Err(error @ KafkaError::MessageConsumptionFatal(_)) => return Err(error),
                Err(error) => {
                    if self.poll_failed(&error) {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// A record could not be taken: what came before it is delivered, then it is read again.
    fn refuse(&mut self, partition: i32, failure: &Failure) {
        let partition = u32::try_from(partition).expect("a delivered record has a partition");
        self.unassign(&[partition]);
        // To be placed again: only what waits ever is.
        let again = Slot::waiting(Instant::now() + PAUSE);
        self.slots.insert(partition, again);
        self.not_read(partition, failure);
    }

    /// The client library has read a log to its end; its position is behind the holes that
    /// transactions leave.
    fn at_end(&mut self, partition: i32) {
        let Ok(positions) = self.consumer.position() else {
            return;
        };
        let place = positions.find_partition(&self.stage.topic, partition);
        let offset = place.and_then(|place| place.offset().to_raw());
        let (Some(offset), Some(topic_id), Ok(partition)) = (
            offset.and_then(|offset| Offset::try_from(offset).ok()),
            self.topic_id,
            u32::try_from(partition),
        ) else {
            return;
        };
        if let Some(Slot::Reading(reading)) = self.slots.get_mut(&partition)
            && offset > reading.next
        {
            reading.next = offset;
            let log_partition = LogPartition {
                topic_id,
                partition,
            };
            self.sink.reached(log_partition, offset);
        }
    }

    /// Whether everything is to be read again, because the client library has stopped reading a
    /// partition, or skips what it cannot read, without saying which.
    fn poll_failed(&mut self, error: &KafkaError) -> bool {
        let stage = self.stage.name;
        let code = error.rdkafka_error_code();
        let must = matches!(
            code,
            Some(
                RDKafkaErrorCode::AutoOffsetReset
                    | RDKafkaErrorCode::OffsetOutOfRange
                    | RDKafkaErrorCode::BadMessage
                    | RDKafkaErrorCode::BadCompression
                    | RDKafkaErrorCode::NotImplemented
                    | RDKafkaErrorCode::MessageSizeTooLarge
            )
        );
        if must {
            tracing::error!(stage, %error, "failed to read, reading again from saved positions");
            self.stage.metrics.failed("kafka");
            self.read_again();
        } else {
            tracing::info!(stage, %error, "kafka consumer");
        }
        must
    }

    /// Delivers the batch, however long that takes; what cannot be delivered before a stopping
    /// stage's time is over will be read again.
    pub(super) fn deliver(&mut self) {
        if self.sink.is_empty() {
            return;
        }
        let began = Instant::now();
        let mut backoff = Backoff::new();
        let mut is_checked = false;
        loop {
            let failure = match self.attempt(&mut is_checked) {
                Ok(delivered) => return self.delivered(&delivered, began),
                Err(failure) => failure,
            };
            let stage = self.stage.name;
            if failure.next == Next::Reread {
                let error = failure.text;
                tracing::warn!(stage, error, "a batch is read again");
                self.stage.metrics.failed(failure.need);
                self.sink.discard();
                return self.read_again();
            }
            if !self.wait(&failure, backoff.pause()) {
                tracing::error!(stage, "stopping with a batch that will be read again");
                return self.sink.discard();
            }
        }
    }

    /// One attempt; first it makes sure, once, that the batch is of the topic that it was read as.
    fn attempt(&mut self, is_checked: &mut bool) -> Result<Delivered, Failure> {
        if !*is_checked {
            let read_as = self.topic_id;
            if Some(self.describe()?) != read_as {
                return Err(Failure::reread("kafka", "the topic was made again"));
            }
            *is_checked = true;
        }
        self.sink.deliver(&self.consumer)
    }

    fn delivered(&mut self, delivered: &Delivered, began: Instant) {
        let now = Instant::now();
        let (health, metrics) = (&self.stage.health, &self.stage.metrics);
        health.recovers();
        for (partition, position) in &delivered.positions {
            // One that was taken meanwhile is no longer ours to report, and one that waits says
            // why until it is placed.
            if let Some(Slot::Reading(_)) = self.slots.get(partition) {
                health.reaches(*partition, *position, now);
            }
        }
        metrics.delivered(&delivered.outcomes, delivered.bytes, now - began);
        self.said.clear();
    }

    /// Stops to read, and starts again from the saved positions in a moment.
    pub(super) fn read_again(&mut self) {
        let reading: Vec<u32> = self.reading().map(|(partition, _)| partition).collect();
        self.unassign(&reading);
        let at = Instant::now() + PAUSE;
        for partition in reading {
            self.slots.insert(partition, Slot::waiting(at));
        }
    }

    /// Stops fetching what is fetched of these.
    pub(super) fn unassign(&self, partitions: &[u32]) {
        let mut list = TopicPartitionList::new();
        for partition in partitions {
            list.add_partition(&self.stage.topic, number(*partition));
        }
        if let Err(error) = context::unassign(&self.consumer, &list) {
            let stage = self.stage.name;
            tracing::error!(stage, ?partitions, %error, "failed to stop reading");
        }
    }
}

/// Hands a record to the sink, in the order of its log and once.
fn take<S: Sink>(
    sink: &mut S,
    slots: &mut BTreeMap<u32, Slot>,
    topic_id: Option<TopicId>,
    message: &BorrowedMessage<'_>,
) -> Result<(), Failure> {
    let raw = message::read(message);
    // A record may come late: after its partition was taken, or put off.
    let Some(Slot::Reading(reading)) = slots.get_mut(&raw.partition) else {
        return Ok(());
    };
    if raw.offset < reading.next {
        return Ok(());
    }
    let topic_id = topic_id.expect("partitions are placed after their topic was described");
    let log_partition = LogPartition {
        topic_id,
        partition: raw.partition,
    };
    sink.take(log_partition, &raw)?;
    reading.next = raw.offset + 1;
    reading.log_time = raw.append_time.or(reading.log_time);
    Ok(())
}
