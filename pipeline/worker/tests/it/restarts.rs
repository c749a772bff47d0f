//! Sums that stay right through stops, restarts and a second worker.

use crate::events::{CATALOG, Events};
use crate::site::{Site, eventually};

/// INV-REPLAY, INV-LEVELS: what a stopped worker left, the next one continues.
#[tokio::test(flavor = "multi_thread")]
async fn sums_are_exact_after_restarts() {
    let site = Site::made(4).await;
    site.apply(CATALOG).await;
    let mut events = Events::default();
    events.add(60_000);
    site.produce(&events.take()).await;
    let worker = site.start();
    eventually("some rows are there", async || {
        let sql = "SELECT count() FROM progress WHERE to_offset > 0";
        site.rows::<u64>(sql).await[0] > 0
    })
    .await;
    worker.stop().await;
    events.add(40_000);
    site.produce(&events.take()).await;
    let worker = site.start();
    site.settled().await;
    events.check(&site).await;
    worker.stop().await;
    let worker = site.start();
    events.add(1_000);
    site.produce(&events.take()).await;
    site.settled().await;
    events.check(&site).await;
    worker.stop().await;
}

/// A partition moves to a second worker and back, and nothing is counted twice.
#[tokio::test(flavor = "multi_thread")]
async fn sums_are_exact_while_workers_come_and_go() {
    let site = Site::made(4).await;
    site.apply(CATALOG).await;
    let mut events = Events::default();
    let first = site.start();
    events.add(10_000);
    site.produce(&events.take()).await;
    let second = site.start();
    for _ in 0..5 {
        events.add(5_000);
        site.produce(&events.take()).await;
        eventually("the second worker owns a partition", async || {
            second.get("/status").await.1.contains("\"partition\":")
        })
        .await;
    }
    second.stop().await;
    events.add(5_000);
    site.produce(&events.take()).await;
    site.settled().await;
    events.check(&site).await;
    first.stop().await;
}

/// Totals and progress lie in the partition's own number of `usage.totals`.
#[tokio::test(flavor = "multi_thread")]
async fn totals_and_dead_letters_are_written() {
    let site = Site::made(2).await;
    site.apply(CATALOG).await;
    let mut events = Events::default();
    events.add(1_000);
    site.produce(&events.take()).await;
    let worker = site.start();
    site.settled().await;
    assert!(site.end_of("usage.totals").await > 0);
    assert_eq!(site.end_of("usage.dead-letter").await, 10);
    worker.stop().await;
}
