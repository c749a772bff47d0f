//! The fold: (state, record) → (state, outcome), and the cuts that carry changes out of it.
//!
//! [`Partition`] is the state of one partition of the usage log; it is a pure function of the
//! records before its position, so a replay writes the same values (INV-REPLAY, INV-ORDER). Every
//! check of every matching meter comes before the first change: a record that is refused or
//! rejected leaves no trace but its outcome.

mod apply;
mod begin;
mod buckets;
mod ids;
mod judge;
mod moment;
mod note;
mod partition;
mod preview;
mod refold;
mod trace;
mod undo;
mod values;
mod void;

pub use judge::foresee;
pub use note::{IdNote, IdState, KeptValue};
pub use partition::Partition;
pub use preview::{Preview, Share, preview};

use crate::counters::Counters;
use crate::position::{LogPartition, Offset};
use crate::reason::Rejection;
use crate::runs::{BucketEntry, IdEntry};
use crate::time::{EventTime, LogTime};
use serde::{Deserialize, Serialize};

/// What one record did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Counted by at least one meter; `late` where its hour was sealed already.
    Accepted {
        /// Whether the event's hour was sealed before the record.
        late: bool,
    },
    /// The identity was recorded before.
    Duplicate,
    /// The catalog ignores the type.
    Ignored,
    /// A known type that no filter fits; the id is recorded.
    Unmatched,
    /// To be dead-lettered.
    Rejected(Rejection),
    /// A tick.
    Tick,
    /// A catalog version took effect.
    Placed(u32),
    /// A pointer to a version that is not above the one in force; nothing changed.
    PlacedAgain(u32),
    /// A void took its event back.
    Voided,
    /// An amend put its replacement in the place of its event.
    Amended,
    /// A pointer to a void that was taken before, or whose turn has not come; nothing changed.
    VoidPassed,
}

/// Where a catalog version took effect in this partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CatalogPlace {
    /// The version.
    pub version: u32,
    /// Its offset in the control log.
    pub control_offset: Offset,
    /// First usage offset it applies to.
    pub from: Offset,
}

/// The small part of a partition's state: what a manifest holds beside the runs.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The partition.
    pub log_partition: LogPartition,
    /// Number of verdicts applied.
    pub epoch: u16,
    /// The next record to fold.
    pub position: Offset,
    /// Partition count that `wrong_partition` is judged by.
    pub partitions: u32,
    /// Log time before the next record.
    pub log_time: LogTime,
    /// Hours that end at or before this are sealed.
    pub sealed_to: EventTime,
    /// Events before this are too late; never moves back.
    pub accept_floor: EventTime,
    /// Hours that end before this are no longer answered by segments; never moves back.
    pub answer_floor: EventTime,
    /// Day and month rows are complete in ClickHouse up to here.
    pub levels_to: Offset,
    /// Sealed up to at `levels_to`: days and months that end at or before this are sealed, and
    /// their rows complete.
    pub levels_sealed_to: EventTime,
    /// Catalog versions that took effect, oldest first; the last is in force.
    pub catalogs: Vec<CatalogPlace>,
    /// Control offset of the last void or amend that was taken, applied or refused; each is taken
    /// once, in the order of the control log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voids_to: Option<Offset>,
    /// Conservation counters.
    pub counters: Counters,
    /// Running hash over all outcomes, 32 hexadecimal digits.
    pub outcome_hash: String,
    /// The running hash before the first record at or after each of the last 64 multiples of
    /// 2¹⁸: (multiple, hash).
    pub hash_samples: Vec<(Offset, String)>,
    /// Digest of the key that identities are hashed with.
    pub identity_key: String,
}

/// What a checkpoint has to make durable: everything that changed since the one before.
#[derive(Debug)]
pub struct CheckpointCut {
    /// The state's small part, at the cut.
    pub header: Header,
    /// Ids recorded since, unsorted.
    pub ids: Vec<IdEntry>,
    /// Buckets changed since, unsorted.
    pub buckets: Vec<BucketEntry>,
}
