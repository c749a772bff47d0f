//! One partition's queue of the client library.
//!
//! rust-rdkafka wraps every message in an event, with two readings of the clock and several locks;
//! librdkafka's own call has no checked wrapper, which is why this module, like [`super::message`],
//! may use unsafe code. It refuses to outlive its consumer: queue, message and the consumer they
//! belong to are one value. It also refuses librdkafka's call that fills an array
//! (`rd_kafka_consume_batch_queue`): that one takes the end of the log for a record that was read,
//! and after a pause, which every rebalance makes, the next record was left out (decision 038).
#![allow(
    unsafe_code,
    reason = "librdkafka's messages have no checked wrapper without events"
)]

use super::message;
use crate::partition::RawRecord;
use rdkafka::bindings;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::any::Any;
use std::ffi::CString;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

/// A partition's queue, and the message that was taken from it last.
pub(crate) struct Queue {
    queue: NonNull<bindings::rd_kafka_queue_t>,
    message: Option<NonNull<bindings::rd_kafka_message_t>>,
    /// Keeps the client alive until queue and messages are given back.
    _consumer: Arc<dyn Any + Send + Sync>,
}

// SAFETY: librdkafka's queues and messages may be used from any thread, by one at a time, which
// the exclusive borrows of the methods see to.
unsafe impl Send for Queue {}

impl Queue {
    /// Takes the partition's queue out of the consumer's own, so that its messages come here;
    /// `None` where the client has none. To be called before the partition is assigned.
    pub(super) fn split<C: ConsumerContext + 'static>(
        consumer: Arc<BaseConsumer<C>>,
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
            message: None,
            _consumer: consumer,
        })
    }

    /// The next record, or what the client has to say instead; waits up to `timeout` where there
    /// is nothing.
    pub(crate) fn poll(&mut self, timeout: Duration) -> Option<Result<RawRecord<'_>, KafkaError>> {
        self.fetch(timeout);
        let message = self.message?;
        // SAFETY: the message stays until the next fetch, which needs this queue exclusively.
        let message = unsafe { message.as_ref() };
        let code = RDKafkaErrorCode::from(message.err);
        Some(match code {
            RDKafkaErrorCode::NoError => Ok(message::read(message)),
            RDKafkaErrorCode::PartitionEOF => Err(KafkaError::PartitionEOF(message.partition)),
            code => Err(KafkaError::MessageConsumption(code)),
        })
    }

    /// Gives the message back and takes the next.
    fn fetch(&mut self, timeout: Duration) {
        self.give_back();
        let wait = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the queue is ours and alive.
        let message = unsafe { bindings::rd_kafka_consume_queue(self.queue.as_ptr(), wait) };
        self.message = NonNull::new(message);
    }

    fn give_back(&mut self) {
        if let Some(message) = self.message.take() {
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

#[cfg(test)]
mod tests;
