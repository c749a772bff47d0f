//! Delivery reports: what became of each event, from the client library to the caller.
//!
//! Invariant: every record handed to the client library comes back here exactly once, and is then
//! delivered, failed, or kept to be sent again.

use crate::buffer::Buffer;
use crate::counters::Tally;
use crate::encode::Record;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::ProducerContext;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What is called for every event.
pub(crate) type OnDelivery = Box<dyn Fn(&Delivery<'_>) + Send + Sync>;

/// What became of one event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delivery<'a> {
    /// The event's tenant.
    pub tenant: &'a str,
    /// The event's id, also where it was derived or made.
    pub id: &'a str,
    /// Where it is, or why it is not known to be anywhere.
    pub outcome: Result<Delivered, Failed>,
}

/// The place of an event in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delivered {
    /// The partition of the usage topic.
    pub partition: i32,
    /// The offset in the partition.
    pub offset: i64,
}

/// Why an event is not known to be in the log. It may be there nevertheless; emitting it again
/// under the same id and time is safe.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the event is not known to be delivered: {code}")]
pub struct Failed {
    /// The client library's code.
    pub code: RDKafkaErrorCode,
}

/// What reports and callers share.
pub(crate) struct Books {
    pub(crate) buffer: Buffer,
    pub(crate) tally: Tally,
    pub(crate) on_delivery: Option<OnDelivery>,
    /// Records that failed with their producer, not for what they are.
    pub(crate) again: Mutex<Vec<Arc<Record>>>,
    /// Nothing is sent again any more.
    pub(crate) is_closing: AtomicBool,
}

impl Books {
    /// Counts an event that is done and gives its room back.
    pub(crate) fn settle(&self, record: &Record, outcome: Result<Delivered, Failed>) {
        let counter = match outcome {
            Ok(_) => &self.tally.delivered,
            Err(_) => &self.tally.failed,
        };
        counter.fetch_add(1, Ordering::Release);
        self.report(&Delivery {
            tenant: record.tenant(),
            id: record.id(),
            outcome,
        });
        self.buffer.release(record.memory());
    }

    /// Settles an event that will not be tried any longer.
    pub(crate) fn give_up(&self, record: &Record) {
        let code = RDKafkaErrorCode::PurgeQueue;
        self.settle(record, Err(Failed { code }));
    }

    fn report(&self, delivery: &Delivery<'_>) {
        let Some(on_delivery) = &self.on_delivery else {
            return;
        };
        let called = std::panic::catch_unwind(AssertUnwindSafe(|| on_delivery(delivery)));
        if called.is_err() {
            tracing::error!("the callback for delivery reports of usage events panicked");
        }
    }

    fn failed(&self, record: Arc<Record>, code: RDKafkaErrorCode) {
        if is_of_the_producer(code) && !self.is_closing.load(Ordering::SeqCst) {
            let mut again = self.again.lock().unwrap_or_else(PoisonError::into_inner);
            again.push(record);
        } else {
            self.settle(&record, Err(Failed { code }));
        }
    }
}

/// Whether the producer failed, so that a new one may succeed: idempotence lost its sequence.
const fn is_of_the_producer(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::Fatal
            | Code::Fenced
            | Code::ProducerFenced
            | Code::InvalidProducerEpoch
            | Code::OutOfOrderSequenceNumber
            | Code::UnknownProducerId
            | Code::PurgeQueue
            | Code::PurgeInflight
    )
}

/// The books, as the client library's callbacks see them.
#[derive(Clone)]
pub(crate) struct Context(pub(crate) Arc<Books>);

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, message, "librdkafka");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // Repeats while a broker is away; what is lost is said by the sending thread.
        tracing::debug!(%error, reason, "kafka is in trouble");
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Arc<Record>;

    fn delivery(&self, result: &DeliveryResult<'_>, record: Self::DeliveryOpaque) {
        match result {
            Ok(message) => {
                let (partition, offset) = (message.partition(), message.offset());
                self.0.settle(&record, Ok(Delivered { partition, offset }));
            }
            Err((error, _)) => {
                let code = error.rdkafka_error_code();
                self.0
                    .failed(record, code.unwrap_or(RDKafkaErrorCode::Unknown));
            }
        }
    }
}
