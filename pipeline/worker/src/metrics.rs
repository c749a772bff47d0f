//! What Prometheus reads from a worker process.
//!
//! Every metric is listed in `deploy/observability/METRICS.md`, and a test compares that list with
//! what is served. Names carry their unit; counters end in `_total`. Partition threads write here
//! about once a second, at flushes and once per batch, never per record. Labels are bounded sets:
//! partitions, names of reasons, lanes and needs; never a tenant, a topic of events or an address.
//! A partition that leaves takes its gauges with it, so that nobody alerts on a partition that
//! another process runs. A stage's metrics are served where that stage runs, and nowhere else, so
//! that their absence says that nobody runs it.

mod client;
mod labels;
mod partition;
mod process;
mod work;

pub(crate) use client::STATISTICS_INTERVAL;
pub(crate) use partition::Reading;
pub(crate) use work::Rebalance;

use crate::health::{Board, Need, PartitionState};
use client::ClientMetrics;
use labels::{OfNeed, OfState};
use partition::PartitionMetrics;
use process::Process;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use rdkafka::statistics::Statistics;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};
use work::WorkMetrics;

/// A gauge of seconds or ratios, with fractions.
type FloatGauge = Gauge<f64, AtomicU64>;

/// All metrics of a process.
pub(crate) struct Metrics {
    registry: Registry,
    /// By partition of the usage topic.
    partitions: PartitionMetrics,
    /// What the stage does: batches, flushes, checkpoints, requests.
    work: WorkMetrics,
    client: ClientMetrics,
    ready: Gauge,
    failing: Family<OfNeed, FloatGauge>,
    states: Family<OfState, Gauge>,
}

impl Metrics {
    /// All metrics, at zero; those of the rollup stage only where it runs.
    pub(crate) fn new(rolls_up: bool) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            partitions: PartitionMetrics::default(),
            work: WorkMetrics::default(),
            client: ClientMetrics::default(),
            ready: Gauge::default(),
            failing: Family::default(),
            states: Family::default(),
        };
        metrics.register();
        if rolls_up {
            metrics.register_rollup();
        }
        metrics
    }

    fn register(&mut self) {
        self.registry.register_collector(Box::new(Process::now()));
        let meterline = self.registry.sub_registry_with_prefix("meterline");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        meterline.register("build", "Version of the binary", build);
        let help = "1 while the process is ready";
        meterline.register("ready", help, self.ready.clone());
        let help = "Since when something that the process needs does not work, 0 where it does";
        meterline.register_with_unit("need_failing", help, Unit::Seconds, self.failing.clone());
    }

    fn register_rollup(&mut self) {
        let meterline = self.registry.sub_registry_with_prefix("meterline");
        let rollup = meterline.sub_registry_with_prefix("rollup");
        let help = "Partitions that the process owns, by what they do";
        rollup.register("partitions", help, self.states.clone());
        self.partitions.register(rollup);
        self.work.register(rollup);
        self.client
            .register(meterline.sub_registry_with_prefix("kafka_consumer"));
    }

    /// The partition's counters and readings.
    pub(crate) fn partitions(&self) -> &PartitionMetrics {
        &self.partitions
    }

    /// What the stage does.
    pub(crate) fn work(&self) -> &WorkMetrics {
        &self.work
    }

    /// What the client library says of itself.
    pub(crate) fn client(&self, statistics: &Statistics) {
        self.client.set(statistics);
    }

    /// The partition left this process: its gauges go, its counters stay.
    pub(crate) fn leave(&self, partition: u32) {
        self.partitions.leave(partition);
        self.client.leave(partition);
    }

    /// The text that Prometheus scrapes, with what the board knows at this moment, and with what
    /// other stages of the process need and do not get.
    pub(crate) fn scrape(
        &self,
        board: &Board,
        others: &[(Need, Duration)],
        is_ready: bool,
        now: Instant,
    ) -> String {
        self.ready.set(i64::from(is_ready));
        let mut failing = board.failing(now);
        failing.extend(others);
        for need in Need::ALL {
            let since = failing.iter().filter(|(failing, _)| *failing == need);
            let seconds = since.map(|(_, since)| *since).max().unwrap_or_default();
            let need = need.label();
            let gauge = self.failing.get_or_create(&OfNeed { need });
            gauge.set(seconds.as_secs_f64());
        }
        let partitions = board.partitions();
        for state in PartitionState::ALL {
            let owned = partitions.iter().filter(|p| p.state == state).count();
            let state = state.name();
            let gauge = self.states.get_or_create(&OfState { state });
            gauge.set(i64::try_from(owned).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a String takes all that is written to it");
        text
    }
}

#[cfg(test)]
mod tests;
