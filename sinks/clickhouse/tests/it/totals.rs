//! What limits take from the bucket tables at their start.

use crate::fixtures::{NEW_YEAR, full_row, partition, quantity, row, series, stamp};
use crate::stack::Database;
use meterline_clickhouse::{ClickHouse, HourFilter, Rows};
use meterline_core::bucket::{BucketRow, Kind};
use meterline_core::catalog::Aggregation;
use meterline_core::position::Offset;
use meterline_core::time::{EventTime, Hour, Level};
use meterline_schemas::records::{Record, Total, decode, encode_total};
use meterline_schemas::rows::{HeldLevelRow, HourTotalRow};

async fn collect<T: clickhouse::RowOwned + clickhouse::RowRead>(mut rows: Rows<T>) -> Vec<T> {
    let mut found = Vec::new();
    while let Some(piece) = rows.next().await.unwrap() {
        found.extend(piece);
    }
    found
}

async fn insert(sink: &ClickHouse, level: Level, log: u32, rows: &[BucketRow]) {
    sink.insert_buckets(level, partition(log), rows)
        .await
        .unwrap();
}

#[tokio::test]
async fn hour_totals_are_those_of_the_topic() {
    let (_database, sink) = Database::migrated().await;
    let mut whole = full_row(Level::Hour);
    let series = series("acme's", "tokens", Aggregation::Latest, &[]);
    whole.series = std::sync::Arc::new(series);
    whole.bucket.parts = 0;
    whole.bucket.events = 3;
    let part = full_row(Level::Hour);
    insert(&sink, Level::Hour, 3, &[whole.clone(), part]).await;
    // An older state of it, and one of before.
    let mut older = whole.clone();
    older.bucket.changed = stamp(0, 1);
    let mut early = whole.clone();
    early.window.start -= 3_600;
    insert(&sink, Level::Hour, 3, &[older, early]).await;
    let mut bytes = Vec::new();
    encode_total(partition(3), &whole, &mut bytes);
    let Ok(Record::Total(expected)) = decode(&bytes) else {
        panic!("a total");
    };
    let found = collect(sink.hour_totals(NEW_YEAR.start()).unwrap()).await;
    let found: Vec<_> = found.into_iter().map(Total::from).collect();
    assert_eq!(found, [expected]);
}

#[tokio::test]
async fn every_hour_total_of_many_pieces_is_read_once() {
    const HOURS: i32 = 700;
    let (_database, sink) = Database::migrated().await;
    let mut rows = Vec::new();
    for tenant in 0..30 {
        let mut series = series(&format!("t{tenant}"), "calls", Aggregation::Count, &[]);
        series.kind = [Kind::Only, Kind::Whole][tenant % 2];
        rows.extend((0..HOURS).map(|n| row(&series, Level::Hour, Hour(NEW_YEAR.0 + n), 1)));
    }
    insert(&sink, Level::Hour, 0, &rows).await;
    insert(&sink, Level::Hour, 0, &rows[..5_000]).await;
    let found = collect(sink.hour_totals(NEW_YEAR.start()).unwrap()).await;
    let mut keys: Vec<_> = found
        .iter()
        .map(|row| (row.tenant.as_str(), row.window_start))
        .collect();
    keys.sort_unstable();
    assert!(keys.is_sorted_by(|one, next| one < next));
    assert_eq!(keys.len(), rows.len());
}

/// A level's row: that value since that second of the hour, by the record at that offset.
fn level(
    meter: &str,
    level: Level,
    hour: Hour,
    second: i64,
    value: &str,
    offset: Offset,
) -> BucketRow {
    let series = series("acme", meter, Aggregation::Latest, &[]);
    let mut row = row(&series, level, hour, 1);
    row.bucket.latest = quantity(value);
    row.bucket.latest_time = EventTime(hour.start().0 + second * 1_000_000);
    row.bucket.latest_stamp = stamp(0, offset);
    row.bucket.changed = stamp(0, offset + 50);
    row
}

