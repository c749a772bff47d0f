//! Tests of the crate over its public surface, on real files, and what they share.

mod damage;
mod garbage;
mod inspecting;
mod keys;
mod manifests;
mod merging;
mod model;
mod object_store;
mod runs;
mod snapshots;

use crate::{Entries, FileRef, Keep, Manifest, RunSet, Store, StoreSettings, Writer};
use meterline_core::counters::Counters;
use meterline_core::fold::Header;
use meterline_core::hash::Identity;
use meterline_core::position::{LogPartition, Stamp, TopicId};
use meterline_core::runs::{BucketEntry, IdEntry};
use meterline_core::time::{EventTime, Hour, Level, LogTime, Window};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const PARTITION: LogPartition = LogPartition {
    topic_id: TopicId(0x5eed),
    partition: 3,
};
/// An hour in November 2026.
const HOUR: i32 = 498_656;

/// A store in a folder of its own, which is deleted with it.
struct Home {
    folder: TempDir,
    store: Store,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let store = open(folder.path());
        Self { folder, store }
    }

    fn path(&self, object: &str) -> PathBuf {
        self.folder.path().join(object)
    }

    /// Every object below a folder of the store, by its path in the store, sorted.
    fn objects(&self, below: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut folders = vec![self.path(below)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten() {
                let path = entry.expect("a folder that can be read").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let object = path.strip_prefix(self.folder.path()).expect("it is below");
                found.push(object.display().to_string());
            }
        }
        found.sort();
        found
    }

    /// Writes a run of these ids and buckets and adds it to the set.
    async fn add(&self, set: &RunSet, ids: Vec<IdEntry>, buckets: Vec<BucketEntry>) -> RunSet {
        set.with(
            self.store
                .write_run(&Entries::new(ids, buckets))
                .await
                .expect("a written run"),
        )
    }

    /// A manifest of the runs at a position, with the store's key.
    async fn manifest(&self, set: &RunSet, epoch: u16, position: u64) -> Manifest {
        let key = self.store.identity_key().await.expect("a key");
        manifest(set.files(), key.digest(), epoch, position)
    }
}

fn open(folder: &Path) -> Store {
    let url = format!("file://{}", folder.display());
    Store::open(&StoreSettings::new(&url)).expect("an open store")
}

fn manifest(files: Vec<FileRef>, identity_key: String, epoch: u16, position: u64) -> Manifest {
    let header = Header {
        log_partition: PARTITION,
        epoch,
        position,
        partitions: 4,
        log_time: LogTime(1_795_000_000_000),
        sealed_to: EventTime(0),
        accept_floor: EventTime(0),
        answer_floor: EventTime(0),
        levels_to: position / 2,
        levels_sealed_to: EventTime(0),
        catalogs: Vec::new(),
        voids_to: None,
        counters: Counters {
            delivered: position,
            accepted: position,
            ..Counters::default()
        },
        outcome_hash: format!("{position:032x}"),
        hash_samples: (0..position / 100)
            .map(|n| (n * 100, format!("{:032x}", n * 100)))
            .collect(),
        identity_key,
    };
    Manifest {
        header,
        control_topic_id: TopicId(7),
        control_offset: 12,
        leader_epoch: 5,
        writer: Writer::random(),
        written_at: 1_795_000_000_123,
        files,
    }
}

/// An identity as hashes give them: spread over all 128 bits.
fn spread(n: u64) -> u128 {
    u128::from(n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
}

fn id(hour: i32, n: u64) -> IdEntry {
    // Notes of all forms: none, one byte, more.
    let note = vec![7; [0, 0, 0, 1, 40][usize::try_from(n % 5).expect("small")]];
    IdEntry {
        hour: Hour(hour),
        id: Identity(spread(n)),
        note,
    }
}

fn bucket(level: Level, hour: i32, key: u64, version: u64) -> BucketEntry {
    let window = Window::of(level, Hour(hour));
    let state = format!("state of {key} at {version}").into_bytes();
    BucketEntry {
        window,
        key: format!("series {key:04}").into_bytes(),
        version,
        state,
    }
}

/// Nothing may be dropped.
fn keep_all() -> Keep {
    Keep {
        answer_floor: EventTime(i64::MIN),
        levels_to: Stamp::default(),
    }
}
