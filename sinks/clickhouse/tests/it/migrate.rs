//! Migrations: idempotent, safe at once, refused by name.

use crate::stack::Database;
use meterline_clickhouse::{ClickHouse, Error, Keep, Retention, Settings};
use meterline_schemas::migrations::MIGRATIONS;

/// Numbers of all migrations from this one on.
fn numbers_from(first: u32) -> Vec<u32> {
    (first..=u32::try_from(MIGRATIONS.len()).unwrap()).collect()
}

#[tokio::test]
async fn migrating_twice_does_nothing_the_second_time() {
    // Held to the end: the stack stops with the last database.
    let database = Database::unmade();
    let sink = database.sink();
    assert_eq!(sink.migrate().await.unwrap().applied, numbers_from(1));
    let second = sink.migrate().await.unwrap();
    assert_eq!(second.applied, [0u32; 0]);
    assert_eq!(second.retention_changed, [""; 0]);
    sink.check_schema().await.unwrap();
}

#[tokio::test]
async fn two_processes_may_migrate_at_once() {
    let database = Database::unmade();
    let (one, other) = (database.sink(), database.sink());
    let one = tokio::spawn(async move { one.migrate().await });
    let other = tokio::spawn(async move { other.migrate().await });
    one.await.unwrap().unwrap();
    other.await.unwrap().unwrap();
    let sql = "SELECT number FROM schema_migrations FINAL ORDER BY number";
    assert_eq!(database.fetch::<u32>(sql).await, numbers_from(1));
    database.sink().check_schema().await.unwrap();
}

#[tokio::test]
async fn a_migration_that_was_cut_off_is_finished_by_the_next_run() {
    let database = Database::unmade();
    let sink = database.sink();
    let rule = serde_json::json!({"match": "dead_letters", "kind": "fail", "times": 1});
    database.fault(rule).await;
    assert!(matches!(
        sink.migrate().await,
        Err(Error::Unreachable { .. } | Error::Busy { .. })
    ));
    assert!(matches!(
        sink.check_schema().await,
        Err(Error::NotMigrated { number: 3, .. })
    ));
    assert_eq!(sink.migrate().await.unwrap().applied, numbers_from(3));
}

async fn check_refused(change: &str, refused: impl Fn(&Error) -> bool) {
    let (database, sink) = Database::migrated().await;
    database.execute(change).await;
    for error in [
        sink.migrate().await.unwrap_err(),
        sink.check_schema().await.unwrap_err(),
    ] {
        assert!(refused(&error), "{error}");
    }
}

#[tokio::test]
async fn a_migration_applied_with_another_text_is_refused_by_name() {
    let change = "INSERT INTO schema_migrations (number, checksum, name) VALUES (2, 7, 'other')";
    check_refused(
        change,
        |error| matches!(error, Error::MigrationChanged { number: 2, name, .. } if name == "other"),
    )
    .await;
}

#[tokio::test]
async fn a_database_that_is_ahead_is_refused() {
    let change = "INSERT INTO schema_migrations (number, checksum, name) VALUES (99, 7, 'later')";
    let newest = MIGRATIONS.len();
    check_refused(change, |error| {
        matches!(error, Error::DatabaseIsNewer { found: 99, newest: n, .. } if *n as usize == newest)
    })
    .await;
}

#[tokio::test]
async fn retention_follows_the_settings() {
    let (database, _) = Database::migrated().await;
    let mut settings = database.settings();
    settings.retention = Retention::default();
    check_retention(
        &database,
        &settings,
        (
            4,
            &[
                "alert_deliveries",
                "bucket_hourly",
                "progress_history",
                "stripe_pushes",
                "usage_events",
            ],
        ),
    )
    .await;
    settings.retention.bucket_hourly = Keep::Forever;
    settings.retention.dead_letters = "125 days".parse().unwrap();
    check_retention(
        &database,
        &settings,
        (
            2,
            &[
                "alert_deliveries",
                "dead_letters",
                "progress_history",
                "stripe_pushes",
                "usage_events",
            ],
        ),
    )
    .await;
}

/// Applies the retention, once and again: so many are changed, and those tables have one then.
async fn check_retention(
    database: &Database,
    settings: &Settings,
    (changed, expected): (usize, &[&str]),
) {
    let sink = ClickHouse::connect(settings.clone()).unwrap();
    assert_eq!(
        sink.migrate().await.unwrap().retention_changed.len(),
        changed
    );
    assert_eq!(sink.migrate().await.unwrap().retention_changed, [""; 0]);
    let sql = "SELECT name FROM system.tables WHERE database = currentDatabase() \
               AND position(engine_full, ' TTL ') > 0 ORDER BY name";
    assert_eq!(database.fetch::<String>(sql).await, expected);
}
