//! Publishing: as fast as the broker takes it, or at a rate.

use anyhow::{Context, Result, bail};
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use std::time::{Duration, Instant};

/// How long a batch gathers: large batches are what makes high rates cheap.
const LINGER_MS: &str = "20";
/// Most records in flight: about a second.
const QUEUE_MESSAGES: &str = "500000";
/// How long the last records may take to be acknowledged.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);
/// How long to wait for room in the client's queue.
const ROOM_WAIT: Duration = Duration::from_millis(10);
/// How finely a rate is kept.
const SLICE: Duration = Duration::from_millis(1);

/// A producer of one topic; what its context is told goes with every record.
pub struct Publisher<C: ProducerContext + 'static> {
    producer: BaseProducer<C>,
    topic: String,
}

impl<C: ProducerContext + 'static> Publisher<C> {
    /// A producer with the pipeline's own settings, for large batches.
    ///
    /// # Errors
    /// Where the client library refuses the settings.
    pub fn connect(mut config: ClientConfig, topic: String, context: C) -> Result<Self> {
        config
            .set("linger.ms", LINGER_MS)
            .set("queue.buffering.max.messages", QUEUE_MESSAGES);
        let producer = config.create_with_context(context);
        Ok(Self {
            producer: producer.context("failed to make a producer")?,
            topic,
        })
    }

    /// Sends a record; waits where the client's queue is full.
    ///
    /// # Errors
    /// Where the client takes no record.
    pub fn send(&self, key: &[u8], value: &[u8], opaque: C::DeliveryOpaque) -> Result<()> {
        let record = BaseRecord::with_opaque_to(&self.topic, opaque);
        let mut record = record.key(key).payload(value);
        loop {
            record = match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record)) => {
                    self.producer.poll(ROOM_WAIT);
                    record
                }
                Err((error, _)) => return Err(error).context("failed to send an event"),
            };
        }
    }

    /// Calls `send` for every number below `rate × seconds`, at that rate; what is late is made
    /// up for. Returns how long it took.
    ///
    /// # Errors
    /// Those of `send`.
    pub fn at_rate(
        &self,
        rate: u32,
        seconds: u32,
        mut send: impl FnMut(u64) -> Result<()>,
    ) -> Result<Duration> {
        let start = Instant::now();
        let all = u64::from(rate) * u64::from(seconds);
        let mut sent = 0;
        while sent < all {
            let due = start.elapsed().as_micros() * u128::from(rate) / 1_000_000;
            let due = u64::try_from(due)?.min(all);
            for number in sent..due {
                send(number)?;
            }
            sent = due;
            self.producer.poll(Duration::ZERO);
            std::thread::sleep(SLICE);
        }
        Ok(start.elapsed())
    }

    /// Waits until the broker has acknowledged everything.
    ///
    /// # Errors
    /// Where it does not.
    pub fn flush(&self) -> Result<()> {
        self.producer
            .flush(FLUSH_TIMEOUT)
            .context("failed to have the last records acknowledged")?;
        match self.producer.in_flight_count() {
            0 => Ok(()),
            count => bail!("{count} records were not acknowledged"),
        }
    }
}
