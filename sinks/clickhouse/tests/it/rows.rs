//! Row types and the live schema: same columns, and what goes in comes out.

use crate::fixtures::{NEW_YEAR, TOPIC, dead_letter, full_row, partition, progress, stamp};
use crate::stack::Database;
use clickhouse::Row;
use meterline_clickhouse::encode::COLUMNS;
use meterline_clickhouse::{DeadLetterFilter, LetterOrder, LetterPage, UsageFilter};
use meterline_core::reason::Reason;
use meterline_core::time::{EventTime, Level};
use meterline_schemas::rows::{
    AlertRow, AuditRow, BucketTableRow, CarryRow, DeadLetterRow, DeliveryRow, DifferenceRow,
    ProgressRow, ProjectionPositionRow, PushRow, ReconciliationRow, StandingProgressRow,
    StandingRow, UsageRow, bucket_table, usage_view,
};

/// Columns that no inserted row has: not yet, because only a purge writes them, or because the
/// server fills them.
const NOT_FILLED: [&str; 7] = [
    "unique_hour",
    "unique_day",
    "unique_month",
    "purged_at",
    "purged_by",
    "purge_note",
    "percentage",
];

async fn check_columns<T: Row>(database: &Database, table: &str) {
    let found = database.columns(table).await;
    let found: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    let found: Vec<_> = found
        .into_iter()
        .filter(|name| !NOT_FILLED.contains(name))
        .collect();
    assert_eq!(T::COLUMN_NAMES, found.as_slice(), "{table}");
}

#[tokio::test]
async fn row_types_have_the_columns_of_their_tables() {
    let (database, _) = Database::migrated().await;
    for level in Level::ALL {
        check_columns::<BucketTableRow>(&database, bucket_table(level)).await;
        check_columns::<UsageRow>(&database, usage_view(level)).await;
    }
    check_columns::<ProgressRow>(&database, "progress").await;
    check_columns::<ProgressRow>(&database, "progress_history").await;
    check_columns::<DeadLetterRow>(&database, "dead_letters").await;
    check_columns::<StandingRow>(&database, "standing").await;
    check_columns::<StandingProgressRow>(&database, "standing_progress").await;
    check_columns::<AlertRow>(&database, "alerts").await;
    check_columns::<DeliveryRow>(&database, "alert_deliveries").await;
    check_columns::<ProjectionPositionRow>(&database, "projection_positions").await;
    check_columns::<AuditRow>(&database, "audit_log").await;
    check_columns::<PushRow>(&database, "stripe_pushes").await;
    check_columns::<PushRow>(&database, "stripe_windows").await;
    check_columns::<CarryRow>(&database, "stripe_carries").await;
    check_columns::<DifferenceRow>(&database, "stripe_differences").await;
    check_columns::<ReconciliationRow>(&database, "stripe_reconciliations").await;
}

#[tokio::test]
async fn every_column_of_a_projection_says_what_it_is() {
    let (database, _) = Database::migrated().await;
    let sql = "SELECT concat(table, '.', name) FROM system.columns \
               WHERE database = currentDatabase() AND comment = '' AND table IN \
               ('standing', 'standing_progress', 'alerts', 'alert_deliveries', \
               'projection_positions', 'audit_log', 'stripe_pushes', 'stripe_carries', \
               'stripe_differences', 'stripe_reconciliations')";
    assert_eq!(database.fetch::<String>(sql).await, [""; 0]);
}

#[tokio::test]
async fn encoded_columns_have_the_types_of_their_tables() {
    let (database, _) = Database::migrated().await;
    for level in Level::ALL {
        let mut found = database.columns(bucket_table(level)).await;
        found.retain(|(name, _)| !NOT_FILLED.contains(&name.as_str()));
        let found: Vec<_> = found
            .iter()
            .map(|(n, t)| (n.as_str(), t.as_str()))
            .collect();
        assert_eq!(COLUMNS.as_slice(), found.as_slice());
    }
}

#[tokio::test]
async fn usage_views_are_the_public_contract() {
    let (database, _) = Database::migrated().await;
    let contract = [
        ("tenant", "String"),
        ("meter", "String"),
        ("dimensions", "Map(String, String)"),
        ("window_start", "DateTime('UTC')"),
        ("window_end", "DateTime('UTC')"),
        ("value", "Decimal(38, 9)"),
        ("events", "UInt64"),
        ("sealed", "UInt8"),
        ("revision", "UInt32"),
        ("updated_at", "DateTime64(3)"),
    ];
    for level in Level::ALL {
        let found = database.columns(usage_view(level)).await;
        let found: Vec<_> = found
            .iter()
            .map(|(n, t)| (n.as_str(), t.as_str()))
            .collect();
        assert_eq!(found, contract);
    }
}

