//! The fold: (state, record) → (state, outcome), and the cuts that carry changes out of it.
//!
//! [`Partition`] is the state of one partition of the usage log; it is a pure function of the
//! records before its position, so a replay writes the same values (INV-REPLAY, INV-ORDER). Every
//! check of every matching meter comes before the first change: a record that is refused or
//! rejected leaves no trace but its outcome.

use crate::bucket::BucketRow;
use crate::control::{Adoption, CatalogDecision, VerdictAction};
use crate::counters::Counters;
use crate::halt::{Halt, Refusal};
use crate::hash::IdentityKey;
use crate::position::{LogPartition, Offset, Stamp};
use crate::reason::Rejection;
use crate::record::Record;
use crate::runs::{BucketEntry, IdEntry, Runs};
use crate::time::{EventTime, LogTime};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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
    /// Catalog versions that took effect, oldest first; the last is in force.
    pub catalogs: Vec<CatalogPlace>,
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

/// State of one partition. See the module's text.
#[derive(Debug)]
pub struct Partition {
    _private: (),
}

#[allow(unused_variables, clippy::missing_errors_doc, clippy::unimplemented)]
impl Partition {
    /// A partition at its adoption's first offset.
    pub fn begin(adoption: &Adoption, catalog: Arc<CatalogDecision>, key: IdentityKey) -> Self {
        unimplemented!()
    }

    /// A partition at a manifest's position.
    ///
    /// `catalog` is the version in force (the last of `header.catalogs`); `levels` are the stored
    /// day and month buckets whose version is at or above `header.levels_to`: they are dirty.
    ///
    /// Errors: a halt `unknown_format` where an entry cannot be decoded.
    pub fn restore(
        header: Header,
        catalog: Arc<CatalogDecision>,
        key: IdentityKey,
        levels: impl Iterator<Item = BucketEntry>,
    ) -> Result<Self, Halt> {
        unimplemented!()
    }

    /// Folds one record. On an error nothing has changed.
    pub fn step(&mut self, record: &Record<'_>, runs: &impl Runs) -> Result<Outcome, Refusal> {
        unimplemented!()
    }

    /// Applies a verdict at the current position: the epoch rises by one.
    pub fn apply_verdict(&mut self, action: &VerdictAction) {
        unimplemented!()
    }

    /// The small part of the state as it is now; `levels_to` as given.
    pub fn header(&self, levels_to: Offset) -> Header {
        unimplemented!()
    }

    /// Epoch and the next record's offset.
    pub fn position(&self) -> Stamp {
        unimplemented!()
    }

    /// Log time before the next record.
    pub fn log_time(&self) -> LogTime {
        unimplemented!()
    }

    /// Hours that end at or before this are sealed.
    pub fn sealed_to(&self) -> EventTime {
        unimplemented!()
    }

    /// Conservation counters.
    pub fn counters(&self) -> &Counters {
        unimplemented!()
    }

    /// The catalog version in force.
    pub fn catalog(&self) -> &Arc<CatalogDecision> {
        unimplemented!()
    }

    /// Buckets that changed since they were last cut, in any lane: what INV-BOUND bounds.
    pub fn unflushed(&self) -> usize {
        unimplemented!()
    }

    /// Hour rows (all kinds) that changed since the last such cut.
    pub fn cut_hour_rows(&mut self) -> Vec<BucketRow> {
        unimplemented!()
    }

    /// Day and month rows (all kinds) that changed since the last such cut.
    pub fn cut_level_rows(&mut self) -> Vec<BucketRow> {
        unimplemented!()
    }

    /// Rows of kind `whole` and `only`, of all levels, that changed since the last such cut.
    pub fn cut_totals(&mut self) -> Vec<BucketRow> {
        unimplemented!()
    }

    /// Everything that changed since the last cut. The ids stay answerable from memory until
    /// [`Partition::settle_checkpoint`]; one cut at a time.
    pub fn cut_checkpoint(&mut self, levels_to: Offset) -> CheckpointCut {
        unimplemented!()
    }

    /// The runs of the last cut are now part of what is passed to `step`: its ids and its cold,
    /// flushed buckets leave memory.
    pub fn settle_checkpoint(&mut self) {
        unimplemented!()
    }
}
