//! The store: where runs and manifests lie, and how they get there durably.
//!
//! ```text
//! files/<first 2 digits>/<name>.run                              runs, by content hash
//! manifests/<topic id>/<partition>/<epoch>/<offset>-<writer>.json
//! identity-key                                                   made once
//! spool/<random>.run                                             runs being written
//! ```
//!
//! A manifest is published after its runs are durable, so what it names was there; whoever reads
//! it checks again. Two owners of one partition can write here at once: names are content hashes
//! or hold a random writer, and nothing that a manifest names is ever changed. The store refuses
//! to guess: without the right identity key, or with a format it does not know, nothing is loaded.

mod garbage;
mod identity_key;
mod manifests;

pub use garbage::Garbage;

use crate::error::StoreError;
use crate::manifest::{FileRef, Manifest, Writer};
use crate::merge::{self, Keep, Merged};
use crate::run::{Entry, RunFile, RunWriter, WriteFailed, Written};
use crate::run_set::RunSet;
use meterline_core::hash::IdentityKey;
use meterline_core::runs::{BucketEntry, IdEntry};
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt};
use std::cmp::Reverse;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;
use url::Url;

/// Runs that are being written: what lies here for a day was left by a process that died.
const SPOOL: &str = "spool";

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
    /// The folder that the objects lie in, to read and spool runs without copying them.
    folder: PathBuf,
    identity_key: OnceCell<IdentityKey>,
}

impl Store {
    /// Opens the store at a URL: `file:///absolute/folder`, made where it is missing.
    ///
    /// The second argument is the folder that runs of a store without local files will be brought
    /// to; local stores are read in place and leave it alone.
    ///
    /// # Errors
    /// [`StoreError::Url`] for other schemes, [`StoreError::Io`] where the folder cannot be made.
    pub fn open(url: &str, _cache: Option<PathBuf>) -> Result<Self, StoreError> {
        let folder = local_folder(url)?;
        let failed = |source| StoreError::Io {
            action: "make checkpoint folder",
            path: folder.clone(),
            source,
        };
        std::fs::create_dir_all(folder.join(SPOOL)).map_err(failed)?;
        let objects = LocalFileSystem::new_with_prefix(&folder)
            .map_err(|source| StoreError::Object {
                action: "open",
                object: url.to_owned(),
                source,
            })?
            // Without this a manifest could survive a power cut that its runs did not.
            .with_fsync(true);
        let (objects, identity_key) = (Arc::new(objects), OnceCell::new());
        Ok(Self(Arc::new(Opened {
            objects,
            folder,
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
        let store = self.clone();
        let files = manifest.files.clone();
        let open_all = move || {
            let runs = files
                .into_iter()
                .map(|file| RunFile::open(&store.local_path(&file), file));
            runs.collect::<Result<Vec<_>, _>>().map(RunSet::of)
        };
        blocking("open the runs of a checkpoint", open_all).await
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
        let spooled = format!("{SPOOL}/{}.run", Writer::random());
        let path = self.0.folder.join(&spooled);
        let written = blocking("write a run", move || write_file(&path, fill)).await?;
        let reference = reference(&written, tier);
        self.0
            .objects
            .rename(
                &ObjectPath::from(spooled),
                &ObjectPath::from(reference.path()),
            )
            .await
            .map_err(|source| StoreError::Object {
                action: "store run",
                object: reference.path(),
                source,
            })?;
        let path = self.local_path(&reference);
        blocking("open a run", move || RunFile::open(&path, reference)).await
    }

    fn local_path(&self, file: &FileRef) -> PathBuf {
        self.0.folder.join(file.path())
    }
}

fn local_folder(url: &str) -> Result<PathBuf, StoreError> {
    let refused = |url: &str, reason| StoreError::Url {
        url: url.to_owned(),
        reason,
    };
    let Ok(parsed) = Url::parse(url) else {
        return Err(refused(
            url,
            "it is no URL; give `file:///` and an absolute folder",
        ));
    };
    if parsed.scheme() != "file" {
        // A cloud store's URL may carry credentials: only the scheme is repeated.
        let scheme = format!("{}:", parsed.scheme());
        let reason = "cloud stores come later; give `file:///` and an absolute folder";
        return Err(refused(&scheme, reason));
    }
    let not_local = "it names no local folder; give `file:///` and an absolute folder";
    parsed.to_file_path().map_err(|()| refused(url, not_local))
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
