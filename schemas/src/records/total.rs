//! Buckets on `usage.totals`.
//!
//! Up to 100,000 are written per flush, so they are encoded field by field (55 ns each) instead of
//! through the schema-driven serializer (1.2 µs); a test holds the two to the same bytes.

use super::RecordError;
use super::codec::{Codec, long};
use super::fields::{put_long, put_quantity, put_text};
use apache_avro::Decimal;
use meterline_core::bucket::{Bucket, BucketRow, Kind, Series};
use meterline_core::catalog::Aggregation;
use meterline_core::position::{LogPartition, TopicId};
use meterline_core::time::{EventTime, Level, LogTime, Window};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, LazyLock};

pub(super) static CODEC: LazyLock<Codec> = LazyLock::new(|| {
    let text = include_str!("../../avro/total.avsc");
    Codec::new("total", text)
});

const MICROS_PER_SECOND: i64 = 1_000_000;

/// A bucket of one usage partition. Its `parts` are not on the wire and read back as 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Total {
    /// The usage partition that it counts.
    pub log_partition: LogPartition,
    /// The bucket, of kind `only` or `whole`.
    pub row: BucketRow,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WireKind {
    Only,
    Whole,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    tenant: String,
    meter: String,
    level: Level,
    window_start: i64,
    kind: WireKind,
    aggregation: Aggregation,
    #[serde(with = "apache_avro::serde_avro_fixed")]
    topic_id: [u8; 16],
    partition: i64,
    epoch: i64,
    offset: i64,
    events: i64,
    sum: Decimal,
    min: Decimal,
    max: Decimal,
    latest: Decimal,
    latest_time: i64,
    latest_epoch: i64,
    latest_offset: i64,
    revision: i64,
    updated_at: i64,
}

/// Appends the total of a bucket.
///
/// # Panics
/// For a row of kind `part`: readers of totals count only what is a prefix's value.
pub fn encode_total(log_partition: LogPartition, row: &BucketRow, out: &mut Vec<u8>) {
    let (series, bucket) = (&*row.series, &row.bucket);
    let kind = match series.kind {
        Kind::Only => 0,
        Kind::Whole => 1,
        Kind::Part => panic!("parts are no totals"),
    };
    out.extend_from_slice(CODEC.frame());
    put_text(out, &series.tenant);
    put_text(out, &series.meter);
    put_long(out, row.window.level as i64);
    put_long(out, row.window.start * MICROS_PER_SECOND);
    put_long(out, kind);
    put_long(out, symbol(series.aggregation));
    out.extend_from_slice(&log_partition.topic_id.0.to_be_bytes());
    put_long(out, log_partition.partition.into());
    put_long(out, bucket.changed.epoch.into());
    put_long(out, long(bucket.changed.offset));
    put_long(out, long(bucket.events));
    for quantity in [bucket.sum, bucket.min, bucket.max, bucket.latest] {
        put_quantity(out, quantity);
    }
    put_long(out, bucket.latest_time.0);
    put_long(out, bucket.latest_stamp.epoch.into());
    put_long(out, long(bucket.latest_stamp.offset));
    put_long(out, bucket.revision.into());
    put_long(out, bucket.updated_at.0);
}

/// Place of an aggregation among the schema's symbols.
const fn symbol(aggregation: Aggregation) -> i64 {
    match aggregation {
        Aggregation::Count => 0,
        Aggregation::Sum => 1,
        Aggregation::Min => 2,
        Aggregation::Max => 3,
        Aggregation::Avg => 4,
        Aggregation::Latest => 5,
        Aggregation::UniqueCount => 6,
    }
}

pub(super) fn decode(body: &[u8]) -> Result<Total, RecordError> {
    let wire: Wire = CODEC.decode(body)?;
    if wire.window_start % MICROS_PER_SECOND != 0 {
        return Err(CODEC.malformed("window_start is no whole second"));
    }
    let kind = match wire.kind {
        WireKind::Only => Kind::Only,
        WireKind::Whole => Kind::Whole,
    };
    let bucket = Bucket {
        events: CODEC.number("events", wire.events)?,
        sum: CODEC.quantity("sum", &wire.sum)?,
        min: CODEC.quantity("min", &wire.min)?,
        max: CODEC.quantity("max", &wire.max)?,
        latest: CODEC.quantity("latest", &wire.latest)?,
        latest_time: EventTime(wire.latest_time),
        latest_stamp: CODEC.stamp("latest_offset", wire.latest_epoch, wire.latest_offset)?,
        revision: CODEC.number("revision", wire.revision)?,
        changed: CODEC.stamp("offset", wire.epoch, wire.offset)?,
        updated_at: LogTime(wire.updated_at),
        ..Bucket::default()
    };
    let series = Series {
        tenant: wire.tenant.into(),
        meter: wire.meter.into(),
        kind,
        aggregation: wire.aggregation,
        dimensions: Box::default(),
        dimensions_hash: 0,
    };
    Ok(Total {
        log_partition: LogPartition {
            topic_id: TopicId(u128::from_be_bytes(wire.topic_id)),
            partition: CODEC.number("partition", wire.partition)?,
        },
        row: BucketRow {
            series: Arc::new(series),
            window: Window {
                level: wire.level,
                start: wire.window_start / MICROS_PER_SECOND,
            },
            bucket,
        },
    })
}

#[cfg(test)]
pub(super) fn encode_by_schema(total: &Total, out: &mut Vec<u8>) {
    use super::fields::decimal;

    let (series, bucket) = (&*total.row.series, &total.row.bucket);
    let wire = Wire {
        tenant: series.tenant.to_string(),
        meter: series.meter.to_string(),
        level: total.row.window.level,
        window_start: total.row.window.start * MICROS_PER_SECOND,
        kind: if series.kind == Kind::Only {
            WireKind::Only
        } else {
            WireKind::Whole
        },
        aggregation: series.aggregation,
        topic_id: total.log_partition.topic_id.0.to_be_bytes(),
        partition: total.log_partition.partition.into(),
        epoch: bucket.changed.epoch.into(),
        offset: long(bucket.changed.offset),
        events: long(bucket.events),
        sum: decimal(bucket.sum),
        min: decimal(bucket.min),
        max: decimal(bucket.max),
        latest: decimal(bucket.latest),
        latest_time: bucket.latest_time.0,
        latest_epoch: bucket.latest_stamp.epoch.into(),
        latest_offset: long(bucket.latest_stamp.offset),
        revision: bucket.revision.into(),
        updated_at: bucket.updated_at.0,
    };
    CODEC.encode(&wire, out);
}
