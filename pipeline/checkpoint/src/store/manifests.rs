//! Publishing manifests and finding the newest that can be trusted.
//!
//! A manifest counts only with all its files in full length; the next older one is always as good
//! (INV-REPLAY), so an incomplete or damaged one is passed over with its reason. What is never
//! passed over: another format, and two histories of one epoch that disagree.

use super::Store;
use crate::error::StoreError;
use crate::manifest::{FileRef, Manifest};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use meterline_core::position::{LogPartition, Offset, Stamp};
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore, ObjectStoreExt};
use std::collections::BTreeMap;

/// Objects asked for at once: a manifest names a few dozen files.
const REQUESTS_MAX: usize = 16;
/// Manifests of one epoch that are compared with the chosen one: collections leave three and those
/// since, and each holds hashes of the last 64 samples.
const COMPARED_MAX: usize = 16;

/// A manifest's name, read from a listing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Listed {
    pub(super) stamp: Stamp,
    pub(super) path: ObjectPath,
}

impl Store {
    /// Publishes a manifest, durably, after checking that all its files are there.
    ///
    /// # Errors
    /// [`StoreError::Incomplete`] where a file is missing or has another length.
    pub async fn publish(&self, manifest: &Manifest) -> Result<(), StoreError> {
        self.check_files(&manifest.files).await?;
        let path = ObjectPath::from(manifest.path());
        let put = self.0.objects.put(&path, manifest.encode().into());
        put.await
            .map(drop)
            .map_err(|source| failed("publish", &path, source))
    }

    /// The newest complete manifest at or before a position, by (epoch, offset).
    ///
    /// # Errors
    /// [`StoreError::Divergence`], [`StoreError::UnknownFormat`], or the store's failure.
    pub async fn newest(
        &self,
        partition: LogPartition,
        at_or_before: Option<Stamp>,
    ) -> Result<Option<Manifest>, StoreError> {
        let mut listed = self.manifests_of(partition).await?;
        listed.retain(|listed| at_or_before.is_none_or(|bound| listed.stamp <= bound));
        for candidate in &listed {
            if let Some(manifest) = self.complete_manifest(&candidate.path).await? {
                self.check_agreement(&manifest, &listed).await?;
                return Ok(Some(manifest));
            }
        }
        Ok(None)
    }

    /// The manifests of a partition, newest first.
    pub(super) async fn manifests_of(
        &self,
        partition: LogPartition,
    ) -> Result<Vec<Listed>, StoreError> {
        let prefix = ObjectPath::from(format!("manifests/{partition}"));
        let mut listed = Vec::new();
        for path in self.list(&prefix).await? {
            match stamp_of(&path) {
                Some(stamp) => listed.push(Listed { stamp, path }),
                None => tracing::warn!(object = %path, "skipped: not named as manifests are"),
            }
        }
        listed.sort_unstable_by(|a, b| b.cmp(a));
        Ok(listed)
    }

    pub(super) async fn list(&self, prefix: &ObjectPath) -> Result<Vec<ObjectPath>, StoreError> {
        let objects = self
            .0
            .objects
            .list(Some(prefix))
            .map_ok(|object| object.location);
        objects
            .try_collect()
            .await
            .map_err(|source| failed("list", prefix, source))
    }

    /// A manifest whose files are all there; `None`, with the reason logged, where it is not one.
    pub(super) async fn complete_manifest(
        &self,
        path: &ObjectPath,
    ) -> Result<Option<Manifest>, StoreError> {
        let Some(manifest) = self.manifest(path).await? else {
            return Ok(None);
        };
        match self.check_files(&manifest.files).await {
            Ok(()) => Ok(Some(manifest)),
            Err(reason @ StoreError::Incomplete { .. }) => {
                tracing::warn!(manifest = %path, %reason, "skipped an incomplete manifest");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Reads a manifest; `None`, with the reason logged, where it is gone or damaged.
    pub(super) async fn manifest(&self, path: &ObjectPath) -> Result<Option<Manifest>, StoreError> {
        let Some(text) = self.read(path).await? else {
            tracing::warn!(manifest = %path, "skipped a manifest that was deleted meanwhile");
            return Ok(None);
        };
        match Manifest::decode(&text, path.as_ref()) {
            Ok(manifest) => Ok(Some(manifest)),
            Err(reason @ StoreError::Damaged { .. }) => {
                tracing::warn!(%reason, "skipped a damaged manifest");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The object's content; `None` where there is no such object.
    pub(super) async fn read(&self, path: &ObjectPath) -> Result<Option<Bytes>, StoreError> {
        let read = async { self.0.objects.get(path).await?.bytes().await };
        match read.await {
            Ok(content) => Ok(Some(content)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(failed("read", path, source)),
        }
    }

    async fn check_files(&self, files: &[FileRef]) -> Result<(), StoreError> {
        // Made first: a lazy iterator in the stream would keep the future from being sent to a task.
        let checks: Vec<_> = files.iter().map(|file| self.check_file(file)).collect();
        futures::stream::iter(checks)
            .buffer_unordered(REQUESTS_MAX)
            .try_for_each(|()| async { Ok(()) })
            .await
    }

    pub(super) async fn check_file(&self, file: &FileRef) -> Result<(), StoreError> {
        let path = ObjectPath::from(file.path());
        match self.0.objects.head(&path).await {
            Ok(object) if object.size == file.length => Ok(()),
            Ok(object) => Err(file.incomplete(Some(object.size))),
            Err(Error::NotFound { .. }) => Err(file.incomplete(None)),
            Err(source) => Err(failed("look for", &path, source)),
        }
    }

    /// Compares a manifest with the others of its epoch, where they hashed the same records.
    async fn check_agreement(&self, one: &Manifest, all: &[Listed]) -> Result<(), StoreError> {
        let path = one.path();
        let samples = samples(one);
        let is_other = |listed: &&Listed| {
            listed.stamp.epoch == one.header.epoch && listed.path.as_ref() != path
        };
        for listed in all.iter().filter(is_other).take(COMPARED_MAX) {
            let Some(other) = self.manifest(&listed.path).await? else {
                continue;
            };
            for (offset, hash) in self::samples(&other) {
                if samples.get(&offset).is_some_and(|known| *known != hash) {
                    return Err(StoreError::Divergence {
                        partition: one.log_partition(),
                        epoch: one.header.epoch,
                        offset,
                        first: path,
                        second: listed.path.to_string(),
                    });
                }
            }
        }
        Ok(())
    }
}

/// The hash over all outcomes before each sampled offset, the manifest's own position included.
pub(super) fn samples(manifest: &Manifest) -> BTreeMap<Offset, &str> {
    let header = &manifest.header;
    let samples = header
        .hash_samples
        .iter()
        .map(|(offset, hash)| (*offset, hash.as_str()));
    samples
        .chain([(header.position, header.outcome_hash.as_str())])
        .collect()
}

/// Reads epoch and offset from `…/<epoch>/<offset>-<writer>.json`.
fn stamp_of(path: &ObjectPath) -> Option<Stamp> {
    let parts: Vec<_> = path.parts().collect();
    let [.., epoch, name] = parts.as_slice() else {
        return None;
    };
    let (offset, _) = name.as_ref().strip_suffix(".json")?.split_once('-')?;
    let (epoch, offset) = (epoch.as_ref().parse().ok()?, offset.parse().ok()?);
    Some(Stamp { epoch, offset })
}

pub(super) fn failed(action: &'static str, path: &ObjectPath, source: Error) -> StoreError {
    StoreError::Object {
        action,
        object: path.to_string(),
        source,
    }
}
