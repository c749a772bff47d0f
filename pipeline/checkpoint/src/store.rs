//! The store.
use crate::error::StoreError;
use crate::manifest::Manifest;
use crate::run::RunFile;
use crate::run_set::{Keep, Merged, RunSet};
use meterline_core::hash::IdentityKey;
use meterline_core::position::{LogPartition, Stamp};
use meterline_core::runs::{BucketEntry, IdEntry};
use std::path::PathBuf;
use std::time::SystemTime;

/// A checkpoint store: cheap to clone, shared by all partitions of a process.
#[derive(Clone, Debug)]
pub struct Store {}

/// What a collection of garbage removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Garbage {
    /// Manifests deleted.
    pub manifests: usize,
    /// Run files deleted.
    pub files: usize,
}

#[allow(unused_variables, clippy::unimplemented, clippy::unused_async)]
impl Store {
    /// Opens the store at a URL: `file:///absolute/folder`, made where it is missing.
    ///
    /// `cache` is the folder into which runs of a store without local files are brought to be
    /// read; local stores are read in place.
    ///
    /// # Errors
    /// [`StoreError::Url`] for other schemes, [`StoreError::Io`] where the folder cannot be made.
    pub fn open(url: &str, cache: Option<PathBuf>) -> Result<Self, StoreError> {
        unimplemented!()
    }

    /// The key that identities are hashed with; made once per store, whoever asks first.
    ///
    /// # Errors
    /// When it cannot be read or made, or is damaged.
    pub async fn identity_key(&self) -> Result<IdentityKey, StoreError> {
        unimplemented!()
    }

    /// Writes one run of tier 0, durably, and opens it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn write_run(
        &self,
        ids: Vec<IdEntry>,
        buckets: Vec<BucketEntry>,
    ) -> Result<RunFile, StoreError> {
        unimplemented!()
    }

    /// Publishes a manifest, durably, after checking that all its files are there.
    ///
    /// # Errors
    /// [`StoreError::Incomplete`] where a file is missing or has another length.
    pub async fn publish(&self, manifest: &Manifest) -> Result<(), StoreError> {
        unimplemented!()
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
        unimplemented!()
    }

    /// Opens all runs of a manifest.
    ///
    /// # Errors
    /// When a run is missing or damaged, or the manifest was written with another identity key.
    pub async fn load(&self, manifest: &Manifest) -> Result<RunSet, StoreError> {
        unimplemented!()
    }

    /// Merges the runs that [`RunSet::merge_plan`] names; `None` where it names none.
    ///
    /// Spawn it beside the partition's work, one at a time per partition, and give the answer to
    /// [`RunSet::replace`].
    ///
    /// # Errors
    /// When a run cannot be read or the new one cannot be written.
    pub async fn merge(&self, set: &RunSet, keep: Keep) -> Result<Option<Merged>, StoreError> {
        unimplemented!()
    }

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
        unimplemented!()
    }
}
