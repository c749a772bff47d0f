//! The sending thread: moves records from the buffer to Kafka, and brings the reports back.
//!
//! Emitting wakes nobody, because waking a thread costs the caller more than all else. So this
//! thread looks by itself, often enough that an event leaves within milliseconds.
//!
//! Invariant: it ends only after every record was settled, and nothing of the client library's
//! state is left behind.

use crate::delivery::{Books, Context, Failed};
use crate::encode::Record;
use crate::stop::Stop;
use crossbeam_channel::Receiver;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, PurgeConfig};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long an event waits at most before it is looked for, and reports before they are.
const PAUSE: Duration = Duration::from_millis(5);
/// Records moved before reports are looked at: some milliseconds of work.
const ROUND: usize = 4_096;
/// Least time between two producers: one that fails at once must not spin.
const REPLACE_PAUSE: Duration = Duration::from_secs(1);
/// Least time between two lines about lost events.
const LOSS_REPORT_PAUSE: Duration = Duration::from_secs(10);
/// How long the client library may take to hand back what was given up; less than a closing
/// caller waits for it.
const PURGE_TIMEOUT: Duration = Duration::from_secs(1);

type Producer = BaseProducer<Context>;

/// What the sending thread owns.
pub(crate) struct Sender {
    pub(crate) config: ClientConfig,
    pub(crate) topic: String,
    pub(crate) records: Receiver<Record>,
    pub(crate) books: Arc<Books>,
    pub(crate) stop: Arc<Stop>,
    producer: Producer,
    /// A record that the client library had no room for.
    held: Option<Arc<Record>>,
    replaced: Instant,
    loss_reported: Instant,
    lost: u64,
}

impl Sender {
    pub(crate) fn new(
        config: ClientConfig,
        topic: String,
        records: Receiver<Record>,
        books: Arc<Books>,
        stop: Arc<Stop>,
    ) -> Result<Self, KafkaError> {
        let producer = config.create_with_context(Context(Arc::clone(&books)))?;
        let now = Instant::now();
        Ok(Self {
            config,
            topic,
            records,
            books,
            stop,
            producer,
            held: None,
            replaced: now,
            loss_reported: now,
            lost: 0,
        })
    }

    /// Sends until told to stop and everything is settled, or given up at the deadline.
    pub(crate) fn run(mut self) {
        loop {
            let moved = self.move_records();
            self.replace_failed_producer();
            self.report_losses(LOSS_REPORT_PAUSE);
            if let Some(deadline) = self.stop.deadline()
                && (self.books.buffer.is_empty() || Instant::now() >= deadline)
            {
                break;
            }
            if self.producer.in_flight_count() > 0 {
                let is_busy = moved == ROUND;
                self.producer
                    .poll(if is_busy { Duration::ZERO } else { PAUSE });
            } else if moved == 0 {
                std::thread::park_timeout(PAUSE);
            }
        }
        self.give_up();
        self.report_losses(Duration::ZERO);
    }

    /// Hands records over until there are none, no room, or a round is full.
    fn move_records(&mut self) -> usize {
        for moved in 0..ROUND {
            let next = || self.records.try_recv().ok().map(Arc::new);
            let Some(record) = self.held.take().or_else(next) else {
                return moved;
            };
            if let Some(record) = self.send(record) {
                self.held = Some(record);
                return moved;
            }
        }
        ROUND
    }

    /// Gives the record back where the client library has no room.
    fn send(&self, record: Arc<Record>) -> Option<Arc<Record>> {
        let mut native = BaseRecord::with_opaque_to(&self.topic, Arc::clone(&record))
            .key(record.tenant())
            .payload(record.payload());
        native.headers = native_headers(&record);
        let (error, _) = self.producer.send(native).err()?;
        match error.rdkafka_error_code() {
            // A failed producer takes nothing; its successor takes the record.
            Some(RDKafkaErrorCode::QueueFull | RDKafkaErrorCode::Fatal) => Some(record),
            code => {
                let code = code.unwrap_or(RDKafkaErrorCode::Unknown);
                self.books.settle(&record, Err(Failed { code }));
                None
            }
        }
    }

    /// Puts a new producer in the place of one that lost its sequence, and sends again what failed
    /// with it. A record that was written after all is a duplicate by its id, and counts once.
    fn replace_failed_producer(&mut self) {
        let Some((code, reason)) = self.producer.client().fatal_error() else {
            return self.send_again();
        };
        if self.replaced.elapsed() < REPLACE_PAUSE {
            return;
        }
        self.replaced = Instant::now();
        tracing::warn!(%code, reason, "the kafka producer of usage events failed; making another");
        // Purging waits for no broker: every record comes back, to be sent again.
        let end = Instant::now() + PURGE_TIMEOUT;
        self.purge(
            self.stop
                .deadline()
                .map_or(end, |deadline| deadline.min(end)),
        );
        match self
            .config
            .create_with_context(Context(Arc::clone(&self.books)))
        {
            Ok(producer) => self.producer = producer,
            Err(error) => tracing::error!(%error, "no other kafka producer can be made yet"),
        }
    }

    /// Sends what failed with an earlier producer, in its order.
    fn send_again(&mut self) {
        if self.held.is_some() {
            return;
        }
        let mut again = std::mem::take(&mut *self.failed_before()).into_iter();
        let refused = again.by_ref().find_map(|record| self.send(record));
        let rest = refused.into_iter().chain(again);
        self.failed_before().splice(..0, rest);
    }

    fn failed_before(&self) -> MutexGuard<'_, Vec<Arc<Record>>> {
        let again = &self.books.again;
        again.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Settles everything that is not settled, as failed.
    fn give_up(&mut self) {
        self.books.is_closing.store(true, Ordering::SeqCst);
        self.purge(Instant::now() + PURGE_TIMEOUT);
        let again = std::mem::take(&mut *self.failed_before());
        let rest = self.held.take().into_iter().chain(again);
        for record in rest {
            self.books.give_up(&record);
        }
        for record in self.records.try_iter() {
            self.books.give_up(&record);
        }
    }

    fn purge(&self, deadline: Instant) {
        self.producer
            .purge(PurgeConfig::default().queue().inflight());
        while self.producer.in_flight_count() > 0 && Instant::now() < deadline {
            self.producer.poll(PAUSE);
        }
    }

    /// Says in the log that events were lost: once, and then not too often.
    fn report_losses(&mut self, pause: Duration) {
        let counters = self.books.tally.snapshot();
        let is_new = counters.lost() > self.lost;
        if is_new && (self.lost == 0 || self.loss_reported.elapsed() >= pause) {
            self.lost = counters.lost();
            self.loss_reported = Instant::now();
            tracing::warn!(%counters, "usage events are lost");
        }
    }
}

fn native_headers(record: &Record) -> Option<OwnedHeaders> {
    record.headers().fold(None, |headers, (key, value)| {
        let value = Some(value);
        let headers = headers.unwrap_or_else(OwnedHeaders::new);
        Some(headers.insert(Header { key, value }))
    })
}
