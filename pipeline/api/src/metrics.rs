//! What Prometheus reads from the API. Labels are routes of ours, never paths of callers, and
//! never a tenant or a key.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// A gauge with fractions.
type FloatGauge = Gauge<f64, AtomicU64>;

/// What became of a request.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfAnswer {
    method: String,
    route: String,
    status: u16,
}

/// A route.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfRoute {
    route: String,
}

/// What became of an event or a check.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfOutcome {
    outcome: &'static str,
}

/// Why a request is not let in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfCause {
    cause: &'static str,
}

/// A partition of usage.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfPartition {
    partition: u32,
}

/// Metrics of the API; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    requests: Family<OfAnswer, Counter>,
    request_seconds: Family<OfRoute, Histogram>,
    check_seconds: Histogram,
    checks: Family<OfOutcome, Counter>,
    events: Family<OfOutcome, Counter>,
    turned_away: Family<OfCause, Counter>,
    in_flight: Gauge,
    standings: Gauge,
    view_age: Family<OfPartition, FloatGauge>,
}

/// From 100 µs to 52 s.
fn request_buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.000_1, 2.0, 20))
}

impl Metrics {
    /// Metrics at zero, and the registry that names them.
    pub(crate) fn new() -> (Self, Registry) {
        let metrics = Self {
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(request_buckets),
            // From 1 µs to 65 ms.
            check_seconds: Histogram::new(exponential_buckets(0.000_001, 2.0, 17)),
            checks: Family::default(),
            events: Family::default(),
            turned_away: Family::default(),
            in_flight: Gauge::default(),
            standings: Gauge::default(),
            view_age: Family::default(),
        };
        for outcome in ["allowed", "soft", "refused", "stale"] {
            metrics
                .checks
                .get_or_create(&OfOutcome { outcome })
                .inc_by(0);
        }
        for outcome in ["accepted", "rejected", "unacknowledged"] {
            metrics
                .events
                .get_or_create(&OfOutcome { outcome })
                .inc_by(0);
        }
        for cause in [
            "unauthenticated",
            "forbidden",
            "rate_limited",
            "limit",
            "busy",
        ] {
            metrics
                .turned_away
                .get_or_create(&OfCause { cause })
                .inc_by(0);
        }
        let registry = metrics.register();
        (metrics, registry)
    }

    fn register(&self) -> Registry {
        let mut registry = Registry::with_prefix("meterline_api");
        let help = "Requests answered, by method, route and status code";
        registry.register("requests", help, self.requests.clone());
        let help = "Time from a request's headers to its answer, by route";
        let seconds = self.request_seconds.clone();
        registry.register_with_unit("request", help, Unit::Seconds, seconds);
        let help = "Time to answer a quota check, without reading and writing the request";
        let seconds = self.check_seconds.clone();
        registry.register_with_unit("check", help, Unit::Seconds, seconds);
        let help = "Meters checked, by outcome; a stale one is counted beside its verdict";
        registry.register("checks", help, self.checks.clone());
        let help = "Events of ingest calls, by outcome";
        registry.register("events", help, self.events.clone());
        let help = "Requests turned away: 401, 403, 429 of a key, 429 of a limit, 503";
        registry.register("turned_away", help, self.turned_away.clone());
        let help = "Requests that are worked on";
        registry.register("requests_in_flight", help, self.in_flight.clone());
        let help = "Tenant-meters in view";
        registry.register("standings", help, self.standings.clone());
        let help = "Age of what is known of a partition of usage";
        let age = self.view_age.clone();
        registry.register_with_unit("view_age", help, Unit::Seconds, age);
        registry
    }

    /// A request was answered.
    pub(crate) fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        let label = OfAnswer {
            method: method.to_owned(),
            route: route.to_owned(),
            status,
        };
        self.requests.get_or_create(&label).inc();
        let label = OfRoute {
            route: route.to_owned(),
        };
        let seconds = self.request_seconds.get_or_create(&label);
        seconds.observe(took.as_secs_f64());
    }

    /// A quota check was answered.
    pub(crate) fn check_took(&self, took: Duration) {
        self.check_seconds.observe(took.as_secs_f64());
    }

    /// One meter was checked.
    pub(crate) fn checked(&self, outcome: &'static str) {
        self.checks.get_or_create(&OfOutcome { outcome }).inc();
    }

    /// Events of one call came to this.
    pub(crate) fn events(&self, outcome: &'static str, count: usize) {
        let counter = self.events.get_or_create(&OfOutcome { outcome });
        counter.inc_by(count as u64);
    }

    /// A request was turned away.
    pub(crate) fn turned_away(&self, cause: &'static str) {
        self.turned_away.get_or_create(&OfCause { cause }).inc();
    }

    /// A request is worked on, until what this returns is dropped.
    pub(crate) fn enter(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// The size of the view.
    pub(crate) fn holds(&self, standings: usize) {
        let count = i64::try_from(standings).unwrap_or(i64::MAX);
        self.standings.set(count);
    }

    /// The age of what is known of a partition.
    pub(crate) fn age(&self, partition: u32, age: Duration) {
        let gauge = self.view_age.get_or_create(&OfPartition { partition });
        gauge.set(age.as_secs_f64());
    }
}

/// Counts a request that is worked on.
pub(crate) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The metrics of an API that has seen everything once: what the written list is compared with.
#[doc(hidden)]
#[must_use]
pub fn seen() -> Registry {
    let (metrics, registry) = Metrics::new();
    metrics.answered("GET", "/v1/limits", 200, Duration::from_millis(1));
    metrics.check_took(Duration::from_micros(3));
    metrics.age(0, Duration::from_secs(2));
    registry
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;

    #[test]
    fn names_carry_stage_and_unit() {
        let mut text = String::new();
        encode(&mut text, &seen()).expect("a String takes all that is written to it");
        for line in [
            "meterline_api_requests_total{method=\"GET\",route=\"/v1/limits\",status=\"200\"} 1",
            "meterline_api_request_seconds_count{route=\"/v1/limits\"} 1",
            "meterline_api_check_seconds_count 1",
            "meterline_api_checks_total{outcome=\"soft\"} 0",
            "meterline_api_events_total{outcome=\"unacknowledged\"} 0",
            "meterline_api_turned_away_total{cause=\"rate_limited\"} 0",
            "meterline_api_requests_in_flight 0",
            "meterline_api_standings 0",
            "meterline_api_view_age_seconds{partition=\"0\"} 2",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
