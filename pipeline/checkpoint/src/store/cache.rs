//! Local copies of the runs of a store that is not local.
//!
//! A lookup reads one page, so runs are read from the local disk. A copy is made by the checkpoint
//! that writes the run, or brought back from the store and verified by the hash that is its name;
//! a copy that is there already is verified too whenever a checkpoint is loaded, so damage on the
//! local disk heals by loading again. The folder holds nothing that the store does not: it may be
//! deleted at any time, and several processes may share it.

use super::{SPOOL, blocking};
use crate::error::StoreError;
use crate::manifest::FileRef;
use crate::run::{OpenRun, RunFile};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// Bytes that are read at once to be hashed.
const HASHED_AT_ONCE: usize = 1 << 20;
/// What lies in the spool for so long was left by a process that died.
const SPOOLED_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The folder of copies: cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Cache(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    folder: PathBuf,
    bytes_max: u64,
    /// Runs of this process by name: their copies stay, deleting them would free nothing.
    open: Mutex<HashMap<String, OpenRun>>,
}

/// A copy on the disk.
struct Copy {
    used: SystemTime,
    length: u64,
    path: PathBuf,
}

impl Cache {
    pub(super) fn new(folder: &Path, bytes_max: u64) -> Self {
        Self(Arc::new(Opened {
            folder: folder.to_owned(),
            bytes_max,
            open: Mutex::new(HashMap::new()),
        }))
    }

    /// Whether a sound copy is there; a damaged one is removed.
    pub(super) async fn has(&self, file: &FileRef) -> Result<bool, StoreError> {
        let (path, file) = (self.path(file), file.clone());
        blocking("verify the local copy of a run", move || {
            match is_sound(&path, &file) {
                Ok(true) => Ok(true),
                Ok(false) => {
                    tracing::warn!(file = %path.display(), "a local copy is damaged, fetching it again");
                    std::fs::remove_file(&path).map_err(|e| failed("remove the damaged copy", &path, e))?;
                    Ok(false)
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(failed("verify the copy", &path, error)),
            }
        })
        .await
    }

    /// Puts a complete file from the spool into its place.
    pub(super) async fn keep(&self, spooled: PathBuf, file: &FileRef) -> Result<(), StoreError> {
        let path = self.path(file);
        blocking("keep the local copy of a run", move || {
            let place = path.parent().expect("copies lie in a folder");
            let moved =
                std::fs::create_dir_all(place).and_then(|()| std::fs::rename(&spooled, &path));
            moved.map_err(|e| failed("keep the copy", &path, e))
        })
        .await
    }

    /// Opens a copy, and makes room for others.
    pub(super) async fn open(&self, file: FileRef) -> Result<RunFile, StoreError> {
        let cache = self.clone();
        blocking("open a run", move || {
            let path = cache.path(&file);
            let run = RunFile::open(&path, file)?;
            let mut open = cache.opened();
            open.retain(|_, run| run.is_open());
            open.insert(run.file().name.clone(), run.watch());
            drop(open);
            if let Err(error) = mark_used(&path).and_then(|()| cache.make_room()) {
                // Too much on the disk is no reason not to go on; a full disk will be one.
                tracing::warn!(%error, folder = %cache.0.folder.display(), "failed to tidy the cache");
            }
            Ok(run)
        })
        .await
    }

    fn path(&self, file: &FileRef) -> PathBuf {
        self.0.folder.join(file.path())
    }

    fn opened(&self) -> MutexGuard<'_, HashMap<String, OpenRun>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes copies that no open run of this process needs, until the bound is kept.
    fn make_room(&self) -> io::Result<()> {
        for left in files_below(&self.0.folder.join(SPOOL))? {
            if left.used.elapsed().is_ok_and(|age| age >= SPOOLED_MAX) {
                remove(&left.path)?;
            }
        }
        let mut copies = files_below(&self.0.folder.join("files"))?;
        copies.sort_by_key(|copy| copy.used);
        let mut bytes: u64 = copies.iter().map(|copy| copy.length).sum();
        let open = self.opened();
        for copy in &copies {
            if bytes <= self.0.bytes_max {
                return Ok(());
            }
            let name = copy.path.file_stem().unwrap_or_default().to_string_lossy();
            if open.get(name.as_ref()).is_some_and(OpenRun::is_open) {
                continue;
            }
            remove(&copy.path)?;
            bytes -= copy.length;
        }
        if bytes > self.0.bytes_max {
            let bound = self.0.bytes_max;
            tracing::warn!(
                bytes,
                bound,
                "open runs need more than checkpoint.cache_size"
            );
        }
        Ok(())
    }
}

/// Whether the file has the length and the hash that it should.
fn is_sound(path: &Path, file: &FileRef) -> io::Result<bool> {
    let mut copy = File::open(path)?;
    if copy.metadata()?.len() != file.length {
        return Ok(false);
    }
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; HASHED_AT_ONCE];
    loop {
        match copy.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().to_hex().as_str() == file.checksum),
            read => hasher.update(&buffer[..read]),
        };
    }
}

fn mark_used(path: &Path) -> io::Result<()> {
    File::open(path)?.set_modified(SystemTime::now())
}

/// Removes a file; another process may have been faster.
fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The files of a folder and of the folders in it; other processes may remove them meanwhile.
fn files_below(folder: &Path) -> io::Result<Vec<Copy>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                found.push(Copy {
                    used: metadata.modified()?,
                    length: metadata.len(),
                    path: entry.path(),
                });
            }
        }
    }
    Ok(found)
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> StoreError {
    StoreError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}
