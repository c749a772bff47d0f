//! What the Kafka client library says of the rollup stage's consumer.
//!
//! Its statistics come as a whole, every [`STATISTICS_INTERVAL`]; totals are set, not added. Only
//! what an operator acts on is kept: reach of the brokers, their answers, what is fetched ahead.

use super::FloatGauge;
use super::labels::OfPartition;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use rdkafka::statistics::{Broker, Statistics};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// How often the client library gathers its statistics: they are one JSON text, and a scrape
/// seldom comes more often.
pub(crate) const STATISTICS_INTERVAL: Duration = Duration::from_secs(5);

/// What is kept of the statistics.
#[derive(Default)]
pub(super) struct ClientMetrics {
    received: Counter,
    sent: Counter,
    records: Counter,
    errors: Counter,
    timeouts: Counter,
    retries: Counter,
    brokers_known: Gauge,
    brokers_up: Gauge,
    round_trip: FloatGauge,
    queued_records: Family<OfPartition, Gauge>,
    queued_bytes: Family<OfPartition, Gauge>,
}

impl ClientMetrics {
    pub(super) fn register(&self, to: &mut Registry) {
        let help = "Received from the brokers";
        to.register_with_unit("received", help, Unit::Bytes, self.received.clone());
        let help = "Sent to the brokers";
        to.register_with_unit("sent", help, Unit::Bytes, self.sent.clone());
        to.register("records", "Records fetched", self.records.clone());
        let help = "Requests that could not be sent, and answers that could not be read";
        to.register("request_errors", help, self.errors.clone());
        let help = "Requests without an answer in time";
        to.register("request_timeouts", help, self.timeouts.clone());
        let help = "Requests sent again";
        to.register("request_retries", help, self.retries.clone());
        let help = "Brokers of the cluster that are known";
        to.register("brokers_known", help, self.brokers_known.clone());
        let help = "Brokers with a working connection";
        to.register("brokers_up", help, self.brokers_up.clone());
        let help = "99th percentile of requests, the slowest broker's";
        let round_trip = self.round_trip.clone();
        to.register_with_unit("round_trip", help, Unit::Seconds, round_trip);
        let help = "Records fetched ahead";
        to.register("queued_records", help, self.queued_records.clone());
        let help = "Records fetched ahead";
        to.register_with_unit("queued", help, Unit::Bytes, self.queued_bytes.clone());
    }

    pub(super) fn set(&self, statistics: &Statistics) {
        let total = |counter: &Counter, value: i64| {
            // A client's own totals never fall; below 0 they would be no totals.
            let value = u64::try_from(value).unwrap_or(0);
            counter.inner().store(value, Ordering::Relaxed);
        };
        total(&self.received, statistics.rx_bytes);
        total(&self.sent, statistics.tx_bytes);
        total(&self.records, statistics.rxmsgs);
        let brokers = || statistics.brokers.values();
        let sum = |counter: &Counter, of: fn(&Broker) -> u64| {
            counter
                .inner()
                .store(brokers().map(of).sum(), Ordering::Relaxed);
        };
        sum(&self.errors, |broker| broker.txerrs + broker.rxerrs);
        sum(&self.timeouts, |broker| broker.req_timeouts);
        sum(&self.retries, |broker| broker.txretries);
        // Bootstrap addresses and the coordinator's connection have no number of their own.
        let numbered = || brokers().filter(|broker| broker.nodeid >= 0);
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.brokers_known.set(count(numbered().count()));
        let up = numbered().filter(|broker| broker.state == "UP").count();
        self.brokers_up.set(count(up));
        let slowest = numbered().filter_map(|broker| broker.rtt.as_ref().map(|rtt| rtt.p99));
        let slowest = u64::try_from(slowest.max().unwrap_or(0)).unwrap_or(0);
        self.round_trip
            .set(Duration::from_micros(slowest).as_secs_f64());
        self.set_queues(statistics);
    }

    fn set_queues(&self, statistics: &Statistics) {
        let all = statistics
            .topics
            .values()
            .flat_map(|t| t.partitions.values());
        for queue in all.filter(|queue| queue.desired) {
            let Ok(partition) = u32::try_from(queue.partition) else {
                continue;
            };
            let label = OfPartition { partition };
            let records = self.queued_records.get_or_create(&label);
            records.set(queue.fetchq_cnt);
            let bytes = i64::try_from(queue.fetchq_size).unwrap_or(i64::MAX);
            self.queued_bytes.get_or_create(&label).set(bytes);
        }
    }

    pub(super) fn leave(&self, partition: u32) {
        let label = OfPartition { partition };
        self.queued_records.remove(&label);
        self.queued_bytes.remove(&label);
    }
}
