//! The value of one hour of a tenant's meter, over the log partitions that it comes from.
//!
//! There is one but where a usage topic was made again. Each keeps the value of its highest stamp
//! (INV-STAMP), whatever order values come in.

use meterline_core::bucket::Bucket;
use meterline_core::catalog::Aggregation;
use meterline_core::position::{LogPartition, Stamp};
use meterline_core::quantity::{NotAQuantity, Quantity};
use meterline_core::time::EventTime;
use smallvec::SmallVec;

/// The value of an hour.
#[derive(Clone, Debug, Default)]
pub(crate) struct Value(SmallVec<[Part; 1]>);

#[derive(Clone, Copy, Debug)]
struct Part {
    log_partition: LogPartition,
    changed: Stamp,
    /// `None` where its events are all gone.
    value: Option<Quantity>,
    latest: EventTime,
}

impl Value {
    /// Takes a bucket; whether it is newer than what was known of its log partition.
    pub(crate) fn take(
        &mut self,
        log_partition: LogPartition,
        aggregation: Aggregation,
        bucket: &Bucket,
    ) -> bool {
        let part = Part {
            log_partition,
            changed: bucket.changed,
            value: value(aggregation, bucket),
            latest: bucket.latest_time,
        };
        let known = self.0.iter_mut();
        match known.into_iter().find(|p| p.log_partition == log_partition) {
            Some(known) if known.changed >= part.changed => return false,
            Some(known) => *known = part,
            None => self.0.push(part),
        }
        true
    }

    /// The value over all log partitions.
    ///
    /// # Errors
    /// Where the sum does not fit.
    pub(crate) fn quantity(&self, aggregation: Aggregation) -> Result<Quantity, NotAQuantity> {
        let values = || self.0.iter().filter_map(|part| part.value);
        Ok(match aggregation {
            Aggregation::Min => values().min().unwrap_or_default(),
            Aggregation::Max => values().max().unwrap_or_default(),
            Aggregation::Latest => {
                let parts = self.0.iter().filter(|part| part.value.is_some());
                let latest = parts.max_by_key(|part| (part.latest, part.changed));
                latest.and_then(|part| part.value).unwrap_or_default()
            }
            _ => values().try_fold(Quantity::ZERO, Quantity::plus)?,
        })
    }

    /// The last change in each log partition.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (LogPartition, Stamp)> {
        self.0.iter().map(|part| (part.log_partition, part.changed))
    }
}

/// What Stripe is told of a bucket. A quotient is told to nobody: it need not fit.
fn value(aggregation: Aggregation, bucket: &Bucket) -> Option<Quantity> {
    if bucket.events == 0 {
        return None;
    }
    Some(match aggregation {
        Aggregation::Count | Aggregation::UniqueCount | Aggregation::Avg => {
            Quantity::from_unscaled(i128::from(bucket.events), 0)
                .expect("64 bits of events are below 10²⁹")
        }
        Aggregation::Sum => bucket.sum,
        Aggregation::Min => bucket.min,
        Aggregation::Max => bucket.max,
        Aggregation::Latest => bucket.latest,
    })
}

/// Whether hours of a meter can be pushed: a value of `avg` is a quotient that need not fit, and
/// `unique_count` is not counted yet.
pub(super) const fn can_push(aggregation: Aggregation) -> bool {
    !matches!(aggregation, Aggregation::Avg | Aggregation::UniqueCount)
}
