//! Writing records: idempotent, acknowledged by all in-sync replicas, bounded in memory.
//!
//! A record counts as written only when its future says so. One that failed may be in the log
//! nevertheless; callers write values that may repeat, or decisions with a write id.

use crate::error::{Error, SendError};
use crate::settings::Settings;
use futures::channel::oneshot::Canceled;
use futures::stream::{FuturesUnordered, TryStreamExt};
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord, Producer as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

mod transaction;

pub use transaction::{Transaction, TransactionError, TransactionalProducer};

/// Largest record that a producer takes: a catalog of thousands of meters fits many times.
pub const MAX_RECORD_BYTES: usize = 8 << 20;

/// Most bytes of records in flight in one producer: some tenths of a second at full rate.
pub(crate) const MAX_IN_FLIGHT_BYTES: usize = 64 << 20;

/// What one permit stands for; small records count as this much, which also bounds their number
/// below librdkafka's 100,000.
const PERMIT_BYTES: usize = 1_024;

/// Records of one batch that wait for their acknowledgement at once: enough to fill requests to
/// every broker, few enough to keep the bookkeeping in the caches.
const MAX_BATCH_IN_FLIGHT: usize = 8_192;

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

/// Where a record was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Written {
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
}

/// Writes records; cheap to clone, all clones share one client and one bound.
#[derive(Clone)]
pub struct Producer {
    client: FutureProducer,
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

    fn record(&self) -> Result<FutureRecord<'_, [u8], [u8]>, KafkaError> {
        let mut record = FutureRecord::to(self.topic);
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
        let mut config = settings.producer_config();
        config.remove("message.timeout.ms");
        config.set(
            "delivery.timeout.ms",
            DECISION_TIMEOUT.as_millis().to_string(),
        );
        Self::make(&config)
    }

    fn make(config: &ClientConfig) -> Result<Self, Error> {
        let client = config.create().map_err(Error::client)?;
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
        let _permit = self.admit(&record).await?;
        let native = record.record().map_err(|error| record.error(error))?;
        let delivery = self
            .client
            .send_result(native)
            .map_err(|(error, _)| record.error(error))?;
        written(delivery.await).map_err(|error| record.error(error))
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
        // A plain loop: the future of an equivalent stream could not be given to a task.
        let mut in_flight = FuturesUnordered::new();
        for record in records {
            if in_flight.len() == MAX_BATCH_IN_FLIGHT {
                in_flight.try_next().await?;
            }
            in_flight.push(self.send(record));
        }
        while in_flight.try_next().await?.is_some() {}
        Ok(())
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

    async fn admit(&self, record: &Outgoing<'_>) -> Result<OwnedSemaphorePermit, SendError> {
        let bytes = record.bytes();
        if bytes > MAX_RECORD_BYTES {
            let code = RDKafkaErrorCode::MessageSizeTooLarge;
            return Err(record.error(KafkaError::MessageProduction(code)));
        }
        let permits = u32::try_from(bytes / PERMIT_BYTES + 1).expect("a record is below 8 MiB");
        Ok(Arc::clone(&self.permits)
            .acquire_many_owned(permits)
            .await
            .expect("the semaphore is never closed"))
    }
}

fn written(
    delivery: Result<rdkafka::producer::future_producer::OwnedDeliveryResult, Canceled>,
) -> Result<Written, KafkaError> {
    let delivery = delivery.map_err(|Canceled| KafkaError::Canceled)?;
    let delivery = delivery.map_err(|(error, _)| error)?;
    let unknown = || KafkaError::MessageProduction(RDKafkaErrorCode::InvalidPartitions);
    Ok(Written {
        partition: u32::try_from(delivery.partition).map_err(|_| unknown())?,
        offset: u64::try_from(delivery.offset).map_err(|_| unknown())?,
    })
}
