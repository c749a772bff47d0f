//! Writing records: idempotent, acknowledged by all in-sync replicas, bounded in memory.
//!
//! A record counts as written only when its receipt says so. One that failed may be in the log
//! nevertheless; callers write values that may repeat, or decisions with a write id.

use crate::error::{Error, SendError};
use crate::settings::Settings;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use receipt::{Answer, Receipt, Receipts};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

mod receipt;
mod transaction;

pub use receipt::Written;
pub use transaction::{Transaction, TransactionError, TransactionalProducer};

/// Largest record that a producer takes: a catalog of thousands of meters fits many times.
pub const MAX_RECORD_BYTES: usize = 8 << 20;

/// Most bytes of records in flight in one producer: some tenths of a second at full rate.
pub(crate) const MAX_IN_FLIGHT_BYTES: usize = 64 << 20;

/// What one permit stands for; small records count as this much, which also bounds their number
/// below librdkafka's 100,000.
const PERMIT_BYTES: usize = 1_024;

/// Most room of the records that share a receipt, unless one alone takes more: enough to fill
/// requests to every broker.
const BATCH_PERMITS: u32 = 4_096;

/// Batches of one call that wait for their answers at once: one is answered while the next is
/// handed over, and callers that share the producer get their turn.
const BATCHES_IN_FLIGHT: usize = 2;

/// How long the producer of decisions tries one record.
const DECISION_TIMEOUT: Duration = Duration::from_secs(10);

/// A record to be written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outgoing<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition; `None`: murmur2 of the key, as Kafka's default partitioner.
    pub partition: Option<u32>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub payload: Option<&'a [u8]>,
    /// Headers in order; a value may be absent.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
}

/// Writes records; cheap to clone, all clones share one client and one bound.
#[derive(Clone)]
pub struct Producer {
    client: ThreadedProducer<Receipts>,
    permits: Arc<Semaphore>,
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").finish_non_exhaustive()
    }
}

impl Outgoing<'_> {
    fn bytes(&self) -> usize {
        let bytes =
            |(name, value): &(&str, Option<&[u8]>)| name.len() + value.map_or(0, <[u8]>::len);
        let headers = self.headers.iter().map(bytes);
        self.key.map_or(0, <[u8]>::len)
            + self.payload.map_or(0, <[u8]>::len)
            + headers.sum::<usize>()
    }

    fn error(&self, source: KafkaError) -> SendError {
        SendError {
            topic: self.topic.to_owned(),
            partition: self.partition,
            bytes: self.bytes(),
            source: Box::new(source),
        }
    }

    /// What the client is given; its receipt learns of the answer.
    fn record(&self, receipt: Arc<Receipt>) -> Result<Native<'_>, KafkaError> {
        let mut record = BaseRecord::with_opaque_to(self.topic, receipt);
        if let Some(partition) = self.partition {
            let partition = i32::try_from(partition)
                .map_err(|_| KafkaError::MessageProduction(RDKafkaErrorCode::InvalidArgument))?;
            record = record.partition(partition);
        }
        if !self.headers.is_empty() {
            let mut headers = OwnedHeaders::new_with_capacity(self.headers.len());
            for (key, value) in self.headers {
                headers = headers.insert(Header { key, value: *value });
            }
            record = record.headers(headers);
        }
        record.key = self.key;
        record.payload = self.payload;
        Ok(record)
    }

    /// The room that it takes while it is in flight.
    fn permits(&self) -> Result<u32, SendError> {
        let bytes = self.bytes();
        if bytes > MAX_RECORD_BYTES {
            let code = RDKafkaErrorCode::MessageSizeTooLarge;
            return Err(self.error(KafkaError::MessageProduction(code)));
        }
        Ok(u32::try_from(bytes / PERMIT_BYTES + 1).expect("a record is below 8 MiB"))
    }
}

impl Producer {
    /// Makes a producer; connects in the background.
    ///
    /// # Errors
    /// [`Error::Client`] where the client library refuses the settings.
    pub fn connect(settings: &Settings) -> Result<Self, Error> {
        Self::make(&settings.producer_config())
    }

    /// Makes a producer that gives up on a record early, for writers that read back.
    ///
    /// They retry under the same write id, so that a record which is in the log after all does
    /// no harm.
    ///
    /// # Errors
    /// As [`Producer::connect`].
    pub fn connect_for_decisions(settings: &Settings) -> Result<Self, Error> {
        Self::connect_within(settings, DECISION_TIMEOUT)
    }

    /// Makes a producer that tries one record for so long, whatever the settings say: for writers
    /// whose callers wait, and are told to come again.
    ///
    /// # Errors
    /// As [`Producer::connect`].
    pub fn connect_within(settings: &Settings, timeout: Duration) -> Result<Self, Error> {
        let mut config = settings.producer_config();
        config.remove("message.timeout.ms");
        config.set("delivery.timeout.ms", timeout.as_millis().to_string());
        Self::make(&config)
    }

