//! What Prometheus reads from the stage. No label carries a tenant or a meter.

use meterline_core::alert::AlertState;
use meterline_core::catalog::plans::Severity;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// What became of a transition.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfTransition {
    outcome: &'static str,
    state: &'static str,
    severity: &'static str,
}

/// How bad an open alert is.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfSeverity {
    severity: &'static str,
}

/// Where something was written.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfPlace {
    place: &'static str,
}

/// What becomes of a transition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// This process wrote it, and the brokers acknowledged it.
    Written,
    /// It was read and is in force, whoever wrote it.
    InForce,
    /// It was read and another had taken its place.
    Ignored,
    /// It was not acknowledged or not read back in time; it is judged again.
    Abandoned,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Written, Self::InForce, Self::Ignored, Self::Abandoned];

    const fn label(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::InForce => "in_force",
            Self::Ignored => "ignored",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Where standings and projections go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// The topic `usage.standing`.
    StandingTopic,
    /// The table `standing`.
    StandingTable,
    /// The table `alerts`.
    Alerts,
    /// The table `alert_deliveries`.
    Deliveries,
    /// The table `audit_log`.
    Audit,
}

impl Place {
    const ALL: [Self; 5] = [
        Self::StandingTopic,
        Self::StandingTable,
        Self::Alerts,
        Self::Deliveries,
        Self::Audit,
    ];

    const fn label(self) -> OfPlace {
        let place = match self {
            Self::StandingTopic => "standing_topic",
            Self::StandingTable => "standing",
            Self::Alerts => "alerts",
            Self::Deliveries => "alert_deliveries",
            Self::Audit => "audit_log",
        };
        OfPlace { place }
    }
}

/// Metrics of the stage; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    transitions: Family<OfTransition, Counter>,
    in_flight: Gauge,
    open: Family<OfSeverity, Gauge>,
    tenants: Gauge,
    judged: Counter,
    judge_seconds: Histogram,
    crossing_seconds: Histogram,
    written: Family<OfPlace, Counter>,
    waiting: Family<OfPlace, Gauge>,
    /// Of its reading.
    pub(crate) reading: meterline_follow::Metrics,
}

impl Metrics {
    /// Metrics at zero, and the registry that names them.
    pub(crate) fn new() -> (Self, Registry) {
        let metrics = Self {
            transitions: Family::default(),
            in_flight: Gauge::default(),
            open: Family::default(),
            tenants: Gauge::default(),
            judged: Counter::default(),
            // From 50 µs to 26 s.
            judge_seconds: Histogram::new(exponential_buckets(0.000_05, 2.0, 20)),
            // From 10 ms to 87 min.
            crossing_seconds: Histogram::new(exponential_buckets(0.01, 2.0, 20)),
            written: Family::default(),
            waiting: Family::default(),
            reading: meterline_follow::Metrics::default(),
        };
        metrics.begin();
        let registry = metrics.register();
        (metrics, registry)
    }

    /// A counter that begins at 1 has no increase to alert on.
    fn begin(&self) {
        for outcome in Outcome::ALL {
            for state in [AlertState::Opened, AlertState::Resolved] {
                for severity in Severity::ALL {
                    let counter = self.transition_counter(outcome, state, severity);
                    counter.inc_by(0);
                }
            }
        }
        for place in Place::ALL {
            self.written.get_or_create(&place.label()).inc_by(0);
            self.waiting.get_or_create(&place.label()).set(0);
        }
        self.open([0; 4]);
    }

    fn register(&self) -> Registry {
        let mut registry = Registry::with_prefix("meterline_limits");
        let help = "Transitions of alerts, by what became of them";
        registry.register("transitions", help, self.transitions.clone());
        let help = "Transitions that were sent and not read back yet";
        registry.register("transitions_in_flight", help, self.in_flight.clone());
        let help = "Open alerts";
        registry.register("open_alerts", help, self.open.clone());
        let help = "Tenants that there is use of";
        registry.register("tenants", help, self.tenants.clone());
        let help = "Judgements of a tenant and meter";
        registry.register("judged", help, self.judged.clone());
        let help = "Judging what one batch of records changed";
        let seconds = self.judge_seconds.clone();
        registry.register_with_unit("judge", help, Unit::Seconds, seconds);
        let help = "From the log time of a change to the acknowledgement of its transition";
        let seconds = self.crossing_seconds.clone();
        registry.register_with_unit("crossing", help, Unit::Seconds, seconds);
        let help = "Standings and rows acknowledged, by where";
        registry.register("written", help, self.written.clone());
        let help = "Standings and rows that wait to be written, by where";
        registry.register("waiting", help, self.waiting.clone());
        self.reading.register(&mut registry);
        registry
    }

