//! The half that all stages without state share: a consumer of its own group, batches, positions.
//!
//! One thread per stage. Records are read from where the sink's saved position says, never from
//! where Kafka's client would, and a batch is delivered before the next is read. Two invariants:
//! a position is saved after its records were acknowledged; and a batch is delivered under a
//! topic's id only if the topic still had that id after the batch was read, so that records of a
//! topic that was made again are never taken for those of its forerunner.

mod batch;
mod context;
mod place;
mod tend;
#[cfg(test)]
mod tests;

pub(crate) use context::Consumer;
pub(crate) use place::{Ends, Start};

use crate::error::RelayError;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::settings::{Connections, StageSettings};
use crate::sink::{Failure, Sink};
use context::Context;
use meterline_core::position::{Offset, TopicId};
use meterline_core::time::LogTime;
use meterline_kafka::{Admin, Backoff};
use rdkafka::consumer::Consumer as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long one poll waits for a record: what noticing a shutdown may have to wait for.
const POLL: Duration = Duration::from_millis(100);

/// How long one question to the brokers may take.
const ANSWER: Duration = Duration::from_secs(5);

/// What a stage runs with.
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) topic: String,
    pub(crate) settings: StageSettings,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Metrics,
}

/// A partition that is owned here.
#[derive(Debug)]
enum Slot {
    /// To be placed at this moment.
    Waiting {
        at: Instant,
        backoff: Backoff,
        /// Since when its log ends before its saved position.
        short_since: Option<Instant>,
    },
    /// Read.
    Reading(Reading),
}

/// How far a partition is read.
#[derive(Clone, Copy, Debug)]
struct Reading {
    /// The next record to take.
    next: Offset,
    /// Append time of the last record that was taken.
    log_time: Option<LogTime>,
}

impl Slot {
    fn waiting(at: Instant) -> Self {
        Self::Waiting {
            at,
            backoff: Backoff::new(),
            short_since: None,
        }
    }
}

/// A running stage.
pub(crate) struct Reader<'a, S> {
    stage: &'a Stage,
    stop: &'a AtomicBool,
    sink: S,
    admin: Admin,
    consumer: Consumer,
    topic_id: Option<TopicId>,
    slots: BTreeMap<u32, Slot>,
    ends_at: Instant,
    /// When a stopping stage no longer tries.
    give_up: Option<Instant>,
    /// The failure that was logged last.
    said: String,
}

impl<'a, S: Sink> Reader<'a, S> {
    /// Makes the clients; nothing is read yet.
    pub(crate) fn connect(
        stage: &'a Stage,
        connections: &Connections,
        stop: &'a AtomicBool,
        sink: S,
    ) -> Result<Self, RelayError> {
        let settings = &stage.settings;
        let session = settings.session_timeout.as_millis();
        let mut config = connections.kafka.consumer_config(&settings.group);
        config
            .set("client.id", &connections.instance)
            .set("session.timeout.ms", session.to_string())
            .set("heartbeat.interval.ms", (session / 10).max(100).to_string())
            // Nothing is polled while a batch waits for its destination.
            .set("max.poll.interval.ms", session.max(300_000).to_string());
        let consumer: Consumer =
            config
                .create_with_context(Context::default())
                .map_err(|source| RelayError::Consumer {
                    stage: stage.name,
                    source,
                })?;
        Ok(Self {
            stage,
            stop,
            sink,
            admin: Admin::connect(&connections.kafka)?,
            consumer,
            topic_id: None,
            slots: BTreeMap::new(),
            ends_at: Instant::now(),
            give_up: None,
            said: String::new(),
        })
    }

    /// Reads and delivers until it is told to stop, then delivers what it has. Blocks its thread.
    pub(crate) fn run(mut self) -> Result<(), RelayError> {
        let failed = |stage, source| RelayError::Consumer { stage, source };
        let name = self.stage.name;
        self.stage.health.phase(Some("joining the group"));
        self.consumer
            .subscribe(&[&self.stage.topic])
            .map_err(|source| failed(name, source))?;
        let mut result = Ok(());
        while result.is_ok() && !self.is_stopping() {
            self.tend();
            result = self.fill().map_err(|source| failed(name, source));
            // Also the last one, and that before a failure: it is whole.
            self.deliver();
        }
        self.stage.health.phase(Some("stopping"));
        self.consumer.unsubscribe();
        result
    }

    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Says what failed and waits a moment; false where the stage stops and its time is over.
    fn wait(&mut self, failure: &Failure, pause: Duration) -> bool {
        let health = &self.stage.health;
        health.fails(failure.need, &failure.text, Instant::now());
        self.stage.metrics.failed(failure.need);
        if self.said != failure.text {
            let (stage, need) = (self.stage.name, failure.need);
            tracing::warn!(stage, need, error = failure.text, "failed, trying again");
            self.said.clone_from(&failure.text);
        }
        let until = Instant::now() + pause;
        while Instant::now() < until {
            self.stage.health.beat(Instant::now());
            // How far behind the stage is matters most while it cannot deliver.
            self.ask_for_ends_if_due(Instant::now());
            if self.is_stopping() {
                let grace = self.stage.settings.stop_timeout;
                let give_up = *self.give_up.get_or_insert_with(|| Instant::now() + grace);
                if Instant::now() >= give_up {
                    return false;
                }
            }
            std::thread::sleep(POLL / 2);
        }
        true
    }
}

/// A partition as the client library numbers it.
fn number(partition: u32) -> i32 {
    i32::try_from(partition).expect("partition numbers are 31 bits")
}
