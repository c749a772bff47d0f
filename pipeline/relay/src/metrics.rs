//! What Prometheus reads from one stage. Written at batches, never per record.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::collections::BTreeMap;
use std::time::Duration;

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

/// Metrics of one stage; clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    records: Family<OfOutcome, Counter>,
    bytes: Counter,
    batch_seconds: Histogram,
    failures: Family<OfNeed, Counter>,
    position: Family<OfPartition, Gauge>,
    lag_records: Family<OfPartition, Gauge>,
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
        };
        let mut registry = Registry::with_prefix(format!("meterline_{stage}"));
        let help = "Records delivered, by outcome";
        registry.register("records", help, metrics.records.clone());
        let help = "Keys, headers and values delivered";
        registry.register_with_unit("delivered", help, Unit::Bytes, metrics.bytes.clone());
        let help = "From a batch's last record to its acknowledgement";
        let seconds = metrics.batch_seconds.clone();
        registry.register_with_unit("batch", help, Unit::Seconds, seconds);
        let help = "Failed attempts, by what was needed";
        registry.register("failures", help, metrics.failures.clone());
        let help = "Next record to deliver";
        registry.register("position", help, metrics.position.clone());
        let help = "Records not delivered yet";
        registry.register("lag_records", help, metrics.lag_records.clone());
        (metrics, registry)
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
    pub(crate) fn read(&self, partition: u32, position: u64, log_end: u64) {
        let set = |family: &Family<OfPartition, Gauge>, value: u64| {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            family.get_or_create(&OfPartition { partition }).set(value);
        };
        set(&self.position, position);
        set(&self.lag_records, log_end.saturating_sub(position));
    }

    /// The partition left this process: its gauges go.
    pub(crate) fn leave(&self, partition: u32) {
        self.position.remove(&OfPartition { partition });
        self.lag_records.remove(&OfPartition { partition });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;

    #[test]
    fn names_carry_stage_and_unit_and_partitions_take_their_gauges_along() {
        let (metrics, registry) = Metrics::new("archive");
        let text = || {
            let mut text = String::new();
            encode(&mut text, &registry).expect("a String takes all that is written to it");
            text
        };
        metrics.delivered(&[("event", 3)].into(), 90, Duration::from_millis(5));
        metrics.failed("clickhouse");
        metrics.read(2, 7, 9);
        for line in [
            "meterline_archive_records_total{outcome=\"event\"} 3",
            "meterline_archive_delivered_bytes_total 90",
            "meterline_archive_batch_seconds_count 1",
            "meterline_archive_failures_total{need=\"clickhouse\"} 1",
            "meterline_archive_lag_records{partition=\"2\"} 2",
        ] {
            assert!(text().contains(line), "{line} is missing in\n{}", text());
        }
        metrics.leave(2);
        assert!(!text().contains("lag_records{"));
    }
}
