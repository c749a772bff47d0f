//! The store: where runs and manifests lie, and how they get there durably.
//!
//! ```text
//! files/<first 2 digits>/<name>.run                              runs, by content hash
//! manifests/<topic id>/<partition>/<epoch>/<offset>-<writer>.json
//! control/<topic id>/<position>                                  snapshots of the control log
//! identity-key                                                   made once
//! spool/<random>.run                                             runs being written
//! ```
//!
//! A local store is read in place. Of any other, runs are written and read through a local folder
//! (`checkpoint.cache`) with `files` and `spool` of the same layout.
//!
//! A manifest is published after its runs are durable, so what it names was there; whoever reads
//! it checks again. Two owners of one partition can write here at once: names are content hashes
//! or hold a random writer, and nothing that a manifest names is ever changed. The store refuses
//! to guess: without the right identity key, or with a format it does not know, nothing is loaded.

mod backend;
mod cache;
mod garbage;
mod identity_key;
mod inspect;
mod manifests;
mod snapshots;
mod transfer;

pub use garbage::Garbage;
pub use inspect::{Inspected, Orphans, Problem};

use crate::error::StoreError;
use crate::manifest::{FileRef, Manifest, Writer};
use crate::merge::{self, Keep, Merged};
use crate::run::{Entry, RunFile, RunWriter, WriteFailed, Written};
use crate::run_set::RunSet;
use crate::settings::StoreSettings;
use backend::Backend;
use cache::Cache;
use futures::{StreamExt, TryStreamExt};
use manifests::failed;
use meterline_core::hash::IdentityKey;
use meterline_core::runs::{BucketEntry, IdEntry};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};
use std::cmp::Reverse;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Runs that are being written: what lies here for a day was left by a process that died.
const SPOOL: &str = "spool";

/// Runs of one checkpoint that are opened, and fetched where needed, at once: several hide the
/// latency of an object store, few bound the memory of their parts.
const OPENED_AT_ONCE: usize = 4;

/// What a run of tier 0 is written from: cheap to clone, so that a write that failed can be tried
/// again without a copy.
#[derive(Clone)]
pub struct Entries(Arc<Mutex<(Vec<IdEntry>, Vec<BucketEntry>)>>);

/// A checkpoint store: cheap to clone, shared by all partitions of a process.
#[derive(Clone, Debug)]
pub struct Store(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    objects: Arc<dyn ObjectStore>,
    /// The folder that runs are read from and spooled in: the store's own where it is local.
    folder: PathBuf,
    /// Copies of runs in that folder; `None` where they are the objects themselves.
    cache: Option<Cache>,
    identity_key: OnceCell<IdentityKey>,
}

impl Store {
    /// Opens the store of these settings; a local folder is made where it is missing.
    ///
    /// Nothing is asked of an object store: that it is away shows in the first call.
    ///
    /// # Errors
    /// Settings that cannot be used, and [`StoreError::Io`] where a folder cannot be made.
    pub fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        let backend = Backend::open(settings)?;
        let spool = backend.folder.join(SPOOL);
        std::fs::create_dir_all(&spool).map_err(|source| StoreError::Io {
            action: "make checkpoint folder",
            path: spool,
            source,
        })?;
        let Backend {
            objects,
            folder,
            is_local,
        } = backend;
        let cache = (!is_local).then(|| Cache::new(&folder, settings.cache_bytes));
        let identity_key = OnceCell::new();
        Ok(Self(Arc::new(Opened {
            objects,
            folder,
            cache,
            identity_key,
        })))
    }

    /// Writes one run of tier 0, durably, and opens it.
    ///
    /// The entries come in any order. Of ids that repeat one is kept, of buckets that repeat the
    /// one with the highest version.
    ///
    /// # Errors
    /// When it cannot be written; the entries can be given again.
    pub async fn write_run(&self, entries: &Entries) -> Result<RunFile, StoreError> {
        let entries = entries.clone();
        let fill = move |out: &mut RunWriter<File>| entries.write_sorted(out);
        self.add_run(0, fill).await
    }

    /// Opens all runs of a manifest.
    ///
    /// # Errors
    /// When a run is missing or damaged, or the manifest was written with another identity key.
    pub async fn load(&self, manifest: &Manifest) -> Result<RunSet, StoreError> {
        if self.identity_key().await?.digest() != manifest.header.identity_key {
            return Err(StoreError::IdentityKey {
                object: manifest.path(),
                reason: "its ids were hashed with another key than the store's",
            });
        }
        let opening: Vec<_> = manifest
            .files
            .iter()
            .map(|file| self.open_run(file))
            .collect();
        let opening = futures::stream::iter(opening).buffered(OPENED_AT_ONCE);
        opening.try_collect().await.map(RunSet::of)
    }

    /// Opens one run; brings it here first where it lies in an object store.
    async fn open_run(&self, file: &FileRef) -> Result<RunFile, StoreError> {
        let Some(cache) = &self.0.cache else {
            return self.open_in_place(file.clone()).await;
        };
        if !cache.has(file).await? {
            let spooled = self.spool_path();
            let object = ObjectPath::from(file.path());
            transfer::download(&self.0.objects, &object, file, spooled.clone()).await?;
            cache.keep(spooled, file).await?;
        }
        cache.open(file.clone()).await
    }

    async fn open_in_place(&self, file: FileRef) -> Result<RunFile, StoreError> {
        let path = self.0.folder.join(file.path());
        blocking("open a run", move || RunFile::open(&path, file)).await
    }

    /// Merges the runs that [`RunSet::merge_plan`] names; `None` where it names none.
    ///
    /// Spawn it beside the partition's work, one at a time per partition, and give the answer to
    /// [`RunSet::replace`].
    ///
    /// # Errors
    /// When a run cannot be read or the new one cannot be written; nothing has changed then.
    pub async fn merge(&self, set: &RunSet, keep: Keep) -> Result<Option<Merged>, StoreError> {
        let Some(plan) = set.plan(keep) else {
            return Ok(None);
        };
        let replaced = plan.runs.iter().map(|run| run.file().clone()).collect();
        let tier = plan.tier;
        let fill = move |out: &mut RunWriter<File>| merge::write(&plan, keep, out);
        let run = self.add_run(tier, fill).await?;
        Ok(Some(Merged { replaced, run }))
    }

    /// Writes a run into the spool, makes it durable, moves it to its name and opens it.
    async fn add_run(
        &self,
        tier: u8,
        fill: impl FnOnce(&mut RunWriter<File>) -> Result<(), WriteFailed> + Send + 'static,
    ) -> Result<RunFile, StoreError> {
        let spooled = self.spool_path();
        let path = spooled.clone();
        let written = blocking("write a run", move || write_file(&path, fill)).await?;
        let file = reference(&written, tier);
        match &self.0.cache {
            None => self.move_from_spool(&spooled, file).await,
            Some(cache) => self.store_spooled(cache, spooled, file).await,
        }
    }

    async fn move_from_spool(&self, spooled: &Path, file: FileRef) -> Result<RunFile, StoreError> {
        let name = spooled.file_name().unwrap_or_default().to_string_lossy();
        let from = ObjectPath::from_iter([SPOOL, &name]);
        let to = ObjectPath::from(file.path());
        let moved = self.0.objects.rename(&from, &to).await;
        moved.map_err(|source| failed("store run", &to, source))?;
        self.open_in_place(file).await
    }

    async fn store_spooled(
        &self,
        cache: &Cache,
        spooled: PathBuf,
        file: FileRef,
    ) -> Result<RunFile, StoreError> {
        let to = ObjectPath::from(file.path());
        if let Err(error) = transfer::upload(&self.0.objects, &spooled, &to, file.length).await {
            // Collected later where this fails too.
            let _ = std::fs::remove_file(&spooled);
            return Err(error);
        }
        cache.keep(spooled, &file).await?;
        cache.open(file).await
    }

    fn spool_path(&self) -> PathBuf {
        let name = format!("{}.run", Writer::random());
        self.0.folder.join(SPOOL).join(name)
    }
}

