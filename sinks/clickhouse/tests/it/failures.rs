//! What goes wrong is named, and what may pass is tried again without harm.

use crate::fixtures::{NEW_YEAR, dead_letter, partition, progress, row, series, stamp};
use crate::stack::Database;
use meterline_clickhouse::{
    ClickHouse, DeadLetterFilter, Error, Fault, LetterOrder, LetterPage, Next, Secret, Settings,
};
use meterline_core::bucket::BucketRow;
use meterline_core::catalog::Aggregation;
use meterline_core::reason::Reason;
use meterline_core::time::Level;
use serde_json::json;
use std::time::Duration;

fn rows() -> Vec<BucketRow> {
    let series = series("acme", "calls", Aggregation::Count, &[]);
    vec![row(&series, Level::Hour, NEW_YEAR, 5)]
}

async fn insert(sink: &ClickHouse) -> Result<(), Error> {
    sink.insert_buckets(Level::Hour, partition(0), &rows())
        .await
        .map(|_| ())
}

async fn check(settings: Settings, fault: Fault, next: Next, text: &str) {
    let sink = ClickHouse::connect(settings).unwrap();
    let error = insert(&sink).await.unwrap_err();
    assert_eq!((error.fault(), error.next()), (fault, next), "{error}");
    assert!(error.to_string().contains(text), "{error}");
    assert!(
        error
            .to_string()
            .contains("insert 1 rows into bucket_hourly of"),
        "{error}"
    );
}

#[tokio::test]
async fn a_wrong_password_stops_and_is_not_shown() {
    let (database, _) = Database::migrated().await;
    let mut settings = database.settings();
    settings.password = Secret::new("hunter2");
    check(settings.clone(), Fault::User, Next::Stop, "clickhouse.user").await;
    let sink = ClickHouse::connect(settings).unwrap();
    let error = sink.migrate().await.unwrap_err();
    assert!(!format!("{error:?} {sink:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_database_that_is_not_there_stops() {
    let database = Database::unmade();
    check(
        database.settings(),
        Fault::User,
        Next::Stop,
        "meterline init",
    )
    .await;
}

#[tokio::test]
async fn a_table_that_is_not_there_stops() {
    let (database, sink) = Database::migrated().await;
    database.execute("DROP TABLE bucket_hourly").await;
    let error = insert(&sink).await.unwrap_err();
    assert!(matches!(error, Error::Schema { .. }), "{error}");
}

#[tokio::test]
async fn nobody_there_is_tried_again() {
    let database = Database::unmade();
    let mut settings = database.settings();
    // The port was free a moment ago; whoever has it now is no ClickHouse of ours.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    settings.url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    check(
        settings,
        Fault::External,
        Next::Retry,
        "; check clickhouse.url",
    )
    .await;
}

#[tokio::test]
async fn a_server_that_cannot_now_is_tried_again() {
    let (database, sink) = Database::migrated().await;
    let rule = json!({"match": "^INSERT", "kind": "fail", "times": 3, "code": 252,
                      "name": "TOO_MANY_PARTS", "message": "Too many parts"});
    let rule = database.fault(rule).await;
    for _ in 0..3 {
        assert_eq!(insert(&sink).await.unwrap_err().next(), Next::Retry);
    }
    assert_eq!(database.hits(rule).await, 3);
    insert(&sink).await.unwrap();
    assert_eq!(
        database
            .fetch::<u64>("SELECT events FROM usage_hourly")
            .await,
        [5]
    );
}

#[tokio::test]
async fn no_answer_in_time_is_an_error_of_its_own() {
    let (database, _) = Database::migrated().await;
    database
        .fault(json!({"match": "^INSERT", "kind": "hold", "times": 1}))
        .await;
    let mut settings = database.settings();
    settings.request_timeout = Duration::from_millis(300);
    check(settings, Fault::External, Next::Retry, "within 300ms").await;
}

#[tokio::test]
async fn an_answer_lost_after_the_commit_changes_nothing() {
    let (database, sink) = Database::migrated().await;
    let rule = json!({"match": "^INSERT", "kind": "lose_answer", "times": 3});
    let rule = database.fault(rule).await;
    let progress_row = progress("usage.events", partition(0), stamp(0, 9), 9, NEW_YEAR);
    let letters = [dead_letter(7, Reason::Malformed, "acme")];
    let lost = [
        insert(&sink).await,
        sink.insert_progress(&progress_row).await,
        sink.insert_dead_letters(&letters).await,
    ];
    for result in lost {
        assert!(
            matches!(result, Err(Error::Unreachable { .. })),
            "{result:?}"
        );
    }
    assert_eq!(database.hits(rule).await, 3);
    // All three were committed; the same again makes the same rows.
    assert_eq!(
        sink.progress().await.unwrap(),
        std::slice::from_ref(&progress_row)
    );
    insert(&sink).await.unwrap();
    sink.insert_progress(&progress_row).await.unwrap();
    sink.insert_dead_letters(&letters).await.unwrap();
    assert_eq!(
        database
            .fetch::<u64>("SELECT events FROM usage_hourly")
            .await,
        [5]
    );
    assert_eq!(sink.progress().await.unwrap(), [progress_row]);
    let counts = sink
        .dead_letter_counts(&DeadLetterFilter::default())
        .await
        .unwrap();
    assert_eq!(counts.iter().map(|row| row.count).collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn a_cut_answer_is_never_taken_for_a_whole_one() {
    let (database, sink) = Database::migrated().await;
    let rows: Vec<_> = (0..1_000)
        .map(|offset| dead_letter(offset, Reason::Batch, "acme"))
        .collect();
    sink.insert_dead_letters(&rows).await.unwrap();
    database
        .fault(json!({"match": "^SELECT", "kind": "cut", "times": 1}))
        .await;
    let all = DeadLetterFilter::default();
    let page = LetterPage::first(LetterOrder::NewestFirst, 1_000);
    assert!(sink.dead_letters(&all, &page).await.is_err());
    assert_eq!(sink.dead_letters(&all, &page).await.unwrap().len(), 1_000);
}
