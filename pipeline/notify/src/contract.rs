//! What the notifier is given, and what it hands out: the seam to the stage that runs it.
//!
//! The stage reads and writes the logs; the notifier reads none and writes none. Nothing behind
//! these traits is asked while the notifier holds a lock.

use futures::future::BoxFuture;
use meterline_core::account::Route;
use meterline_core::alert::{Delivery, Transition};
use meterline_core::catalog::plans::Severity;
use meterline_core::time::LogTime;
use std::sync::Arc;

/// A transition in force, as it was read from `usage.alerts`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InForce {
    /// The transition.
    pub transition: Transition,
    /// Its append time.
    pub appended: LogTime,
}

/// A route, and since when it is one.
#[derive(Clone, Debug)]
pub struct KnownRoute {
    /// Its newest version.
    pub route: Arc<Route>,
    /// Append time of its first version: what was decided before is not told to it.
    pub since: LogTime,
}

/// Who is told of what, by the control log as far as the stage has read it. Asked from tasks of the
/// notifier; must answer from memory.
pub trait Directory: Send + Sync + 'static {
    /// Routes that are told of alerts of that tenant, meter and severity, all enabled; none for an
    /// account that has ended.
    fn routes(&self, tenant: &str, meter: &str, severity: Severity) -> Vec<KnownRoute>;

    /// The newest version of a route; `None` where there is none.
    fn route(&self, id: &str) -> Option<Arc<Route>>;

    /// E-mail addresses of an account; none where there is no account.
    fn contacts(&self, tenant: &str) -> Vec<String>;

    /// A number that is another one once a route has changed.
    fn version(&self) -> u64;
}

/// A record for the topic of a route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KafkaMessage {
    /// The topic, with its whole name.
    pub topic: String,
    /// The key: the tenant.
    pub key: String,
    /// Names and values, in order.
    pub headers: Vec<(&'static str, String)>,
    /// The value: JSON.
    pub payload: Vec<u8>,
}

/// A record could not be written; it is tried again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct OutletError {
    /// Why, without secrets: it is kept with the outcome.
    pub reason: String,
}

/// Where the notifier's records go. Futures end only when the record is acknowledged or has failed.
pub trait Outlet: Send + Sync + 'static {
    /// Writes outcomes to `usage.alerts`, each in its tenant's partition.
    fn record<'a>(&'a self, outcomes: &'a [Delivery]) -> BoxFuture<'a, Result<(), OutletError>>;

    /// Writes a notification to the topic of a route.
    fn publish<'a>(&'a self, message: &'a KafkaMessage) -> BoxFuture<'a, Result<(), OutletError>>;
}
