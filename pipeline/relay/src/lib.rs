//! Stages without state: the archive, and the re-keying of incoming usage.
//!
//! They read a log at least once and write where a repeat is harmless, so they need no checkpoint,
//! no fence and no transaction; two processes on one partition do no harm. They decode by the
//! core's rules and judge nothing that the fold judges. What they refuse: to save a position
//! before its records are acknowledged, to start at a guessed one, to take the records of a topic
//! that was made again for those of its forerunner.
//!
//! [`Relay::new`] makes a stage with what health and metrics show of it, [`Relay::run`] runs it.

mod archive;
mod error;
mod health;
mod message;
mod metrics;
mod reader;
mod rekey;
mod settings;
mod sink;
#[cfg(test)]
mod testing;

pub use error::RelayError;
pub use health::{Health, RelayPartition, RelayStatus};
#[doc(hidden)]
pub use metrics::seen as metrics_seen;
pub use rekey::SOURCE_HEADER;
pub use settings::{Connections, SettingsError, StageSettings};

use archive::Archive;
use meterline_clickhouse::{ClickHouse, Next};
use meterline_control::ControlLog;
use meterline_core::causes::chain;
use meterline_kafka::Backoff;
use metrics::Metrics;
use prometheus_client::registry::Registry;
use reader::{Reader, Stage};
use rekey::Rekey;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long the thread sleeps between two looks at whether it should stop.
const LOOK: Duration = Duration::from_millis(50);

/// A stage of this crate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `usage.events` into the table `usage_events`.
    Archive,
    /// `usage.incoming` into `usage.events`.
    Rekey,
}

impl Kind {
    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::Rekey => rekey::NAME,
        }
    }
}

/// A stage that can run.
pub struct Relay {
    kind: Kind,
    stage: Stage,
    connections: Connections,
}

impl Relay {
    /// A stage, and the registry of its metrics.
    ///
    /// # Errors
    /// [`RelayError::Settings`].
    pub fn new(
        kind: Kind,
        connections: Connections,
        settings: StageSettings,
    ) -> Result<(Self, Registry), RelayError> {
        let name = kind.name();
        settings.check().map_err(|source| RelayError::Settings {
            stage: name,
            source,
        })?;
        let topics = connections.kafka.topics();
        let topic = match kind {
            Kind::Archive => topics.usage_events(),
            Kind::Rekey => topics.usage_incoming(),
        };
        let (metrics, registry) = Metrics::new(name);
        let timeout = settings.progress_timeout;
        let health = Health::new(name, &settings.group, &topic, timeout, Instant::now());
        let stage = Stage {
            name,
            topic,
            settings,
            health: Arc::new(health),
            metrics,
        };
        let relay = Self {
            kind,
            stage,
            connections,
        };
        Ok((relay, registry))
    }

    /// What the stage knows of itself, while it runs.
    #[must_use]
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.stage.health)
    }

    /// Runs the stage until `shutdown` is ready, then delivers what it has.
    ///
    /// Kafka, ClickHouse and the catalog may come later. Needs a multi-threaded tokio runtime.
    ///
    /// # Errors
    /// [`RelayError`], where waiting cannot help.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), RelayError> {
        self.connections.kafka.check_properties()?;
        let name = self.stage.name;
        let stop = Arc::new(AtomicBool::new(false));
        let runtime = tokio::runtime::Handle::current();
        let thread = {
            let stop = Arc::clone(&stop);
            // A plain thread: the consumer blocks, and waits on async calls.
            tokio::task::spawn_blocking(move || self.block(runtime, &stop))
        };
        let ended = |source| RelayError::Thread {
            stage: name,
            source,
        };
        let mut thread = std::pin::pin!(thread);
        tokio::select! {
            result = &mut thread => return result.map_err(ended)?,
            () = shutdown => {}
        }
        tracing::info!(stage = name, "stopping: the last batch is delivered");
        stop.store(true, Ordering::Release);
        thread.await.map_err(ended)?
    }

    fn block(self, runtime: tokio::runtime::Handle, stop: &AtomicBool) -> Result<(), RelayError> {
        let clickhouse = ClickHouse::connect(self.connections.clickhouse.clone())?;
        let control = ControlLog::connect(&self.connections.kafka)?;
        if !self.schema(&clickhouse, &runtime, stop)? {
            return Ok(());
        }
        let (stage, connections) = (&self.stage, &self.connections);
        match self.kind {
            Kind::Archive => {
                let sink = Archive::new(runtime, clickhouse, control, &stage.topic);
                Reader::connect(stage, connections, stop, sink)?.run()
            }
            Kind::Rekey => {
                let sink = Rekey::new(runtime, clickhouse, control, connections)?;
                Reader::connect(stage, connections, stop, sink)?.run()
            }
        }
    }

    /// Waits until ClickHouse answers that it has the tables of this version; false where the
    /// stage stops first.
    fn schema(
        &self,
        clickhouse: &ClickHouse,
        runtime: &tokio::runtime::Handle,
        stop: &AtomicBool,
    ) -> Result<bool, RelayError> {
        let health = &self.stage.health;
        let mut backoff = Backoff::new();
        health.phase(Some("waiting for ClickHouse"));
        loop {
            let error = match runtime.block_on(clickhouse.check_schema()) {
                Ok(()) => {
                    health.works("clickhouse");
                    return Ok(true);
                }
                Err(error) if error.next() == Next::Retry => chain(&error),
                Err(error) => return Err(error.into()),
            };
            tracing::warn!(
                stage = self.stage.name,
                error,
                "failed to check the database"
            );
            let until = Instant::now() + backoff.pause();
            while Instant::now() < until {
                if stop.load(Ordering::Acquire) {
                    return Ok(false);
                }
                health.beat(Instant::now());
                health.fails("clickhouse", &error, Instant::now());
                std::thread::sleep(LOOK);
            }
        }
    }
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay")
            .field("stage", &self.stage.name)
            .finish_non_exhaustive()
    }
}
