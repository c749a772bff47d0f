//! Totals in memory: the hour values that use is made of, per tenant, meter and log partition.
//!
//! It keeps the highest stamp of every bucket, whatever the order in which they come, and takes
//! hour buckets of whole meters only: a sum of separately stamped parts is no prefix's value. Hours
//! before [`Usage::edge`] are dropped or were never read; nothing that starts before it is judged.
//! Of a level, the latest value from before it is held. Log partitions of a topic that another has
//! taken the place of are complete: nothing is appended to them any more.

mod hours;
mod knowledge;

use super::exact::Exact;
use super::measure::Measure;
use crate::bucket::{Bucket, BucketRow, Kind};
use crate::catalog::Aggregation;
use crate::period::Period;
use crate::position::{LogPartition, Stamp, TopicId};
use crate::quantity::ONE;
use crate::time::{Hour, Level, LogTime};
use ethnum::I256;
use hashbrown::HashMap;
use hours::{Latest, Series, Value};
use knowledge::Knowledge;
use smallvec::SmallVec;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Number of a tenant, from 0; never used for another one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct TenantId(pub(super) u32);

/// Use of all tenants, as far as the totals were read.
#[derive(Debug)]
pub struct Usage {
    partitions: Vec<Partition>,
    tenants: Vec<SmallVec<[Series; 4]>>,
    tenant_names: Names,
    meter_names: Names,
    edge: Hour,
    knowledge: Knowledge,
}

/// A log partition of usage, and up to where its totals are complete.
#[derive(Clone, Copy, Debug)]
struct Partition {
    id: LogPartition,
    to: Stamp,
    log_time: LogTime,
}

/// Texts that are kept once, by number.
#[derive(Debug, Default)]
struct Names {
    numbers: HashMap<Arc<str>, u32, foldhash::fast::FixedState>,
    texts: Vec<Arc<str>>,
}

impl Names {
    fn number(&mut self, text: &str) -> u32 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = u32::try_from(self.texts.len()).expect("2³² names are more than memory holds");
        let text: Arc<str> = text.into();
        self.numbers.insert(Arc::clone(&text), number);
        self.texts.push(text);
        number
    }
}

/// What changed: whose use, from which hour on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Touched {
    pub(super) tenant: TenantId,
    pub(super) hour: Hour,
}

impl Default for Usage {
    fn default() -> Self {
        Self {
            partitions: Vec::new(),
            tenants: Vec::new(),
            tenant_names: Names::default(),
            meter_names: Names::default(),
            edge: Hour(i32::MIN),
            knowledge: Knowledge::default(),
        }
    }
}

impl Usage {
    /// Takes a total; `None` where it says nothing new, or nothing that use is made of.
    pub(super) fn total(
        &mut self,
        log_partition: LogPartition,
        row: &BucketRow,
    ) -> Option<Touched> {
        let edge = self.edge;
        let (touched, series, value) = self.place(log_partition, row)?;
        let changed = if touched.hour < edge {
            series.hold(value)
        } else {
            series.take(value)
        };
        changed.then_some(touched)
    }

    /// Takes what a level held before the hours that are read: the bucket of its value, changed
    /// when any of those that are not read was last. `None` as for [`Usage::total`].
    ///
    /// It is held apart from the hours: a total of the value's own hour can have a lower stamp.
    pub(super) fn held(&mut self, log_partition: LogPartition, row: &BucketRow) -> Option<Touched> {
        let (touched, series, value) = self.place(log_partition, row)?;
        series.hold(value).then_some(touched)
    }

    /// What a row says, and the series that it belongs to.
    fn place(
        &mut self,
        log_partition: LogPartition,
        row: &BucketRow,
    ) -> Option<(Touched, &mut Series, Value)> {
        let measure = Measure::of(row.series.aggregation)?;
        if row.window.level != Level::Hour || row.series.kind == Kind::Part {
            return None;
        }
        let hour = Hour(i32::try_from(row.window.start.div_euclid(3_600)).ok()?);
        let partition = self.partition(log_partition);
        let tenant = self.tenant(&row.series.tenant);
        let meter = self.meter_names.number(&row.series.meter);
        let all = &mut self.tenants[index(tenant)];
        let known = all.iter().position(|s| s.is_of(meter, partition));
        let place = known.unwrap_or_else(|| {
            all.push(Series::new(meter, partition, measure));
            all.len() - 1
        });
        let value = Value::of(
            hour,
            &row.bucket,
            raw_value(row.series.aggregation, &row.bucket),
        );
        Some((Touched { tenant, hour }, &mut all[place], value))
    }

