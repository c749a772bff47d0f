//! What an operator sees: readiness, metrics, status.

use crate::events::{CATALOG, Events};
use crate::site::{Site, eventually};

/// A worker without a catalog says what it waits for, and goes on by itself once there is one.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_waits_for_its_catalog_and_says_so() {
    let site = Site::made(1).await;
    let worker = site.start();
    eventually("it says what is missing", async || {
        let (code, body) = worker.get("/health/ready").await;
        code == 503 && body.contains("meterline catalog apply")
    })
    .await;
    assert_eq!(worker.get("/health/live").await.0, 200);
    site.apply(CATALOG).await;
    eventually("it is ready", async || {
        let (code, _) = worker.get("/health/ready").await;
        code == 200 && worker.get("/status").await.1.contains("\"running\"")
    })
    .await;
    let mut events = Events::default();
    events.add(500);
    site.produce(&events.take()).await;
    site.settled().await;
    eventually("the metrics count the events", async || {
        let (_, metrics) = worker.get("/metrics").await;
        metrics.contains("records_total{partition=\"0\",outcome=\"accepted\"} 495")
    })
    .await;
    worker.stop().await;
}
