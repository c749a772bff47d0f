//! What the fold needs from the sorted runs that hold cold ids and cold buckets.
//!
//! A segment is a bounded head in memory plus immutable runs; the runs are files, so the fold
//! only sees this trait. Runs hold no positions: they and the state come from one manifest, and
//! every entry in them is older than every record that is replayed. A lookup that cannot be
//! answered is an error, never "absent".

use crate::hash::Identity;
use crate::time::{Hour, Window};

/// A lookup that could not be answered: a damaged page, an IO error.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct LookupFailed(pub String);

/// Read access to the immutable runs of one partition.
pub trait Runs {
    /// Whether the identity is recorded in the hour.
    ///
    /// # Errors
    /// When a run that may hold it cannot be read.
    fn has_id(&self, hour: Hour, id: Identity) -> Result<bool, LookupFailed>;

    /// The newest note of an identity in the hour; `None` where it is not recorded there.
    ///
    /// # Errors
    /// When a run that may hold it cannot be read.
    fn note(&self, hour: Hour, id: Identity) -> Result<Option<Vec<u8>>, LookupFailed>;

    /// Shows every identity that is recorded in the hour, once, with its newest note; in one pass
    /// over the hour, held in memory page by page.
    ///
    /// # Errors
    /// When a run of the hour cannot be read; some identities were shown then.
    fn notes(&self, hour: Hour, each: &mut dyn FnMut(Identity, &[u8])) -> Result<(), LookupFailed>;

    /// The newest stored state of a bucket, as [`crate::bucket::Bucket::encode`] wrote it.
    ///
    /// `key` is the bucket's series key ([`crate::bucket::Series::key`]).
    ///
    /// # Errors
    /// When a run that may hold it cannot be read.
    fn bucket(&self, window: Window, key: &[u8]) -> Result<Option<Vec<u8>>, LookupFailed>;
}

/// No runs at all: a partition that begins, and tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRuns;

impl Runs for NoRuns {
    fn has_id(&self, _: Hour, _: Identity) -> Result<bool, LookupFailed> {
        Ok(false)
    }

    fn note(&self, _: Hour, _: Identity) -> Result<Option<Vec<u8>>, LookupFailed> {
        Ok(None)
    }

    fn notes(&self, _: Hour, _: &mut dyn FnMut(Identity, &[u8])) -> Result<(), LookupFailed> {
        Ok(())
    }

    fn bucket(&self, _: Window, _: &[u8]) -> Result<Option<Vec<u8>>, LookupFailed> {
        Ok(None)
    }
}

/// An id to be written into a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdEntry {
    /// The hour it is recorded in.
    pub hour: Hour,
    /// The identity.
    pub id: Identity,
    /// Its state and, for meters of min, max and latest, its values
    /// ([`crate::fold::IdNote::encode`]); opaque to the runs.
    pub note: Vec<u8>,
}

/// A bucket to be written into a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BucketEntry {
    /// The bucket's window.
    pub window: Window,
    /// Its series key.
    pub key: Vec<u8>,
    /// Version of its last change ([`crate::position::Stamp::version`]); the highest wins.
    pub version: u64,
    /// Its state ([`crate::bucket::Bucket::encode`]); opaque to the runs.
    pub state: Vec<u8>,
}
