//! Writing outcomes to the log, in their order, behind a bound.
//!
//! While the log cannot be written the bound fills, and attempts wait for it: what was told and not
//! written down is told again after a crash, so it must stay little.

use crate::contract::Outlet;
use crate::metrics::Metrics;
use meterline_core::alert::Delivery;
use meterline_kafka::Backoff;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Bundles whose outcomes wait for the log: some seconds of a storm.
const WAITING_MAX: usize = 64;

/// Takes outcomes, and waits while too many are not written.
pub(crate) type Outcomes = mpsc::Sender<Vec<Delivery>>;

/// Where outcomes are put, and the end that [`write`] takes them from.
pub(crate) fn channel() -> (Outcomes, mpsc::Receiver<Vec<Delivery>>) {
    mpsc::channel(WAITING_MAX)
}

/// Writes until there is nobody left to give outcomes.
pub(crate) async fn write(
    mut outcomes: mpsc::Receiver<Vec<Delivery>>,
    outlet: Arc<dyn Outlet>,
    metrics: Metrics,
) {
    while let Some(bundle) = outcomes.recv().await {
        let mut backoff = Backoff::new();
        while let Err(error) = outlet.record(&bundle).await {
            metrics.record_failed();
            tracing::warn!(
                error = error.reason,
                "failed to write outcomes of notifications"
            );
            tokio::time::sleep(backoff.pause()).await;
        }
    }
}