#[tokio::test]
async fn bucket_rows_survive_both_encoders() {
    let (database, sink) = Database::migrated().await;
    for level in Level::ALL {
        let row = full_row(level);
        let expected = BucketTableRow::new(partition(3), &row).unwrap();
        sink.insert_buckets(level, partition(3), &[row])
            .await
            .unwrap();
        let mut other = expected.clone();
        other.tenant = "by serde".into();
        let table = bucket_table(level);
        let mut insert = database
            .client()
            .insert::<BucketTableRow>(table)
            .await
            .unwrap();
        insert.write(&other).await.unwrap();
        insert.end().await.unwrap();
        let sql = format!("SELECT ?fields FROM {table} ORDER BY tenant");
        let found = database
            .client()
            .query(&sql)
            .fetch_all::<BucketTableRow>()
            .await
            .unwrap();
        assert_eq!(found, [expected, other]);
    }
}

#[tokio::test]
async fn topic_ids_read_as_kafka_shows_them() {
    let (database, sink) = Database::migrated().await;
    let row = full_row(Level::Hour);
    sink.insert_buckets(Level::Hour, partition(3), &[row])
        .await
        .unwrap();
    let row = progress("usage.events", partition(3), stamp(0, 1), 1, NEW_YEAR);
    sink.insert_progress(&row).await.unwrap();
    let sql = "SELECT toString(topic_id) FROM bucket_hourly \
               UNION ALL SELECT toString(topic_id) FROM progress";
    let found = database.fetch::<String>(sql).await;
    assert_eq!(found, [TOPIC.to_string(), TOPIC.to_string()]);
}

#[tokio::test]
async fn progress_rows_survive_the_table() {
    let (database, sink) = Database::migrated().await;
    let mut row = progress("usage.events", partition(3), stamp(2, 100), 50, NEW_YEAR);
    row.totals_offset = Some(-1);
    sink.insert_progress(&row).await.unwrap();
    assert_eq!(sink.progress().await.unwrap(), std::slice::from_ref(&row));
    let newer = progress("usage.events", partition(3), stamp(2, 101), 50, NEW_YEAR);
    sink.insert_progress(&newer).await.unwrap();
    assert_eq!(sink.progress().await.unwrap(), std::slice::from_ref(&newer));
    let sql = "SELECT to_offset FROM progress_history ORDER BY to_offset";
    assert_eq!(database.fetch::<u64>(sql).await, [100, 101]);
}

#[tokio::test]
async fn dead_letters_survive_the_table() {
    let (_database, sink) = Database::migrated().await;
    let row = dead_letter(7, Reason::Malformed, "acme");
    sink.insert_dead_letters(&[row.clone(), row.clone()])
        .await
        .unwrap();
    sink.insert_dead_letters(std::slice::from_ref(&row))
        .await
        .unwrap();
    let page = LetterPage::first(LetterOrder::NewestFirst, 10);
    let found = sink.dead_letters(&DeadLetterFilter::default(), &page).await;
    assert_eq!(found.unwrap(), [row]);
}

#[tokio::test]
async fn usage_rows_survive_the_view() {
    let (_database, sink) = Database::migrated().await;
    let row = full_row(Level::Hour);
    let window = row.window;
    sink.insert_buckets(Level::Hour, partition(3), std::slice::from_ref(&row))
        .await
        .unwrap();
    let filter = UsageFilter {
        level: Level::Hour,
        tenant: "acme's",
        meter: Some("tokens"),
        from: NEW_YEAR.start(),
        to: NEW_YEAR.end(),
        after: None,
        limit: 10,
    };
    let dimensions = row.series.dimensions.iter();
    let expected = UsageRow {
        tenant: "acme's".into(),
        meter: "tokens".into(),
        dimensions: dimensions
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect(),
        window_start: EventTime(window.start * 1_000_000),
        window_end: window.end_time(),
        value: row.bucket.latest,
        events: u64::MAX,
        sealed: 0,
        revision: u32::MAX,
        updated_at: row.bucket.updated_at,
    };
    assert_eq!(sink.usage(&filter).await.unwrap(), [expected]);
}
