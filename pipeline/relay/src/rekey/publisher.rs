//! Writes records of one batch and waits for all of them.
//!
//! No future per record, as [`meterline_kafka::Producer`] has: a batch succeeds or fails as a
//! whole, so a counter and a list of failures do. Idempotent and acknowledged by all in-sync
//! replicas; the order of records per partition is kept while none fails.

use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long one record is tried: within it a broker comes back, or somebody should hear of it.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long one poll for acknowledgements waits.
const POLL: Duration = Duration::from_millis(50);

/// Records between two looks for acknowledgements: keeps the client's queue of reports short.
const POLL_RECORDS: usize = 1_024;

/// A record to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing<'a> {
    pub(super) topic: &'a str,
    /// Decides the partition, by murmur2.
    pub(super) key: Option<&'a [u8]>,
    pub(super) payload: Option<&'a [u8]>,
    pub(super) headers: &'a [(&'a str, Option<&'a [u8]>)],
}

/// A record that was not written, by its number in the batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Unwritten {
    pub(super) number: usize,
    pub(super) error: KafkaError,
}

/// Counts acknowledgements.
#[derive(Default)]
struct Reports {
    arrived: AtomicUsize,
    unwritten: Mutex<Vec<Unwritten>>,
}

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        if let Err((error, _)) = result {
            let mut unwritten = self
                .unwritten
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            unwritten.push(Unwritten {
                number,
                error: error.clone(),
            });
        }
        self.arrived.fetch_add(1, Ordering::Release);
    }
}

/// The producer of a batch after the other.
pub(super) struct Publisher {
    producer: BaseProducer<Reports>,
    sent: usize,
}

impl Publisher {
    /// Makes a producer; connects in the background.
    pub(super) fn connect(settings: &meterline_kafka::Settings) -> Result<Self, KafkaError> {
        let timeout = DELIVERY_TIMEOUT.as_millis().to_string();
        let mut config = settings.producer_config();
        config.remove("message.timeout.ms");
        config.set("delivery.timeout.ms", timeout);
        Ok(Self {
            producer: config.create_with_context(Reports::default())?,
            sent: 0,
        })
    }

    /// Hands a record over, and waits where too many are on their way; its number in the batch.
    pub(super) fn send(&mut self, outgoing: Outgoing<'_>) -> Result<usize, KafkaError> {
        let number = self.sent;
        let mut record: BaseRecord<'_, [u8], [u8], usize> =
            BaseRecord::with_opaque_to(outgoing.topic, number);
        record.key = outgoing.key;
        record.payload = outgoing.payload;
        if !outgoing.headers.is_empty() {
            let headers = OwnedHeaders::new_with_capacity(outgoing.headers.len());
            let headers = outgoing
                .headers
                .iter()
                .fold(headers, |headers, (key, value)| {
                    headers.insert(Header { key, value: *value })
                });
            record = record.headers(headers);
        }
        loop {
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) => {
                    self.producer.poll(POLL);
                    record = again;
                }
                Err((error, _)) => return Err(error),
            }
        }
        self.sent += 1;
        if self.sent.is_multiple_of(POLL_RECORDS) {
            self.producer.poll(Duration::ZERO);
        }
        Ok(number)
    }

    /// Waits until every record of the batch is written or failed, which takes no longer than a
    /// record is tried; those that failed. A new batch begins.
    pub(super) fn finish(&mut self) -> Vec<Unwritten> {
        let reports = || self.producer.context();
        while reports().arrived.load(Ordering::Acquire) < self.sent {
            self.producer.poll(POLL);
        }
        reports().arrived.store(0, Ordering::Release);
        self.sent = 0;
        let mut unwritten = reports().unwritten.lock();
        let unwritten = unwritten.as_mut().unwrap_or_else(|e| e.get_mut());
        std::mem::take(unwritten)
    }
}