impl Entries {
    /// Ids and buckets in any order.
    #[must_use]
    pub fn new(ids: Vec<IdEntry>, buckets: Vec<BucketEntry>) -> Self {
        Self(Arc::new(Mutex::new((ids, buckets))))
    }

    /// Sorting what an earlier try has sorted changes nothing.
    fn write_sorted(&self, out: &mut RunWriter<File>) -> Result<(), WriteFailed> {
        // A panic while sorting leaves every entry there, in some order.
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (ids, buckets) = &mut *entries;
        ids.sort_unstable_by(IdEntry::by_key);
        ids.dedup_by(|next, kept| next.by_key(kept).is_eq());
        for id in ids.iter() {
            out.id(id)?;
        }
        let newest_first = |a: &BucketEntry, b: &BucketEntry| {
            a.by_key(b)
                .then_with(|| Reverse(a.version).cmp(&Reverse(b.version)))
        };
        buckets.sort_unstable_by(newest_first);
        buckets.dedup_by(|next, kept| next.by_key(kept).is_eq());
        for bucket in buckets.iter() {
            out.bucket(bucket)?;
        }
        Ok(())
    }
}

/// Makes a file, and its folder where that is gone; never the store's own folder, which may be a
/// volume that is not mounted.
fn create(path: &Path) -> io::Result<File> {
    match (File::create_new(path), path.parent()) {
        (Err(error), Some(spool)) if error.kind() == io::ErrorKind::NotFound => {
            match std::fs::create_dir(spool) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            File::create_new(path)
        }
        (created, _) => created,
    }
}

/// Writes a run into a new file and syncs it; a file that could not be finished is removed.
fn write_file(
    path: &Path,
    fill: impl FnOnce(&mut RunWriter<File>) -> Result<(), WriteFailed>,
) -> Result<Written, StoreError> {
    let write = || {
        let mut out = RunWriter::new(create(path)?)?;
        fill(&mut out)?;
        let (file, written) = out.finish()?;
        file.sync_all()?;
        Ok(written)
    };
    write().map_err(|error| {
        // Collected later where this fails too.
        let _ = std::fs::remove_file(path);
        match error {
            WriteFailed::Store(error) => error,
            WriteFailed::Io(source) => StoreError::Io {
                action: "write run",
                path: path.to_owned(),
                source,
            },
        }
    })
}

fn reference(written: &Written, tier: u8) -> FileRef {
    let checksum = written.hash.to_hex().to_string();
    FileRef {
        name: checksum[..32].to_owned(),
        length: written.length,
        checksum,
        ids: written.ids,
        buckets: written.buckets,
        tier,
    }
}

/// Runs work that waits for files or computes for long on a thread made for that.
async fn blocking<T: Send + 'static>(
    action: &'static str,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(source) => Err(StoreError::Task { action, source }),
    }
}
