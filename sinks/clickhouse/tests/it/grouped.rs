//! Usage by fewer dimensions than a meter has.

use crate::fixtures::{NEW_YEAR, partition, quantity, row, series};
use crate::queries::{HOSTILE, insert_usage, usage_filter};
use crate::stack::Database;
use meterline_clickhouse::{ClickHouse, UsageFilter};
use meterline_core::bucket::Kind;
use meterline_core::catalog::Aggregation;
use meterline_core::time::{EventTime, Hour, Level};
use meterline_schemas::rows::UsageRow;

const MERGED: [Aggregation; 6] = [
    Aggregation::Avg,
    Aggregation::Count,
    Aggregation::Latest,
    Aggregation::Max,
    Aggregation::Min,
    Aggregation::Sum,
];

/// Model and region, log partition, events, sum, min, max, latest and its time.
type Part = (
    (&'static str, &'static str),
    u32,
    u64,
    [&'static str; 4],
    i64,
);

const PARTS: [Part; 3] = [
    (("a", "x"), 0, 3, ["-2.5", "-7", "1.25", "100"], 9),
    (
        ("a", "y"),
        1,
        4,
        ["0.5", "-6.999999999", "1.250000001", "-100"],
        8,
    ),
    (("b", "x"), 0, 1, ["10", "10", "10", "10"], 7),
];

/// A meter of each aggregation, in three parts on two log partitions.
async fn insert_parts(sink: &ClickHouse, level: Level) {
    for aggregation in MERGED {
        for ((model, region), number, events, values, time) in PARTS {
            let dimensions = [("model", model), ("region", region)];
            let part = series("acme", aggregation.name(), aggregation, &dimensions);
            let mut row = row(&part, level, NEW_YEAR, events);
            let [sum, min, max, latest] = values.map(quantity);
            (row.bucket.sum, row.bucket.min, row.bucket.max) = (sum, min, max);
            row.bucket.latest = latest;
            row.bucket.latest_time = EventTime(time);
            row.bucket.revision = 2;
            let rows = [row];
            let inserted = sink.insert_buckets(level, partition(number), &rows);
            inserted.await.unwrap();
        }
        // What all parts are together, which no answer may add to them.
        let mut whole = series("acme", aggregation.name(), aggregation, &[]);
        whole.kind = Kind::Whole;
        let rows = [row(&whole, level, NEW_YEAR, 1_000)];
        sink.insert_buckets(level, partition(0), &rows)
            .await
            .unwrap();
    }
}

fn filter(level: Level) -> UsageFilter<'static> {
    UsageFilter {
        level,
        limit: 100,
        ..usage_filter("acme", None)
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A row's group, its values by [`MERGED`], and its events.
type Group = (&'static [&'static str], [&'static str; 6], u64);

/// The rows of every meter by these dimensions.
async fn check(sink: &ClickHouse, level: Level, group_by: &[&str], expected: &[Group]) {
    let found = sink.usage_by(&names(group_by), &filter(level)).await;
    let found: Vec<_> = found.unwrap().iter().map(shown).collect();
    let meters = MERGED.iter().enumerate();
    let expected: Vec<_> = meters
        .flat_map(|(at, aggregation)| {
            expected.iter().map(move |(group, values, events)| {
                let keys = names(group_by).into_iter();
                (
                    aggregation.name().to_owned(),
                    keys.zip(names(group)).collect::<Vec<_>>(),
                    values[at].to_owned(),
                    *events,
                )
            })
        })
        .collect();
    assert_eq!(found, expected, "{} by {group_by:?}", level.name());
}

fn shown(row: &UsageRow) -> (String, Vec<(String, String)>, String, u64) {
    let (meter, dimensions) = (row.meter.clone(), row.dimensions.clone());
    (meter, dimensions, row.value.to_string(), row.events)
}

#[tokio::test]
async fn parts_are_merged_by_the_meters_aggregation() {
    let (_database, sink) = Database::migrated().await;
    for level in Level::ALL {
        insert_parts(&sink, level).await;
        let by_model: [Group; 2] = [
            (
                &["a"],
                ["-0.285714285", "7", "100", "1.250000001", "-7", "-2"],
                7,
            ),
            (&["b"], ["10", "1", "10", "10", "10", "10"], 1),
        ];
        check(&sink, level, &["model"], &by_model).await;
        let by_region: [Group; 2] = [
            (&["x"], ["1.875", "4", "100", "10", "-7", "7.5"], 4),
            (
                &["y"],
                ["0.125", "4", "-100", "1.250000001", "-6.999999999", "0.5"],
                4,
            ),
        ];
        check(&sink, level, &["region"], &by_region).await;
        let all: [Group; 1] = [(&[], ["1", "8", "100", "10", "-7", "8"], 8)];
        check(&sink, level, &[], &all).await;
    }
}

#[tokio::test]
async fn by_all_dimensions_it_is_the_view() {
    let (_database, sink) = Database::migrated().await;
    for level in Level::ALL {
        insert_parts(&sink, level).await;
        let all = names(&["model", "region"]);
        let grouped = sink.usage_by(&all, &filter(level)).await.unwrap();
        let view = sink.usage(&filter(level)).await.unwrap();
        assert_eq!(view.len(), MERGED.len() * PARTS.len());
        assert_eq!(grouped, view, "{}", level.name());
    }
}

#[tokio::test]
async fn groups_come_in_pages_without_gaps_or_repeats() {
    let (_database, sink) = Database::migrated().await;
    insert_usage(&sink, "acme").await;
    insert_usage(&sink, HOSTILE).await;
    // One dimension that there is, and one that no meter has.
    for (group_by, per_hour) in [("model", 3), (HOSTILE, 1)] {
        let group_by = names(&[group_by]);
        let mut found: Vec<UsageRow> = Vec::new();
        loop {
            let mut filter = usage_filter(HOSTILE, found.last());
            filter.limit = 2;
            let page = sink.usage_by(&group_by, &filter).await.unwrap();
            let is_last = page.len() < 2;
            found.extend(page);
            if is_last {
                break;
            }
        }
        let keys = found
            .iter()
            .map(|row| (&row.meter, row.window_start, &row.dimensions));
        assert_eq!(keys.clone().count(), 3 + 3 * per_hour);
        assert!(keys.is_sorted_by(|a, b| a < b), "{found:?}");
        let tokens = found.iter().filter(|row| row.meter == "tokens");
        let events: u64 = tokens.map(|row| row.events).sum();
        assert_eq!(events, 3 * 6, "each hour has three parts of two");
        assert!(found.iter().all(|row| row.tenant == HOSTILE));
    }
}

#[tokio::test]
async fn groups_are_filtered_by_meter_and_time() {
    let (_database, sink) = Database::migrated().await;
    insert_usage(&sink, "acme").await;
    let mut filter = usage_filter("acme", None);
    filter.meter = Some("tokens");
    filter.to = Hour(NEW_YEAR.0 + 2).start();
    let found = sink.usage_by(&[], &filter).await.unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|row| (row.meter.as_str(), row.window_start.hour(), row.events))
        .collect();
    let next = Hour(NEW_YEAR.0 + 1);
    assert_eq!(found, [("tokens", NEW_YEAR, 6), ("tokens", next, 6)]);
    let nobody = sink.usage_by(&[], &usage_filter("nobody", None)).await;
    assert_eq!(nobody.unwrap(), []);
}
