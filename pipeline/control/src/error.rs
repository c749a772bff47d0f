//! What can go wrong with the control log.

use meterline_core::accounts::Refused;
use meterline_core::catalog::Problem;
use meterline_core::control::ChainKey;
use meterline_core::halt::Halt;
use meterline_core::position::{LogPartition, Offset};
use meterline_kafka::{Error, Next, ReadError, SendError};
use std::time::Duration;

/// A failed action on the control log or the topics.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Kafka could not be asked or did not do it.
    #[error(transparent)]
    Kafka(#[from] Error),
    /// A record was not acknowledged; it may be in the log nevertheless.
    #[error(transparent)]
    Write(#[from] SendError),
    /// A single record of the log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record that the log should have is not there.
    #[error("topic {topic} has no record at offset {offset}; it must never be cut off")]
    Missing {
        /// The control log's topic.
        topic: String,
        /// The record's offset.
        offset: Offset,
    },
    /// A decision about accounts by a reader that passes them: a defect of the caller.
    #[error("the decision on {chain} needs a reader that follows accounts")]
    NotFollowed {
        /// The chain of the decision.
        chain: ChainKey,
    },
    /// The client could not be made.
    #[error("failed to start following topic {topic}")]
    Follow {
        /// The control log's topic.
        topic: String,
        /// Why.
        source: std::io::Error,
    },
    /// The end of the log could not be asked for in time.
    #[error("{}", no_end(topic, *waited, source))]
    NoEnd {
        /// The control log's topic.
        topic: String,
        /// How long was tried.
        waited: Duration,
        /// The last failure.
        source: Error,
    },
    /// The log was not read to its end in time.
    #[error("read topic {topic} to offset {position} of {end} within {waited:?}, not to its end")]
    Behind {
        /// The control log's topic.
        topic: String,
        /// Next record to read.
        position: Offset,
        /// The end that was asked for.
        end: Offset,
        /// How long was tried.
        waited: Duration,
    },
    /// The log holds something that this binary cannot go past.
    #[error("stopped reading topic {topic} at offset {position}")]
    Halted {
        /// The control log's topic.
        topic: String,
        /// The record that cannot be read.
        position: Offset,
        /// Why.
        source: Halt,
    },
    /// The decision was not read back in time; it may be in force or not.
    #[error(
        "did not read back the decision on {chain} within {waited:?}; it may be in force: \
         look before trying again"
    )]
    Unanswered {
        /// The chain of the decision.
        chain: ChainKey,
        /// How long was tried.
        waited: Duration,
        /// Why it could not be read back.
        source: Box<ControlError>,
    },
    /// A decision names a head that its chain never had.
    #[error("the decision on {chain} follows control offset {head}, which never was its head")]
    NoSuchHead {
        /// The chain of the decision.
        chain: ChainKey,
        /// What it names.
        head: Offset,
    },
    /// Another decision took this one's place.
    #[error(
        "{actor} was first: control offset {offset} changed the {chain}; look at it, then try again"
    )]
    Raced {
        /// The chain of the decision.
        chain: ChainKey,
        /// The decision that is in force instead.
        offset: Offset,
        /// Who wrote it.
        actor: String,
    },
    /// A catalog that may not be published.
    #[error("the catalog is refused: {}", list(.0))]
    Refused(Vec<Problem>),
    /// An account that contradicts the catalog in force.
    #[error("account {account} is refused: {}", list(.problems))]
    RefusedAccount {
        /// Its id.
        account: String,
        /// What is wrong, with the paths of the fields.
        problems: Vec<Problem>,
    },
    /// A decision about accounts that readers would ignore or halt at.
    #[error(transparent)]
    Unfit(Refused),
    /// There is no catalog yet.
    #[error("there is no catalog yet; run `meterline catalog apply` first")]
    NoCatalog,
    /// A partition that only an admin can adopt.
    #[error(
        "topic {topic} ({log_partition}) was not created by `meterline init`; \
         adopt it with `meterline init --adopt end` or `--adopt PARTITION=OFFSET,…`"
    )]
    NotCreatedByInit {
        /// The topic's name.
        topic: String,
        /// The partition.
        log_partition: LogPartition,
    },
    /// An adoption that does not fit the topic as it is.
    #[error("topic {topic} cannot be adopted like this: {reason}")]
    Adoption {
        /// The topic's name.
        topic: String,
        /// What does not fit, and what to do.
        reason: String,
    },
    /// A topic that does not exist.
    #[error("topic {topic} does not exist; run `meterline init`")]
    NoTopic {
        /// The topic's name.
        topic: String,
    },
    /// A topic that Meterline cannot work with.
    #[error("topic {topic} cannot be used: {reason}")]
    Topic {
        /// The topic's name.
        topic: String,
        /// What is wrong, and what to do.
        reason: String,
    },
}

impl ControlError {
    /// Whether the same call may succeed later, with nothing changed by anyone: Kafka is away or
    /// slow.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Kafka(error) | Self::NoEnd { source: error, .. } => error.next() == Next::Retry,
            Self::Write(error) => error.next() == Next::Retry,
            Self::Read(ReadError::Kafka(error)) => error.next() == Next::Retry,
            Self::Read(ReadError::Silent { .. }) => true,
            Self::Behind { .. } | Self::Unanswered { .. } => true,
            _ => false,
        }
    }
}

fn no_end(topic: &str, waited: Duration, source: &Error) -> String {
    if source.is_no_topic() {
        return format!("topic {topic} does not exist; run `meterline init`");
    }
    format!("failed to ask for the end of topic {topic} within {waited:?}")
}

fn list(problems: &[Problem]) -> String {
    let lines = problems.iter().map(Problem::to_string);
    lines.collect::<Vec<_>>().join("; ")
}
