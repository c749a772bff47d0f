//! Usage events, and the totals that two owners of a partition publish of them.

use crate::world::{METERS, TENANTS, log_partition};
use meterline_core::bucket::{Bucket, BucketRow, Kind, Series};
use meterline_core::catalog::Aggregation;
use meterline_core::position::{LogPartition, Offset, Stamp};
use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, Hour, Level, LogTime, Window};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Partitions of usage.
pub(crate) const PARTITIONS: u32 = 2;

/// An accepted event; its place in its partition is its offset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub(crate) tenant: usize,
    pub(crate) meter: usize,
    pub(crate) time: EventTime,
    pub(crate) quantity: i64,
    pub(crate) log_time: LogTime,
}

/// A record of `usage.totals`.
#[derive(Clone, Debug)]
pub(crate) enum Total {
    Row(LogPartition, BucketRow),
    Progress(LogPartition, Stamp, LogTime),
}

/// Events by partition, and the topic of totals by partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct UsageLog {
    pub(crate) events: [Vec<Event>; PARTITIONS as usize],
    pub(crate) totals: [Vec<Total>; PARTITIONS as usize],
    /// How far each of two owners of each partition has flushed.
    flushed: [[usize; 2]; PARTITIONS as usize],
}

type Key = (usize, usize, Hour);

impl UsageLog {
    pub(crate) fn append(&mut self, event: Event) {
        self.events[event.tenant % self.events.len()].push(event);
    }

    /// An owner flushes what changed since its own last flush, as of a place in the log.
    pub(crate) fn flush(&mut self, partition: usize, owner: usize, to: usize) {
        let to = to.min(self.events[partition].len());
        let from = self.flushed[partition][owner];
        if to <= from {
            return;
        }
        self.flushed[partition][owner] = to;
        let id = log_partition(u32::try_from(partition).expect("few"));
        let mut log_time = LogTime(i64::MIN);
        for (key, bucket) in fold(&self.events[partition][..to]) {
            log_time = log_time.max(bucket.updated_at);
            if bucket.changed.offset >= offset(from) {
                self.totals[partition].push(Total::Row(id, row(key, bucket)));
            }
        }
        let to = Stamp {
            epoch: 0,
            offset: offset(to),
        };
        self.totals[partition].push(Total::Progress(id, to, log_time));
    }
}

/// What levels held in a partition before an hour, as the tables say it.
pub(crate) fn held(events: &[Event], before: Hour) -> Vec<BucketRow> {
    let mut levels: BTreeMap<_, (Hour, Bucket)> = BTreeMap::new();
    for ((tenant, meter, hour), bucket) in fold(events) {
        if METERS[meter].1 != Aggregation::Latest || hour >= before {
            continue;
        }
        let (held_hour, held) = levels.entry((tenant, meter)).or_insert((hour, bucket));
        let changed = held.changed.max(bucket.changed);
        if (held.latest_time, held.latest_stamp) < (bucket.latest_time, bucket.latest_stamp) {
            (*held_hour, *held) = (hour, bucket);
        }
        held.changed = changed;
    }
    let rows = levels.into_iter();
    rows.map(|((tenant, meter), (hour, bucket))| row((tenant, meter, hour), bucket))
        .collect()
}

fn offset(place: usize) -> Offset {
    Offset::try_from(place).expect("few")
}

/// The buckets of the events before a place.
fn fold(events: &[Event]) -> BTreeMap<Key, Bucket> {
    let mut buckets: BTreeMap<Key, Bucket> = BTreeMap::new();
    for (place, event) in events.iter().enumerate() {
        let key = (event.tenant, event.meter, event.time.hour());
        let stamp = Stamp {
            epoch: 0,
            offset: offset(place),
        };
        let quantity = Quantity::from_unscaled(event.quantity.into(), 0).expect("small");
        let bucket = buckets.entry(key).or_default();
        match METERS[event.meter].1 {
            Aggregation::Sum => bucket.sum = bucket.sum.plus(quantity).expect("small"),
            Aggregation::Max if bucket.events == 0 => bucket.max = quantity,
            Aggregation::Max => bucket.max = bucket.max.max(quantity),
            Aggregation::Latest if bucket.events == 0 || event.time >= bucket.latest_time => {
                bucket.latest = quantity;
                bucket.latest_time = event.time;
                bucket.latest_stamp = stamp;
            }
            _ => {}
        }
        bucket.events += 1;
        bucket.changed = stamp;
        bucket.updated_at = event.log_time;
    }
    buckets
}

fn row((tenant, meter, hour): Key, bucket: Bucket) -> BucketRow {
    let (meter, aggregation) = METERS[meter];
    BucketRow {
        series: Arc::new(Series {
            tenant: TENANTS[tenant].into(),
            meter: meter.into(),
            kind: Kind::Only,
            aggregation,
            dimensions: Box::new([]),
            dimensions_hash: 0,
        }),
        window: Window::of(Level::Hour, hour),
        bucket,
    }
}
