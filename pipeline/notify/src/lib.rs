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
mod answer;
mod ca;
mod contract;
mod email;
mod error;
mod ledger;
mod message;
mod metrics;
mod record;
mod rules;
mod run;
mod settings;
mod signature;
mod target;
mod tell;
#[cfg(test)]
mod testing;
mod webhook;

pub use contract::{Directory, InForce, KafkaMessage, KnownRoute, Outlet, OutletError};
pub use error::NotifyError;
#[doc(hidden)]
pub use metrics::seen as metrics_seen;
pub use settings::{Settings, SettingsError, SmtpSettings, SmtpTls, WebhookSettings};
pub use signature::webhook_secret;
pub use target::check_target;

use alert::Alert;
use ledger::Ledger;
use meterline_core::alert::Delivery;
use metrics::Metrics;
use prometheus_client::registry::Registry;
use rules::Rules;
use run::{Shared, lock};
use std::sync::{Arc, Mutex};
use tell::Teller;
use tokio::sync::Notify;

/// Tells routes of alerts. Feed it from the stage, and let [`Notifier::run`] run beside; clones are
/// the same notifier.
#[derive(Clone)]
pub struct Notifier {
    shared: Arc<Shared>,
}

/// How much is left to tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Backlog {
    /// Notifications, by alert and route, that are neither delivered nor parked.
    pub pending: usize,
    /// Parked ones among those that are remembered.
    pub parked: usize,
}

/// What the stage read.
pub(crate) enum Fed {
    Transition(Box<Alert>),
    Outcome(Box<Delivery>),
    CaughtUp,
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
        registry: &mut Registry,
    ) -> Result<Self, NotifyError> {
        settings.check()?;
        let rules = Rules::new(&settings, instance);
        let name = Arc::clone(&rules.instance);
        let asked = (Arc::clone(&directory), Arc::clone(&outlet));
        let shared = Shared {
            teller: Teller::new(settings.clone(), name, asked.0, asked.1)?,
            settings,
            directory,
            outlet,
            metrics: Metrics::new(registry),
            ledger: Mutex::new(Ledger::new(rules)),
            inbox: Mutex::default(),
            wake: Notify::new(),
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// A transition in force was read. Never waits for a receiver.
    pub fn transition(&self, seen: InForce) {
        let alert = Box::new(Alert::from(seen));
        self.shared.feed(Fed::Transition(alert));
    }

    /// An outcome was read, of any process, requests for a repeat included. Never waits for a
    /// receiver.
    pub fn outcome(&self, outcome: Delivery) {
        self.shared.feed(Fed::Outcome(Box::new(outcome)));
    }

    /// The log was read to its end as of the start, and the control log too: what was fed before
    /// is the past, whose outcomes are all known. Nothing is sent before.
    pub fn caught_up(&self) {
        self.shared.feed(Fed::CaughtUp);
    }

    /// What is left to tell, of what was fed some moments ago.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        lock(&self.shared.ledger).backlog()
    }

    /// Sends until `shutdown` is ready, then ends what was begun, within 20 s.
    ///
    /// Needs a tokio runtime with its timer and IO. Call it once.
    pub async fn run(&self, shutdown: impl Future<Output = ()> + Send) {
        self.shared.run(shutdown).await;
    }
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notifier").finish_non_exhaustive()
    }
}
