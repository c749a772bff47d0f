//! The archive's tables: columns as they are encoded, positions of which the highest stays.

use crate::fixtures::partition;
use crate::stack::Database;
use meterline_clickhouse::encode_archive::USAGE_EVENTS_COLUMNS;
use meterline_core::position::Stamp;
use meterline_core::time::LogTime;
use meterline_schemas::rows::ArchiveProgressRow;

#[tokio::test]
async fn archived_columns_have_the_types_of_their_table() {
    let (database, _) = Database::migrated().await;
    let found = database.columns("usage_events").await;
    let found: Vec<_> = found
        .iter()
        .map(|(name, kind)| (name.as_str(), kind.as_str()))
        .collect();
    assert_eq!(USAGE_EVENTS_COLUMNS.as_slice(), found.as_slice());
}

#[tokio::test]
async fn a_late_position_of_an_old_owner_changes_nothing() {
    let (_database, sink) = Database::migrated().await;
    let log_partition = partition(3);
    let row = |epoch, offset| {
        let position = Stamp { epoch, offset };
        ArchiveProgressRow::new("usage.events", log_partition, position, LogTime(7), 1)
    };
    for (epoch, offset) in [(0, 500), (1, 100), (0, 400), (1, 90)] {
        let inserted = sink.insert_archive_progress(&[row(epoch, offset)]).await;
        inserted.unwrap();
    }
    let found = sink.archive_progress(log_partition.topic_id).await.unwrap();
    assert_eq!(found, [row(1, 100)]);
}
