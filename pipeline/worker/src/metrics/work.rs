//! Metrics of what the stage does: how long batches, flushes and checkpoints take, and what the
//! systems that it needs answer.
//!
//! Histograms are observed once per batch, cut, attempt or checkpoint, never per record.

use super::labels::{OfChange, OfLane, OfRequest};
use crate::health::Need;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

/// Makes histograms of seconds, from 1 ms to 65 s: what waits for others.
#[derive(Clone)]
struct Waits;

impl MetricConstructor<Histogram> for Waits {
    fn new_metric(&self) -> Histogram {
        Histogram::new(exponential_buckets(0.001, 2.0, 17))
    }
}

/// Makes histograms of seconds, from 20 µs to 1.3 s: what the processor does.
#[derive(Clone)]
struct Computes;

impl MetricConstructor<Histogram> for Computes {
    fn new_metric(&self) -> Histogram {
        Histogram::new(exponential_buckets(0.00002, 2.0, 17))
    }
}

/// How a rebalance changed what the process owns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rebalance {
    /// Partitions came.
    Assigned,
    /// Partitions were taken away in order.
    Revoked,
    /// The group gave them to others before this process knew.
    Lost,
    /// The group could not agree.
    Failed,
}

impl Rebalance {
    const fn name(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Revoked => "revoked",
            Self::Lost => "lost",
            Self::Failed => "failed",
        }
    }
}

/// Counters and histograms of the stage's work.
pub(crate) struct WorkMetrics {
    batch: Histogram,
    cut: Family<OfLane, Histogram, Computes>,
    flush: Family<OfLane, Histogram, Waits>,
    flush_rows: Family<OfLane, Counter>,
    checkpoint: Histogram,
    checkpoint_cut: Histogram,
    load: Histogram,
    requests: Family<OfRequest, Histogram, Waits>,
    request_failures: Family<OfRequest, Counter>,
    rebalances: Family<OfChange, Counter>,
}

impl Default for WorkMetrics {
    fn default() -> Self {
        Self {
            batch: Computes.new_metric(),
            cut: Family::new_with_constructor(Computes),
            flush: Family::new_with_constructor(Waits),
            flush_rows: Family::default(),
            checkpoint: Waits.new_metric(),
            checkpoint_cut: Computes.new_metric(),
            load: Waits.new_metric(),
            requests: Family::new_with_constructor(Waits),
            request_failures: Family::default(),
            rebalances: Family::default(),
        }
    }
}

impl WorkMetrics {
    pub(super) fn register(&self, to: &mut Registry) {
        let seconds = Unit::Seconds;
        let help = "Reading, decoding and folding one batch of at most 1,000 records";
        to.register_with_unit("batch", help, seconds.clone(), self.batch.clone());
        let help = "Cutting a lane, on the partition's thread";
        to.register_with_unit("cut", help, seconds.clone(), self.cut.clone());
        let help = "From a flush's cut to its acknowledgement";
        to.register_with_unit("flush", help, seconds.clone(), self.flush.clone());
        to.register("flush_rows", "Rows flushed", self.flush_rows.clone());
        let help = "From a checkpoint's cut to its manifest";
        to.register_with_unit("checkpoint", help, seconds.clone(), self.checkpoint.clone());
        let help = "Cutting a checkpoint, on the partition's thread";
        let cut = self.checkpoint_cut.clone();
        to.register_with_unit("checkpoint_cut", help, seconds.clone(), cut);
        let help = "Loading a partition's state";
        to.register_with_unit("load", help, seconds.clone(), self.load.clone());
        let help = "One attempt to deliver, also failed ones";
        to.register_with_unit("request", help, seconds, self.requests.clone());
        let help = "Failed attempts to deliver; each is made again";
        to.register("request_failures", help, self.request_failures.clone());
        let help = "Changes of ownership by the consumer group";
        to.register("rebalances", help, self.rebalances.clone());
    }

    /// A batch of records was read and folded.
    pub(crate) fn batch(&self, took: Duration) {
        self.batch.observe(took.as_secs_f64());
    }

    /// A lane was cut.
    pub(crate) fn cut(&self, lane: &'static str, took: Duration) {
        let cut = self.cut.get_or_create(&OfLane { lane });
        cut.observe(took.as_secs_f64());
    }

    /// A flush was acknowledged.
    pub(crate) fn flushed(&self, lane: &'static str, rows: usize, took: Duration) {
        let label = OfLane { lane };
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        self.flush_rows.get_or_create(&label).inc_by(rows);
        let seconds = self.flush.get_or_create(&label);
        seconds.observe(took.as_secs_f64());
    }

    /// An attempt to deliver ended.
    pub(crate) fn attempted(&self, need: Need, what: &'static str, took: Duration, failed: bool) {
        let need = need.label();
        let label = OfRequest { need, what };
        let seconds = self.requests.get_or_create(&label);
        seconds.observe(took.as_secs_f64());
        self.request_failures
            .get_or_create(&label)
            .inc_by(u64::from(failed));
    }

    /// A checkpoint was cut.
    pub(crate) fn checkpoint_cut(&self, took: Duration) {
        self.checkpoint_cut.observe(took.as_secs_f64());
    }

    /// A checkpoint's manifest was published.
    pub(crate) fn checkpointed(&self, took: Duration) {
        self.checkpoint.observe(took.as_secs_f64());
    }

    /// A partition's state was loaded.
    pub(crate) fn loaded(&self, took: Duration) {
        self.load.observe(took.as_secs_f64());
    }

    /// The consumer group changed what this process owns.
    pub(crate) fn rebalanced(&self, change: Rebalance) {
        let change = change.name();
        self.rebalances.get_or_create(&OfChange { change }).inc();
    }
}
