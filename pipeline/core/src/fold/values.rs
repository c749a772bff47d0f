//! What an event changes in a bucket, by the meter's aggregation.
//!
//! Nothing here checks ranges: whoever changes a bucket has checked that the change fits.

use crate::bucket::Bucket;
use crate::catalog::Aggregation;
use crate::position::Stamp;
use crate::quantity::Quantity;
use crate::time::EventTime;

/// Changes the columns that the aggregation defines.
pub(super) fn take_in(
    bucket: &mut Bucket,
    aggregation: Aggregation,
    quantity: Quantity,
    time: EventTime,
    stamp: Stamp,
) {
    // A bucket whose events were all taken back has no value, as one that never was.
    let existed = bucket.events > 0;
    bucket.events += 1;
    match aggregation {
        Aggregation::Count | Aggregation::UniqueCount => {}
        Aggregation::Sum | Aggregation::Avg => {
            bucket.sum = bucket
                .sum
                .plus(quantity)
                .expect("checked before the first change");
        }
        Aggregation::Min => {
            bucket.min = if existed {
                bucket.min.min(quantity)
            } else {
                quantity
            };
        }
        Aggregation::Max => {
            bucket.max = if existed {
                bucket.max.max(quantity)
            } else {
                quantity
            };
        }
        Aggregation::Latest => {
            let newer = (time, stamp) > (bucket.latest_time, bucket.latest_stamp);
            if !existed || newer {
                bucket.latest = quantity;
                bucket.latest_time = time;
                bucket.latest_stamp = stamp;
            }
        }
    }
}

pub(super) fn adds_up(aggregation: Aggregation) -> bool {
    matches!(aggregation, Aggregation::Sum | Aggregation::Avg)
}

pub(super) fn keeps_value(aggregation: Aggregation) -> bool {
    matches!(
        aggregation,
        Aggregation::Min | Aggregation::Max | Aggregation::Latest
    )
}
