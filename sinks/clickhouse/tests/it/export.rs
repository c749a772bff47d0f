//! Long answers as Parquet, read back by the engine itself.

use crate::fixtures::dead_letter;
use crate::queries::HOSTILE;
use crate::stack::Database;
use meterline_clickhouse::{ClickHouse, DeadLetterFilter, Export};
use meterline_core::reason::Reason;

/// Every column of a letter with these for its topic's id and its hash, which are text in a file.
fn columns(topic_id: &str, hash: &str) -> String {
    format!(
        "topic, {topic_id}, log_partition, offset, epoch, log_time, reason, detail, tenant, key, \
         headers, length, {hash}, original, truncated"
    )
}

const TABLE: &str = "CREATE TABLE exported (topic String, topic_id String, log_partition UInt32, \
                     offset UInt64, epoch UInt16, log_time DateTime64(3, 'UTC'), reason String, \
                     detail String, tenant String, key String, headers Map(String, String), \
                     length UInt64, hash String, original String, truncated UInt8) \
                     ENGINE = MergeTree ORDER BY tuple()";

async fn whole(mut export: Export<'_>) -> Vec<u8> {
    let mut file = Vec::new();
    while let Some(piece) = export.next().await.unwrap() {
        file.extend_from_slice(&piece);
    }
    file
}

/// Six letters whose key, headers and value are no text, of two reasons and two tenants.
async fn insert(sink: &ClickHouse) {
    let rows: Vec<_> = (0..6)
        .map(|offset| match offset % 2 {
            0 => dead_letter(offset, Reason::Malformed, HOSTILE),
            _ => dead_letter(offset, Reason::TooLate, "acme"),
        })
        .collect();
    sink.insert_dead_letters(&rows).await.unwrap();
    // The first once more, as a restart writes it: one letter still.
    sink.insert_dead_letters(&rows[..1]).await.unwrap();
}

#[tokio::test]
async fn dead_letters_are_exported_with_all_that_they_are() {
    let (database, sink) = Database::migrated().await;
    insert(&sink).await;
    let all = DeadLetterFilter::default();
    let file = whole(sink.export_dead_letters(&all, u32::MAX).unwrap()).await;
    database.execute(TABLE).await;
    database
        .upload("INSERT INTO exported FORMAT Parquet", file)
        .await;
    let in_file = columns(
        "toUUID(topic_id)",
        "reinterpretAsUInt128(reverse(unhex(hash)))",
    );
    let exported = format!("SELECT {in_file} FROM exported");
    let in_table = columns("topic_id", "hash");
    let stored = format!("SELECT {in_table} FROM dead_letters FINAL");
    for (left, right) in [(&exported, &stored), (&stored, &exported)] {
        let differences = format!("SELECT count() FROM ({left} EXCEPT {right})");
        assert_eq!(database.fetch::<u64>(&differences).await, [0]);
    }
    let count = "SELECT count() FROM exported";
    assert_eq!(database.fetch::<u64>(count).await, [6], "each once");
}

#[tokio::test]
async fn the_newest_dead_letters_that_fit_are_exported() {
    let (database, sink) = Database::migrated().await;
    insert(&sink).await;
    let hostile = DeadLetterFilter {
        tenant: Some(HOSTILE),
        ..DeadLetterFilter::default()
    };
    let file = whole(sink.export_dead_letters(&hostile, 2).unwrap()).await;
    database.execute(TABLE).await;
    database
        .upload("INSERT INTO exported FORMAT Parquet", file)
        .await;
    let offsets = "SELECT offset FROM exported ORDER BY offset";
    assert_eq!(database.fetch::<u64>(offsets).await, [2, 4]);
}

#[tokio::test]
async fn an_export_of_nothing_is_a_whole_file_without_rows() {
    let (_database, sink) = Database::migrated().await;
    let all = DeadLetterFilter::default();
    let file = whole(sink.export_dead_letters(&all, 10).unwrap()).await;
    assert!(file.starts_with(b"PAR1") && file.ends_with(b"PAR1"));
}
