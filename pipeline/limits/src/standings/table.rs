//! The lane to the tables `standing` and `standing_progress`.

use super::topic::Positions;
use super::{Batch, Waiting};
use crate::metrics::{Metrics, Place};
use meterline_clickhouse::{ClickHouse, Error};
use meterline_core::causes::chain;
use meterline_core::standing::{Standing, StandingProgress};
use meterline_follow::Health;
use meterline_kafka::Backoff;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What health calls ClickHouse.
const NEED: &str = "clickhouse";

/// Writes rows of what the topic has.
pub(crate) struct TableLane {
    pub(crate) clickhouse: ClickHouse,
    pub(crate) interval: Duration,
    pub(crate) waiting: Arc<Waiting>,
    pub(crate) positions: Arc<Positions>,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Metrics,
}

impl TableLane {
    /// Writes until `stop` is true, then what waits; an attempt that fails then is the last.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut backoff = Backoff::new();
        let mut is_last = false;
        loop {
            let batch = self.waiting.take();
            let mut pause = self.interval;
            match self.write(&batch).await {
                Ok(()) => backoff = Backoff::new(),
                Err(error) => {
                    let error = chain(&error);
                    tracing::warn!(stage = "limits", need = NEED, error, "failed, trying again");
                    self.metrics.failed(NEED);
                    self.health.fails("standing table", &error, Instant::now());
                    self.waiting
                        .offer(batch.standings.into_values(), batch.progress.into_values());
                    pause = backoff.pause();
                }
            }
            self.metrics
                .waiting(Place::StandingTable, self.waiting.len());
            if is_last {
                return;
            }
            // The sender outlives the lane, so that an error only says that all is over.
            let told = tokio::time::timeout(pause, stop.wait_for(|is_told| *is_told)).await;
            is_last = told.is_ok();
        }
    }

    async fn write(&self, batch: &Batch) -> Result<(), Error> {
        if batch.is_empty() {
            return Ok(());
        }
        let standings: Vec<Standing> = batch.standings.values().cloned().collect();
        self.clickhouse.insert_standings(&standings).await?;
        let told = batch.progress.values();
        let progress: Vec<StandingProgress> = told.map(|told| told.progress.clone()).collect();
        self.clickhouse.insert_standing_progress(&progress).await?;
        self.health.works("standing table");
        self.metrics.written(Place::StandingTable, standings.len());
        let mut positions = self
            .positions
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for told in batch.progress.values() {
            if let Some(offset) = told.offset {
                positions.insert(told.progress.log_partition, offset);
            }
        }
        Ok(())
    }
}
