//! Values and seals of the usage views.

use crate::fixtures::{NEW_YEAR, partition, progress, quantity, row, series, stamp};
use crate::stack::Database;
use meterline_clickhouse::ClickHouse;
use meterline_core::bucket::Kind;
use meterline_core::catalog::Aggregation;
use meterline_core::position::{LogPartition, TopicId};
use meterline_core::time::{EventTime, Hour, Level, Window};
use meterline_schemas::rows::usage_view;

const VALUED: [Aggregation; 6] = [
    Aggregation::Count,
    Aggregation::Sum,
    Aggregation::Min,
    Aggregation::Max,
    Aggregation::Avg,
    Aggregation::Latest,
];

/// One partition's part in a window: 3 events on partition 0, 4 on partition 1.
async fn insert_both(sink: &ClickHouse, level: Level, aggregation: Aggregation) {
    let name = aggregation.name();
    for (number, sum, least, most, latest, time) in [
        (0, "-2.5", "-7", "1.25", "100", 9),
        (1, "0.5", "-6.999999999", "1.250000001", "-100", 8),
    ] {
        let mut row = row(
            &series("acme", name, aggregation, &[]),
            level,
            NEW_YEAR,
            3 + u64::from(number),
        );
        row.bucket.sum = quantity(sum);
        row.bucket.min = quantity(least);
        row.bucket.max = quantity(most);
        row.bucket.latest = quantity(latest);
        row.bucket.latest_time = EventTime(time);
        row.bucket.revision = 2;
        sink.insert_buckets(level, partition(number), &[row])
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn values_of_two_log_partitions_are_merged_by_aggregation() {
    let (database, sink) = Database::migrated().await;
    let expected = [
        ("avg", "-0.285714285"),
        ("count", "7"),
        ("latest", "100"),
        ("max", "1.250000001"),
        ("min", "-7"),
        ("sum", "-2"),
    ];
    for level in Level::ALL {
        for aggregation in VALUED {
            insert_both(&sink, level, aggregation).await;
        }
        let sql = format!(
            "SELECT meter, toString(value), events, revision FROM {} ORDER BY meter",
            usage_view(level)
        );
        let found = database.fetch::<(String, String, u64, u32)>(&sql).await;
        let expected =
            expected.map(|(meter, value)| (meter.to_owned(), value.to_owned(), 7u64, 4u32));
        assert_eq!(found, expected, "{}", level.name());
    }
}

#[tokio::test]
async fn windows_end_where_the_next_begins() {
    let (database, sink) = Database::migrated().await;
    let leap_february = Hour(NEW_YEAR.0 + (365 * 2 + 31 + 28) * 24);
    for level in Level::ALL {
        let series = series("acme", "calls", Aggregation::Count, &[]);
        let row = row(&series, level, leap_february, 1);
        sink.insert_buckets(level, partition(0), &[row])
            .await
            .unwrap();
        let sql = format!(
            "SELECT toUnixTimestamp(window_start), toUnixTimestamp(window_end) FROM {}",
            usage_view(level)
        );
        let window = Window::of(level, leap_february);
        let expected = [window.start, window.end()].map(|second| u32::try_from(second).unwrap());
        assert_eq!(database.fetch::<(u32, u32)>(&sql).await, [expected.into()]);
    }
}

#[tokio::test]
async fn rows_of_kind_whole_are_hidden() {
    let (database, sink) = Database::migrated().await;
    let parts = [[("model", "a")], [("model", "b")]]
        .map(|dimensions| series("acme", "tokens", Aggregation::Count, &dimensions));
    let mut whole = series("acme", "tokens", Aggregation::Count, &[]);
    whole.kind = Kind::Whole;
    let only = series("acme", "calls", Aggregation::Count, &[]);
    let rows = [&parts[0], &parts[1], &whole, &only].map(|s| row(s, Level::Hour, NEW_YEAR, 5));
    sink.insert_buckets(Level::Hour, partition(0), &rows)
        .await
        .unwrap();
    let sql = "SELECT meter, dimensions['model'] AS model, events FROM usage_hourly \
               ORDER BY meter, model";
    let found = database.fetch::<(String, String, u64)>(sql).await;
    let expected = [("calls", ""), ("tokens", "a"), ("tokens", "b")]
        .map(|(meter, model)| (meter.to_owned(), model.to_owned(), 5u64));
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_sum_that_does_not_fit_is_an_error() {
    let (database, sink) = Database::migrated().await;
    for number in [0, 1] {
        let mut row = row(
            &series("acme", "bytes", Aggregation::Sum, &[]),
            Level::Hour,
            NEW_YEAR,
            1,
        );
        row.bucket.sum = quantity("90000000000000000000000000000");
        sink.insert_buckets(Level::Hour, partition(number), &[row])
            .await
            .unwrap();
    }
    let query = database
        .client()
        .query_raw("SELECT value FROM usage_hourly");
    let error = query.fetch_all::<i128>().await.unwrap_err().to_string();
    assert!(error.contains("DECIMAL_OVERFLOW"), "{error}");
}

/// Where the windows of tenants `a` (partition 0), `b` (partition 1) and `both` are sealed.
async fn sealed(database: &Database) -> Vec<(String, u8)> {
    let sql = "SELECT tenant, sealed FROM usage_hourly ORDER BY tenant";
    database.fetch(sql).await
}

async fn insert_tenants(sink: &ClickHouse, partitions: [LogPartition; 2]) {
    for (tenant, at) in [("a", 0), ("b", 1), ("both", 0), ("both", 1)] {
        let series = series(tenant, "calls", Aggregation::Count, &[]);
        let row = row(&series, Level::Hour, NEW_YEAR, 1);
        sink.insert_buckets(Level::Hour, partitions[at], &[row])
            .await
            .unwrap();
    }
}

fn answers(a: u8, b: u8, both: u8) -> Vec<(String, u8)> {
    vec![("a".into(), a), ("b".into(), b), ("both".into(), both)]
}

#[tokio::test]
async fn a_row_is_sealed_when_all_its_log_partitions_are() {
    let (database, sink) = Database::migrated().await;
    insert_tenants(&sink, [partition(0), partition(1)]).await;
    assert_eq!(sealed(&database).await, answers(0, 0, 0));
    let after = Hour(NEW_YEAR.0 + 1);
    for (number, position, sealed_to, expected) in [
        (0, 1, NEW_YEAR, answers(0, 0, 0)),
        (0, 2, after, answers(1, 0, 0)),
        (1, 1, after, answers(1, 1, 1)),
    ] {
        let place = stamp(0, position);
        let row = progress("usage.events", partition(number), place, 0, sealed_to);
        sink.insert_progress(&row).await.unwrap();
        assert_eq!(sealed(&database).await, expected);
    }
}

#[tokio::test]
async fn rows_of_an_earlier_topic_are_sealed_when_the_current_one_is() {
    let (database, sink) = Database::migrated().await;
    insert_tenants(&sink, [partition(0), partition(1)]).await;
    let current = |partition| LogPartition {
        topic_id: TopicId(99),
        partition,
    };
    let after = Hour(NEW_YEAR.0 + 1);
    let later = Hour(NEW_YEAR.0 + 2);
    for (log_partition, sealed_to, expected) in [
        (partition(0), after, answers(1, 0, 0)),
        (partition(1), NEW_YEAR, answers(1, 0, 0)),
        // The current topic is the one with the highest log time.
        (current(0), later, answers(1, 1, 1)),
        (current(1), NEW_YEAR, answers(0, 0, 0)),
    ] {
        let row = progress("usage.events", log_partition, stamp(0, 1), 0, sealed_to);
        sink.insert_progress(&row).await.unwrap();
        assert_eq!(sealed(&database).await, expected);
    }
}

#[tokio::test]
async fn days_and_months_are_sealed_once_their_own_rows_have_come_so_far() {
    let (database, sink) = Database::migrated().await;
    let series = series("acme", "calls", Aggregation::Count, &[]);
    for level in [Level::Hour, Level::Day, Level::Month] {
        let row = row(&series, level, NEW_YEAR, 1);
        sink.insert_buckets(level, partition(0), &[row])
            .await
            .unwrap();
    }
    let day = Hour(NEW_YEAR.0 + 24);
    let month = Hour(NEW_YEAR.0 + 31 * 24);
    let earlier = partition(0);
    let current = LogPartition {
        topic_id: TopicId(99),
        partition: 0,
    };
    for (log_partition, levels_to, sealed_to, levels_sealed_to, expected) in [
        (earlier, 0, month, NEW_YEAR, (1, 0, 0)),
        (earlier, 1, month, Hour(day.0 - 1), (1, 0, 0)),
        (earlier, 2, month, day, (1, 1, 0)),
        (earlier, 3, month, month, (1, 1, 1)),
        // The current topic's rows may still change those of the earlier one.
        (current, 4, Hour(month.0 + 1), day, (1, 1, 0)),
    ] {
        let place = stamp(0, 9);
        let mut row = progress("usage.events", log_partition, place, levels_to, sealed_to);
        row.levels_sealed_to = levels_sealed_to.start();
        sink.insert_progress(&row).await.unwrap();
        let sql = "SELECT (SELECT any(sealed) FROM usage_hourly) AS hour, \
                   (SELECT any(sealed) FROM usage_daily) AS day, \
                   (SELECT any(sealed) FROM usage_monthly) AS month";
        let found = database
            .fetch::<(Option<u8>, Option<u8>, Option<u8>)>(sql)
            .await;
        let (hour, day, month) = expected;
        assert_eq!(found, [(Some(hour), Some(day), Some(month))]);
    }
}
