//! The queries of the commands: filters, pages, hostile values.

use crate::fixtures::{NEW_YEAR, partition, row, series};
use crate::stack::Database;
use meterline_clickhouse::{ClickHouse, UsageFilter};
use meterline_core::bucket::Kind;
use meterline_core::catalog::Aggregation;
use meterline_core::time::{EventTime, Hour, Level};
use meterline_schemas::rows::UsageRow;

/// A tenant that would change the meaning of a glued statement.
pub(crate) const HOSTILE: &str = "' OR 1=1 -- ?\\'\n{x:String}";

pub(crate) fn usage_filter<'a>(tenant: &'a str, after: Option<&'a UsageRow>) -> UsageFilter<'a> {
    UsageFilter {
        level: Level::Hour,
        tenant,
        meter: None,
        from: NEW_YEAR.start(),
        to: Hour(NEW_YEAR.0 + 3).start(),
        after,
        limit: 4,
    }
}

/// Two meters over five hours; `tokens` in three parts, one of them with a hostile name.
pub(crate) async fn insert_usage(sink: &ClickHouse, tenant: &str) {
    let mut rows = Vec::new();
    for hour in (NEW_YEAR.0..).take(5).map(Hour) {
        let calls = series(tenant, "calls", Aggregation::Count, &[]);
        rows.push(row(&calls, Level::Hour, hour, 1));
        for model in ["a", "b", HOSTILE] {
            let tokens = series(tenant, "tokens", Aggregation::Count, &[("model", model)]);
            rows.push(row(&tokens, Level::Hour, hour, 2));
        }
        let mut whole = series(tenant, "tokens", Aggregation::Count, &[]);
        whole.kind = Kind::Whole;
        rows.push(row(&whole, Level::Hour, hour, 6));
    }
    sink.insert_buckets(Level::Hour, partition(0), &rows)
        .await
        .unwrap();
}

#[tokio::test]
async fn usage_comes_in_pages_without_gaps_or_repeats() {
    let (_database, sink) = Database::migrated().await;
    insert_usage(&sink, "acme").await;
    insert_usage(&sink, HOSTILE).await;
    for tenant in ["acme", HOSTILE] {
        let mut found: Vec<UsageRow> = Vec::new();
        loop {
            let page = sink
                .usage(&usage_filter(tenant, found.last()))
                .await
                .unwrap();
            let is_last = page.len() < 4;
            found.extend(page);
            if is_last {
                break;
            }
        }
        let keys: Vec<_> = found
            .iter()
            .map(|row| (row.meter.clone(), row.window_start, row.dimensions.clone()))
            .collect();
        assert_eq!(keys.len(), 3 + 3 * 3);
        assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
        assert!(found.iter().all(|row| row.tenant == tenant));
    }
}

#[tokio::test]
async fn usage_is_filtered_by_meter_and_time() {
    let (_database, sink) = Database::migrated().await;
    insert_usage(&sink, "acme").await;
    let mut filter = usage_filter("acme", None);
    filter.meter = Some("calls");
    // A moment after the first window's start leaves that window out.
    filter.from = EventTime(NEW_YEAR.start().0 + 1);
    let found = sink.usage(&filter).await.unwrap();
    let starts: Vec<_> = found.iter().map(|row| row.window_start.hour().0).collect();
    assert_eq!(starts, [NEW_YEAR.0 + 1, NEW_YEAR.0 + 2]);
    assert_eq!(sink.usage(&usage_filter("nobody", None)).await.unwrap(), []);
}
