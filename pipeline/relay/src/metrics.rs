//! What Prometheus reads from one stage. Written at batches, never per record.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// A gauge with fractions.
type FloatGauge = Gauge<f64, AtomicU64>;

/// A partition of the topic that the stage reads.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfPartition {
    partition: u32,
}

/// What became of a record.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfOutcome {
    outcome: &'static str,
}

/// What failed.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfNeed {
    need: &'static str,
}

/// What owned partitions do.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfState {
    state: &'static str,
}

/// Why a log does not have the saved position.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfCause {
    cause: &'static str,
}

/// Why a log does not have the position that a stage saved: records may be lost to the stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Gap {
    /// Its retention removed the records.
    Retention,
    /// It lost its end.
    Truncated,
}

impl Gap {
    const ALL: [Self; 2] = [Self::Retention, Self::Truncated];

    const fn label(self) -> OfCause {
        let cause = match self {
            Self::Retention => "retention",
            Self::Truncated => "truncated",
        };
        OfCause { cause }
    }
}

/// Where a partition stands in its log.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Standing {
    /// Next record to deliver.
    pub(crate) position: u64,
    /// The log's first record.
    pub(crate) low: u64,
    /// One after its last.
    pub(crate) end: u64,
    /// Age of the newest record that was read; `None` before the first.
    pub(crate) age: Option<Duration>,
}

impl Standing {
    fn lag(&self) -> u64 {
        self.end.saturating_sub(self.position)
    }

    /// How much of what the log still has is not delivered, in thousandths: at 1,000 retention
    /// takes what nobody read.
    fn undelivered(&self) -> u64 {
        let kept = u128::from(self.end.saturating_sub(self.low));
        let lag = u128::from(self.lag()).min(kept);
        let share = (lag * 1_000).checked_div(kept).unwrap_or(0);
        u64::try_from(share).expect("a share is at most the whole")
    }
}

/// Metrics of one stage; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    records: Family<OfOutcome, Counter>,
    bytes: Counter,
    batch_seconds: Histogram,
    failures: Family<OfNeed, Counter>,
    position: Family<OfPartition, Gauge>,
    lag_records: Family<OfPartition, Gauge>,
    lag: Family<OfPartition, FloatGauge>,
    undelivered: Family<OfPartition, FloatGauge>,
    partitions: Family<OfState, Gauge>,
    gaps: Family<OfCause, Counter>,
}

impl Metrics {
    /// Metrics at zero, and the registry that names them.
    pub(crate) fn new(stage: &str) -> (Self, Registry) {
        let metrics = Self {
            records: Family::default(),
            bytes: Counter::default(),
            // From 1 ms to 65 s.
            batch_seconds: Histogram::new(exponential_buckets(0.001, 2.0, 17)),
            failures: Family::default(),
            position: Family::default(),
            lag_records: Family::default(),
            lag: Family::default(),
            undelivered: Family::default(),
            partitions: Family::default(),
            gaps: Family::default(),
        };
        metrics.own(0, 0);
        for gap in Gap::ALL {
            // A counter that begins at 1 has no increase to alert on.
            metrics.gaps.get_or_create(&gap.label()).inc_by(0);
        }
        let registry = metrics.register(stage);
        (metrics, registry)
    }

    fn register(&self, stage: &str) -> Registry {
        let mut registry = Registry::with_prefix(format!("meterline_{stage}"));
        let help = "Records delivered, by outcome";
        registry.register("records", help, self.records.clone());
        let help = "Keys, headers and values delivered";
        registry.register_with_unit("delivered", help, Unit::Bytes, self.bytes.clone());
        let help = "From a batch's last record to its acknowledgement";
        let seconds = self.batch_seconds.clone();
        registry.register_with_unit("batch", help, Unit::Seconds, seconds);
        let help = "Failed attempts, by what was needed";
        registry.register("failures", help, self.failures.clone());
        let help = "Next record to deliver";
        registry.register("position", help, self.position.clone());
        let help = "Records not delivered yet";
        registry.register("lag_records", help, self.lag_records.clone());
        let help = "Age of the newest record that was read while there is lag, else 0";
        registry.register_with_unit("lag", help, Unit::Seconds, self.lag.clone());
        let help = "Share of what the log still has that is not delivered";
        let undelivered = self.undelivered.clone();
        registry.register_with_unit("undelivered", help, Unit::Ratios, undelivered);
        let help = "Partitions that the process owns, by what they do";
        registry.register("partitions", help, self.partitions.clone());
        let help = "Times that a log did not have the saved position";
        registry.register("gaps", help, self.gaps.clone());
        registry
    }

