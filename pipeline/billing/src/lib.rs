//! The billing stage: what the buckets say is what Stripe bills.
//!
//! [`engine`] decides: it folds totals, accounts, the ledger `meterline.pushes` and what Stripe
//! answers, and says what is to be written, called and read next. It has no clock, no socket and
//! no other randomness than its seed, so that a month with crashes and outages can be played in a
//! test. What it refuses: to call anything that is not an intent in force of its own, to take an
//! answer for a proof, to push what it cannot prove to be newer.
//!
//! [`setup`] makes meters, products and prices at Stripe as a catalog wants them, and [`customers`]
//! customers as accounts need them; only commands call them.
//!
//! [`Billing`] is the stage around it: it reads all of `usage.totals`, of the control log and of
//! `meterline.pushes`, and does what the engine asks for, in the log and at Stripe ([`stripe`]).
//! Every instance reads everything, joins no group and commits nothing. What it refuses: to decide
//! before it has read to the ends that the logs had at its start, to decide on where a log lost
//! records or holds what it cannot read, to write to Stripe after a deadline.

mod biller;
mod clock;
pub mod customers;
pub mod engine;
mod error;
mod health;
mod metrics;
mod projection;
pub mod reconcile;
mod records;
mod settings;
pub mod setup;
mod stage;
pub mod stripe;
mod tables;
mod tasks;

pub use engine::Engine;
pub use error::BillingError;
pub use health::{BillingStatus, Health};
#[doc(hidden)]
pub use metrics::seen as metrics_seen;
pub use settings::{BillingSettings, Connections, SettingsError};

use health::STAGE;
use meterline_stripe::Client;
use metrics::Metrics;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// The stage, ready to run.
pub struct Billing {
    connections: Connections,
    settings: BillingSettings,
    client: Client,
    health: Arc<Health>,
    metrics: Metrics,
}

impl Billing {
    /// The stage, and the registry of its metrics.
    ///
    /// # Errors
    /// [`BillingError`] where a setting cannot be used, the key and address of Stripe included.
    pub fn new(
        connections: Connections,
        settings: BillingSettings,
    ) -> Result<(Self, Registry), BillingError> {
        settings.check()?;
        connections.kafka.check_properties()?;
        let client = Client::new(settings.client())?;
        let (metrics, registry) = Metrics::new();
        let (timeout, shadow) = (settings.progress_timeout, settings.shadow);
        let health = Arc::new(Health::new(timeout, shadow, Instant::now()));
        let billing = Self {
            connections,
            settings,
            client,
            health,
            metrics,
        };
        Ok((billing, registry))
    }

    /// What the stage knows of itself, while it runs.
    #[must_use]
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    /// Runs the stage until `shutdown` is ready, then waits for what it has begun.
    ///
    /// Kafka, ClickHouse, the catalog and Stripe may come later. Needs a multi-threaded tokio
    /// runtime.
    ///
    /// # Errors
    /// [`BillingError`], where waiting cannot help.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), BillingError> {
        let stop = Arc::new(AtomicBool::new(false));
        let runtime = tokio::runtime::Handle::current();
        let thread = {
            let stop = Arc::clone(&stop);
            // A plain thread: consumers block, and deciding takes as long as it takes.
            tokio::task::spawn_blocking(move || self.block(&runtime, &stop))
        };
        let ended = |source| BillingError::Thread { source };
        let mut thread = std::pin::pin!(thread);
        tokio::select! {
            result = &mut thread => return result.map_err(ended)?,
            () = shutdown => {}
        }
        tracing::info!(stage = STAGE, "stopping: what was sent is waited for");
        stop.store(true, Ordering::Release);
        thread.await.map_err(ended)?
    }
}

impl std::fmt::Debug for Billing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Billing")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
