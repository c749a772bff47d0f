//! Carries what a partition cut to where it belongs, and tells the partition when it is there.
//!
//! Every delivery is tried until it succeeds or its partition is gone: rows and totals are
//! absolute values, dead letters have one identity per offset, so any of them may arrive twice.
//! A delivery never gives its rows back; the log still has every record.

use super::Wake;
use super::ledger::{Lane, Progress};
use super::letters::Letter;
use crate::health::Need;
use crate::shared::Edges;
use crossbeam_channel::Sender;
use meterline_core::bucket::BucketRow;
use meterline_core::causes::chain;
use meterline_core::position::LogPartition;
use meterline_core::time::Level;
use meterline_kafka::{Backoff, Next, Outgoing, SendError};
use meterline_schemas::records;
use meterline_schemas::rows::ProgressRow;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pause after a failure that only a person can end (rights, missing tables): short enough that
/// work goes on soon after they did.
const HOPELESS_PAUSE: Duration = Duration::from_secs(10);

/// A failure that goes on is logged again after this.
const REMIND: Duration = Duration::from_secs(60);

/// Carries the changes of one partition.
#[derive(Clone)]
pub(crate) struct Courier {
    pub(crate) edges: Arc<Edges>,
    pub(crate) log_partition: LogPartition,
    pub(crate) wake: Sender<Wake>,
}

/// Why an attempt failed.
pub(crate) struct Failure {
    text: String,
    is_hopeless: bool,
}

impl From<meterline_clickhouse::Error> for Failure {
    fn from(error: meterline_clickhouse::Error) -> Self {
        Self {
            is_hopeless: error.next() == meterline_clickhouse::Next::Stop,
            text: chain(&error),
        }
    }
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        Self {
            is_hopeless: error.next() != Next::Retry,
            text: chain(&error),
        }
    }
}

impl From<meterline_checkpoint::StoreError> for Failure {
    fn from(error: meterline_checkpoint::StoreError) -> Self {
        Self {
            is_hopeless: error.next() != meterline_checkpoint::Next::Retry,
            text: error.chain(),
        }
    }
}

impl Courier {
    /// Inserts rows of these levels, and tells that the lane has them.
    pub(crate) async fn rows(self, lane: Lane, levels: &'static [Level], rows: Vec<BucketRow>) {
        let started = Instant::now();
        for level in levels {
            self.until_done(lane.name(), Need::ClickHouse, || async {
                let inserted =
                    self.edges
                        .clickhouse
                        .insert_buckets(*level, self.log_partition, &rows);
                Ok(inserted.await?)
            })
            .await;
        }
        self.flushed(lane, rows.len(), started);
    }

    /// Writes totals, keyed by tenant, into the usage partition's own number.
    pub(crate) async fn totals(self, rows: Vec<BucketRow>) {
        let started = Instant::now();
        let (bytes, places) = encode_totals(self.log_partition, &rows);
        let mut records = Vec::with_capacity(rows.len());
        for (row, place) in rows.iter().zip(places) {
            records.push(Outgoing {
                topic: &self.edges.totals_topic,
                partition: Some(self.log_partition.partition),
                key: Some(row.series.tenant.as_bytes()),
                payload: Some(&bytes[place]),
                headers: &[],
            });
        }
        self.write_all(Lane::Totals, &records).await;
        self.flushed(Lane::Totals, rows.len(), started);
    }

    /// Writes dead letters to their topic and to ClickHouse, side by side.
    pub(crate) async fn letters(self, letters: Vec<Letter>) {
        let started = Instant::now();
        let (rows, encoded): (Vec<_>, Vec<_>) =
            letters.into_iter().map(|l| (l.row, l.record)).unzip();
        let mut records = Vec::with_capacity(rows.len());
        for (row, record) in rows.iter().zip(&encoded) {
            records.push(Outgoing {
                topic: &self.edges.dead_letter_topic,
                partition: None,
                key: (!row.tenant.is_empty()).then_some(row.tenant.as_bytes()),
                payload: Some(record),
                headers: &[],
            });
        }
        let topic = self.write_all(Lane::DeadLetters, &records);
        let table = self.until_done(Lane::DeadLetters.name(), Need::ClickHouse, || async {
            Ok(self.edges.clickhouse.insert_dead_letters(&rows).await?)
        });
        futures::future::join(topic, table).await;
        self.flushed(Lane::DeadLetters, rows.len(), started);
    }

