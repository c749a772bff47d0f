//! Load: events of all four forms, sent at a rate, and a raw table of what was sent.
//!
//! The raw table holds one row per record that the broker acknowledged, with the partition,
//! offset and append time from its delivery report. It is all that a recount may look at.

pub(crate) mod broken;
pub(crate) mod encode;
pub(crate) mod mix;
mod raw;

pub(crate) use encode::{Encoded, Encoder, Form, decimal_text};
pub(crate) use mix::{Mix, Mixer};
pub(crate) use raw::{Raw, Sent};

use super::kafka::Kafka;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Message};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Largest record that is sent: brokers bound what is compressed, so more than they say.
const LARGEST_SENT: usize = 64 << 20;

/// How long the last acknowledgements may take.
const FLUSH: Duration = Duration::from_secs(60);

/// The partitioner of Java's clients, which usage.events needs.
const MURMUR2: &str = "murmur2_random";

/// One usage event as a producer means it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Usage {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) kind: String,
    pub(crate) tenant: String,
    /// Microseconds since 1970-01-01 UTC.
    pub(crate) time: i64,
    /// In units of 10⁻⁹.
    pub(crate) quantity: Option<i128>,
    pub(crate) properties: Vec<(String, String)>,
}

/// A record to be sent, and what a recount has to know of it.
#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) usage: Usage,
    pub(crate) form: Form,
    pub(crate) encoded: Encoded,
    /// The reason it is to be dead-lettered for; empty for none, or one that time decides.
    pub(crate) fault: &'static str,
    /// `None`: where its tenant belongs.
    pub(crate) partition: Option<i32>,
}

/// A producer that keeps the books.
pub(crate) struct Publisher {
    producer: ThreadedProducer<Books>,
    raw: Arc<Mutex<Raw>>,
    topic: String,
    encoder: Encoder,
    is_void: Arc<AtomicBool>,
}

/// Writes every delivery report down.
struct Books {
    raw: Arc<Mutex<Raw>>,
    /// What is sent now will be aborted: it is in the log, and never delivered.
    is_void: Arc<AtomicBool>,
}

impl ClientContext for Books {}

impl ProducerContext for Books {
    type DeliveryOpaque = Box<(Usage, Form, &'static str)>;

    fn delivery(&self, result: &rdkafka::producer::DeliveryResult<'_>, sent: Self::DeliveryOpaque) {
        let mut raw = self.raw.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(_) if self.is_void.load(Ordering::Relaxed) => {}
            Ok(message) => {
                let (usage, form, fault) = *sent;
                raw.push(&Sent {
                    log_partition: message.partition(),
                    offset: message.offset(),
                    append_time: message.timestamp().to_millis().unwrap_or(-1),
                    form: form.name(),
                    fault,
                    usage: &usage,
                });
            }
            Err((error, _)) => raw.failed(error),
        }
    }
}

impl Publisher {
    /// A producer for a topic; its books go into `raw`.
    pub(crate) fn new(kafka: &Kafka, topic: &str, raw: Raw) -> Self {
        let raw = Arc::new(Mutex::new(raw));
        Self::with_books(kafka, topic, raw, None, MURMUR2)
    }

    /// A producer that gives keys to partitions by librdkafka's own default, a CRC32.
    pub(crate) fn with_crc32(kafka: &Kafka, topic: &str, raw: Raw) -> Self {
        let raw = Arc::new(Mutex::new(raw));
        Self::with_books(kafka, topic, raw, None, "consistent_random")
    }

    /// A new producer of the same books.
    pub(crate) fn renewed(&self, kafka: &Kafka) -> Self {
        let raw = Arc::clone(&self.raw);
        Self::with_books(kafka, &self.topic, raw, None, MURMUR2)
    }

    /// A second producer of the same books, which sends in transactions.
    pub(crate) fn transactional(&self, kafka: &Kafka, name: &str) -> Self {
        let made = Self::with_books(
            kafka,
            &self.topic,
            Arc::clone(&self.raw),
            Some(name),
            MURMUR2,
        );
        let ready = made.producer.init_transactions(FLUSH);
        ready.expect("the broker knows transactions");
        made
    }

