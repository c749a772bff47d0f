//! Metrics with one value per partition of the usage topic.

use super::FloatGauge;
use super::labels::{OfOutcome, OfPartition, OfReason};
use meterline_core::counters::Counters;
use meterline_core::reason::Reason;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

type Numbers = Family<OfPartition, Gauge>;
type Ages = Family<OfPartition, FloatGauge>;

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
    /// Bytes of dead letters that wait for their flush.
    pub(crate) letters_bytes: usize,
    /// Since the newest checkpoint of this process.
    pub(crate) checkpoint_age: Duration,
    /// Its offset.
    pub(crate) checkpoint_offset: u64,
    /// Run files that it names.
    pub(crate) checkpoint_files: usize,
    /// Their length together.
    pub(crate) checkpoint_bytes: u64,
    /// Ids in them.
    pub(crate) checkpoint_ids: u64,
    /// Memory of their filters.
    pub(crate) filter_bytes: usize,
}

/// Counters and gauges of partitions.
#[derive(Default)]
pub(crate) struct PartitionMetrics {
    records: Family<OfOutcome, Counter>,
    dead_letters: Family<OfReason, Counter>,
    late: Family<OfPartition, Counter>,
    lookup_failures: Family<OfPartition, Counter>,
    loads: Family<OfPartition, Counter>,
    stopped: Family<OfReason, Gauge>,
    position: Numbers,
    complete_to: Numbers,
    lag_records: Numbers,
    unflushed: Numbers,
    letters_bytes: Numbers,
    checkpoint_offset: Numbers,
    checkpoint_files: Numbers,
    checkpoint_bytes: Numbers,
    checkpoint_ids: Numbers,
    filter_bytes: Numbers,
    lag: Ages,
    log_time_age: Ages,
    freshness: Ages,
    checkpoint_age: Ages,
}

impl PartitionMetrics {
    pub(super) fn register(&self, to: &mut Registry) {
        to.register("records", "Records by outcome", self.records.clone());
        let help = "Dead letters by reason";
        to.register("dead_letters", help, self.dead_letters.clone());
        let help = "Events counted after their hour was sealed";
        to.register("late", help, self.late.clone());
        let help = "Lookups in runs that could not be answered";
        to.register("lookup_failures", help, self.lookup_failures.clone());
        let help = "Times that the partition's state was loaded";
        to.register("loads", help, self.loads.clone());
        let help = "1 while the partition is halted, stalled or paused, by name";
        to.register("stopped", help, self.stopped.clone());
        self.register_numbers(to);
        self.register_ages(to);
    }

    fn register_numbers(&self, to: &mut Registry) {
        for (name, help, family) in [
            ("position", "Next record to fold", &self.position),
            (
                "complete_to",
                "Hour rows, totals and dead letters are acknowledged up to this offset",
                &self.complete_to,
            ),
            ("lag_records", "Records not folded yet", &self.lag_records),
            ("unflushed_buckets", "Changes that wait", &self.unflushed),
            (
                "checkpoint_offset",
                "Offset of the newest checkpoint",
                &self.checkpoint_offset,
            ),
            (
                "checkpoint_files",
                "Run files of the newest checkpoint",
                &self.checkpoint_files,
            ),
            (
                "checkpoint_ids",
                "Ids in the newest checkpoint",
                &self.checkpoint_ids,
            ),
        ] {
            to.register(name, help, family.clone());
        }
        for (name, help, family) in [
            (
                "dead_letters_waiting",
                "Dead letters that wait",
                &self.letters_bytes,
            ),
            (
                "checkpoint_size",
                "Run files of the newest checkpoint, together",
                &self.checkpoint_bytes,
            ),
            (
                "filters",
                "Memory of the filters over run files",
                &self.filter_bytes,
            ),
        ] {
            to.register_with_unit(name, help, Unit::Bytes, family.clone());
        }
    }

    fn register_ages(&self, to: &mut Registry) {
        for (name, help, family) in [
            (
                "lag",
                "Log time behind the clock while there is lag",
                &self.lag,
            ),
            (
                "log_time_age",
                "Log time behind the clock",
                &self.log_time_age,
            ),
            (
                "freshness",
                "Age of the oldest change not published",
                &self.freshness,
            ),
            (
                "checkpoint_age",
                "Since the newest checkpoint",
                &self.checkpoint_age,
            ),
        ] {
            to.register_with_unit(name, help, Unit::Seconds, family.clone());
        }
    }

    fn numbers(&self) -> [&Numbers; 10] {
        [
            &self.position,
            &self.complete_to,
            &self.lag_records,
            &self.unflushed,
            &self.letters_bytes,
            &self.checkpoint_offset,
            &self.checkpoint_files,
            &self.checkpoint_bytes,
            &self.checkpoint_ids,
            &self.filter_bytes,
        ]
    }

    fn ages(&self) -> [&Ages; 4] {
        [
            &self.lag,
            &self.log_time_age,
            &self.freshness,
            &self.checkpoint_age,
        ]
    }

    /// Adds what the counters grew by.
    pub(crate) fn count(&self, partition: u32, before: &Counters, now: &Counters) {
        let add = |outcome: &'static str, before: u64, now: u64| {
            let counter = self
                .records
                .get_or_create(&OfOutcome { partition, outcome });
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
            let reason = reason.name();
            let letters = &self.dead_letters;
            let counter = letters.get_or_create(&OfReason { partition, reason });
            counter.inc_by(now.saturating_sub(before));
        }
        add("rejected", all_before, all_now);
    }

    /// Sets the partition's gauges.
    pub(crate) fn read(&self, partition: u32, reading: &Reading) {
        let label = OfPartition { partition };
        let length = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let numbers = [
            reading.position,
            reading.complete_to,
            reading.lag_records,
            length(reading.unflushed),
            length(reading.letters_bytes),
            reading.checkpoint_offset,
            length(reading.checkpoint_files),
            reading.checkpoint_bytes,
            reading.checkpoint_ids,
            length(reading.filter_bytes),
        ];
        for (family, number) in self.numbers().into_iter().zip(numbers) {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            family.get_or_create(&label).set(number);
        }
        let ages = [
            reading.lag,
            reading.log_time_age,
            reading.freshness,
            reading.checkpoint_age,
        ];
        for (family, age) in self.ages().into_iter().zip(ages) {
            family.get_or_create(&label).set(age.as_secs_f64());
        }
    }

    pub(super) fn leave(&self, partition: u32) {
        let label = OfPartition { partition };
        for family in self.numbers() {
            family.remove(&label);
        }
        for family in self.ages() {
            family.remove(&label);
        }
    }

    /// The partition is stopped under this name, or no longer.
    pub(crate) fn stopped(&self, partition: u32, reason: &'static str, is_stopped: bool) {
        let label = OfReason { partition, reason };
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

    /// The partition's state was loaded.
    pub(crate) fn loaded(&self, partition: u32) {
        self.loads.get_or_create(&OfPartition { partition }).inc();
    }
}
