//! Pairs: a tenant and a meter, its hours, and what is to be looked at when.
//!
//! A pair has at most one thing in flight (an intent, its call, a reading), because Stripe takes
//! one concurrent call for a customer and meter, and because what follows from one depends on what
//! became of the other.

use super::deciding::TOO_OLD;
use super::values::{Value, can_push};
use meterline_core::bucket::BucketRow;
use meterline_core::catalog::Aggregation;
use meterline_core::position::LogPartition;
use meterline_core::time::{EventTime, Hour, Level, LogTime};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// A pair's number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct PairId(u32);

/// A tenant's meter.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) tenant: Arc<str>,
    pub(super) meter: Arc<str>,
    pub(super) aggregation: Aggregation,
    pub(super) hours: BTreeMap<Hour, Value>,
    /// Hours to look at, by when.
    pub(super) todo: BTreeMap<Hour, LogTime>,
    /// Hours whose value is to be looked at once more although a summary has shown it.
    pub(super) doubted: BTreeSet<Hour>,
    /// Hours whose summary did not show what was pushed.
    pub(super) lost: BTreeSet<Hour>,
    /// Hours that wait for a customer.
    pub(super) unlinked: BTreeSet<Hour>,
    /// Hours that Stripe would not take, and why.
    pub(super) impossible: BTreeMap<Hour, &'static str>,
    /// How often in a row an hour's push was not taken.
    pub(super) tries: BTreeMap<Hour, u32>,
    pub(super) is_busy: bool,
    /// From then on another call may be made.
    pub(super) blocked_until: LogTime,
    pub(super) queued: Option<LogTime>,
    /// Whether it waits for room to push.
    pub(super) is_starved: bool,
    /// Whether it waits for room to read.
    pub(super) is_unread: bool,
    /// How often it was looked up to be changed: what was found at one count holds while it is the
    /// same. Heads of the ledger count too, because every one that is read changes its pair.
    pub(super) changes: u64,
    /// A carry that was sent and is not read back.
    pub(super) carrying: Option<u128>,
}

impl Pair {
    fn new(tenant: &str, meter: &str, aggregation: Aggregation) -> Self {
        Self {
            tenant: tenant.into(),
            meter: meter.into(),
            aggregation,
            hours: BTreeMap::new(),
            todo: BTreeMap::new(),
            doubted: BTreeSet::new(),
            lost: BTreeSet::new(),
            unlinked: BTreeSet::new(),
            impossible: BTreeMap::new(),
            tries: BTreeMap::new(),
            is_busy: false,
            blocked_until: LogTime(i64::MIN),
            queued: None,
            is_starved: false,
            is_unread: false,
            changes: 0,
            carrying: None,
        }
    }

    /// Has an hour looked at, at that time or before.
    pub(super) fn plan(&mut self, hour: Hour, at: LogTime) {
        let known = self.todo.entry(hour).or_insert(at);
        *known = (*known).min(at);
    }

    /// Has an hour looked at, not before that time.
    pub(super) fn postpone(&mut self, hour: Hour, at: LogTime) {
        self.todo.insert(hour, at);
    }

    /// The first time at which something is to be looked at.
    pub(super) fn due(&self) -> Option<LogTime> {
        self.todo.values().min().copied()
    }

    /// The same, of what is not due yet.
    pub(super) fn due_after(&self, now: LogTime) -> Option<LogTime> {
        self.todo.values().filter(|at| **at > now).min().copied()
    }
}

/// How many windows are in which state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Tenant-meters.
    pub pairs: u64,
    /// Windows with a value.
    pub windows: u64,
    /// Windows that are to be looked at, now or later.
    pub open: u64,
    /// Windows that wait for a customer.
    pub unlinked: u64,
    /// Windows that Stripe would not take.
    pub impossible: u64,
    /// Those of them whose value has too many digits: it is carried, in parts, when it can be.
    pub too_many_digits: u64,
}

/// All pairs.
#[derive(Debug, Default)]
pub(super) struct Pairs {
    all: Vec<Pair>,
    by_name: HashMap<Arc<str>, BTreeMap<Arc<str>, PairId>>,
    /// Hours that are not sealed, by the log partition of their newest value.
    unsealed: BTreeMap<(LogPartition, Hour), BTreeSet<PairId>>,
    passed_over: BTreeSet<Box<str>>,
}

impl Pairs {
    pub(super) fn get(&self, id: PairId) -> &Pair {
        &self.all[place(id)]
    }

    /// A pair that is to be changed.
    pub(super) fn at(&mut self, id: PairId) -> &mut Pair {
        let pair = &mut self.all[place(id)];
        pair.changes += 1;
        pair
    }

    pub(super) fn all(&self) -> impl Iterator<Item = PairId> + use<> {
        let count = u32::try_from(self.all.len()).expect("pairs are numbered with 32 bits");
        (0..count).map(PairId)
    }

