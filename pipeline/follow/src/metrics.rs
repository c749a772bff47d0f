//! What Prometheus reads of a stage's reading, under the stage's own prefix.
//!
//! No label carries a tenant or a meter.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// A gauge with fractions.
type FloatGauge = Gauge<f64, AtomicU64>;

/// A log partition of usage.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfPartition {
    partition: u32,
}

/// What failed.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OfNeed {
    need: &'static str,
}

/// Metrics of reading; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    failures: Family<OfNeed, Counter>,
    position: Family<OfPartition, Gauge>,
    lag_records: Family<OfPartition, Gauge>,
    age: Family<OfPartition, FloatGauge>,
}

impl Metrics {
    /// Names them in the stage's registry.
    pub fn register(&self, registry: &mut Registry) {
        let help = "Failed attempts, by what was needed";
        registry.register("failures", help, self.failures.clone());
        let help = "Next record of usage.totals to read";
        registry.register("position", help, self.position.clone());
        let help = "Records of usage.totals not read yet";
        registry.register("lag_records", help, self.lag_records.clone());
        let help = "Log time of the newest progress, behind the clock";
        registry.register_with_unit("view_age", help, Unit::Seconds, self.age.clone());
    }

    /// An attempt failed.
    pub fn failed(&self, need: &'static str) {
        self.failures.get_or_create(&OfNeed { need }).inc();
    }

    /// How far a partition's totals are read.
    pub fn read(&self, partition: u32, position: u64, end: u64) {
        let lag = end.saturating_sub(position);
        let partition = OfPartition { partition };
        let value = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.position.get_or_create(&partition).set(value(position));
        self.lag_records.get_or_create(&partition).set(value(lag));
    }

    /// How old the newest progress of a partition is.
    pub fn age(&self, partition: u32, age: Duration) {
        let gauge = self.age.get_or_create(&OfPartition { partition });
        gauge.set(age.as_secs_f64());
    }
}
