//! What Prometheus reads from a worker process.
//!
//! Names carry their unit; counters end in `_total`. Partition threads write here about once a
//! second and at flushes, never per record. A partition that leaves takes its gauges with it, so
//! that nobody alerts on a partition that another process runs.

use meterline_core::counters::Counters;
use meterline_core::reason::Reason;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// A partition of the usage topic.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(crate) struct OfPartition {
    partition: u32,
}

/// A partition and something that it has several of.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(crate) struct OfKind {
    partition: u32,
    kind: &'static str,
}

/// A lane of the flush.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(crate) struct OfLane {
    lane: &'static str,
}

type Gauges = Family<OfPartition, Gauge>;

/// Makes histograms of seconds, from 1 ms to 65 s.
#[derive(Clone)]
struct Seconds;

impl MetricConstructor<Histogram> for Seconds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(exponential_buckets(0.001, 2.0, 17))
    }
}

/// All metrics of a process.
pub(crate) struct Metrics {
    registry: Registry,
    records: Family<OfKind, Counter>,
    dead_letters: Family<OfKind, Counter>,
    late: Family<OfPartition, Counter>,
    lookup_failures: Family<OfPartition, Counter>,
    flush_seconds: Family<OfLane, Histogram, Seconds>,
    flush_rows: Family<OfLane, Counter>,
    flush_failures: Family<OfLane, Counter>,
    checkpoint_seconds: Histogram,
    gauges: PartitionGauges,
    stopped: Family<OfKind, Gauge>,
}

/// Gauges with one value per partition.
#[derive(Clone, Default)]
struct PartitionGauges {
    position: Gauges,
    complete_to: Gauges,
    lag_records: Gauges,
    lag: Gauges,
    log_time_age: Gauges,
    freshness: Gauges,
    unflushed: Gauges,
    checkpoint_age: Gauges,
    checkpoint_offset: Gauges,
}

/// One reading of a partition.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    /// The next record to fold.
    pub(crate) position: u64,
    /// Up to where hour rows, totals and dead letters are acknowledged.
    pub(crate) complete_to: u64,
    /// Records in the log from the position on.
    pub(crate) lag_records: u64,
    /// Log time behind this machine's clock; 0 where there is no lag.
    pub(crate) lag: Duration,
    /// Log time behind this machine's clock.
    pub(crate) log_time_age: Duration,
    /// How old the oldest change is that is not published; 0 where there is none.
    pub(crate) freshness: Duration,
    /// Changes that wait for their flush.
    pub(crate) unflushed: usize,
    /// Since the newest checkpoint of this process.
    pub(crate) checkpoint_age: Duration,
    /// Its offset.
    pub(crate) checkpoint_offset: u64,
}

impl PartitionGauges {
    fn register(&self, registry: &mut Registry) {
        let mut plain = |name: &str, help: &str, family: &Gauges| {
            registry.register(name, help, family.clone());
        };
        plain("position", "Next record to fold", &self.position);
        let help = "Hour rows, totals and dead letters are acknowledged up to this offset";
        plain("complete_to", help, &self.complete_to);
        plain("lag_records", "Records not folded yet", &self.lag_records);
        plain("unflushed_buckets", "Changes that wait", &self.unflushed);
        let help = "Offset of the newest checkpoint";
        plain("checkpoint_offset", help, &self.checkpoint_offset);
        let mut seconds = |name: &str, help: &str, family: &Gauges| {
            registry.register_with_unit(name, help, Unit::Seconds, family.clone());
        };
        seconds(
            "lag",
            "Log time behind the clock while there is lag",
            &self.lag,
        );
        seconds(
            "log_time_age",
            "Log time behind the clock",
            &self.log_time_age,
        );
        seconds(
            "freshness",
            "Age of the oldest change not published",
            &self.freshness,
        );
        seconds(
            "checkpoint_age",
            "Since the newest checkpoint",
            &self.checkpoint_age,
        );
    }

    fn set(&self, partition: u32, reading: &Reading) {
        let set = |family: &Gauges, value: u64| {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            family.get_or_create(&OfPartition { partition }).set(value);
        };
        set(&self.position, reading.position);
        set(&self.complete_to, reading.complete_to);
        set(&self.lag_records, reading.lag_records);
        set(&self.lag, reading.lag.as_secs());
        set(&self.log_time_age, reading.log_time_age.as_secs());
        set(&self.freshness, reading.freshness.as_secs());
        set(&self.unflushed, reading.unflushed as u64);
        set(&self.checkpoint_age, reading.checkpoint_age.as_secs());
        set(&self.checkpoint_offset, reading.checkpoint_offset);
    }

    fn remove(&self, partition: u32) {
        for family in [
            &self.position,
            &self.complete_to,
            &self.lag_records,
            &self.lag,
            &self.log_time_age,
            &self.freshness,
            &self.unflushed,
            &self.checkpoint_age,
            &self.checkpoint_offset,
        ] {
            family.remove(&OfPartition { partition });
        }
    }
}

