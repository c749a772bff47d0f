//! What a stage does with records: the half that differs between stages.

use crate::message::RawRecord;
use crate::reader::{Consumer, Start};
use meterline_core::causes::chain;
use meterline_core::position::{LogPartition, Offset};
use std::collections::BTreeMap;
use std::error::Error as StdError;

/// A stage's destination: takes records into one batch, delivers it, and saves positions.
///
/// Delivering may be repeated, by anyone, in any order. A position is saved after everything
/// before it was acknowledged, never sooner.
pub(crate) trait Sink {
    /// The position saved for this very log partition; `None` where there is none.
    fn saved(
        &mut self,
        consumer: &Consumer,
        log_partition: LogPartition,
    ) -> Result<Option<Offset>, Failure>;

    /// Gets ready for the partition's records; the offset to read from.
    fn begin(&mut self, log_partition: LogPartition, start: Start) -> Result<Offset, Failure>;

    /// Adds a record to the batch. Nothing has changed on an error, and it may be offered again.
    fn take(&mut self, log_partition: LogPartition, raw: &RawRecord<'_>) -> Result<(), Failure>;

    /// Everything committed before this offset was taken, though no record may be right before it:
    /// transactions leave holes.
    fn reached(&mut self, log_partition: LogPartition, offset: Offset);

    /// Whether there is nothing to deliver, no position to save either.
    fn is_empty(&self) -> bool;

    /// Records and bytes of the batch.
    fn size(&self) -> Size;

    /// Makes one attempt to deliver the batch and to save its positions; the batch is empty then.
    fn deliver(&mut self, consumer: &Consumer) -> Result<Delivered, Failure>;

    /// Forgets the batch: its records will be read again.
    fn discard(&mut self);
}

/// How large a batch is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Size {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

/// What a batch came to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Delivered {
    /// Records by outcome.
    pub(crate) outcomes: BTreeMap<&'static str, u64>,
    /// Keys, headers and values.
    pub(crate) bytes: u64,
    /// The next record, by partition.
    pub(crate) positions: BTreeMap<u32, Offset>,
}

/// What to do after a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Next {
    /// Try the same again.
    Again,
    /// Forget the batch and read it again from the saved positions.
    Reread,
}

/// A failed attempt; every one is tried again in some way, since nothing may be skipped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    /// What was needed.
    pub(crate) need: &'static str,
    /// What went wrong, and what to do.
    pub(crate) text: String,
    pub(crate) next: Next,
}

impl Failure {
    pub(crate) fn again(need: &'static str, text: impl Into<String>) -> Self {
        Self {
            need,
            text: text.into(),
            next: Next::Again,
        }
    }

    pub(crate) fn reread(need: &'static str, text: impl Into<String>) -> Self {
        Self {
            next: Next::Reread,
            ..Self::again(need, text)
        }
    }

    /// An error with everything behind it.
    pub(crate) fn of(need: &'static str, error: &dyn StdError) -> Self {
        Self::again(need, chain(error))
    }
}
