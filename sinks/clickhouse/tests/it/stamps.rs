//! INV-STAMP: a lower stamp never replaces a higher, and equal stamps mean equal rows.

use crate::fixtures::{NEW_YEAR, partition, progress, row, series, stamp};
use crate::stack::Database;
use meterline_core::bucket::BucketRow;
use meterline_core::catalog::Aggregation;
use meterline_core::position::Stamp;
use meterline_core::time::Level;

/// Stamps from low to high: a higher epoch beats any offset.
const STAMPS: [Stamp; 3] = [
    Stamp {
        epoch: 0,
        offset: (1 << 48) - 1,
    },
    Stamp {
        epoch: 1,
        offset: 5,
    },
    Stamp {
        epoch: 1,
        offset: 6,
    },
];

fn stamped(place: usize) -> BucketRow {
    let series = series("acme", "calls", Aggregation::Count, &[]);
    let mut row = row(&series, Level::Hour, NEW_YEAR, place as u64);
    row.bucket.changed = STAMPS[place];
    row
}

#[tokio::test]
async fn the_highest_stamp_stays_whatever_the_order() {
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let (database, sink) = Database::migrated().await;
        for place in order {
            let rows = [stamped(place)];
            sink.insert_buckets(Level::Hour, partition(0), &rows)
                .await
                .unwrap();
        }
        let events = "SELECT events FROM usage_hourly";
        assert_eq!(database.fetch::<u64>(events).await, [2], "{order:?}");
        database.execute("OPTIMIZE TABLE bucket_hourly FINAL").await;
        assert_eq!(database.fetch::<u64>(events).await, [2], "{order:?}");
        let stored = "SELECT events FROM bucket_hourly";
        assert_eq!(database.fetch::<u64>(stored).await, [2], "{order:?}");
    }
}

#[tokio::test]
async fn the_highest_stamp_stays_within_one_insert() {
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let (database, sink) = Database::migrated().await;
        let rows = order.map(stamped);
        sink.insert_buckets(Level::Hour, partition(0), &rows)
            .await
            .unwrap();
        let stored = "SELECT events FROM bucket_hourly FINAL";
        assert_eq!(database.fetch::<u64>(stored).await, [2], "{order:?}");
    }
}

#[tokio::test]
async fn a_merged_high_stamp_is_not_replaced_by_a_later_low_one() {
    let (database, sink) = Database::migrated().await;
    for place in [2, 1] {
        let rows = [stamped(place)];
        sink.insert_buckets(Level::Hour, partition(0), &rows)
            .await
            .unwrap();
        database.execute("OPTIMIZE TABLE bucket_hourly FINAL").await;
    }
    let stored = "SELECT events FROM bucket_hourly";
    assert_eq!(database.fetch::<u64>(stored).await, [2]);
}

#[tokio::test]
async fn two_writers_of_the_same_stamp_leave_one_row() {
    let (database, sink) = Database::migrated().await;
    let other = database.sink();
    let rows = [stamped(1)];
    let both = [
        sink.insert_buckets(Level::Hour, partition(0), &rows),
        other.insert_buckets(Level::Hour, partition(0), &rows),
    ];
    for insert in both {
        insert.await.unwrap();
    }
    let distinct = "SELECT uniqExact(*) FROM (SELECT * FROM bucket_hourly)";
    assert_eq!(database.fetch::<u64>(distinct).await, [1]);
    assert_eq!(
        database
            .fetch::<u64>("SELECT events FROM usage_hourly")
            .await,
        [1]
    );
    database.execute("OPTIMIZE TABLE bucket_hourly FINAL").await;
    assert_eq!(
        database
            .fetch::<u64>("SELECT count() FROM bucket_hourly")
            .await,
        [1]
    );
}

#[tokio::test]
async fn log_partitions_do_not_replace_each_other() {
    let (database, sink) = Database::migrated().await;
    for number in [0, 1] {
        let rows = [stamped(2)];
        sink.insert_buckets(Level::Hour, partition(number), &rows)
            .await
            .unwrap();
    }
    database.execute("OPTIMIZE TABLE bucket_hourly FINAL").await;
    assert_eq!(
        database
            .fetch::<u64>("SELECT events FROM usage_hourly")
            .await,
        [4]
    );
}

#[tokio::test]
async fn the_furthest_progress_stays_whatever_the_order() {
    let places = [(0, 9, 9), (1, 3, 0), (1, 3, 2)];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let (database, sink) = Database::migrated().await;
        for (epoch, to, levels_to) in order.map(|place| places[place]) {
            let row = progress(
                "usage.events",
                partition(0),
                stamp(epoch, to),
                levels_to,
                NEW_YEAR,
            );
            sink.insert_progress(&row).await.unwrap();
        }
        for _merged in [false, true] {
            let found = sink.progress().await.unwrap();
            let found: Vec<_> = found
                .iter()
                .map(|row| (row.epoch, row.to_offset, row.levels_to))
                .collect();
            assert_eq!(found, [(1, 3, 2)], "{order:?}");
            database.execute("OPTIMIZE TABLE progress FINAL").await;
        }
    }
}