    fn with_books(
        kafka: &Kafka,
        topic: &str,
        raw: Arc<Mutex<Raw>>,
        transactions: Option<&str>,
        partitioner: &str,
    ) -> Self {
        let is_void = Arc::new(AtomicBool::new(false));
        let mut config = kafka.config();
        config
            .set("enable.idempotence", "true")
            .set("partitioner", partitioner)
            .set("compression.type", "lz4")
            .set("linger.ms", "20")
            .set("message.max.bytes", LARGEST_SENT.to_string())
            .set("message.timeout.ms", "120000");
        if let Some(name) = transactions {
            config.set("transactional.id", name);
            config.set("transaction.timeout.ms", "120000");
        }
        let books = Books {
            raw: Arc::clone(&raw),
            is_void: Arc::clone(&is_void),
        };
        Self {
            producer: config
                .create_with_context(books)
                .expect("the settings of a producer are right"),
            raw,
            topic: topic.to_owned(),
            encoder: Encoder::new(),
            is_void,
        }
    }

    /// Sends in a transaction, which is committed or aborted at its end.
    pub(crate) fn transaction(&self, commit: bool, send: impl FnOnce(&Self)) {
        self.is_void.store(!commit, Ordering::Relaxed);
        self.producer
            .begin_transaction()
            .expect("a transaction begins");
        send(self);
        self.flush();
        let ended = if commit {
            self.producer.commit_transaction(FLUSH)
        } else {
            self.producer.abort_transaction(FLUSH)
        };
        ended.expect("a transaction ends");
    }

    /// Encodes events as this producer sends them.
    pub(crate) fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Sends an event that a test chose itself.
    pub(crate) fn send_event(&self, usage: Usage, form: Form) {
        self.send(&self.encoder.record(usage, form));
    }

    /// Sends a record; its books are written when the broker has it.
    pub(crate) fn send(&self, outgoing: &Outgoing) {
        let opaque = Box::new((outgoing.usage.clone(), outgoing.form, outgoing.fault));
        let mut headers = OwnedHeaders::new_with_capacity(outgoing.encoded.headers.len());
        for (key, value) in &outgoing.encoded.headers {
            headers = headers.insert(Header {
                key,
                value: Some(value),
            });
        }
        let mut record: BaseRecord<'_, [u8], [u8], _> =
            BaseRecord::with_opaque_to(&self.topic, opaque)
                .key(outgoing.usage.tenant.as_bytes())
                .headers(headers);
        record.partition = outgoing.partition;
        record.payload = outgoing.encoded.value.as_deref();
        self.producer
            .send(record)
            .unwrap_or_else(|(e, _)| panic!("a record is not taken: {e}"));
    }

    /// Sends at a steady rate until told to stop; a late slice is caught up.
    fn send_at_rate(&self, mixer: &mut Mixer, per_second: u32, stop: &AtomicBool) {
        let start = Instant::now();
        let mut sent: u128 = 0;
        while !stop.load(Ordering::Relaxed) {
            let due = start.elapsed().as_millis() * u128::from(per_second) / 1_000;
            for _ in sent..due {
                self.send(&mixer.next_record());
            }
            sent = due;
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends this many records as fast as they are made.
    pub(crate) fn send_many(&self, mixer: &mut Mixer, count: usize) {
        for _ in 0..count {
            self.send(&mixer.next_record());
        }
        self.flush();
    }

    /// Takes a record into the books that another program has sent.
    pub(crate) fn book(&self, sent: &Sent<'_>) {
        let raw = self.raw.lock();
        raw.unwrap_or_else(PoisonError::into_inner).push(sent);
    }

    /// Waits until the broker has everything.
    pub(crate) fn flush(&self) {
        self.producer
            .flush(FLUSH)
            .expect("the broker takes everything");
    }

    /// The offset after the last record, by partition; only of partitions that got records.
    pub(crate) fn ends(&self) -> std::collections::BTreeMap<i32, i64> {
        self.flush();
        self.raw
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .ends()
    }

    /// Writes all books so far into the raw table.
    pub(crate) fn close_books(&self) {
        self.flush();
        self.raw
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .close();
    }
}

/// A steady load in the background; it ends when it is stopped or dropped.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    sender: Option<JoinHandle<()>>,
}

impl Load {
    /// Starts sending.
    pub(crate) fn start(publisher: &Arc<Publisher>, mut mixer: Mixer, per_second: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (publisher, stopped) = (Arc::clone(publisher), Arc::clone(&stop));
        let sender = std::thread::spawn(move || {
            publisher.send_at_rate(&mut mixer, per_second, &stopped);
            publisher.flush();
        });
        Self {
            stop,
            sender: Some(sender),
        }
    }

    /// Stops sending; everything sent is acknowledged when this returns.
    ///
    /// # Panics
    /// When the sender did.
    pub(crate) fn stop(mut self) {
        self.end().expect("the load ends well");
    }

    fn end(&mut self) -> std::thread::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.sender.take().map_or(Ok(()), JoinHandle::join)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // The test fails for another reason already.
        let _ = self.end();
    }
}