    async fn write_all(&self, lane: Lane, records: &[Outgoing<'_>]) {
        self.until_done(lane.name(), Need::Kafka, || async {
            let written = self.edges.producer.send_all(records.to_vec());
            Ok(written.await?)
        })
        .await;
    }

    /// Writes a progress record to the totals topic and its row to ClickHouse, side by side.
    pub(crate) async fn progress(self, progress: Progress) {
        let totals_offset = progress.totals_position.map(|offset| {
            i64::try_from(offset).expect("offsets of a log come from 63-bit numbers")
        });
        let row = ProgressRow::new(&self.edges.shared.topic, &progress.header, totals_offset);
        let record = encode_progress(&progress);
        let outgoing = Outgoing {
            topic: &self.edges.totals_topic,
            partition: Some(self.log_partition.partition),
            key: None,
            payload: Some(&record),
            headers: &[],
        };
        let topic = self.until_done("progress", Need::Kafka, || async {
            Ok(self.edges.producer.send(outgoing).await?)
        });
        let table = self.until_done("progress", Need::ClickHouse, || async {
            Ok(self.edges.clickhouse.insert_progress(&row).await?)
        });
        let (written, ()) = futures::future::join(topic, table).await;
        self.tell(Wake::Told(written.offset));
    }

    fn flushed(&self, lane: Lane, rows: usize, started: Instant) {
        let took = started.elapsed();
        let work = self.edges.shared.metrics.work();
        work.flushed(lane.name(), rows, took);
        self.tell(Wake::Flushed(lane));
    }

    /// The partition may be gone; then nobody needs to know.
    pub(crate) fn tell(&self, wake: Wake) {
        let _ = self.wake.send(wake);
    }

    /// Tries until it succeeds, with capped pauses, and says so on the board.
    pub(crate) async fn until_done<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        what: &'static str,
        need: Need,
        attempt: impl Fn() -> F,
    ) -> T {
        let shared = &self.edges.shared;
        let partition = self.log_partition.partition;
        let mut backoff = Backoff::new();
        let mut logged: Option<Instant> = None;
        loop {
            let began = Instant::now();
            let result = attempt().await;
            let work = shared.metrics.work();
            work.attempted(need, what, began.elapsed(), result.is_err());
            let failure = match result {
                Ok(value) => {
                    shared.board.works(need);
                    if logged.is_some() {
                        tracing::info!(partition, what, "delivered after failures");
                    }
                    return value;
                }
                Err(failure) => failure,
            };
            shared.board.fails(need, &failure.text, Instant::now());
            if logged.is_none_or(|at| at.elapsed() >= REMIND) {
                let error = failure.text.as_str();
                tracing::warn!(
                    partition,
                    what,
                    error,
                    "failed to deliver, trying until it works"
                );
                logged = Some(Instant::now());
            }
            let pause = backoff.pause();
            tokio::time::sleep(if failure.is_hopeless {
                HOPELESS_PAUSE
            } else {
                pause
            })
            .await;
        }
    }
}

fn encode_totals(log_partition: LogPartition, rows: &[BucketRow]) -> (Vec<u8>, Vec<Range<usize>>) {
    let mut bytes = Vec::new();
    let places = rows
        .iter()
        .map(|row| {
            let start = bytes.len();
            records::encode_total(log_partition, row, &mut bytes);
            start..bytes.len()
        })
        .collect();
    (bytes, places)
}

fn encode_progress(progress: &Progress) -> Vec<u8> {
    let header = &progress.header;
    let mut bytes = Vec::new();
    let record = records::Progress {
        log_partition: header.log_partition,
        epoch: header.epoch,
        to: header.position,
        levels_to: header.levels_to,
        log_time: header.log_time,
        sealed_to: header.sealed_to,
        levels_sealed_to: header.levels_sealed_to,
        catalog_version: header.catalogs.last().map_or(0, |place| place.version),
        counters: header.counters.clone(),
        totals_position: progress.totals_position,
    };
    records::encode_progress(&record, &mut bytes);
    bytes
}