    fn make(config: &ClientConfig) -> Result<Self, Error> {
        let client = config
            .create_with_context(Receipts)
            .map_err(Error::client)?;
        let permits = Arc::new(Semaphore::new(MAX_IN_FLIGHT_BYTES / PERMIT_BYTES));
        Ok(Self { client, permits })
    }

    /// Writes one record and waits until all in-sync replicas have it.
    ///
    /// Waits first while too much is in flight. Needs no particular async runtime.
    ///
    /// # Errors
    /// See [`SendError::next`]; librdkafka has retried until `delivery.timeout.ms` by then.
    pub async fn send(&self, record: Outgoing<'_>) -> Result<Written, SendError> {
        let receipt = Receipt::new(self.room(record.permits()?).await);
        self.hand_over(&receipt, &record);
        let written = receipt.settle().await?;
        // In the log, but where is not known: who asks for a place writes again.
        let unknown = KafkaError::MessageProduction(RDKafkaErrorCode::DuplicateSequenceNumber);
        written.ok_or_else(|| record.error(unknown))
    }

    /// [`Producer::send`] for a plain thread. Never call it from an async task.
    ///
    /// # Errors
    /// As [`Producer::send`].
    pub fn send_blocking(&self, record: Outgoing<'_>) -> Result<Written, SendError> {
        futures::executor::block_on(self.send(record))
    }

    /// Writes many records and waits for all of them; their order is not kept.
    ///
    /// # Errors
    /// The first failure; others of the batch may be in the log or not.
    pub async fn send_all<'a>(
        &self,
        records: impl IntoIterator<Item = Outgoing<'a>>,
    ) -> Result<(), SendError> {
        let mut batch = Batch::default();
        let mut in_flight = Vec::new();
        for record in records {
            let permits = record.permits()?;
            if !batch.has_room_for(permits) {
                self.send_batch(&mut batch, &mut in_flight).await?;
            }
            batch.permits += permits;
            batch.records.push(record);
        }
        self.send_batch(&mut batch, &mut in_flight).await?;
        while !in_flight.is_empty() {
            answered(&mut in_flight).await?;
        }
        Ok(())
    }

    /// Hands a batch over, once there is room for it and not too many others wait.
    async fn send_batch(
        &self,
        batch: &mut Batch<'_>,
        in_flight: &mut Vec<Answer>,
    ) -> Result<(), SendError> {
        if batch.records.is_empty() {
            return Ok(());
        }
        if in_flight.len() == BATCHES_IN_FLIGHT {
            answered(in_flight).await?;
        }
        let receipt = Receipt::new(self.room(batch.permits).await);
        for record in batch.records.drain(..) {
            self.hand_over(&receipt, &record);
        }
        batch.permits = 0;
        in_flight.push(receipt.settle());
        Ok(())
    }

    /// Gives a record to the client; its receipt learns of what became of it.
    fn hand_over(&self, receipt: &Arc<Receipt>, record: &Outgoing<'_>) {
        let expected = receipt.expect();
        let sent = match record.record(expected) {
            Ok(native) => self.client.send(native).map_err(|(error, _)| error),
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            receipt.refused(record.error(error));
        }
    }

    /// [`Producer::send_all`] for a plain thread. Never call it from an async task.
    ///
    /// # Errors
    /// As [`Producer::send_all`].
    pub fn send_all_blocking<'a>(
        &self,
        records: impl IntoIterator<Item = Outgoing<'a>>,
    ) -> Result<(), SendError> {
        futures::executor::block_on(self.send_all(records))
    }

    /// Waits until everything handed over is written or failed, at most this long.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.client.flush(timeout).is_ok()
    }

    async fn room(&self, permits: u32) -> OwnedSemaphorePermit {
        let permits = Arc::clone(&self.permits).acquire_many_owned(permits);
        permits.await.expect("the semaphore is never closed")
    }
}

/// Waits until one of these is answered and takes it out: a failure is told at once, whatever the
/// others wait for.
async fn answered(in_flight: &mut Vec<Answer>) -> Result<(), SendError> {
    let (place, answer) = poll_fn(|context| {
        let mut answers = in_flight.iter_mut().enumerate();
        let ready = answers.find_map(|(place, answer)| match Pin::new(answer).poll(context) {
            Poll::Ready(answer) => Some((place, answer)),
            Poll::Pending => None,
        });
        ready.map_or(Poll::Pending, Poll::Ready)
    })
    .await;
    drop(in_flight.swap_remove(place));
    answer.map(|_| ())
}

/// A record as the client takes it.
type Native<'a> = BaseRecord<'a, [u8], [u8], Arc<Receipt>>;

/// Records that are handed over together and share a receipt.
#[derive(Default)]
struct Batch<'a> {
    records: Vec<Outgoing<'a>>,
    permits: u32,
}

impl Batch<'_> {
    fn has_room_for(&self, permits: u32) -> bool {
        self.records.is_empty() || self.permits + permits <= BATCH_PERMITS
    }
}
