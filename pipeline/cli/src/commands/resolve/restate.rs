//! Writes what a given up history left behind again, as it stood where the history ended.
//!
//! The values come from the newest checkpoint of the present epoch: what that epoch has not changed
//! is there as it stood. Every row is written under the last stamp of the epoch that was given up
//! ([`meterline_core::restate`]), so that nothing depends on how often, or by whom.

use super::facts::Scene;
use crate::failure::Failure;
use anyhow::{Context as _, anyhow};
use meterline_checkpoint::{Manifest, RunSet};
use meterline_core::bucket::{Bucket, BucketRow, Kind};
use meterline_core::position::{LogPartition, Stamp};
use meterline_core::restate::{EpochEnds, Restatement, restate as decide};
use meterline_core::runs::Runs;
use meterline_core::time::Level;
use meterline_kafka::{Outgoing, Producer};
use meterline_schemas::records::encode_total;
use meterline_schemas::rows::BucketTableRow;
use std::collections::HashMap;
use std::sync::Arc;

/// What one pass came to.
pub(super) enum Restated {
    /// The new epoch has no checkpoint yet, so nobody knows how the buckets stood.
    NoCheckpoint,
    /// Everything that could be was written.
    Done {
        /// Rows written.
        rows: u64,
        /// Rows that no state knows any more.
        unknown: u64,
    },
}

/// One pass over what the partition's given up histories left.
pub(super) fn restate(scene: &Scene<'_>, log_partition: LogPartition) -> Result<Restated, Failure> {
    let runtime = scene.session.runtime;
    let ends = EpochEnds::of(scene.control.view().verdicts(&log_partition));
    let newest = runtime.block_on(scene.store.newest(log_partition, None))?;
    let is_present =
        |manifest: &Manifest| usize::from(manifest.header.epoch) == ends.offsets().len();
    let Some(manifest) = newest.filter(is_present) else {
        return Ok(Restated::NoCheckpoint);
    };
    let runs = runtime.block_on(scene.store.load(&manifest))?;
    let producer = Producer::connect(&scene.session.settings.kafka)?;
    let mut pass = Pass {
        scene,
        log_partition,
        manifest,
        runs,
        producer,
        rows: 0,
        unknown: 0,
    };
    for level in Level::ALL {
        pass.level(level, &ends)?;
    }
    let letters = scene
        .clickhouse
        .remove_abandoned_letters(log_partition, &ends);
    runtime.block_on(letters)?;
    let (rows, unknown) = (pass.rows, pass.unknown);
    Ok(Restated::Done { rows, unknown })
}

struct Pass<'a> {
    scene: &'a Scene<'a>,
    log_partition: LogPartition,
    manifest: Manifest,
    runs: RunSet,
    producer: Producer,
    rows: u64,
    unknown: u64,
}

impl Pass<'_> {
    fn level(&mut self, level: Level, ends: &EpochEnds) -> Result<(), Failure> {
        let mut last: Option<BucketTableRow> = None;
        loop {
            let clickhouse = &self.scene.clickhouse;
            let page = clickhouse.abandoned_rows(level, self.log_partition, ends, last.as_ref());
            let page = self.scene.session.runtime.block_on(page)?;
            let Some(end) = page.last().cloned() else {
                return Ok(());
            };
            self.page(level, &page)?;
            last = Some(end);
        }
    }

    /// Restates a page of rows. Hours bring their day and month along: those levels' totals are
    /// published with the hours', long before their rows are.
    fn page(&mut self, level: Level, page: &[BucketTableRow]) -> Result<(), Failure> {
        let levels: &[Level] = match level {
            Level::Hour => &Level::ALL,
            Level::Day => &[Level::Day],
            Level::Month => &[Level::Month],
        };
        for level in levels {
            let mut rows = HashMap::new();
            for row in page {
                if let Some(restated) = self.row(*level, row)? {
                    rows.insert((restated.window.start, restated.series.key()), restated);
                }
            }
            let rows: Vec<BucketRow> = rows.into_values().collect();
            self.write(*level, &rows)?;
        }
        Ok(())
    }

    fn row(&mut self, level: Level, row: &BucketTableRow) -> Result<Option<BucketRow>, Failure> {
        let series = row.series();
        let window = row.window(level);
        let state = self.runs.bucket(window, &series.key());
        let state = state.map_err(|error| anyhow!(error).context("failed to read a checkpoint"))?;
        let found = state.map(|bytes| Bucket::decode(&bytes).context("a bucket cannot be read"));
        let floor = self.manifest.header.answer_floor;
        match decide(
            Stamp::from_version(row.version),
            found.transpose()?,
            window,
            floor,
        ) {
            Restatement::Replaced => Ok(None),
            Restatement::Unknown => {
                self.unknown += 1;
                Ok(None)
            }
            Restatement::Write(bucket) => Ok(Some(BucketRow {
                series: Arc::new(series),
                window,
                bucket,
            })),
        }
    }

    fn write(&mut self, level: Level, rows: &[BucketRow]) -> Result<(), Failure> {
        let clickhouse = &self.scene.clickhouse;
        let inserted = clickhouse.insert_buckets(level, self.log_partition, rows);
        self.scene.session.runtime.block_on(inserted)?;
        let is_total = |row: &&BucketRow| row.series.kind != Kind::Part;
        let encoded = rows.iter().filter(is_total).map(|row| {
            let mut bytes = Vec::new();
            encode_total(self.log_partition, row, &mut bytes);
            (row.series.tenant.as_bytes(), bytes)
        });
        let encoded: Vec<_> = encoded.collect();
        let topic = self.scene.session.settings.kafka.topics().totals();
        let records = encoded.iter().map(|(tenant, bytes)| Outgoing {
            topic: &topic,
            partition: Some(self.log_partition.partition),
            key: Some(tenant),
            payload: Some(bytes),
            headers: &[],
        });
        self.producer.send_all_blocking(records)?;
        self.rows += u64::try_from(rows.len())?;
        Ok(())
    }
}
