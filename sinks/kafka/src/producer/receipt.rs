//! What became of the records of one batch: counted by the client's thread, awaited by the writer.
//!
//! A batch has one receipt, whatever its size, and its writer wakes once: when every record has
//! been answered, or with the first failure. A future for each record, as the library's own
//! producer makes them, took a quarter of the time of a worker that writes 20,000 standings and
//! totals a second ([052](../../../../pipeline/decisions/052-a-batch-has-one-receipt.md)).
//!
//! Invariant: a receipt says *written* only after the brokers acknowledged every record that was
//! handed over for it, and the room of a batch is free only when each of them has been answered.

use crate::error::SendError;
use futures::task::AtomicWaker;
use rdkafka::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{DeliveryResult, ProducerContext};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::OwnedSemaphorePermit;

/// Where a record was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Written {
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
}

/// Hands the client's answers to the receipts.
pub(super) struct Receipts;

/// The answers of one batch.
#[derive(Debug)]
pub(super) struct Receipt {
    /// Records without an answer, and one more while the batch is still handed over.
    open: AtomicUsize,
    outcome: Mutex<Outcome>,
    writer: AtomicWaker,
}

#[derive(Debug)]
struct Outcome {
    /// Where the last record was written whose answer said so.
    written: Option<Written>,
    /// The first failure.
    failed: Option<SendError>,
    /// Given back with the last answer, whether or not the writer has looked at the receipt by
    /// then: it may be waiting for the room of its next batch.
    room: Option<OwnedSemaphorePermit>,
}

/// Waits for a receipt: where its last record was written, if that is known, or its first failure,
/// which is told once.
#[derive(Debug)]
#[must_use = "a record counts as written only when its receipt says so"]
pub(super) struct Answer(Arc<Receipt>);

impl ClientContext for Receipts {}

impl ProducerContext for Receipts {
    type DeliveryOpaque = Arc<Receipt>;

    fn delivery(&self, result: &DeliveryResult<'_>, receipt: Arc<Receipt>) {
        match result {
            Ok(message) => receipt.written(place(message)),
            Err((cause, message)) => receipt.failed(error(message, cause.clone())),
        }
        receipt.answered();
    }
}

/// `None` where the client does not know the offset of what is in the log, as it may not of a
/// record that the brokers had from an earlier try.
fn place(message: &impl Message) -> Option<Written> {
    Some(Written {
        partition: u32::try_from(message.partition()).ok()?,
        offset: u64::try_from(message.offset()).ok()?,
    })
}

fn error(message: &impl Message, source: KafkaError) -> SendError {
    let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    SendError {
        topic: message.topic().to_owned(),
        partition: u32::try_from(message.partition()).ok(),
        bytes: length(message.key()) + length(message.payload()),
        source: Box::new(source),
    }
}

impl Receipt {
    /// The receipt of a batch that is about to be handed over and takes this room.
    pub(super) fn new(room: OwnedSemaphorePermit) -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(1),
            outcome: Mutex::new(Outcome {
                written: None,
                failed: None,
                room: Some(room),
            }),
            writer: AtomicWaker::new(),
        })
    }

    /// One more record is handed over: it holds the receipt until it is answered.
    pub(super) fn expect(self: &Arc<Self>) -> Arc<Self> {
        self.open.fetch_add(1, Ordering::Relaxed);
        Arc::clone(self)
    }

    /// The client did not take a record that was expected.
    pub(super) fn refused(&self, error: SendError) {
        self.failed(error);
        self.answered();
    }

    /// Everything has been handed over.
    pub(super) fn settle(self: Arc<Self>) -> Answer {
        self.answered();
        Answer(self)
    }

    fn written(&self, written: Option<Written>) {
        self.outcome().written = written;
    }

    fn failed(&self, error: SendError) {
        self.outcome().failed.get_or_insert(error);
        self.writer.wake();
    }

    fn answered(&self) {
        // The last one sees what all others did.
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            drop(self.outcome().room.take());
            self.writer.wake();
        }
    }

    fn outcome(&self) -> std::sync::MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Future for Answer {
    type Output = Result<Option<Written>, SendError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Before looking, or an answer in between would wake nobody.
        self.0.writer.register(context.waker());
        let mut outcome = self.0.outcome();
        if let Some(error) = outcome.failed.take() {
            return Poll::Ready(Err(error));
        }
        if self.0.open.load(Ordering::Acquire) == 0 {
            return Poll::Ready(Ok(outcome.written));
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
