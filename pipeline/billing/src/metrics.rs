//! What Prometheus reads from the stage. No label carries a tenant or a meter.

use crate::engine::{Alarms, Counts, Notice};
use meterline_core::pushes::Counts as Ledger;
use meterline_core::time::LogTime;
use meterline_schemas::rows::{DifferenceCountRow, DifferenceKind};
use meterline_stripe::Failure;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// What is called.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

/// What became of a call.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfCall {
    kind: &'static str,
    outcome: &'static str,
}

/// What a record is, or what became of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfRecord {
    record: &'static str,
}

/// What kind of difference one is.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfDifference {
    kind: &'static str,
}

/// Where a window is.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfState {
    state: &'static str,
}

/// What is done at Stripe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Meter events: pushes.
    MeterEvents,
    /// Summaries of a customer at a meter.
    Summaries,
    /// Invoices and their lines.
    Invoices,
    /// Holding drafts, and making them final.
    InvoiceChanges,
}

impl Kind {
    const ALL: [Self; 4] = [
        Self::MeterEvents,
        Self::Summaries,
        Self::Invoices,
        Self::InvoiceChanges,
    ];

    /// Its name, for people.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::MeterEvents => "meter events",
            Self::Summaries => "summaries",
            Self::Invoices => "invoices",
            Self::InvoiceChanges => "invoice changes",
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::MeterEvents => "meter_event",
            Self::Summaries => "summaries",
            Self::Invoices => "invoices",
            Self::InvoiceChanges => "invoice_change",
        }
    }
}

/// What a call came to.
const OUTCOMES: [&str; 6] = [
    "done",
    "not_taken",
    "limited",
    "refused",
    "key_refused",
    "unknown",
];

fn outcome(failure: Option<&Failure>) -> &'static str {
    match failure {
        None | Some(Failure::Misunderstood { .. }) => "done",
        Some(
            Failure::NotConnected { .. } | Failure::Unsendable { .. } | Failure::DeadlinePassed,
        ) => "not_taken",
        Some(Failure::RateLimited { .. } | Failure::LockTimeout(_)) => "limited",
        Some(Failure::Refused { .. }) => "refused",
        Some(Failure::Unauthorized | Failure::Forbidden(_)) => "key_refused",
        Some(Failure::ServerError { .. } | Failure::Unknown { .. } | Failure::InWork(_)) => {
            "unknown"
        }
    }
}

/// Metrics of the stage; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    /// Of its reading.
    pub(crate) reading: meterline_follow::Metrics,
    calls: Family<OfCall, Counter>,
    call_seconds: Family<OfKind, Histogram>,
    appended: Family<OfRecord, Counter>,
    ledger: Family<OfRecord, Gauge>,
    windows: Family<OfState, Gauge>,
    pairs: Gauge,
    in_flight: Gauge,
    away: Gauge,
    refused: Gauge,
    oldest_open: Gauge,
    drafts: Family<OfState, Gauge>,
    unproved: Counter,
    foreign_lines: Gauge,
    carries: Family<OfState, Gauge>,
    differences: Family<OfDifference, Gauge>,
    reconciled: Gauge,
}

impl Metrics {
    /// Metrics at zero, and the registry that names them.
    pub(crate) fn new() -> (Self, Registry) {
        let metrics = Self {
            reading: meterline_follow::Metrics::default(),
            calls: Family::default(),
            // From 1 ms to 65 s.
            call_seconds: Family::new_with_constructor(|| {
                Histogram::new(exponential_buckets(0.001, 2.0, 17))
            }),
            appended: Family::default(),
            ledger: Family::default(),
            windows: Family::default(),
            pairs: Gauge::default(),
            in_flight: Gauge::default(),
            away: Gauge::default(),
            refused: Gauge::default(),
            oldest_open: Gauge::default(),
            drafts: Family::default(),
            unproved: Counter::default(),
            foreign_lines: Gauge::default(),
            carries: Family::default(),
            differences: Family::default(),
            reconciled: Gauge::default(),
        };
        metrics.begin();
        let registry = metrics.register();
        (metrics, registry)
    }

