//! The client: what callers hold.
//!
//! Invariant: [`Client::emit`] does no input or output and takes no lock while there is room; it
//! writes the event into memory and pushes it into a queue.

use crate::bounds;
use crate::buffer::Buffer;
use crate::counters::{Counters, Tally};
use crate::delivery::Books;
use crate::encode::Record;
use crate::error::{ConnectError, EmitError, Undelivered};
use crate::id::NewIds;
use crate::sender::Sender;
use crate::settings::{Builder, WhenFull};
use crate::stop::{Stop, end_of};
use crate::usage::Usage;
use rdkafka::config::ClientConfig;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// How often closing looks for callers that are between taking room and pushing their event.
const LATE_PUSH: Duration = Duration::from_millis(1);

/// Emits usage events. Cheap to clone; all clones share one buffer and one connection.
///
/// Dropping the last clone waits for events in flight, by the setting `drop_timeout`, and logs
/// what was not delivered. [`Client::close`] says it in its result instead.
///
/// Make it after the process has forked: the sending thread does not follow into a child.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    books: Arc<Books>,
    records: crossbeam_channel::Sender<Record>,
    /// For what is pushed while the sending thread ends; also keeps the queue open.
    rest: crossbeam_channel::Receiver<Record>,
    new_ids: NewIds,
    settings: Builder,
    is_closed: AtomicBool,
    stop: Arc<Stop>,
    thread: Thread,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("settings", &self.settings)
            .field("counters", &self.books.tally.snapshot())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// How long [`Client::close`] may take beyond its timeout, to give up what is not delivered and
    /// report it. A report that takes longer is not waited for.
    pub const CLOSE_GRACE: Duration = Duration::from_secs(2);

    /// Begins a client for these brokers (`host:port`, separated by commas); `source` says who
    /// produces its events (CloudEvents `source`), for example `//gateway`.
    pub fn builder(brokers: impl Into<String>, source: impl Into<String>) -> Builder {
        Builder::new(brokers.into(), source.into())
    }

    pub(crate) fn start(mut settings: Builder, config: ClientConfig) -> Result<Self, ConnectError> {
        let places = usize::try_from(settings.limits.events).unwrap_or(usize::MAX);
        let (sender, records) = crossbeam_channel::bounded(places);
        let books = Arc::new(Books {
            buffer: Buffer::new(settings.limits),
            tally: Tally::default(),
            on_delivery: settings.on_delivery.take(),
            again: Mutex::new(Vec::new()),
            is_closing: AtomicBool::new(false),
        });
        let stop = Arc::new(Stop::default());
        let thread = Sender::new(
            config,
            settings.topic.clone(),
            records.clone(),
            Arc::clone(&books),
            Arc::clone(&stop),
        )
        .map_err(|source| ConnectError::Producer {
            source: Box::new(source),
        })?;
        let ending = Arc::clone(&stop);
        let handle = std::thread::Builder::new()
            .name("usage-events".to_owned())
            .spawn(move || {
                let _ending = ending.ending();
                thread.run();
            })
            .map_err(|source| ConnectError::Thread { source })?;
        let shared = Shared {
            books,
            records: sender,
            rest: records,
            new_ids: NewIds::new(),
            settings,
            is_closed: AtomicBool::new(false),
            stop,
            thread: handle.thread().clone(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Emits an event: it is in the buffer when this returns, and sent in the background.
    ///
    /// Never holds the caller up, unless the client was made with [`WhenFull::Wait`], and then no
    /// longer than that. The event's time is set here, once, where it was not given: a retry of
    /// the client library sends the same bytes.
    ///
    /// # Errors
    /// The event is not emitted, and counted by its cause: it is refused for what it is, or
    /// dropped ([`EmitError::is_drop`]).
    pub fn emit(&self, usage: Usage<'_>) -> Result<(), EmitError> {
        self.counted(self.shared.emit(usage, self.shared.settings.when_full))
    }

    /// Emits an event and never waits, whatever the setting: for threads of an async runtime.
    ///
    /// # Errors
    /// As [`Client::emit`].
    pub fn try_emit(&self, usage: Usage<'_>) -> Result<(), EmitError> {
        self.counted(self.shared.emit(usage, WhenFull::Drop))
    }

    fn counted(&self, emitted: Result<(), EmitError>) -> Result<(), EmitError> {
        emitted.inspect_err(|error| self.shared.books.tally.not_emitted(error))
    }

    /// What became of the events so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.books.tally.snapshot()
    }

    /// Waits until every event is delivered or failed, at most this long.
    ///
    /// # Errors
    /// Events are still pending, or some have failed since the client was made.
    pub fn flush(&self, timeout: Duration) -> Result<Counters, Undelivered> {
        self.shared.thread.unpark();
        self.shared.books.buffer.wait_empty(timeout);
        self.judged(timeout)
    }

    /// Takes no more events, waits until all are delivered, at most this long, and gives the rest
    /// up: it is counted as failed, and reported, within [`Client::CLOSE_GRACE`] more.
    ///
    /// Of several calls, the one whose time is over first gives up for all.
    ///
    /// # Errors
    /// Events have failed since the client was made, or are pending because their reports were not
    /// done in time. They may be in the log nevertheless; emitting them again under the same id
    /// and time is safe.
    pub fn close(&self, timeout: Duration) -> Result<Counters, Undelivered> {
        self.shared.close(timeout);
        self.judged(timeout)
    }

    fn judged(&self, waited: Duration) -> Result<Counters, Undelivered> {
        let counters = self.counters();
        if counters.pending + counters.failed == 0 {
            Ok(counters)
        } else {
            Err(Undelivered { counters, waited })
        }
    }
}

impl Shared {
    fn emit(&self, usage: Usage<'_>, when_full: WhenFull) -> Result<(), EmitError> {
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(EmitError::Closed);
        }
        let record = self.encode(usage)?;
        let memory = record.memory();
        self.make_room(memory, when_full)?;
        // Asked again with room taken: closing waits for whoever has some.
        if self.is_closed.load(Ordering::SeqCst) {
            self.books.buffer.release(memory);
            return Err(EmitError::Closed);
        }
        self.books.tally.emitted.fetch_add(1, Ordering::SeqCst);
        self.records
            .try_send(record)
            .expect("there is a place for every event with room, until all are settled");
        Ok(())
    }

    fn encode(&self, usage: Usage<'_>) -> Result<Record, EmitError> {
        let event = usage.into_event(&self.settings.source, &self.new_ids)?;
        bounds::check(&event, &self.settings.bounds)?;
        let record = Record::encode(&event, self.settings.form)?;
        let (bytes, most) = (record.size(), self.settings.bounds.record_bytes);
        if u32::try_from(bytes).is_ok_and(|bytes| bytes <= most) {
            Ok(record)
        } else {
            Err(EmitError::TooLarge { bytes, most })
        }
    }

    fn make_room(&self, memory: u64, when_full: WhenFull) -> Result<(), EmitError> {
        let buffer = &self.books.buffer;
        let is_admitted = buffer.admit(memory);
        if buffer.is_half_full() {
            // It may pause still, and must not until the buffer is full.
            self.thread.unpark();
        }
        match when_full {
            _ if is_admitted => Ok(()),
            WhenFull::Drop => Err(EmitError::Full),
            WhenFull::Wait(waited) if buffer.admit_within(memory, waited) => Ok(()),
            WhenFull::Wait(waited) => Err(EmitError::StillFull { waited }),
        }
    }

    fn close(&self, timeout: Duration) {
        self.is_closed.store(true, Ordering::SeqCst);
        let deadline = end_of(timeout);
        self.stop.order(deadline);
        self.thread.unpark();
        // The last clone may be dropped by a report, on the thread that would be waited for.
        if std::thread::current().id() == self.thread.id() {
            return;
        }
        let end = deadline + Client::CLOSE_GRACE;
        self.stop.wait_ended(end);
        // A caller that had taken room when the client was closed may push its event only now.
        let end = end.min(Instant::now() + Client::CLOSE_GRACE);
        while !self.books.buffer.is_empty() && Instant::now() < end {
            for record in self.rest.try_iter() {
                self.books.give_up(&record);
            }
            self.books.buffer.wait_empty(LATE_PUSH);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close(self.settings.drop_timeout);
    }
}
