//! Why a partition stops: halts, which need a person, and stalls, which end by themselves.
//!
//! Neither changes any state (INV-HALT): the record that met one is judged again later, as if it
//! had not been seen. Other partitions go on.

use crate::position::Offset;
use crate::time::LogTime;

/// A named stop of one partition, with one exit: mostly a verdict, else a newer release, an
/// adoption, a setting of the topic, or something that must be brought back.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Halt {
    /// The topic was deleted and made again.
    #[error("topic_changed: {0}")]
    TopicChanged(String),
    /// The partition count differs from the adoption's.
    #[error("partitions_changed: {0}")]
    PartitionsChanged(String),
    /// A record or the topic does not carry append times of the broker.
    #[error("timestamp_type: {0}")]
    TimestampType(String),
    /// The log no longer has the offset to go on from.
    #[error("log_gap: {0}")]
    LogGap(String),
    /// The log ends before the offset to go on from.
    #[error("truncated: {0}")]
    Truncated(String),
    /// A record at or below one that was already folded.
    #[error("order: record {offset} came after the position was already {position}")]
    Order {
        /// The record's offset.
        offset: Offset,
        /// The position before it.
        position: Offset,
    },
    /// Two histories of one partition disagree on what their records did.
    #[error("divergence: {0}")]
    Divergence(String),
    /// No checkpoint, and the log no longer has the adoption's first offset.
    #[error("no_checkpoint: {0}")]
    NoCheckpoint(String),
    /// A control record of a kind that this binary does not know.
    #[error("unknown_kind: {0}")]
    UnknownKind(String),
    /// A catalog that names a fold this binary lacks.
    #[error("unknown_fold: {0}")]
    UnknownFold(String),
    /// A record, manifest or file in a format this binary does not read.
    #[error("unknown_format: {0}")]
    UnknownFormat(String),
}

impl Halt {
    /// The halt's public name: in metrics, `status` and verdicts.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::TopicChanged(_) => "topic_changed",
            Self::PartitionsChanged(_) => "partitions_changed",
            Self::TimestampType(_) => "timestamp_type",
            Self::LogGap(_) => "log_gap",
            Self::Truncated(_) => "truncated",
            Self::Order { .. } => "order",
            Self::Divergence(_) => "divergence",
            Self::NoCheckpoint(_) => "no_checkpoint",
            Self::UnknownKind(_) => "unknown_kind",
            Self::UnknownFold(_) => "unknown_fold",
            Self::UnknownFormat(_) => "unknown_format",
        }
    }
}

/// A stop that ends by itself once the world has caught up; the record is tried again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Stall {
    /// The record's append time is ahead of the worker's clock by more than the tolerance.
    #[error("log_time_ahead: append time {append_time}, this machine's clock {clock}")]
    LogTimeAhead {
        /// The record's append time.
        append_time: LogTime,
        /// The worker's clock.
        clock: LogTime,
    },
    /// A segment's run could not be read; it is never taken for "absent".
    #[error("lookup: {0}")]
    Lookup(String),
}

impl Stall {
    /// The stall's public name: in metrics and `status`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::LogTimeAhead { .. } => "log_time_ahead",
            Self::Lookup(_) => "lookup",
        }
    }
}

/// Why a record was not folded. The state is as it was before the record.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// A person must decide.
    #[error(transparent)]
    Halt(#[from] Halt),
    /// Try again later.
    #[error(transparent)]
    Stall(#[from] Stall),
}
