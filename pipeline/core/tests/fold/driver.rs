//! Drives a partition as a worker does: cuts, checkpoints, crashes, and tables that keep the
//! highest stamp. The order and moment of all that is the script's; the log is fixed.

use crate::world::{Appended, Content, KEY, adoption};
use meterline_core::bucket::{Bucket, BucketRow, Kind};
use meterline_core::control::CatalogDecision;
use meterline_core::fold::{CheckpointCut, Header, Outcome, Partition};
use meterline_core::hash::Identity;
use meterline_core::position::Stamp;
use meterline_core::record::{Placement, Record};
use meterline_core::runs::{BucketEntry, LookupFailed, Runs};
use meterline_core::time::{EventTime, Hour, Level, Window};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Runs in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryRuns {
    ids: BTreeMap<(Hour, Identity), Vec<u8>>,
    buckets: BTreeMap<(Window, Vec<u8>), BucketEntry>,
}

impl MemoryRuns {
    fn with(&self, cut: CheckpointCut) -> Self {
        let mut runs = self.clone();
        let written: BTreeSet<_> = cut.ids.iter().map(|e| (e.hour, e.id)).collect();
        assert_eq!(written.len(), cut.ids.len(), "a run holds an id once");
        let ids = cut.ids.into_iter();
        runs.ids
            .extend(ids.map(|entry| ((entry.hour, entry.id), entry.note)));
        for entry in cut.buckets {
            runs.buckets
                .insert((entry.window, entry.key.clone()), entry);
        }
        runs
    }

    fn levels_since(&self, version: u64) -> impl Iterator<Item = BucketEntry> {
        let dirty =
            |entry: &&BucketEntry| entry.window.level != Level::Hour && entry.version >= version;
        let entries: Vec<_> = self.buckets.values().filter(dirty).cloned().collect();
        entries.into_iter()
    }
}

impl Runs for MemoryRuns {
    fn has_id(&self, hour: Hour, id: Identity) -> Result<bool, LookupFailed> {
        Ok(self.ids.contains_key(&(hour, id)))
    }

    fn note(&self, hour: Hour, id: Identity) -> Result<Option<Vec<u8>>, LookupFailed> {
        Ok(self.ids.get(&(hour, id)).cloned())
    }

    fn notes(&self, hour: Hour, each: &mut dyn FnMut(Identity, &[u8])) -> Result<(), LookupFailed> {
        let of_hour = (hour, Identity(0))..=(hour, Identity(u128::MAX));
        for ((_, id), note) in self.ids.range(of_hour) {
            each(*id, note);
        }
        Ok(())
    }

    fn bucket(&self, window: Window, key: &[u8]) -> Result<Option<Vec<u8>>, LookupFailed> {
        Ok(self
            .buckets
            .get(&(window, key.to_vec()))
            .map(|entry| entry.state.clone()))
    }
}

pub(crate) type Table = BTreeMap<(Window, Vec<u8>), (u64, Bucket)>;

/// What the worker does between two records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Act {
    FlushHours,
    FlushLevels,
    FlushTotals,
    /// Flush hours and totals and begin a checkpoint, unless one is under way.
    BeginCheckpoint,
    /// Install the checkpoint under way: its manifest, its runs.
    EndCheckpoint,
    /// Lose everything but the last manifest and the tables.
    Crash,
    Nothing,
}

/// A worker on one partition, with its tables.
#[derive(Debug)]
pub(crate) struct Driver {
    catalog: Arc<CatalogDecision>,
    pub(crate) partition: Partition,
    runs: MemoryRuns,
    under_way: Option<CheckpointCut>,
    manifest: Option<(Header, MemoryRuns)>,
    /// Day and month rows are in the tables up to here, and the `sealed_to` there.
    levels: (u64, EventTime),
    pub(crate) tables: Table,
    pub(crate) totals: Table,
    /// Every row ever written to the tables, by its stamp.
    pub(crate) written: BTreeMap<(Window, Vec<u8>, u64), Bucket>,
    pub(crate) outcomes: BTreeMap<u64, Outcome>,
}

impl Driver {
    pub(crate) fn begin(catalog: Arc<CatalogDecision>) -> Self {
        Self {
            partition: Partition::begin(&adoption(), Arc::clone(&catalog), KEY),
            catalog,
            runs: MemoryRuns::default(),
            under_way: None,
            manifest: None,
            levels: (0, EventTime(0)),
            tables: Table::new(),
            totals: Table::new(),
            written: BTreeMap::new(),
            outcomes: BTreeMap::new(),
        }
    }

