//! Hands records to Kafka as fast as it takes them, from one thread, in bounded memory.
//!
//! The pipeline's own producer waits for every record; a load generator only has to know how many
//! failed and why the first one did. Settings that safety depends on are the pipeline's.

use super::event::Message;
use anyhow::{Context, Result, anyhow, bail};
use meterline_kafka::Settings;
use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long the cluster may take to describe the topic.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the last records may take to be acknowledged.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);
/// Records between two looks at acknowledgements.
const POLL_EVERY: u64 = 1_000;
/// Most records in flight: some seconds of a fast producer.
const QUEUE_MESSAGES: &str = "500000";
/// Most bytes in flight.
const QUEUE_KBYTES: &str = "262144";
/// How long a batch gathers: large batches are what makes high rates cheap.
const LINGER_MS: &str = "20";

/// Where records go: Kafka, or a list in tests.
pub(crate) trait Sink {
    /// Takes a record; it may still fail later.
    fn send(&mut self, message: &Message) -> Result<()>;
    /// Waits at most this long; uses the time for what else is to be done.
    fn wait(&mut self, pause: Duration);
}

/// Sends records to one topic.
pub(crate) struct Sender {
    producer: BaseProducer<Deliveries>,
    topic: String,
    partitions: u32,
    sent: u64,
}

/// What became of the records.
#[derive(Default)]
struct Deliveries {
    acknowledged: AtomicU64,
    failed: AtomicU64,
    first_error: Mutex<Option<KafkaError>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => {
                self.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, _)) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                let mut first = self
                    .first_error
                    .lock()
                    .expect("no holder of this lock panics");
                first.get_or_insert_with(|| error.clone());
            }
        }
    }
}

/// How many records were sent, and what became of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Sent {
    /// Handed to the client.
    pub sent: u64,
    /// Acknowledged by all in-sync replicas.
    pub acknowledged: u64,
    /// Not known to be in the log.
    pub failed: u64,
}

impl Sender {
    /// Connects to a topic that exists.
    pub(crate) fn connect(settings: &Settings, topic: &str) -> Result<Self> {
        let mut config = settings.producer_config();
        config.set("queue.buffering.max.messages", QUEUE_MESSAGES);
        config.set("queue.buffering.max.kbytes", QUEUE_KBYTES);
        if !settings.properties.contains_key("linger.ms") {
            config.set("linger.ms", LINGER_MS);
        }
        let producer: BaseProducer<Deliveries> = config
            .create_with_context(Deliveries::default())
            .context("failed to make a Kafka producer")?;
        let partitions = partition_count(producer.client(), topic)
            .with_context(|| format!("failed to describe topic {topic} on {}", settings.brokers))?;
        Ok(Self {
            producer,
            topic: topic.to_owned(),
            partitions,
            sent: 0,
        })
    }

    /// Number of partitions of the topic.
    pub(crate) fn partitions(&self) -> u32 {
        self.partitions
    }

    /// Waits until every record is acknowledged or failed.
    ///
    /// # Errors
    /// When a record failed, or is still on its way after a minute.
    pub(crate) fn finish(self) -> (Sent, Result<()>) {
        let flushed = self.producer.flush(FLUSH_TIMEOUT);
        let deliveries = self.producer.context();
        let sent = Sent {
            sent: self.sent,
            acknowledged: deliveries.acknowledged.load(Ordering::Relaxed),
            failed: deliveries.failed.load(Ordering::Relaxed),
        };
        let result = match (self.failure(), flushed) {
            (Some(failure), _) => Err(failure),
            (None, Err(error)) => Err(anyhow!(error).context(format!(
                "{} records were not acknowledged in time",
                sent.sent - sent.acknowledged
            ))),
            (None, Ok(())) => Ok(()),
        };
        (sent, result)
    }

    fn failure(&self) -> Option<anyhow::Error> {
        let deliveries = self.producer.context();
        if deliveries.failed.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let first = deliveries.first_error.lock();
        let first = first.expect("no holder of this lock panics").clone();
        let failed = format!("failed to write a record to topic {}", self.topic);
        Some(match first {
            Some(error) => anyhow!(error).context(failed),
            None => anyhow!(failed),
        })
    }
}

impl Sink for Sender {
    fn send(&mut self, message: &Message) -> Result<()> {
        let mut record = BaseRecord::<[u8], [u8]>::to(&self.topic).key(message.key.as_slice());
        record.payload = message.payload.as_deref();
        record.partition = message
            .partition
            .map(i32::try_from)
            .transpose()
            .context("a partition's number is too large")?;
        if !message.headers.is_empty() {
            let empty = OwnedHeaders::new_with_capacity(message.headers.len());
            record.headers = Some(message.headers.iter().fold(empty, |headers, (key, value)| {
                headers.insert(Header {
                    key,
                    value: Some(value.as_slice()),
                })
            }));
        }
        loop {
            record = match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record)) => {
                    self.producer.poll(Duration::from_millis(10));
                    record
                }
                Err((error, _)) => {
                    return Err(anyhow!(error)
                        .context(format!("failed to send a record to topic {}", self.topic)));
                }
            };
            if let Some(failure) = self.failure() {
                return Err(failure);
            }
        }
        self.sent += 1;
        if self.sent.is_multiple_of(POLL_EVERY) {
            self.producer.poll(Duration::ZERO);
            self.failure().map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    fn wait(&mut self, pause: Duration) {
        self.producer.poll(pause);
    }
}

fn partition_count(client: &Client<Deliveries>, topic: &str) -> Result<u32> {
    let metadata = client.fetch_metadata(Some(topic), DESCRIBE_TIMEOUT)?;
    let topic = metadata
        .topics()
        .first()
        .context("the broker did not answer for the topic")?;
    if topic.error().is_some() || topic.partitions().is_empty() {
        bail!("there is no such topic; `meterline init` creates it");
    }
    Ok(u32::try_from(topic.partitions().len())?)
}