    /// Takes progress; whether it is further than what was known of the partition.
    pub(super) fn progress(
        &mut self,
        log_partition: LogPartition,
        to: Stamp,
        log_time: LogTime,
    ) -> bool {
        let place = self.partition(log_partition);
        let partition = &mut self.partitions[usize::from(place)];
        partition.log_time = partition.log_time.max(log_time);
        let further = to > partition.to;
        partition.to = partition.to.max(to);
        further
    }

    /// Use of a meter in a period; `None` where the tenant has no value of it there.
    pub(super) fn used(&mut self, tenant: TenantId, meter: &str, period: Period) -> Option<Exact> {
        let meter = *self.meter_names.numbers.get(meter)?;
        let span = (period.start.hour(), period.end.hour());
        let all = &mut self.tenants[index(tenant)];
        let series = all.iter_mut().filter(|series| series.meter == meter);
        let mut sum: Option<I256> = None;
        let mut latest: Option<(Latest, LogPartition)> = None;
        for series in series {
            match series.measure {
                Measure::Flow => {
                    if let Some(own) = series.sum(span.0, span.1) {
                        sum = Some(sum.unwrap_or(I256::ZERO) + own);
                    }
                }
                Measure::Peak => sum = sum.max(series.highest(span.0, span.1).map(I256::new)),
                Measure::Level => {
                    let id = self.partitions[usize::from(series.partition)].id;
                    let own = series.latest(span.1).map(|latest| (latest, id));
                    latest = latest.max(own);
                }
            }
        }
        let latest = latest.map(|(latest, _)| I256::new(latest.value));
        Some(Exact::of_raw(latest.or(sum)?))
    }

    /// Per log partition, by ascending ones, the last change of any of a meter's buckets; of any
    /// bucket at all where the tenant has none of that name.
    pub(super) fn stamps(
        &self,
        tenant: TenantId,
        meter: Option<&str>,
    ) -> Vec<(LogPartition, Stamp)> {
        let all = &self.tenants[index(tenant)];
        let meter = meter.and_then(|meter| self.meter_names.numbers.get(meter).copied());
        let meter = meter.filter(|meter| all.iter().any(|series| series.meter == *meter));
        let series = all
            .iter()
            .filter(|series| meter.is_none_or(|meter| series.meter == meter));
        let mut stamps: Vec<_> = series
            .map(|series| {
                let id = self.partitions[usize::from(series.partition)].id;
                (id, Stamp::from_version(series.high))
            })
            .chain(self.knowledge.of(tenant, meter))
            .collect();
        stamps.sort_unstable_by(|a, b| (a.0, b.1).cmp(&(b.0, a.1)));
        stamps.dedup_by_key(|(log_partition, _)| *log_partition);
        stamps
    }

    /// A log partition with changes of the tenant that its progress does not cover; `None` where
    /// what is known is an exact prefix.
    pub(super) fn uncovered(&self, tenant: TenantId) -> Option<usize> {
        let series = self.tenants[index(tenant)].iter();
        let series = series.map(|s| (usize::from(s.partition), Stamp::from_version(s.high)));
        let known = self.knowledge.of(tenant, None);
        let known = known.filter_map(|(id, stamp)| Some((self.place_of(id)?, stamp)));
        let mut all = series.chain(known);
        let is_open = |(place, stamp): &(usize, Stamp)| {
            let Partition { id, to, .. } = self.partitions[*place];
            *stamp >= to && !self.knowledge.is_gone(id.topic_id)
        };
        all.find(is_open).map(|(place, _)| place)
    }

    /// Whether all changes of a log partition up to this one are known.
    pub(super) fn covers(&self, id: LogPartition, stamp: Stamp) -> bool {
        let reached = self.place_of(id).map(|place| self.partitions[place].to);
        self.knowledge.is_gone(id.topic_id) || reached.is_some_and(|to| stamp < to)
    }