#[tokio::test]
async fn levels_hold_from_hours_and_from_months_before() {
    let (_database, sink) = Database::migrated().await;
    let at = |hours: i32| Hour(NEW_YEAR.0 + hours);
    // December's rows are gone by retention but for the month; January's month is not over at the
    // moment that is asked for, and its month row is of later.
    let before = at(100).start();
    let december = level("seats", Level::Month, at(-300), 9, "3", 10);
    let january = level("seats", Level::Month, at(200), 0, "99", 90);
    insert(&sink, Level::Month, 0, &[december, january]).await;
    let later = level("seats", Level::Hour, at(200), 0, "99", 90);
    insert(&sink, Level::Hour, 0, std::slice::from_ref(&later)).await;
    let found = collect(sink.held_levels(before).unwrap()).await;
    let held =
        |log: u32, meter: &str, value: &str, time: EventTime, offset, changed| HeldLevelRow {
            tenant: "acme".to_owned(),
            meter: meter.to_owned(),
            topic_id: partition(log).topic_id,
            log_partition: log,
            latest: quantity(value),
            latest_time: time,
            latest_version: stamp(0, offset).version(),
            events: u64::from(offset > 0),
            version: stamp(0, changed).version(),
        };
    let since = EventTime(at(-300).start().0 + 9_000_000);
    assert_eq!(found, [held(0, "seats", "3", since, 10, 60)]);

    // Hours of this month before the moment are newer, and of one moment the higher stamp counts.
    let rows = [
        level("seats", Level::Hour, at(20), 7, "4", 20),
        level("seats", Level::Hour, at(99), 7, "5", 21),
        // December's last hour, whose month row did not come yet.
        level("stores", Level::Hour, at(-1), 0, "8", 5),
    ];
    insert(&sink, Level::Hour, 0, &rows).await;
    insert(
        &sink,
        Level::Hour,
        1,
        &[level("seats", Level::Hour, at(50), 0, "6", 3)],
    )
    .await;
    // Restated as nothing: no value, but a change.
    let mut nothing = level("devices", Level::Hour, at(50), 0, "0", 3);
    nothing.bucket.events = 0;
    let mut restated = level("stores", Level::Hour, at(60), 0, "0", 7);
    restated.bucket.events = 0;
    // No level, and a part.
    let sum = row(
        &series("acme", "calls", Aggregation::Sum, &[]),
        Level::Hour,
        at(50),
        1,
    );
    let mut part = level("seats", Level::Hour, at(99), 8, "77", 70);
    part.series = std::sync::Arc::new(series("acme", "seats", Aggregation::Latest, &[("a", "b")]));
    insert(&sink, Level::Hour, 0, &[nothing, restated, sum, part]).await;
    let mut found = collect(sink.held_levels(before).unwrap()).await;
    found.sort_by(|a, b| (&a.meter, a.log_partition).cmp(&(&b.meter, b.log_partition)));
    let at_99 = EventTime(at(99).start().0 + 7_000_000);
    assert_eq!(
        found,
        [
            held(0, "devices", "0", EventTime(0), 0, 53),
            held(0, "seats", "5", at_99, 21, 71),
            held(1, "seats", "6", at(50).start(), 3, 53),
            held(0, "stores", "8", at(-1).start(), 5, 57),
        ]
    );
}

#[tokio::test]
async fn what_is_held_changed_when_any_of_its_buckets_did() {
    let at = |hours: i32| Hour(NEW_YEAR.0 + hours);
    let changed = |row: &BucketRow, offset| {
        let mut row = row.clone();
        row.bucket.changed = stamp(0, offset);
        row
    };
    // The value stands since the record at 20; an hour and a month before it changed later.
    let value = level("seats", Level::Hour, at(20), 7, "4", 20);
    let earlier = level("seats", Level::Hour, at(10), 7, "9", 15);
    let month = level("seats", Level::Month, at(-300), 7, "2", 3);
    let december = level("seats", Level::Hour, at(-300), 7, "2", 3);
    // Changes at, of the hours of the value and before it, of December's month and its hour.
    for (hours, months, december_hour, expected) in [
        ([20, 15], 3, None, 20),
        ([31, 15], 3, None, 31),
        ([20, 32], 3, None, 32),
        ([20, 15], 33, None, 33),
        ([20, 15], 3, Some(34), 34),
        ([20, 15], 35, Some(35), 35),
    ] {
        let (_database, sink) = Database::migrated().await;
        let rows = [changed(&value, hours[0]), changed(&earlier, hours[1])];
        insert(&sink, Level::Hour, 0, &rows).await;
        insert(&sink, Level::Month, 0, &[changed(&month, months)]).await;
        if let Some(offset) = december_hour {
            insert(&sink, Level::Hour, 0, &[changed(&december, offset)]).await;
        }
        let found = collect(sink.held_levels(at(100).start()).unwrap()).await;
        let [row] = &found[..] else {
            panic!("one level: {found:?}");
        };
        let bucket = row.bucket();
        assert_eq!(bucket.latest, quantity("4"));
        assert_eq!(bucket.latest_stamp, stamp(0, 20));
        assert_eq!(bucket.changed, stamp(0, expected));
    }
}

#[tokio::test]
async fn the_hours_of_one_meter_of_one_tenant_are_explained() {
    let (_database, sink) = Database::migrated().await;
    let calls = |tenant: &str, hours: i32| {
        let series = series(tenant, "calls", Aggregation::Count, &[]);
        row(&series, Level::Hour, Hour(NEW_YEAR.0 + hours), 7)
    };
    let rows: Vec<_> = (-1..3).map(|hours| calls("acme", hours)).collect();
    insert(&sink, Level::Hour, 0, &rows).await;
    insert(&sink, Level::Hour, 1, &rows[2..3]).await;
    insert(&sink, Level::Hour, 0, &[calls("other", 0)]).await;
    let filter = HourFilter {
        tenant: "acme",
        meter: "calls",
        from: NEW_YEAR.start(),
        to: Hour(NEW_YEAR.0 + 2).start(),
    };
    let found: Vec<HourTotalRow> = sink.hour_buckets(&filter).await.unwrap();
    let places: Vec<_> = found
        .iter()
        .map(|row| (row.window_start.hour().0 - NEW_YEAR.0, row.log_partition))
        .collect();
    assert_eq!(places, [(0, 0), (1, 0), (1, 1)]);
    assert!(found.iter().all(|row| row.bucket().changed == stamp(0, 7)));
    let none = sink
        .hour_buckets(&HourFilter {
            meter: "tokens",
            ..filter
        })
        .await;
    assert_eq!(none.unwrap(), []);
}
