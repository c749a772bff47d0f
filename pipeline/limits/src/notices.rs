//! What the notifier stands on: who is told of what, and where its records go.
//!
//! Everything it asks is answered from memory, and nothing it writes passes the judging thread.

use futures::future::BoxFuture;
use meterline_control::AccountLog;
use meterline_core::account::{AccountStatus, Route};
use meterline_core::alert::Delivery;
use meterline_core::catalog::plans::Severity;
use meterline_core::time::LogTime;
use meterline_follow::clock;
use meterline_kafka::{Outgoing, Producer, SendError};
use meterline_notify::{KafkaMessage, KnownRoute, OutletError};
use meterline_schemas::records::encode_delivery;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Routes and contacts, as the control log says.
pub(crate) struct Directory {
    log: AccountLog,
    /// Append times of the first versions of routes, and how often a route has changed.
    routes: RwLock<(HashMap<String, LogTime>, u64)>,
}

impl Directory {
    /// Asks this log; routes are known once they were [`Directory::seen`].
    pub(crate) fn new(log: AccountLog) -> Self {
        let routes = RwLock::default();
        Self { log, routes }
    }

    /// A version of a route is in force.
    pub(crate) fn seen(&self, route: &str, appended: LogTime) {
        let mut routes = self.routes.write().unwrap_or_else(PoisonError::into_inner);
        let (since, version) = &mut *routes;
        since.entry(route.to_owned()).or_insert(appended);
        *version += 1;
    }

    fn since(&self, route: &str) -> Option<LogTime> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.0.get(route).copied()
    }
}

/// Whether a route is told of alerts of that tenant, meter and severity.
fn tells(route: &Route, tenant: &str, meter: &str, severity: Severity) -> bool {
    let is_of = route.account.as_deref().is_none_or(|own| own == tenant);
    let speaks_of = route.meters.is_empty() || route.meters.iter().any(|own| own == meter);
    route.enabled && is_of && speaks_of && severity >= route.severity
}

impl meterline_notify::Directory for Directory {
    fn routes(&self, tenant: &str, meter: &str, severity: Severity) -> Vec<KnownRoute> {
        let accounts = self.log.accounts();
        let account = accounts.account(tenant);
        let version = account.and_then(|account| account.at(clock()));
        if version.is_some_and(|version| version.terms.status == AccountStatus::Closed) {
            return Vec::new();
        }
        let told = accounts
            .routes()
            .filter(|route| tells(route, tenant, meter, severity));
        // The fold is ahead of what was seen by moments.
        let known = told.filter_map(|route| {
            let since = self.since(&route.id)?;
            let route = Arc::clone(route);
            Some(KnownRoute { route, since })
        });
        known.collect()
    }

    fn route(&self, id: &str) -> Option<Arc<Route>> {
        self.log.accounts().route(id).map(Arc::clone)
    }

    fn contacts(&self, tenant: &str) -> Vec<String> {
        let accounts = self.log.accounts();
        let account = accounts.account(tenant);
        let version = account.and_then(|account| account.at(clock()));
        version.map_or(Vec::new(), |version| version.terms.contacts.clone())
    }

    fn version(&self) -> u64 {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.1
    }
}

/// Where the notifier's records go.
pub(crate) struct Outlet {
    pub(crate) producer: Producer,
    /// `usage.alerts`.
    pub(crate) alerts: String,
}

impl meterline_notify::Outlet for Outlet {
    fn record<'a>(&'a self, outcomes: &'a [Delivery]) -> BoxFuture<'a, Result<(), OutletError>> {
        Box::pin(async move {
            let encoded: Vec<_> = outcomes
                .iter()
                .map(|outcome| {
                    let mut bytes = Vec::with_capacity(256);
                    encode_delivery(outcome, &mut bytes);
                    (outcome.tenant.as_bytes(), bytes)
                })
                .collect();
            let records = encoded.iter().map(|(tenant, bytes)| Outgoing {
                topic: &self.alerts,
                // By the key, as transitions are.
                partition: None,
                key: Some(tenant),
                payload: Some(bytes),
                headers: &[],
            });
            // A list: a future that holds the closures could not be given to a task.
            let records: Vec<_> = records.collect();
            self.producer.send_all(records).await.map_err(unwritten)
        })
    }

    fn publish<'a>(&'a self, message: &'a KafkaMessage) -> BoxFuture<'a, Result<(), OutletError>> {
        Box::pin(async move {
            let headers: Vec<_> = message
                .headers
                .iter()
                .map(|(name, value)| (*name, Some(value.as_bytes())))
                .collect();
            let record = Outgoing {
                topic: &message.topic,
                partition: None,
                key: Some(message.key.as_bytes()),
                payload: Some(&message.payload),
                headers: &headers,
            };
            let written = self.producer.send(record).await;
            written.map(|_| ()).map_err(unwritten)
        })
    }
}

fn unwritten(error: SendError) -> OutletError {
    let reason = meterline_core::causes::chain(&error);
    OutletError { reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::account::Target;

    fn route() -> Route {
        Route {
            id: "ops".to_owned(),
            account: None,
            meters: Vec::new(),
            severity: Severity::Warning,
            target: Target::Email { to: Vec::new() },
            enabled: true,
        }
    }

    fn check(change: impl FnOnce(&mut Route), severity: Severity, expected: bool) {
        let mut route = route();
        change(&mut route);
        assert_eq!(
            tells(&route, "acme", "calls", severity),
            expected,
            "{route:?}"
        );
    }

    #[test]
    fn a_route_tells_of_its_account_its_meters_and_its_severities() {
        let warning = Severity::Warning;
        check(|_| (), warning, true);
        check(|_| (), Severity::Critical, true);
        check(|_| (), Severity::Medium, false);
        check(|r| r.enabled = false, warning, false);
        check(|r| r.account = Some("acme".to_owned()), warning, true);
        check(|r| r.account = Some("other".to_owned()), warning, false);
        check(|r| r.meters = vec!["calls".to_owned()], warning, true);
        check(|r| r.meters = vec!["bytes".to_owned()], warning, false);
    }
}
