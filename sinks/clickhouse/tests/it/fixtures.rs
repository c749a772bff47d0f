//! Rows to insert.

use meterline_core::bucket::{Bucket, BucketRow, Kind, Series};
use meterline_core::catalog::Aggregation;
use meterline_core::counters::Counters;
use meterline_core::fold::{CatalogPlace, Header};
use meterline_core::hash::dimensions_hash;
use meterline_core::position::{LogPartition, Offset, Stamp, TopicId};
use meterline_core::quantity::Quantity;
use meterline_core::reason::{Reason, Rejection};
use meterline_core::time::{EventTime, Hour, Level, LogTime, Window};
use meterline_schemas::rows::{DeadLetterRow, DeadRecord, ProgressRow};
use std::sync::Arc;

/// 2026-01-01 00:00 UTC.
pub(crate) const NEW_YEAR: Hour = Hour(490_896);

pub(crate) const TOPIC: TopicId = TopicId(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);

pub(crate) fn partition(partition: u32) -> LogPartition {
    LogPartition {
        topic_id: TOPIC,
        partition,
    }
}

pub(crate) fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).unwrap()
}

pub(crate) fn stamp(epoch: u16, offset: Offset) -> Stamp {
    Stamp { epoch, offset }
}

/// A series of kind `only`, or `part` where there are dimensions.
pub(crate) fn series(
    tenant: &str,
    meter: &str,
    aggregation: Aggregation,
    dimensions: &[(&str, &str)],
) -> Series {
    let kind = if dimensions.is_empty() {
        Kind::Only
    } else {
        Kind::Part
    };
    let pairs = dimensions.iter().map(|(k, v)| ((*k).into(), (*v).into()));
    Series {
        tenant: tenant.into(),
        meter: meter.into(),
        kind,
        aggregation,
        dimensions: pairs.collect(),
        dimensions_hash: dimensions_hash(dimensions.iter().copied()),
    }
}

/// A bucket of that many events in the window that holds the hour.
pub(crate) fn row(series: &Series, level: Level, hour: Hour, events: u64) -> BucketRow {
    let bucket = Bucket {
        events,
        changed: stamp(0, events),
        updated_at: LogTime(1_767_225_600_123),
        ..Bucket::default()
    };
    BucketRow {
        series: Arc::new(series.clone()),
        window: Window::of(level, hour),
        bucket,
    }
}

/// A row in which no column has its default.
pub(crate) fn full_row(level: Level) -> BucketRow {
    let dimensions = [("model", "ü\"'\\\n"), ("region", "")];
    let series = series("acme's", "tokens", Aggregation::Latest, &dimensions);
    let mut row = row(&series, level, NEW_YEAR, 3);
    row.bucket = Bucket {
        events: u64::MAX,
        sum: quantity("99999999999999999999999999999.999999999"),
        min: quantity("-99999999999999999999999999999.999999999"),
        max: quantity("0.000000001"),
        latest: quantity("-1.5"),
        latest_time: EventTime(1_767_225_599_999_999),
        latest_stamp: stamp(1, 5),
        parts: 9,
        revision: u32::MAX,
        changed: stamp(u16::MAX, 7),
        updated_at: LogTime(1_767_225_600_001),
    };
    row
}

/// A partition's progress, sealed up to the hour's start; its days and months one hour less.
pub(crate) fn progress(
    topic: &str,
    log_partition: LogPartition,
    position: Stamp,
    levels_to: Offset,
    sealed_to: Hour,
) -> ProgressRow {
    let counters = Counters {
        delivered: 21,
        accepted: 1,
        duplicate: 2,
        ignored: 3,
        unmatched: 4,
        control: 5,
        rejected: [(Reason::Malformed, 2), (Reason::TooLate, 4)].into(),
        late: 1,
        // The row says what is left: 1.
        matched: [("tokens".to_owned(), 3)].into(),
        voided: [("tokens".to_owned(), 2)].into(),
    };
    let header = Header {
        log_partition,
        epoch: position.epoch,
        position: position.offset,
        partitions: 4,
        log_time: LogTime(sealed_to.start().0 / 1_000 + 300_000),
        sealed_to: sealed_to.start(),
        accept_floor: EventTime(0),
        answer_floor: EventTime(0),
        levels_to,
        levels_sealed_to: Hour(sealed_to.0 - 1).start(),
        catalogs: vec![CatalogPlace {
            version: 2,
            control_offset: 9,
            from: 0,
        }],
        voids_to: None,
        counters,
        outcome_hash: String::new(),
        hash_samples: Vec::new(),
        identity_key: String::new(),
    };
    ProgressRow::new(topic, &header, Some(77))
}

/// A dead letter at that offset, a millisecond of log time per offset.
pub(crate) fn dead_letter(offset: Offset, reason: Reason, tenant: &str) -> DeadLetterRow {
    let rejection = Rejection::new(reason, "it's `bad`").of_tenant(tenant);
    let headers = [("ce_id", Some(&b"\xff\x00"[..])), ("empty", None)];
    let record = DeadRecord {
        key: Some(b"acme"),
        headers: &headers,
        payload: Some(b"{\xff}"),
    };
    let log_time = LogTime(1_767_225_600_000 + i64::try_from(offset).unwrap());
    let place = stamp(0, offset);
    DeadLetterRow::new(
        "usage.events",
        partition(1),
        place,
        log_time,
        &rejection,
        record,
    )
}