    /// Folds the whole log; after record *i* does `script[i % script.len()]`, and flushes at the
    /// end. A crash goes back to the manifest's position.
    pub(crate) fn run(&mut self, log: &[Appended], script: &[Act]) {
        let mut turn = 0;
        let mut crashes = 0;
        while let Some(next) = self.next(log) {
            self.step(next);
            let act = script
                .get(turn % script.len().max(1))
                .copied()
                .unwrap_or(Act::Nothing);
            turn += 1;
            if act == Act::Crash {
                crashes += 1;
                if crashes > 20 {
                    continue;
                }
            }
            self.act(act);
        }
        for act in [Act::FlushHours, Act::FlushLevels, Act::FlushTotals] {
            self.act(act);
        }
    }

    fn next<'a>(&self, log: &'a [Appended]) -> Option<&'a Appended> {
        log.iter()
            .find(|record| record.offset >= self.partition.position().offset)
    }

    pub(crate) fn step(&mut self, appended: &Appended) -> Outcome {
        let payload = match &appended.content {
            Content::Event(event) => event.json(),
            Content::Broken => b"nonsense".to_vec(),
            Content::Tick | Content::Void(_) => vec![],
        };
        let placement = match &appended.content {
            Content::Tick => Some(Placement::Tick),
            Content::Void(void) => Some(Placement::Void {
                decision: Arc::clone(&void.decision),
                catalogs: [Arc::clone(&self.catalog)].into(),
            }),
            Content::Event(_) | Content::Broken => None,
        };
        let record = Record {
            offset: appended.offset,
            append_time: appended.append_time,
            headers: &[],
            payload: Some(&payload),
            size: payload.len(),
            placement: placement.as_ref(),
        };
        let outcome = self
            .partition
            .step(&record, &self.runs)
            .expect("memory answers");
        let before = self.outcomes.insert(appended.offset, outcome.clone());
        assert!(
            before.is_none_or(|b| b == outcome),
            "INV-REPLAY at {}",
            appended.offset
        );
        outcome
    }

    pub(crate) fn act(&mut self, act: Act) {
        match act {
            Act::FlushHours => {
                let rows = self.partition.cut_hour_rows();
                self.publish(&rows);
            }
            Act::FlushLevels => {
                let rows = self.partition.cut_level_rows();
                self.publish(&rows);
                let offset = self.partition.position().offset;
                self.levels = (offset, self.partition.sealed_to());
            }
            Act::FlushTotals => {
                let rows = self.partition.cut_totals();
                assert!(rows.iter().all(|row| row.series.kind != Kind::Part));
                store(&mut self.totals, &rows);
            }
            Act::BeginCheckpoint => {
                self.act(Act::FlushHours);
                self.act(Act::FlushTotals);
                if self.under_way.is_none() {
                    self.under_way = Some(self.partition.cut_checkpoint(self.levels));
                }
            }
            Act::EndCheckpoint => {
                if let Some(cut) = self.under_way.take() {
                    let header = cut.header.clone();
                    self.runs = self.runs.with(cut);
                    self.manifest = Some((header, self.runs.clone()));
                    self.partition.settle_checkpoint();
                }
            }
            Act::Crash => self.crash(),
            Act::Nothing => {}
        }
    }

    fn publish(&mut self, rows: &[BucketRow]) {
        store(&mut self.tables, rows);
        for row in rows {
            let key = (row.window, row.series.key(), row.bucket.changed.version());
            self.written.insert(key, row.bucket);
        }
    }

    fn crash(&mut self) {
        self.under_way = None;
        let catalog = Arc::clone(&self.catalog);
        let Some((header, runs)) = self.manifest.clone() else {
            self.partition = Partition::begin(&adoption(), catalog, KEY);
            self.runs = MemoryRuns::default();
            self.levels = (0, EventTime(0));
            return;
        };
        let json = serde_json::to_string(&header).expect("a header is JSON");
        let header: Header = serde_json::from_str(&json).expect("and back");
        self.levels = (header.levels_to, header.levels_sealed_to);
        let from = Stamp {
            epoch: header.epoch,
            offset: header.levels_to,
        };
        let levels = runs.levels_since(from.version());
        self.partition = Partition::restore(header, catalog, KEY, levels).expect("own format");
        self.runs = runs;
    }
}

/// Keeps the highest version per key, as ReplacingMergeTree does.
fn store(table: &mut Table, rows: &[BucketRow]) {
    for row in rows {
        let key = (row.window, row.series.key());
        let version = row.bucket.changed.version();
        match table.get(&key) {
            Some((held, bucket)) if *held == version => {
                assert_eq!(
                    *bucket, row.bucket,
                    "INV-STAMP: equal stamps mean equal rows"
                );
            }
            Some((held, _)) if *held > version => {}
            _ => {
                table.insert(key, (version, row.bucket));
            }
        }
    }
}
