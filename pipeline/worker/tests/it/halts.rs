//! Partitions that stop by name, and the one way on.

use crate::events::{CATALOG, Events};
use crate::site::{Site, Worker, eventually};
use meterline_core::control::VerdictAction;

async fn is_halted(worker: &Worker, name: &str) -> bool {
    let (code, body) = worker.get("/health/ready").await;
    code == 503 && body.contains(name)
}

/// Retention took records that nobody had folded: the partition halts, and goes on in the next
/// epoch where a verdict says so, in the same process.
#[tokio::test(flavor = "multi_thread")]
async fn a_gap_in_the_log_halts_until_a_verdict() {
    let site = Site::made(1).await;
    site.apply(CATALOG).await;
    let mut events = Events::default();
    events.add(1_000);
    site.produce(&events.take()).await;
    let worker = site.start();
    site.settled().await;
    worker.stop().await;
    let stopped_at = site.end_of("usage.events").await;
    events.add(1_000);
    site.produce(&events.take()).await;
    let resumed_at = stopped_at + 500;
    site.delete_records_before(resumed_at).await;
    let worker = site.start();
    eventually("it halts", async || is_halted(&worker, "log_gap").await).await;
    let sql = "SELECT max(to_offset) FROM progress FINAL";
    let written: Vec<u64> = site.rows(sql).await;
    assert_eq!(written, [stopped_at], "a halted partition writes nothing");
    site.decide(stopped_at, VerdictAction::ContinueAt(resumed_at))
        .await;
    site.settled().await;
    let sql = "SELECT toUInt64(epoch), delivered FROM progress FINAL";
    let rows: Vec<(u64, u64)> = site.rows(sql).await;
    let end = site.end_of("usage.events").await;
    assert_eq!(
        rows,
        [(1, end - 500)],
        "all but the lost records were folded"
    );
    worker.stop().await;
}

/// The checkpoints are gone. Where the log still begins at the adoption's offset, everything is
/// folded again and nothing changes; where it does not, the partition halts.
#[tokio::test(flavor = "multi_thread")]
async fn lost_checkpoints_are_made_again_or_halt() {
    let site = Site::made(1).await;
    site.apply(CATALOG).await;
    let mut events = Events::default();
    events.add(2_000);
    site.produce(&events.take()).await;
    let worker = site.start();
    site.settled().await;
    worker.stop().await;
    site.lose_checkpoints();
    let worker = site.start();
    events.add(100);
    site.produce(&events.take()).await;
    site.settled().await;
    events.check(&site).await;
    worker.stop().await;
    site.lose_checkpoints();
    site.delete_records_before(10).await;
    let worker = site.start();
    eventually("it halts", async || {
        is_halted(&worker, "no_checkpoint").await
    })
    .await;
    events.check(&site).await;
    worker.stop().await;
}