    /// A counter that begins at 1 has no increase to alert on.
    fn begin(&self) {
        for kind in Kind::ALL {
            let kind = kind.label();
            for outcome in OUTCOMES {
                let label = OfCall { kind, outcome };
                self.calls.get_or_create(&label).inc_by(0);
            }
            drop(self.call_seconds.get_or_create(&OfKind { kind }));
        }
        for record in ["push", "carry"] {
            self.appended.get_or_create(&OfRecord { record }).inc_by(0);
        }
        self.counts(Counts::default());
        self.ledger(Ledger::default());
        self.alarms(Alarms::default());
        self.differences(&[]);
    }

    fn register(&self) -> Registry {
        let mut registry = Registry::with_prefix("meterline_stripe");
        self.reading.register(&mut registry);
        let help = "Meter events, readings and changes at Stripe, by what became of them";
        registry.register("calls", help, self.calls.clone());
        let help = "From the beginning of a meter event, reading or change to its result";
        let seconds = self.call_seconds.clone();
        registry.register_with_unit("call", help, Unit::Seconds, seconds);
        let help = "Records of meterline.pushes that were acknowledged";
        registry.register("appended", help, self.appended.clone());
        let help = "Records of pushes that were read, by what the log made of them";
        registry.register("ledger_records", help, self.ledger.clone());
        let help = "Hour windows, by state; a window may be in several";
        registry.register("windows", help, self.windows.clone());
        let help = "Tenants' meters that have windows";
        registry.register("pairs", help, self.pairs.clone());
        let help = "What was begun and is not done: appends, calls, readings";
        registry.register("in_flight", help, self.in_flight.clone());
        let help = "1 while Stripe does not answer";
        registry.register("away", help, self.away.clone());
        let help = "1 while Stripe refuses the key for something";
        registry.register("key_refused", help, self.refused.clone());
        let help = "Open differences between buckets, ledger and Stripe, by kind";
        registry.register("differences", help, self.differences.clone());
        let help = "When a reconciliation of the stage ended last, in seconds since 1970";
        let at = self.reconciled.clone();
        registry.register_with_unit("reconciled_timestamp", help, Unit::Seconds, at);
        self.register_alarms(&mut registry);
        registry
    }

    fn register_alarms(&self, registry: &mut Registry) {
        let help = "Age of the oldest hour window that is not proved, by its start";
        let oldest = self.oldest_open.clone();
        registry.register_with_unit("oldest_open_window", help, Unit::Seconds, oldest);
        let help = "Invoices that are held until they are proved, by state";
        registry.register("drafts", help, self.drafts.clone());
        let help =
            "Invoices made final unproved, because they were held for as long as they may be";
        registry.register("unproved_invoices", help, self.unproved.clone());
        let help = "Lines of invoices with use that is not in the ledger";
        registry.register("foreign_lines", help, self.foreign_lines.clone());
        let help = "Differences of final invoices that are billed to nobody yet, by state";
        registry.register("open_carries", help, self.carries.clone());
    }

    /// How many differences are open.
    pub(crate) fn differences(&self, counts: &[DifferenceCountRow]) {
        for kind in DifferenceKind::ALL {
            let count = counts.iter().find(|count| count.kind == kind);
            let gauge = OfDifference { kind: kind.name() };
            let gauge = self.differences.get_or_create(&gauge);
            gauge.set(whole(count.map_or(0, |count| count.differences)));
        }
    }

    /// A reconciliation of the stage ended.
    pub(crate) fn reconciled(&self, at: LogTime) {
        self.reconciled.set(at.0.div_euclid(1_000));
    }

    /// An attempt failed.
    pub(crate) fn failed(&self, need: &'static str) {
        self.reading.failed(need);
    }

    /// A call came to an end.
    pub(crate) fn called(&self, kind: Kind, failure: Option<&Failure>, took: Duration) {
        let kind = kind.label();
        let outcome = outcome(failure);
        let label = OfCall { kind, outcome };
        self.calls.get_or_create(&label).inc();
        let seconds = self.call_seconds.get_or_create(&OfKind { kind });
        seconds.observe(took.as_secs_f64());
    }

    /// A record was acknowledged.
    pub(crate) fn appended(&self, record: &'static str) {
        self.appended.get_or_create(&OfRecord { record }).inc();
    }

