//! The log as its readers use it: the newest view, and views that are at the end.

use crate::error::ControlError;
use crate::folds::Folds;
use crate::follow::{AccountsOptions, Follower};
use meterline_core::control::{Pointer, View};
use meterline_core::halt::Halt;
use meterline_core::position::{Offset, TopicId};
use meterline_core::record::Placement;
use meterline_kafka::{Admin, Backoff, Next, Producer, Settings};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest wait for one answer of a broker, within a longer timeout.
const ANSWER: Duration = Duration::from_secs(5);

/// Partition of the control log: it has one, for ever.
pub(crate) const PARTITION: u32 = 0;

/// The control log: one connection, shared by all clones.
#[derive(Clone, Debug)]
pub struct ControlLog {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: Settings,
    topic: String,
    admin: Admin,
    producer: Producer,
    follower: Follower,
}

impl ControlLog {
    /// Connects, and begins to follow the log from its beginning on a thread of its own.
    ///
    /// Neither Kafka nor the topic need be there yet. The thread ends with the last clone.
    ///
    /// # Errors
    /// [`ControlError::Kafka`] where the client library refuses the settings,
    /// [`ControlError::Follow`] where no thread can be had.
    pub fn connect(settings: &Settings) -> Result<Self, ControlError> {
        Self::follow(settings, None)
    }

    /// [`ControlLog::connect`], where the thread follows accounts too if there are options for
    /// them.
    pub(crate) fn follow(
        settings: &Settings,
        options: Option<AccountsOptions>,
    ) -> Result<Self, ControlError> {
        let topic = settings.topics().control();
        let inner = Inner {
            settings: settings.clone(),
            admin: Admin::connect(settings)?,
            producer: Producer::connect_for_decisions(settings)?,
            follower: Follower::start(settings, &topic, options)?,
            topic,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Name of the log's topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.inner.topic
    }

    /// Id of the log's topic; `None` until the first connection.
    #[must_use]
    pub fn topic_id(&self) -> Option<TopicId> {
        self.inner.follower.topic_id()
    }

    /// What has been read so far; it may lag behind the log.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.inner.follower.view()
    }

    /// Why reading stopped for good; `None` while it goes on.
    #[must_use]
    pub fn halted(&self) -> Option<Halt> {
        self.inner.follower.halted()
    }

    pub(crate) fn folds(&self) -> &Folds {
        &self.inner.follower
    }

    pub(crate) fn admin(&self) -> &Admin {
        &self.inner.admin
    }

    pub(crate) fn producer(&self) -> &Producer {
        &self.inner.producer
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Runs a blocking call on a thread that may block, for async callers.
    ///
    /// # Panics
    /// When `call` panics.
    pub async fn off_thread<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> T {
        let log = self.clone();
        let task = tokio::task::spawn_blocking(move || call(&log));
        task.await.expect("a blocking task ends unless it panics")
    }

    /// Reads to the end that the log has at this moment, and waits for that at most `timeout`.
    ///
    /// The view holds every record that was acknowledged before the call. Blocks.
    ///
    /// # Errors
    /// [`ControlError::NoEnd`] or [`ControlError::Behind`] in time; [`ControlError::Halted`] at
    /// once.
    pub fn read_to_end(&self, timeout: Duration) -> Result<Arc<View>, ControlError> {
        let deadline = Instant::now() + timeout;
        let seen = self.view().position();
        let end = self.end(timeout, deadline)?;
        if end < seen {
            return Err(self.halted_at(
                seen,
                Halt::Truncated(format!(
                    "the log ends at {end}, records before {seen} had been read; \
                     was the topic deleted, or did an unclean election lose records?"
                )),
            ));
        }
        match self.inner.follower.wait_for(end, deadline) {
            Ok(view) if view.position() >= end => Ok(view),
            Ok(view) => Err(ControlError::Behind {
                topic: self.topic().to_owned(),
                position: view.position(),
                end,
                waited: timeout,
            }),
            Err(halt) => Err(self.halted_at(self.view().position(), halt)),
        }
    }

    fn end(&self, timeout: Duration, deadline: Instant) -> Result<Offset, ControlError> {
        let mut backoff = Backoff::new();
        loop {
            if let Some(halt) = self.halted() {
                return Err(self.halted_at(self.view().position(), halt));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = self
                .admin()
                .watermarks(self.topic(), PARTITION, left.min(ANSWER));
            let source = match answer {
                Ok((_, end)) => return Ok(end),
                Err(source) => source,
            };
            let pause = backoff.pause();
            if source.next() != Next::Retry || Instant::now() + pause >= deadline {
                return Err(ControlError::NoEnd {
                    topic: self.topic().to_owned(),
                    waited: timeout,
                    source,
                });
            }
            std::thread::sleep(pause);
        }
    }

    fn halted_at(&self, position: Offset, source: Halt) -> ControlError {
        ControlError::Halted {
            topic: self.topic().to_owned(),
            position,
            source,
        }
    }

    /// What a `meterline-control` header of a usage record stands for, now and in every replay.
    ///
    /// Reads the log to its end where the header names a record still to be read. Blocks.
    ///
    /// # Errors
    /// As [`ControlLog::read_to_end`]: wait and ask again, nothing is known yet.
    pub fn placement(&self, header: &[u8], timeout: Duration) -> Result<Placement, ControlError> {
        let view = self.view();
        if let Some(placement) = view.placement(header) {
            return Ok(placement);
        }
        debug_assert!(matches!(
            Pointer::parse(header),
            Some(Pointer::Record { .. })
        ));
        Ok(self.read_to_end(timeout)?.placement_at_end(header))
    }
}
