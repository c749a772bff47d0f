//! The lane to `usage.standing`.

use super::{Batch, Told, Waiting};
use crate::metrics::{Metrics, Place};
use meterline_core::causes::chain;
use meterline_core::hash::partition_of;
use meterline_core::position::{LogPartition, Offset};
use meterline_core::standing::StandingProgress;
use meterline_follow::Health;
use meterline_kafka::{Backoff, Outgoing, Producer, SendError};
use meterline_schemas::records::{encode_standing, encode_standing_progress};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Records that are encoded and sent before the next ones are: bounds the memory of a first round,
/// in which all standings are new.
const CHUNK: usize = 4_096;

/// What health calls the topic.
const NEED: &str = "kafka";

/// From where a reader of each log partition's standings misses nothing, once it has read the
/// table.
pub(crate) type Positions = Mutex<BTreeMap<LogPartition, Offset>>;

/// Writes standings to the topic and hands them on to the table's lane.
pub(crate) struct TopicLane {
    pub(crate) producer: Producer,
    pub(crate) topic: String,
    /// Its partitions.
    pub(crate) partitions: u32,
    /// Whether it has as many as usage: then the standings of a log partition's tenants lie in the
    /// partition of its number, and a position there speaks of all of them.
    pub(crate) is_aligned: bool,
    pub(crate) interval: Duration,
    pub(crate) waiting: Arc<Waiting>,
    pub(crate) table: Arc<Waiting>,
    pub(crate) positions: Arc<Positions>,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Metrics,
}

impl TopicLane {
    /// Writes until `stop` is true, then what waits; an attempt that fails then is the last.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut backoff = Backoff::new();
        let mut is_last = false;
        loop {
            let batch = self.waiting.take();
            let mut pause = self.interval;
            if let Err((error, batch)) = self.write(batch).await {
                let error = chain(&error);
                tracing::warn!(stage = "limits", need = NEED, error, "failed, trying again");
                self.metrics.failed(NEED);
                self.health.fails("standing topic", &error, Instant::now());
                self.waiting
                    .offer(batch.standings.into_values(), batch.progress.into_values());
                pause = backoff.pause();
            } else {
                backoff = Backoff::new();
            }
            self.metrics
                .waiting(Place::StandingTopic, self.waiting.len());
            if is_last {
                return;
            }
            // The sender outlives the lane, so that an error only says that all is over.
            let told = tokio::time::timeout(pause, stop.wait_for(|is_told| *is_told)).await;
            is_last = told.is_ok();
        }
    }

    async fn write(&self, mut batch: Batch) -> Result<(), (SendError, Batch)> {
        if batch.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.send_standings(&batch).await {
            return Err((error, batch));
        }
        for told in batch.progress.values_mut() {
            match self.send_progress(&told.progress).await {
                Ok((progress, offset)) => {
                    told.progress = progress;
                    told.offset = Some(offset);
                }
                Err(error) => return Err((error, batch)),
            }
        }
        self.health.works("standing topic");
        self.metrics
            .written(Place::StandingTopic, batch.standings.len());
        self.table
            .offer(batch.standings.into_values(), batch.progress.into_values());
        Ok(())
    }

    async fn send_standings(&self, batch: &Batch) -> Result<(), SendError> {
        let standings: Vec<_> = batch.standings.values().collect();
        for chunk in standings.chunks(CHUNK) {
            let encoded: Vec<_> = chunk
                .iter()
                .map(|standing| {
                    let mut bytes = Vec::with_capacity(256);
                    encode_standing(standing, &mut bytes);
                    (standing.tenant.as_bytes(), bytes)
                })
                .collect();
            let records = encoded.iter().map(|(tenant, bytes)| Outgoing {
                topic: &self.topic,
                partition: Some(partition_of(tenant, self.partitions)),
                key: Some(tenant),
                payload: Some(bytes),
                headers: &[],
            });
            // A list: a future that holds the closures could not be given to a task.
            let records: Vec<_> = records.collect();
            self.producer.send_all(records).await?;
        }
        Ok(())
    }

    /// Writes progress into the partition that has the standings of the log partition's tenants.
    async fn send_progress(
        &self,
        progress: &StandingProgress,
    ) -> Result<(StandingProgress, Offset), SendError> {
        let log_partition = progress.log_partition;
        let positions = self.positions.lock();
        let position = positions
            .unwrap_or_else(PoisonError::into_inner)
            .get(&log_partition)
            .copied()
            .filter(|_| self.is_aligned);
        let progress = StandingProgress {
            standing_position: position,
            ..progress.clone()
        };
        let mut bytes = Vec::with_capacity(96);
        encode_standing_progress(&progress, &mut bytes);
        let written = self
            .producer
            .send(Outgoing {
                topic: &self.topic,
                partition: Some(log_partition.partition % self.partitions),
                payload: Some(&bytes),
                ..Outgoing::default()
            })
            .await?;
        Ok((progress, written.offset))
    }
}

impl Told {
    /// Progress that the topic does not have yet.
    pub(crate) fn new(progress: StandingProgress) -> Self {
        let offset = None;
        Self { progress, offset }
    }
}
