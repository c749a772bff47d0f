//! One partition's queue of the client library, read in batches.
//!
//! rust-rdkafka hands over one message per call, through an event, two readings of the clock and
//! several locks: a tenth of the worker's time. librdkafka can fill an array in one call and has
//! no checked wrapper for that, which is why this module, like [`super::message`], may use unsafe
//! code. It refuses to outlive its consumer: queue, messages and the consumer they belong to are
//! one value. Nothing is skipped: a message leaves the batch once, in the log's order.
#![allow(
    unsafe_code,
    reason = "librdkafka's batches of messages have no checked wrapper"
)]

use super::context::Context;
use super::message;
use crate::partition::RawRecord;
use rdkafka::bindings;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::ffi::CString;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

/// Messages fetched in one call: enough to make the call's own cost vanish, few enough that they
/// are still in the processor's caches when they are folded.
const BATCH: usize = 128;

type Native = NonNull<bindings::rd_kafka_message_t>;

/// A partition's queue, and the messages that were taken from it and not read yet.
pub(crate) struct Queue {
    queue: NonNull<bindings::rd_kafka_queue_t>,
    messages: Vec<Native>,
    /// The first message that was not read yet; those before it are done with.
    next: usize,
    /// Keeps the client alive until queue and messages are given back.
    _consumer: Arc<BaseConsumer<Context>>,
}

// SAFETY: librdkafka's queues and messages may be used from any thread, by one at a time, which
// the exclusive borrows of the methods see to.
unsafe impl Send for Queue {}

impl Queue {
    /// Takes the partition's queue out of the consumer's own, so that its messages come here;
    /// `None` where the client has none. To be called before the partition is assigned.
    pub(super) fn split(
        consumer: Arc<BaseConsumer<Context>>,
        topic: &str,
        partition: i32,
    ) -> Option<Self> {
        let topic = CString::new(topic).ok()?;
        // SAFETY: the client is alive while its consumer is, and the name ends with a zero byte.
        let queue = unsafe {
            let client = consumer.client().native_ptr();
            bindings::rd_kafka_queue_get_partition(client, topic.as_ptr(), partition)
        };
        let queue = NonNull::new(queue)?;
        // SAFETY: the queue is ours; no destination means that it is not forwarded any more.
        unsafe { bindings::rd_kafka_queue_forward(queue.as_ptr(), ptr::null_mut()) };
        Some(Self {
            queue,
            messages: Vec::with_capacity(BATCH),
            next: 0,
            _consumer: consumer,
        })
    }

    /// The next record, or what the client has to say instead; waits up to `timeout` where there
    /// is nothing, and never for a batch to become full.
    pub(crate) fn poll(&mut self, timeout: Duration) -> Option<Result<RawRecord<'_>, KafkaError>> {
        if self.next == self.messages.len() {
            self.fetch(timeout);
        }
        let message = *self.messages.get(self.next)?;
        self.next += 1;
        // SAFETY: the message stays until the next fetch, which needs this queue exclusively.
        let message = unsafe { message.as_ref() };
        let code = RDKafkaErrorCode::from(message.err);
        Some(match code {
            RDKafkaErrorCode::NoError => Ok(message::read(message)),
            RDKafkaErrorCode::PartitionEOF => Err(KafkaError::PartitionEOF(message.partition)),
            code => Err(KafkaError::MessageConsumption(code)),
        })
    }

    /// Gives the messages back and takes new ones: the first within `timeout`, and those that
    /// are there already.
    fn fetch(&mut self, timeout: Duration) {
        self.give_back();
        let wait = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is ours and alive.
        let first = unsafe { bindings::rd_kafka_consume_queue(self.queue.as_ptr(), wait) };
        let Some(first) = NonNull::new(first) else {
            return;
        };
        self.messages.push(first);
        let mut more = [ptr::null_mut(); BATCH - 1];
        // SAFETY: the queue is ours and alive, and the array has the length that is told.
        let count = unsafe {
            let (array, length) = (more.as_mut_ptr(), more.len());
            bindings::rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, array, length)
        };
        let count = usize::try_from(count).unwrap_or(0);
        let more = more.into_iter().take(count).filter_map(NonNull::new);
        self.messages.extend(more);
    }

    fn give_back(&mut self) {
        self.next = 0;
        for message in self.messages.drain(..) {
            // SAFETY: the message is ours, and nothing borrows from it: that would borrow `self`.
            unsafe { bindings::rd_kafka_message_destroy(message.as_ptr()) };
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.give_back();
        // SAFETY: the queue is ours and used no more; the consumer is dropped after this.
        unsafe { bindings::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}
