//! The limits stage: use against plans, within seconds.
//!
//! It reads all of `usage.totals`, of the control log and of `usage.alerts`, gives them to the
//! pure engine of [`meterline_core::limits`], and performs what the engine asks for: transitions
//! on `usage.alerts`, standings on `usage.standing` and in ClickHouse, notifications, rows of what
//! is in force. Every instance reads everything, joins no group and commits nothing; two of them
//! judge alike, one of their transitions is in force, the other is ignored by every reader. What it
//! refuses: to judge before it has read to the ends that the logs had at its start, to judge on
//! where a log lost records or holds what it cannot read, to wait for ClickHouse or a receiver of
//! alerts.
//!
//! [`Limits::new`] makes the stage with what health and metrics show of it, [`Limits::run`] runs
//! it.

mod beside;
mod error;
mod health;
mod judge;
mod metrics;
mod notices;
mod projection;
mod records;
mod settings;
mod stage;
mod standings;
mod tables;
#[cfg(test)]
mod testing;
mod transitions;

pub use error::LimitsError;
pub use health::{Health, LimitsStatus};
#[doc(hidden)]
pub use metrics::seen as metrics_seen;
pub use settings::{Connections, LimitsSettings, SettingsError};

use meterline_control::{AccountLog, AccountsOptions, ControlEvent, ControlLog};
use meterline_kafka::Producer;
use meterline_notify::Notifier;
use metrics::Metrics;
use notices::{Directory, Outlet};
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::sync::mpsc;

/// Control records that wait for the judge: a moment's worth.
const FEED_MAX: usize = 1_024;

/// The stage, ready to run.
pub struct Limits {
    connections: Connections,
    settings: LimitsSettings,
    log: AccountLog,
    feed: mpsc::Receiver<ControlEvent>,
    producer: Producer,
    directory: Arc<Directory>,
    notifier: Arc<Notifier>,
    health: Arc<Health>,
    metrics: Metrics,
}

impl Limits {
    /// The stage, and the registry of its metrics.
    ///
    /// # Errors
    /// [`LimitsError`] where a setting cannot be used, or a client cannot be made.
    pub fn new(
        connections: Connections,
        settings: LimitsSettings,
        notifications: meterline_notify::Settings,
    ) -> Result<(Self, Registry), LimitsError> {
        settings.check()?;
        connections.kafka.check_properties()?;
        let (metrics, mut registry) = Metrics::new();
        let (feed_in, feed) = mpsc::channel(FEED_MAX);
        let options = AccountsOptions {
            // Since when routes are routes is in no snapshot.
            snapshots: None,
            feed: Some(feed_in),
        };
        let log = ControlLog::connect_with_accounts(&connections.kafka, options)?;
        let producer = Producer::connect_for_decisions(&connections.kafka)?;
        let directory = Arc::new(Directory::new(log.clone()));
        let outlet = Arc::new(Outlet {
            producer: producer.clone(),
            alerts: connections.kafka.topics().alerts(),
        });
        let notifier = Notifier::new(
            notifications,
            &connections.instance,
            Arc::clone(&directory) as _,
            outlet,
            &mut registry,
        )?;
        let health = Arc::new(Health::new(settings.progress_timeout, Instant::now()));
        let limits = Self {
            connections,
            settings,
            log,
            feed,
            producer,
            directory,
            notifier: Arc::new(notifier),
            health,
            metrics,
        };
        Ok((limits, registry))
    }

    /// What the stage knows of itself, while it runs.
    #[must_use]
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    /// Runs the stage until `shutdown` is ready, then waits for what it has sent.
    ///
    /// Kafka, ClickHouse and the catalog may come later. Needs a multi-threaded tokio runtime.
    ///
    /// # Errors
    /// [`LimitsError`], where waiting cannot help.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), LimitsError> {
        let stop = Arc::new(AtomicBool::new(false));
        let runtime = tokio::runtime::Handle::current();
        let thread = {
            let stop = Arc::clone(&stop);
            // A plain thread: consumers block, and judging takes as long as it takes.
            tokio::task::spawn_blocking(move || self.block(&runtime, &stop))
        };
        let ended = |source| LimitsError::Thread { source };
        let mut thread = std::pin::pin!(thread);
        tokio::select! {
            result = &mut thread => return result.map_err(ended)?,
            () = shutdown => {}
        }
        tracing::info!(stage = "limits", "stopping: what was sent is waited for");
        stop.store(true, Ordering::Release);
        thread.await.map_err(ended)?
    }
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limits")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
