//! Damage is an error or no difference: never "absent", never a panic, and no byte is unprotected.

use super::{HOUR, Home, bucket, id, manifest};
use crate::run::RunFile;
use crate::{Entries, FileRef, Manifest, RunSet, StoreError};
use meterline_core::runs::{BucketEntry, IdEntry, Runs};
use meterline_core::time::Level;
use std::fs;
use std::path::{Path, PathBuf};

/// Every how many bytes the tests do damage: coprime to all widths, so all fields are hit.
const STRIDE: usize = 29;

struct Damaged {
    home: Home,
    run: RunFile,
    ids: Vec<IdEntry>,
    buckets: Vec<BucketEntry>,
}

impl Damaged {
    async fn new() -> Self {
        let home = Home::new();
        let ids: Vec<_> = (0..700).map(|n| id(HOUR + i32::from(n > 300), n)).collect();
        let of_level = |level| (0..60).map(move |key| bucket(level, HOUR, key, key + 1));
        let buckets: Vec<_> = Level::ALL.into_iter().flat_map(of_level).collect();
        let run = home
            .store
            .write_run(&Entries::new(ids.clone(), buckets.clone()))
            .await
            .expect("a run");
        Self {
            home,
            run,
            ids,
            buckets,
        }
    }

    fn path(&self) -> PathBuf {
        self.home.path(&self.run.file().path())
    }

    /// Asks for everything; returns whether any answer was an error.
    fn ask(&self, set: &RunSet) -> bool {
        let mut failed = false;
        for id in &self.ids {
            match set.has_id(id.hour, id.id) {
                Ok(found) => assert!(found, "{id:?} was taken for absent"),
                Err(_) => failed = true,
            }
        }
        for bucket in &self.buckets {
            match set.bucket(bucket.window, &bucket.key) {
                Ok(state) => assert_eq!(state.as_ref(), Some(&bucket.state)),
                Err(_) => failed = true,
            }
        }
        failed
    }
}

fn reopen(path: &Path, reference: &FileRef) -> Result<RunSet, StoreError> {
    RunFile::open(path, reference.clone()).map(|run| RunSet::of(vec![run]))
}

#[tokio::test]
async fn a_flipped_byte_of_a_run_is_always_noticed() {
    let damaged = Damaged::new().await;
    let (path, whole) = (damaged.path(), fs::read(damaged.path()).expect("the run"));
    assert!(
        !damaged.ask(&RunSet::of(vec![damaged.run.clone()])),
        "it is sound"
    );
    let (mut at_open, mut at_lookup) = (0, 0);
    for at in (0..whole.len()).step_by(STRIDE) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).expect("written");
        // An open run meets the damage in its pages only: all else is in memory.
        damaged.ask(&RunSet::of(vec![damaged.run.clone()]));
        match reopen(&path, damaged.run.file()) {
            Err(_) => at_open += 1,
            Ok(set) => {
                assert!(damaged.ask(&set), "byte {at} is protected by nothing");
                at_lookup += 1;
            }
        }
    }
    assert!(at_open > 0 && at_lookup > 0, "{at_open} {at_lookup}");
}

#[tokio::test]
async fn a_cut_run_is_never_opened() {
    let damaged = Damaged::new().await;
    let (path, whole) = (damaged.path(), fs::read(damaged.path()).expect("the run"));
    for length in (0..whole.len()).step_by(STRIDE).chain([whole.len() - 1]) {
        fs::write(&path, &whole[..length]).expect("written");
        let named = reopen(&path, damaged.run.file()).expect_err("it is too short");
        assert!(matches!(named, StoreError::Incomplete { .. }), "{named}");
        let length = u64::try_from(length).expect("a length");
        let lying = FileRef {
            length,
            ..damaged.run.file().clone()
        };
        let error = reopen(&path, &lying).expect_err("it has lost its end");
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }
    fs::remove_file(&path).expect("removed");
    let missing = reopen(&path, damaged.run.file()).expect_err("it is gone");
    assert!(
        matches!(missing, StoreError::Incomplete { found: None, .. }),
        "{missing}"
    );
}

#[tokio::test]
async fn errors_name_file_and_page() {
    let damaged = Damaged::new().await;
    let mut bytes = fs::read(damaged.path()).expect("the run");
    bytes[40] ^= 1;
    fs::write(damaged.path(), bytes).expect("written");
    let set = RunSet::of(vec![damaged.run.clone()]);
    let first = damaged
        .ids
        .iter()
        .filter(|id| id.hour.0 == HOUR)
        .min_by_key(|id| id.id);
    let first = first.expect("ids");
    let error = set
        .has_id(first.hour, first.id)
        .expect_err("its page is damaged")
        .0;
    assert!(error.contains(&damaged.run.file().path()), "{error}");
    assert!(
        error.contains("page at byte 12, ids of hour 2026-11-20T08:00:00"),
        "{error}"
    );
}

#[tokio::test]
async fn a_damaged_run_is_not_merged() {
    let damaged = Damaged::new().await;
    let mut set = RunSet::of(vec![damaged.run.clone()]);
    for n in 0..7 {
        set = damaged
            .home
            .add(&set, vec![id(HOUR + 5, 5_000 + n)], Vec::new())
            .await;
    }
    let mut bytes = fs::read(damaged.path()).expect("the run");
    bytes[40] ^= 1;
    fs::write(damaged.path(), bytes).expect("written");
    let merged = damaged.home.store.merge(&set, super::keep_all()).await;
    let error = merged.expect_err("a page is damaged");
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert_eq!(
        damaged.home.objects("spool"),
        [""; 0],
        "the unfinished run stayed"
    );
}

#[test]
fn a_flipped_byte_of_a_manifest_is_noticed_or_means_nothing() {
    let manifest = manifest(Vec::new(), "digest".to_owned(), 2, 1_000);
    let (text, path) = (manifest.encode().into_bytes(), manifest.path());
    assert_eq!(Manifest::decode(&text, &path).expect("sound"), manifest);
    for at in 0..text.len() {
        let mut flipped = text.clone();
        flipped[at] ^= 1 << (at % 8);
        for damaged in [flipped.as_slice(), &text[..at]] {
            if let Ok(read) = Manifest::decode(damaged, &path) {
                assert_eq!(read, manifest, "byte {at}");
            }
        }
    }
}