impl Metrics {
    /// All metrics, at zero.
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("meterline_rollup"),
            records: Family::default(),
            dead_letters: Family::default(),
            late: Family::default(),
            lookup_failures: Family::default(),
            flush_seconds: Family::new_with_constructor(Seconds),
            flush_rows: Family::default(),
            flush_failures: Family::default(),
            checkpoint_seconds: Seconds.new_metric(),
            gauges: PartitionGauges::default(),
            stopped: Family::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("records", "Records by outcome", self.records.clone());
        let help = "Dead letters by reason";
        registry.register("dead_letters", help, self.dead_letters.clone());
        let help = "Events counted after their hour was sealed";
        registry.register("late", help, self.late.clone());
        let help = "Lookups in runs that could not be answered";
        registry.register("lookup_failures", help, self.lookup_failures.clone());
        let help = "From a flush's cut to its acknowledgement";
        let seconds = self.flush_seconds.clone();
        registry.register_with_unit("flush", help, Unit::Seconds, seconds);
        registry.register("flush_rows", "Rows flushed", self.flush_rows.clone());
        let help = "Failed attempts to flush";
        registry.register("flush_failures", help, self.flush_failures.clone());
        let help = "From a checkpoint's cut to its manifest";
        let seconds = self.checkpoint_seconds.clone();
        registry.register_with_unit("checkpoint", help, Unit::Seconds, seconds);
        let help = "1 while the partition is halted, stalled or paused, by name";
        registry.register("stopped", help, self.stopped.clone());
        self.gauges.clone().register(registry);
    }

    /// Adds what the counters grew by.
    pub(crate) fn count(&self, partition: u32, before: &Counters, now: &Counters) {
        let add = |kind: &'static str, before: u64, now: u64| {
            let family = &self.records;
            let counter = family.get_or_create(&OfKind { partition, kind });
            counter.inc_by(now.saturating_sub(before));
        };
        add("accepted", before.accepted, now.accepted);
        add("duplicate", before.duplicate, now.duplicate);
        add("ignored", before.ignored, now.ignored);
        add("unmatched", before.unmatched, now.unmatched);
        add("control", before.control, now.control);
        let late = self.late.get_or_create(&OfPartition { partition });
        late.inc_by(now.late.saturating_sub(before.late));
        let (mut all_before, mut all_now) = (0, 0);
        for reason in Reason::ALL {
            let of = |counters: &Counters| counters.rejected.get(&reason).copied().unwrap_or(0);
            let (before, now) = (of(before), of(now));
            (all_before, all_now) = (all_before + before, all_now + now);
            let kind = reason.name();
            let counter = self.dead_letters.get_or_create(&OfKind { partition, kind });
            counter.inc_by(now.saturating_sub(before));
        }
        add("rejected", all_before, all_now);
    }

    /// Sets the partition's gauges.
    pub(crate) fn read(&self, partition: u32, reading: &Reading) {
        self.gauges.set(partition, reading);
    }

    /// The partition left this process: its gauges go, its counters stay.
    pub(crate) fn leave(&self, partition: u32) {
        self.gauges.remove(partition);
    }

    /// The partition is stopped under this name, or no longer.
    pub(crate) fn stopped(&self, partition: u32, kind: &'static str, is_stopped: bool) {
        let label = OfKind { partition, kind };
        if is_stopped {
            self.stopped.get_or_create(&label).set(1);
        } else {
            self.stopped.remove(&label);
        }
    }

    /// A lookup in a run could not be answered.
    pub(crate) fn lookup_failed(&self, partition: u32) {
        let label = OfPartition { partition };
        self.lookup_failures.get_or_create(&label).inc();
    }

    /// A flush was acknowledged.
    pub(crate) fn flushed(&self, lane: &'static str, rows: usize, took: Duration) {
        let label = OfLane { lane };
        self.flush_rows.get_or_create(&label).inc_by(rows as u64);
        let seconds = self.flush_seconds.get_or_create(&label);
        seconds.observe(took.as_secs_f64());
    }

    /// An attempt to flush failed.
    pub(crate) fn flush_failed(&self, lane: &'static str) {
        self.flush_failures.get_or_create(&OfLane { lane }).inc();
    }

    /// A checkpoint's manifest was published.
    pub(crate) fn checkpointed(&self, took: Duration) {
        self.checkpoint_seconds.observe(took.as_secs_f64());
    }

    /// The text that Prometheus scrapes.
    pub(crate) fn encode(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes all that is written to it");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_their_unit_and_partitions_take_their_gauges_along() {
        let metrics = Metrics::new();
        let now = Counters {
            accepted: 3,
            rejected: [(Reason::NoMeter, 2)].into(),
            ..Counters::default()
        };
        metrics.count(7, &Counters::default(), &now);
        metrics.read(7, &Reading::default());
        metrics.stopped(7, "paused", true);
        let text = metrics.encode();
        for line in [
            "meterline_rollup_records_total{partition=\"7\",kind=\"accepted\"} 3",
            "meterline_rollup_records_total{partition=\"7\",kind=\"rejected\"} 2",
            "meterline_rollup_dead_letters_total{partition=\"7\",kind=\"no_meter\"} 2",
            "meterline_rollup_lag_seconds{partition=\"7\"} 0",
            "meterline_rollup_stopped{partition=\"7\",kind=\"paused\"} 1",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        metrics.leave(7);
        metrics.stopped(7, "paused", false);
        let text = metrics.encode();
        assert!(!text.contains("lag_seconds{") && !text.contains("paused"));
    }
}