    fn transition_counter(
        &self,
        outcome: Outcome,
        state: AlertState,
        severity: Severity,
    ) -> Counter {
        let label = OfTransition {
            outcome: outcome.label(),
            state: state.name(),
            severity: severity.name(),
        };
        self.transitions.get_or_create_owned(&label)
    }

    /// Something became of a transition.
    pub(crate) fn transition(&self, outcome: Outcome, state: AlertState, severity: Severity) {
        self.transition_counter(outcome, state, severity).inc();
    }

    /// How many transitions are sent and not read back.
    pub(crate) fn in_flight(&self, count: usize) {
        self.in_flight.set(whole(count));
    }

    /// How many alerts are open, by rising severity.
    pub(crate) fn open(&self, counts: [usize; 4]) {
        for (severity, count) in Severity::ALL.into_iter().zip(counts) {
            let severity = severity.name();
            let gauge = self.open.get_or_create(&OfSeverity { severity });
            gauge.set(whole(count));
        }
    }

    /// Of how many tenants there is use.
    pub(crate) fn tenants(&self, count: usize) {
        self.tenants.set(whole(count));
    }

    /// So many judgements were made, in that time.
    pub(crate) fn judged(&self, count: u64, took: Duration) {
        self.judged.inc_by(count);
        self.judge_seconds.observe(took.as_secs_f64());
    }

    /// A transition was acknowledged, this long after the change that it tells of.
    pub(crate) fn crossed(&self, after: Duration) {
        self.crossing_seconds.observe(after.as_secs_f64());
    }

    /// Standings or rows were acknowledged.
    pub(crate) fn written(&self, place: Place, count: usize) {
        let counter = self.written.get_or_create(&place.label());
        counter.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// So many standings or rows wait to be written.
    pub(crate) fn waiting(&self, place: Place, count: usize) {
        self.waiting.get_or_create(&place.label()).set(whole(count));
    }

    /// An attempt failed.
    pub(crate) fn failed(&self, need: &'static str) {
        self.reading.failed(need);
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The metrics of a stage that has seen everything once: what the written list is compared with.
#[doc(hidden)]
#[must_use]
pub fn seen() -> Registry {
    let (metrics, mut registry) = Metrics::new();
    metrics.failed("clickhouse");
    metrics.reading.read(2, 7, 9);
    metrics.reading.age(2, Duration::from_secs(3));
    meterline_notify::metrics_seen(&mut registry);
    registry
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;

    #[test]
    fn names_carry_stage_and_unit() {
        let (metrics, registry) = Metrics::new();
        metrics.transition(Outcome::InForce, AlertState::Opened, Severity::Critical);
        metrics.open([0, 0, 2, 1]);
        metrics.judged(4, Duration::from_millis(1));
        metrics.crossed(Duration::from_millis(700));
        metrics.written(Place::StandingTable, 5);
        metrics.reading.read(2, 7, 9);
        metrics.reading.age(2, Duration::from_secs(3));
        let mut text = String::new();
        encode(&mut text, &registry).expect("a String takes all that is written to it");
        for line in [
            "meterline_limits_transitions_total{outcome=\"in_force\",state=\"opened\",severity=\"critical\"} 1",
            "meterline_limits_transitions_total{outcome=\"ignored\",state=\"resolved\",severity=\"info\"} 0",
            "meterline_limits_open_alerts{severity=\"warning\"} 2",
            "meterline_limits_judged_total 4",
            "meterline_limits_judge_seconds_count 1",
            "meterline_limits_crossing_seconds_sum 0.7",
            "meterline_limits_written_total{place=\"standing\"} 5",
            "meterline_limits_lag_records{partition=\"2\"} 2",
            "meterline_limits_view_age_seconds{partition=\"2\"} 3",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
