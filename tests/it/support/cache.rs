//! Downloads that tests need beside the stack's, kept with the stack's: fetched once, by clients of
//! the package registries, into a folder that is whole or absent.

use super::guard::repository;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The folder that `fill` makes of these files, made again whenever one of them changes.
pub(crate) fn cached(name: &str, sources: &[PathBuf], fill: impl FnOnce(&Path)) -> PathBuf {
    static FILLING: Mutex<()> = Mutex::new(());
    let _one = FILLING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut hasher = DefaultHasher::new();
    for source in sources {
        let text = std::fs::read(source);
        text.unwrap_or_else(|e| panic!("{}: {e}", source.display()))
            .hash(&mut hasher);
    }
    let folder = std::env::var_os("METERLINE_STACK_CACHE")
        .map_or_else(|| repository().join("deploy/local/.cache"), PathBuf::from);
    let target = folder.join(format!("{name}-{:016x}", hasher.finish()));
    if target.is_dir() {
        return target;
    }
    std::fs::create_dir_all(&folder).expect("a cache folder can be made");
    let part = tempfile::tempdir_in(&folder).expect("a folder can be made in the cache");
    fill(part.path());
    // Another run of the tests may have been faster; then this one is thrown away.
    if std::fs::rename(part.path(), &target).is_ok() {
        let _gone = part.keep();
    }
    target
}