    /// Takes what a standing of a meter was judged by: changes of hours that are not read are
    /// among it, and later judgements know no less. After all totals that are read from tables.
    pub(super) fn judged_by(
        &mut self,
        tenant: TenantId,
        meter: &str,
        stamps: &[(LogPartition, Stamp)],
    ) {
        let known = self.stamps(tenant, Some(meter));
        let knows = |(id, stamp): &&(LogPartition, Stamp)| {
            known.iter().any(|(own, at)| own == id && at >= stamp)
        };
        let missing: Vec<_> = stamps.iter().filter(|stamp| !knows(stamp)).collect();
        let meter = self.meter_names.number(meter);
        for (id, stamp) in missing {
            self.partition(*id);
            self.knowledge.add(tenant, meter, *id, *stamp);
        }
    }

    /// Takes that partitions of a topic of this name and id begin; the log partitions, by number,
    /// that are complete since then.
    pub(super) fn adopted(&mut self, topic: &str, id: TopicId) -> Vec<usize> {
        let Some(gone) = self.knowledge.adopted(topic, id) else {
            return Vec::new();
        };
        let all = self.partitions.iter().enumerate();
        let complete = all.filter(|(_, partition)| partition.id.topic_id == gone);
        complete.map(|(place, _)| place).collect()
    }

    /// The last hour with use of a tenant.
    pub(super) fn last_hour(&self, tenant: TenantId) -> Option<Hour> {
        let series = self.tenants[index(tenant)].iter();
        series.filter_map(Series::last_hour).max()
    }

    fn place_of(&self, id: LogPartition) -> Option<usize> {
        self.partitions.iter().position(|known| known.id == id)
    }

    /// The log partitions that buckets of these tenants lie in.
    pub(super) fn partitions_of(
        &self,
        tenants: impl Iterator<Item = TenantId>,
    ) -> BTreeSet<LogPartition> {
        let series = tenants.flat_map(|tenant| &self.tenants[index(tenant)]);
        let places = series.map(|series| usize::from(series.partition));
        places.map(|place| self.partitions[place].id).collect()
    }

    /// Drops hours before an edge, and takes none of them any more; it never moves back.
    pub(super) fn drop_before(&mut self, edge: Hour) {
        self.edge = self.edge.max(edge);
        for series in self.tenants.iter_mut().flatten() {
            series.drop_before(self.edge);
        }
    }

    /// First hour that is kept.
    #[must_use]
    pub fn edge(&self) -> Hour {
        self.edge
    }

    /// The number of a tenant, known or new.
    pub(super) fn tenant(&mut self, name: &str) -> TenantId {
        let number = self.tenant_names.number(name);
        let count = self.tenant_names.texts.len();
        self.tenants.resize_with(count, SmallVec::new);
        TenantId(number)
    }

    pub(super) fn name(&self, tenant: TenantId) -> &Arc<str> {
        &self.tenant_names.texts[index(tenant)]
    }

    pub(super) fn tenants(&self) -> impl Iterator<Item = TenantId> + use<> {
        (0..self.tenant_names.texts.len())
            .map(|n| TenantId(u32::try_from(n).expect("numbers are 32 bits")))
    }

    /// Log partitions, with the position that totals are complete up to, and their log time.
    pub(super) fn partitions(&self) -> impl Iterator<Item = (LogPartition, Stamp, LogTime)> {
        self.partitions.iter().map(|p| (p.id, p.to, p.log_time))
    }

    /// How many tenants and hour values are in memory.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let hours = self.tenants.iter().flatten().map(Series::len).sum();
        (self.tenants.len(), hours)
    }

    /// The number of a log partition, from 0, known or new.
    pub(super) fn partition(&mut self, id: LogPartition) -> u16 {
        let place = self.place_of(id).unwrap_or_else(|| {
            self.partitions.push(Partition {
                id,
                to: Stamp::default(),
                log_time: LogTime(i64::MIN),
            });
            self.partitions.len() - 1
        });
        u16::try_from(place).expect("topics have far fewer than 65,536 partitions")
    }
}

pub(super) fn index(tenant: TenantId) -> usize {
    usize::try_from(tenant.0).expect("a 32-bit number is an index")
}

fn raw_value(aggregation: Aggregation, bucket: &Bucket) -> i128 {
    match aggregation {
        Aggregation::Count => i128::from(bucket.events) * ONE,
        Aggregation::Latest => bucket.latest.raw(),
        Aggregation::Max => bucket.max.raw(),
        _ => bucket.sum.raw(),
    }
}
