//! Deleting what no checkpoint needs any more.
//!
//! A file is deleted only when no manifest of any partition names it and it is a day old: a run
//! that another owner has written and not yet named is younger than that. Files are listed before
//! manifests are read, so a manifest that was there when a file was judged is never overlooked.
//! While one manifest cannot be read, no file is deleted: it may name any of them.

use super::manifests::failed;
use super::{SPOOL, Store};
use crate::error::StoreError;
use futures::TryStreamExt;
use meterline_core::position::LogPartition;
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore, ObjectStoreExt};
use std::collections::HashSet;
use std::time::{Duration, SystemTime};

/// Complete manifests of a partition that stay: the newest, and two to fall back to.
const MANIFESTS_KEPT: usize = 3;
/// How old a file must be before it is deleted: no owner takes that long to name one.
const AGE_MIN: Duration = Duration::from_secs(24 * 60 * 60);

/// What a collection of garbage removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Garbage {
    /// Manifests deleted.
    pub manifests: usize,
    /// Files deleted: runs that no manifest names, and unfinished ones.
    pub files: usize,
}

impl Store {
    /// Deletes manifests of the partition behind its newest three complete ones, and files that
    /// are at least a day old and that no manifest of any partition names.
    ///
    /// # Errors
    /// When the store fails; what was deleted until then stays deleted.
    pub async fn collect_garbage(
        &self,
        partition: LogPartition,
        now: SystemTime,
    ) -> Result<Garbage, StoreError> {
        let mut old_files = self.old_objects("files", now).await?;
        let manifests = self.delete_old_manifests(partition).await?;
        match self.named_files().await? {
            Some(named) => old_files.retain(|path| !named.contains(path.as_ref())),
            None => old_files.clear(),
        }
        old_files.extend(self.old_objects(SPOOL, now).await?);
        let mut files = 0;
        for path in old_files {
            // It may have been written again, by a checkpoint with the same content.
            if self.is_old(&path, now).await? && self.delete(&path).await? {
                files += 1;
            }
        }
        Ok(Garbage { manifests, files })
    }

    async fn delete_old_manifests(&self, partition: LogPartition) -> Result<usize, StoreError> {
        let mut complete = 0;
        let mut deleted = 0;
        for listed in self.manifests_of(partition).await? {
            if complete == MANIFESTS_KEPT {
                deleted += usize::from(self.delete(&listed.path).await?);
            } else if self.complete_manifest(&listed.path).await?.is_some() {
                complete += 1;
            }
        }
        Ok(deleted)
    }

    /// Paths of the files that any manifest names; `None` while a manifest cannot be read.
    pub(super) async fn named_files(&self) -> Result<Option<HashSet<String>>, StoreError> {
        let mut named: HashSet<String> = self.files_set_aside().await?.into_iter().collect();
        for path in self.list(&ObjectPath::from("manifests")).await? {
            match self.manifest(&path).await? {
                Some(manifest) => named.extend(manifest.files.iter().map(|file| file.path())),
                None if self.read(&path).await?.is_none() => {}
                None => {
                    tracing::warn!(manifest = %path, "no file is deleted while this is damaged");
                    return Ok(None);
                }
            }
        }
        Ok(Some(named))
    }

    async fn old_objects(
        &self,
        folder: &'static str,
        now: SystemTime,
    ) -> Result<Vec<ObjectPath>, StoreError> {
        let prefix = ObjectPath::from(folder);
        let old = self
            .0
            .objects
            .list(Some(&prefix))
            .try_filter_map(|object| async move {
                Ok(has_age(object.last_modified.into(), now).then_some(object.location))
            });
        old.try_collect()
            .await
            .map_err(|source| failed("list", &prefix, source))
    }

    async fn is_old(&self, path: &ObjectPath, now: SystemTime) -> Result<bool, StoreError> {
        match self.0.objects.head(path).await {
            Ok(object) => Ok(has_age(object.last_modified.into(), now)),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(failed("look for", path, source)),
        }
    }

    /// Deletes an object; `false` where another was faster.
    pub(super) async fn delete(&self, path: &ObjectPath) -> Result<bool, StoreError> {
        match self.0.objects.delete(path).await {
            Ok(()) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(failed("delete", path, source)),
        }
    }
}

fn has_age(modified: SystemTime, now: SystemTime) -> bool {
    now.duration_since(modified).is_ok_and(|age| age >= AGE_MIN)
}
