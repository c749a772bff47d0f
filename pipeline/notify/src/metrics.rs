//! What Prometheus reads of notifications. No label carries a route, a tenant or an address.

use crate::Backlog;
use crate::ledger::Lane;
use meterline_core::alert::DeliveryOutcome;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// The outcomes that a process makes.
const OUTCOMES: [DeliveryOutcome; 3] = [
    DeliveryOutcome::Delivered,
    DeliveryOutcome::Failed,
    DeliveryOutcome::Parked,
];

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfOutcome {
    target: &'static str,
    outcome: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfTarget {
    target: &'static str,
}

/// Metrics of a notifier; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    deliveries: Family<OfOutcome, Counter>,
    bundles: Family<OfTarget, Counter>,
    seconds: Family<OfTarget, Histogram>,
    takeovers: Counter,
    unknown_requests: Counter,
    record_failures: Counter,
    pending: Gauge,
    parked: Gauge,
    failing: Gauge,
}

impl Metrics {
    /// Metrics at zero, registered.
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            deliveries: Family::default(),
            bundles: Family::default(),
            // From 5 ms to 82 s.
            seconds: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.005, 2.0, 15))
            }),
            takeovers: Counter::default(),
            unknown_requests: Counter::default(),
            record_failures: Counter::default(),
            pending: Gauge::default(),
            parked: Gauge::default(),
            failing: Gauge::default(),
        };
        // A counter that begins at 1 has no increase to alert on.
        for lane in Lane::ALL {
            for outcome in OUTCOMES {
                metrics.of(lane, outcome).inc_by(0);
            }
        }
        metrics.register(registry);
        metrics
    }

    fn register(&self, registry: &mut Registry) {
        let help = "Alerts told or not, by kind of target and outcome";
        registry.register("notification_deliveries", help, self.deliveries.clone());
        let help = "Requests, e-mails and records, by kind of target";
        registry.register("notification_bundles", help, self.bundles.clone());
        let help = "From the start of an attempt to its answer, by kind of target";
        let seconds = self.seconds.clone();
        registry.register_with_unit("notification_attempt", help, Unit::Seconds, seconds);
        let help = "Alerts told in the place of another instance";
        registry.register("notification_takeovers", help, self.takeovers.clone());
        let help = "Requests for a repeat of what is no longer known";
        let unknown = self.unknown_requests.clone();
        registry.register("notification_unknown_requests", help, unknown);
        let help = "Failed attempts to write outcomes to the log";
        let failures = self.record_failures.clone();
        registry.register("notification_record_failures", help, failures);
        let help = "Notifications, by alert and route, that are neither delivered nor parked";
        registry.register("notification_pending", help, self.pending.clone());
        let help = "Parked notifications that are remembered";
        registry.register("notification_parked", help, self.parked.clone());
        let help = "Routes whose last attempt failed";
        registry.register("notification_failing_routes", help, self.failing.clone());
    }

    fn of(&self, lane: Lane, outcome: DeliveryOutcome) -> Counter {
        let (target, outcome) = (lane.name(), outcome.name());
        self.deliveries
            .get_or_create(&OfOutcome { target, outcome })
            .clone()
    }

    /// An attempt was made, for so many alerts.
    pub(crate) fn attempted(&self, lane: Lane, took: Duration, takeovers: u64) {
        let target = OfTarget {
            target: lane.name(),
        };
        self.bundles.get_or_create(&target).inc();
        self.seconds
            .get_or_create(&target)
            .observe(took.as_secs_f64());
        self.takeovers.inc_by(takeovers);
    }

    /// Outcomes of one kind.
    pub(crate) fn ended(&self, lane: Lane, outcome: DeliveryOutcome) {
        self.of(lane, outcome).inc();
    }

    /// An attempt to write outcomes failed.
    pub(crate) fn record_failed(&self) {
        self.record_failures.inc();
    }

    /// What is left.
    pub(crate) fn left(&self, backlog: Backlog, failing: usize, unknown_requests: u64) {
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.pending.set(gauge(backlog.pending));
        self.parked.set(gauge(backlog.parked));
        self.failing.set(gauge(failing));
        let known = self.unknown_requests.get();
        self.unknown_requests
            .inc_by(unknown_requests.saturating_sub(known));
    }
}

/// Puts in the metrics of a notifier that has seen everything once: what the written list is
/// compared with.
#[doc(hidden)]
pub fn seen(registry: &mut Registry) {
    let metrics = Metrics::new(registry);
    for lane in Lane::ALL {
        metrics.attempted(lane, Duration::from_millis(80), 0);
    }
    metrics.left(
        Backlog {
            pending: 2,
            parked: 1,
        },
        1,
        0,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;

    #[test]
    fn names_carry_prefix_and_unit() {
        let mut registry = Registry::with_prefix("meterline_limits");
        seen(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).expect("a String takes all that is written");
        for line in [
            "meterline_limits_notification_deliveries_total{target=\"email\",outcome=\"parked\"} 0",
            "meterline_limits_notification_bundles_total{target=\"kafka\"} 1",
            "meterline_limits_notification_attempt_seconds_count{target=\"webhook\"} 1",
            "meterline_limits_notification_pending 2",
            "meterline_limits_notification_parked 1",
            "meterline_limits_notification_failing_routes 1",
            "meterline_limits_notification_takeovers_total 0",
            "meterline_limits_notification_unknown_requests_total 0",
            "meterline_limits_notification_record_failures_total 0",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