    pub(super) fn find(&self, tenant: &str, meter: &str) -> Option<PairId> {
        self.by_name.get(tenant)?.get(meter).copied()
    }

    pub(super) fn of_tenant(&self, tenant: &str) -> Vec<PairId> {
        let pairs = self.by_name.get(tenant);
        pairs
            .into_iter()
            .flat_map(|m| m.values().copied())
            .collect()
    }

    pub(super) fn pass_over(&mut self, meter: &str) {
        if !self.passed_over.contains(meter) {
            self.passed_over.insert(meter.into());
        }
    }

    pub(super) fn has_passed_over(&self, meter: &str) -> bool {
        self.passed_over.contains(meter)
    }

    /// Takes a bucket; which hour of which pair changed, if one did. Other levels, and what cannot
    /// be pushed, are passed over.
    pub(super) fn take(
        &mut self,
        log_partition: LogPartition,
        row: &BucketRow,
    ) -> Option<(PairId, Hour)> {
        if row.window.level != Level::Hour || !can_push(row.series.aggregation) {
            return None;
        }
        let hour = EventTime(row.window.start * 1_000_000).hour();
        let id = self.make(
            &row.series.tenant,
            &row.series.meter,
            row.series.aggregation,
        );
        let pair = self.at(id);
        let aggregation = pair.aggregation;
        let value = pair.hours.entry(hour).or_default();
        if !value.take(log_partition, aggregation, &row.bucket) {
            return None;
        }
        Some((id, hour))
    }

    /// The pair of a tenant's meter, made where there is none.
    pub(super) fn make(&mut self, tenant: &str, meter: &str, aggregation: Aggregation) -> PairId {
        if let Some(id) = self.find(tenant, meter) {
            return id;
        }
        let id = PairId(u32::try_from(self.all.len()).expect("pairs are numbered with 32 bits"));
        let pair = Pair::new(tenant, meter, aggregation);
        let names = self.by_name.entry(Arc::clone(&pair.tenant)).or_default();
        names.insert(Arc::clone(&pair.meter), id);
        self.all.push(pair);
        id
    }

    /// Frees hours before one.
    pub(super) fn forget_before(&mut self, first: Hour) {
        for pair in &mut self.all {
            pair.hours = pair.hours.split_off(&first);
            pair.todo = pair.todo.split_off(&first);
            pair.impossible = pair.impossible.split_off(&first);
            pair.unlinked = pair.unlinked.split_off(&first);
        }
    }

    /// Notes that an hour is not sealed.
    pub(super) fn unsealed(&mut self, log_partition: LogPartition, hour: Hour, id: PairId) {
        let hours = self.unsealed.entry((log_partition, hour)).or_default();
        hours.insert(id);
    }

    /// The hours that are sealed now, each once.
    pub(super) fn sealed(
        &mut self,
        log_partition: LogPartition,
        to: EventTime,
    ) -> Vec<(PairId, Hour)> {
        let mut sealed = Vec::new();
        let first = (log_partition, Hour(i32::MIN));
        while let Some((key, _)) = self.unsealed.range(first..).next()
            && key.0 == log_partition
            && key.1.end() <= to
        {
            let key = *key;
            let pairs = self.unsealed.remove(&key).unwrap_or_default();
            sealed.extend(pairs.into_iter().map(|pair| (pair, key.1)));
        }
        sealed
    }

    /// The oldest hour that is to be pushed or proved. One that Stripe would not take for its age is
    /// carried, and one without a customer waits for people, who are told of it by its own count.
    pub(super) fn oldest_open(&self) -> Option<Hour> {
        let oldest = self.all.iter().filter_map(|pair| {
            let mut open = pair.todo.keys();
            let open = open.find(|hour| !pair.impossible.contains_key(hour));
            let parked = pair.impossible.iter();
            let parked = parked.filter(|(_, reason)| **reason != TOO_OLD);
            let parked = parked.map(|(hour, _)| hour).next();
            open.into_iter().chain(parked).min().copied()
        });
        oldest.min()
    }

    pub(super) fn counts(&self) -> Counts {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let mut counts = Counts {
            pairs: count(self.all.len()),
            ..Counts::default()
        };
        for pair in &self.all {
            counts.windows += count(pair.hours.len());
            counts.open += count(pair.todo.len());
            counts.unlinked += count(pair.unlinked.len());
            counts.impossible += count(pair.impossible.len());
            let reasons = pair.impossible.values();
            let digits = reasons.filter(|reason| **reason != TOO_OLD);
            counts.too_many_digits += count(digits.count());
        }
        counts
    }
}

fn place(id: PairId) -> usize {
    usize::try_from(id.0).expect("a number of a pair fits")
}