    /// How many records of pushes were read.
    pub(crate) fn ledger(&self, counts: Ledger) {
        for (record, count) in [
            ("in_force", counts.in_force),
            ("not_the_head", counts.not_the_head),
            ("too_soon", counts.too_soon),
            ("unfit", counts.unfit),
        ] {
            let gauge = self.ledger.get_or_create(&OfRecord { record });
            gauge.set(whole(count));
        }
    }

    /// How many windows are in which state.
    pub(crate) fn counts(&self, counts: Counts) {
        self.pairs.set(whole(counts.pairs));
        for (state, count) in [
            ("known", counts.windows),
            ("open", counts.open),
            ("unlinked", counts.unlinked),
            ("impossible", counts.impossible),
            ("too_many_digits", counts.too_many_digits),
        ] {
            self.windows
                .get_or_create(&OfState { state })
                .set(whole(count));
        }
    }

    /// How near the deadlines are.
    pub(crate) fn alarms(&self, alarms: Alarms) {
        self.oldest_open.set(alarms.oldest_open_millis / 1_000);
        self.foreign_lines.set(whole(alarms.foreign_lines));
        let of = |state| OfState { state };
        let drafts = [("held", alarms.drafts_held), ("late", alarms.drafts_late)];
        for (state, count) in drafts {
            self.drafts.get_or_create(&of(state)).set(whole(count));
        }
        let carries = [
            ("waiting", alarms.waiting_carries),
            ("unbilled", alarms.unbilled_carries),
        ];
        for (state, count) in carries {
            self.carries.get_or_create(&of(state)).set(whole(count));
        }
    }

    /// Something was told once.
    pub(crate) fn noticed(&self, notice: &Notice) {
        if matches!(notice, Notice::Unproved { .. }) {
            self.unproved.inc();
        }
    }

    /// How much was begun and is not done.
    pub(crate) fn in_flight(&self, count: usize) {
        self.in_flight.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Whether Stripe answers, and takes the key.
    pub(crate) fn stripe(&self, is_away: bool, is_refused: bool) {
        self.away.set(i64::from(is_away));
        self.refused.set(i64::from(is_refused));
    }
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The metrics of a stage that has seen everything once: what the written list is compared with.
#[doc(hidden)]
#[must_use]
pub fn seen() -> Registry {
    let (metrics, registry) = Metrics::new();
    metrics.failed("clickhouse");
    metrics.reading.read(2, 7, 9);
    metrics.reading.age(2, Duration::from_secs(3));
    registry
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;

    #[test]
    fn names_carry_stage_and_unit() {
        let (metrics, registry) = Metrics::new();
        metrics.called(Kind::MeterEvents, None, Duration::from_millis(8));
        let unknown = Failure::Unknown {
            detail: String::new(),
        };
        metrics.called(Kind::MeterEvents, Some(&unknown), Duration::ZERO);
        metrics.appended("push");
        metrics.counts(Counts {
            windows: 5,
            unlinked: 2,
            ..Counts::default()
        });
        metrics.stripe(true, false);
        metrics.differences(&[DifferenceCountRow {
            kind: DifferenceKind::Stale,
            differences: 2,
            since: LogTime(0),
        }]);
        metrics.reconciled(LogTime(7_999));
        let mut text = String::new();
        encode(&mut text, &registry).expect("a String takes all that is written to it");
        for line in [
            "meterline_stripe_calls_total{kind=\"meter_event\",outcome=\"done\"} 1",
            "meterline_stripe_calls_total{kind=\"meter_event\",outcome=\"unknown\"} 1",
            "meterline_stripe_calls_total{kind=\"invoices\",outcome=\"refused\"} 0",
            "meterline_stripe_call_seconds_count{kind=\"meter_event\"} 2",
            "meterline_stripe_appended_total{record=\"push\"} 1",
            "meterline_stripe_windows{state=\"known\"} 5",
            "meterline_stripe_windows{state=\"unlinked\"} 2",
            "meterline_stripe_away 1",
            "meterline_stripe_key_refused 0",
            "meterline_stripe_differences{kind=\"stale\"} 2",
            "meterline_stripe_differences{kind=\"foreign\"} 0",
            "meterline_stripe_reconciled_timestamp_seconds 7",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