    /// A batch was acknowledged.
    pub(crate) fn delivered(
        &self,
        outcomes: &BTreeMap<&'static str, u64>,
        bytes: u64,
        took: Duration,
    ) {
        for (outcome, count) in outcomes {
            let counter = self.records.get_or_create(&OfOutcome { outcome });
            counter.inc_by(*count);
        }
        self.bytes.inc_by(bytes);
        self.batch_seconds.observe(took.as_secs_f64());
    }

    /// An attempt failed.
    pub(crate) fn failed(&self, need: &'static str) {
        self.failures.get_or_create(&OfNeed { need }).inc();
    }

    /// Where a partition stands.
    pub(crate) fn read(&self, partition: u32, standing: Standing) {
        let partition = OfPartition { partition };
        let set = |family: &Family<OfPartition, Gauge>, value: u64| {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            family.get_or_create(&partition).set(value);
        };
        set(&self.position, standing.position);
        set(&self.lag_records, standing.lag());
        let share = self.undelivered.get_or_create(&partition);
        // A length of time divides by a thousand, exactly enough.
        share.set(Duration::from_millis(standing.undelivered()).as_secs_f64());
        let age = match standing.lag() {
            0 => Some(Duration::ZERO),
            _ => standing.age,
        };
        if let Some(age) = age {
            self.lag.get_or_create(&partition).set(age.as_secs_f64());
        }
    }

    /// How many of the owned partitions are read, and how many wait for something.
    pub(crate) fn own(&self, reading: usize, waiting: usize) {
        for (state, count) in [("reading", reading), ("waiting", waiting)] {
            let gauge = self.partitions.get_or_create(&OfState { state });
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    /// The log does not have the saved position.
    pub(crate) fn misses(&self, gap: Gap) {
        self.gaps.get_or_create(&gap.label()).inc();
    }

    /// The partition left this process: its gauges go.
    pub(crate) fn leave(&self, partition: u32) {
        self.position.remove(&OfPartition { partition });
        self.lag_records.remove(&OfPartition { partition });
        self.lag.remove(&OfPartition { partition });
        self.undelivered.remove(&OfPartition { partition });
    }
}

/// The metrics of a stage that has seen everything once: what the written list is compared with.
#[doc(hidden)]
#[must_use]
pub fn seen(stage: &str) -> Registry {
    let (metrics, registry) = Metrics::new(stage);
    metrics.delivered(&[("event", 3)].into(), 90, Duration::from_millis(5));
    metrics.failed("clickhouse");
    let standing = Standing {
        position: 7,
        low: 1,
        end: 9,
        age: Some(Duration::from_secs(3)),
    };
    metrics.read(2, standing);
    registry
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;

    fn text(registry: &Registry) -> String {
        let mut text = String::new();
        encode(&mut text, registry).expect("a String takes all that is written to it");
        text
    }

    #[test]
    fn names_carry_stage_and_unit() {
        let text = text(&seen("archive"));
        for line in [
            "meterline_archive_records_total{outcome=\"event\"} 3",
            "meterline_archive_delivered_bytes_total 90",
            "meterline_archive_batch_seconds_count 1",
            "meterline_archive_failures_total{need=\"clickhouse\"} 1",
            "meterline_archive_lag_records{partition=\"2\"} 2",
            "meterline_archive_lag_seconds{partition=\"2\"} 3",
            "meterline_archive_undelivered_ratios{partition=\"2\"} 0.25",
            "meterline_archive_partitions{state=\"waiting\"} 0",
            "meterline_archive_gaps_total{cause=\"retention\"} 0",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn partitions_take_their_gauges_along() {
        let (metrics, registry) = Metrics::new("archive");
        let standing = Standing {
            position: 7,
            low: 1,
            end: 9,
            age: Some(Duration::ZERO),
        };
        metrics.read(2, standing);
        assert!(text(&registry).contains("partition=\"2\""));
        metrics.leave(2);
        assert!(!text(&registry).contains("partition=\"2\""));
    }

    #[test]
    fn what_is_behind_is_a_share_of_what_the_log_keeps() {
        let check = |position, low, end, expected| {
            let standing = Standing {
                position,
                low,
                end,
                age: None,
            };
            assert_eq!(standing.undelivered(), expected, "{standing:?}");
        };
        check(100, 0, 100, 0);
        check(25, 0, 100, 750);
        // Retention has overtaken the stage.
        check(25, 50, 100, 1_000);
        check(5, 5, 5, 0);
    }
}
