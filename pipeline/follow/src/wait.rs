//! Waiting for what must be there before a stage can judge: brokers, topics, ClickHouse, a catalog.
//!
//! What may pass is tried again, with the reason in health; what waiting cannot mend is an error.

use crate::Follower;
use meterline_clickhouse::Next;
use meterline_control::{AccountLog, ControlEvent};
use meterline_core::causes::chain;
use meterline_core::control::CatalogDecision;
use meterline_core::position::Offset;
use meterline_kafka::{Admin, Backoff, TopicDescription};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How long the thread sleeps between two looks at whether it should stop.
const LOOK: Duration = Duration::from_millis(50);

/// How long one question to the brokers may take.
const ANSWER: Duration = Duration::from_secs(5);

/// The stage is to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stopped;

/// Something of Kafka is not there yet.
#[derive(Debug, thiserror::Error)]
pub enum Missing {
    /// The brokers did not answer.
    #[error(transparent)]
    Kafka(#[from] meterline_kafka::Error),
    /// A topic was not made.
    #[error("there is no topic {0}: run `meterline init`")]
    Topic(String),
}

/// What the brokers say of a topic.
///
/// # Errors
/// [`Missing`] where they do not answer, or there is no such topic.
pub fn described(admin: &Admin, name: String) -> Result<TopicDescription, Missing> {
    let described = admin.describe_topic(&name, ANSWER)?;
    described.ok_or(Missing::Topic(name))
}

impl Follower {
    /// Makes attempts until one succeeds, the stage is to stop, or waiting cannot help.
    ///
    /// # Errors
    /// What ClickHouse said where another attempt would hear the same.
    pub fn until_clickhouse<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, meterline_clickhouse::Error>,
    ) -> Result<Result<T, Stopped>, meterline_clickhouse::Error> {
        let mut backoff = Backoff::new();
        loop {
            match attempt() {
                Ok(value) => {
                    self.health.works("clickhouse");
                    return Ok(Ok(value));
                }
                Err(error) if error.next() == Next::Retry => {
                    let waited = self.waits("clickhouse", &chain(&error), backoff.pause());
                    if waited.is_err() {
                        return Ok(Err(Stopped));
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes attempts until one succeeds, or the stage is to stop.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn until_kafka<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Missing>,
    ) -> Result<T, Stopped> {
        let mut backoff = Backoff::new();
        loop {
            match attempt() {
                Ok(value) => {
                    self.health.works("kafka");
                    return Ok(value);
                }
                Err(error) => self.waits("kafka", &chain(&error), backoff.pause())?,
            }
        }
    }

    /// Waits for a catalog, by which it is known which hours are to be read, and until the control
    /// log was read to `to`.
    ///
    /// What comes before is kept, or the log would not be read on: with 0, little, since accounts
    /// name plans of a catalog.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn until_catalog(
        &self,
        log: &AccountLog,
        feed: &mut mpsc::Receiver<ControlEvent>,
        to: Offset,
    ) -> Result<(Arc<CatalogDecision>, Vec<ControlEvent>), Stopped> {
        let mut early = Vec::new();
        loop {
            let view = log.control().view();
            if let Some(catalog) = view.catalog().filter(|_| view.position() >= to) {
                return Ok((Arc::clone(catalog), early));
            }
            early.extend(std::iter::from_fn(|| feed.try_recv().ok()));
            if self.stop.load(Ordering::Acquire) {
                return Err(Stopped);
            }
            if let Some(halt) = log.control().halted() {
                let why = chain(&halt);
                self.health.fails("control log", &why, Instant::now());
            }
            self.health.beat(Instant::now());
            std::thread::sleep(LOOK);
        }
    }

    /// Says what is missing and waits a moment.
    fn waits(&self, need: &'static str, why: &str, pause: Duration) -> Result<(), Stopped> {
        tracing::warn!(
            stage = self.stage(),
            need,
            error = why,
            "waiting before the first judgement"
        );
        self.metrics.failed(need);
        let until = Instant::now() + pause;
        while Instant::now() < until {
            if self.stop.load(Ordering::Acquire) {
                return Err(Stopped);
            }
            self.health.beat(Instant::now());
            self.health.fails(need, why, Instant::now());
            std::thread::sleep(LOOK);
        }
        Ok(())
    }
}
