//! The runs of one partition.
use crate::error::StoreError;
use crate::manifest::FileRef;
use crate::run::RunFile;
use meterline_core::hash::Identity;
use meterline_core::position::Stamp;
use meterline_core::runs::{BucketEntry, LookupFailed, Runs};
use meterline_core::time::{EventTime, Hour, Window};

/// The open runs of one partition, oldest first: immutable, cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RunSet {}

/// What a merge must keep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keep {
    /// Hours and windows that end before this are dropped: the header's `answer_floor`.
    pub answer_floor: EventTime,
    /// Buckets with a change at or after this are kept whatever their window, because their rows
    /// may not be in ClickHouse yet: epoch and `levels_to` of the newest published manifest.
    pub levels_to: Stamp,
}

/// A finished merge.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The files whose content it holds.
    pub replaced: Vec<FileRef>,
    /// The new run.
    pub run: RunFile,
}

#[allow(unused_variables, clippy::unimplemented)]
impl RunSet {
    /// The set with one newer run; a run without entries adds nothing.
    #[must_use]
    pub fn with(&self, run: RunFile) -> Self {
        unimplemented!()
    }

    /// What a manifest says of the runs, oldest first.
    #[must_use]
    pub fn files(&self) -> Vec<FileRef> {
        unimplemented!()
    }

    /// The newest state of every day and month bucket whose version is at least `version`
    /// ([`Stamp::version`]), sorted by window and key.
    ///
    /// # Errors
    /// When a page cannot be read.
    pub fn levels_since(&self, version: u64) -> Result<Vec<BucketEntry>, StoreError> {
        unimplemented!()
    }

    /// The files that should be merged next, oldest first; `None` where there is nothing to do.
    #[must_use]
    pub fn merge_plan(&self, keep: Keep) -> Option<Vec<FileRef>> {
        unimplemented!()
    }

    /// The set with the merged files replaced; right also when newer runs came meanwhile.
    ///
    /// `None` where the set does not hold the files that were merged: the merge belongs to
    /// another history and is dropped.
    #[must_use]
    pub fn replace(&self, merged: &Merged) -> Option<Self> {
        unimplemented!()
    }
}

#[allow(unused_variables, clippy::unimplemented)]
impl Runs for RunSet {
    fn has_id(&self, hour: Hour, id: Identity) -> Result<bool, LookupFailed> {
        unimplemented!()
    }

    fn bucket(&self, window: Window, key: &[u8]) -> Result<Option<Vec<u8>>, LookupFailed> {
        unimplemented!()
    }
}
