//! What keeps a replay from running, and what keeps one letter from being replayed.

use crate::letter_id::LetterId;
use meterline_control::ControlError;
use meterline_core::position::Offset;
use meterline_core::reason::Rejection;
use meterline_core::time::LogTime;
use meterline_kafka::{ReadError, TransactionError};

/// A failed replay. Running it again is always safe.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Kafka could not be asked.
    #[error(transparent)]
    Kafka(#[from] meterline_kafka::Error),
    /// ClickHouse could not be asked.
    #[error(transparent)]
    ClickHouse(#[from] meterline_clickhouse::Error),
    /// The control log could not be read, or the catalog not be placed.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// An original could not be asked for.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The transaction failed.
    #[error(transparent)]
    Transaction(TransactionError),
    /// Somebody else replays now.
    #[error(
        "another `meterline dead-letters replay` has begun and this one has ended; what it had \
         not finished was not written"
    )]
    TakenOver {
        /// What the broker said.
        source: TransactionError,
    },
    /// A topic is missing.
    #[error("there is no topic {topic}; run `meterline init` first")]
    NoTopic {
        /// The topic.
        topic: String,
    },
    /// No catalog is in force.
    #[error("there is no catalog in force; `meterline catalog apply FILE` applies one")]
    NoCatalog,
    /// The log of markers holds something else.
    #[error(
        "the record at offset {offset} of topic {topic} partition 0 is unknown to this binary; \
         run a newer release"
    )]
    Marker {
        /// The topic.
        topic: String,
        /// The offset.
        offset: Offset,
        /// What is wrong with it.
        source: meterline_schemas::records::RecordError,
    },
    /// A marker without append time cannot be told apart from a forged one.
    #[error(
        "the record at offset {offset} of topic {topic} partition 0 has no append time; set \
         message.timestamp.type=LogAppendTime on the topic"
    )]
    AppendTime {
        /// The topic.
        topic: String,
        /// The offset.
        offset: Offset,
    },
}

impl From<TransactionError> for ReplayError {
    fn from(error: TransactionError) -> Self {
        match error {
            source @ TransactionError::TakenOver { .. } => Self::TakenOver { source },
            other => Self::Transaction(other),
        }
    }
}

/// Why one letter was not replayed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// It was a forged or broken placement, never an event.
    #[error("it carries a `meterline-control` header: placements are never replayed")]
    Control,
    /// It was replayed before.
    #[error("it was replayed already, to {to}")]
    Already {
        /// Where it was published again.
        to: LetterId,
    },
    /// What it held was removed.
    #[error("it was purged: {by} removed what it held of its record{}", note_of(.note))]
    Purged {
        /// Who purged it.
        by: String,
        /// Why; may be empty.
        note: String,
    },
    /// The markers of its time are gone from the log.
    #[error(
        "whether it was replayed cannot be told: nobody read the markers before {from} while \
         usage.dead-letter still had them"
    )]
    Uncertain {
        /// Log time from which all markers are known.
        from: LogTime,
    },
    /// Neither the log nor the letter has all of the record.
    #[error("the original is gone: {log}, and the letter holds only the first part of it")]
    Gone {
        /// Why the log has no such record.
        log: &'static str,
    },
    /// It is still no event, by the catalog in force.
    #[error("it still cannot be read ({}): {}", .0.reason.name(), .0.detail)]
    Unreadable(Rejection),
    /// It is an event, and names no tenant.
    #[error("it names no tenant, so it belongs to no partition")]
    NoTenant,
    /// It is larger than a producer may send.
    #[error("its {bytes} bytes are more than a producer may send")]
    TooLarge {
        /// Bytes of key, headers and value.
        bytes: usize,
    },
}

/// A note behind a text, where there is one.
fn note_of(note: &str) -> String {
    if note.is_empty() {
        String::new()
    } else {
        format!(" ({note})")
    }
}

impl Refusal {
    /// The name in output, for programs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Control => "bad_pointer",
            Self::Already { .. } => "already_replayed",
            Self::Purged { .. } => "purged",
            Self::Uncertain { .. } => "uncertain",
            Self::Gone { .. } => "original_gone",
            Self::Unreadable(_) => "unreadable",
            Self::NoTenant => "no_tenant",
            Self::TooLarge { .. } => "too_large",
        }
    }
}
