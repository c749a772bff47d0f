//! Our own records on Kafka: Avro single-object encodings, told apart by their fingerprints.
//!
//! One schema each in `schemas/avro`. A field more or less is another schema with another
//! fingerprint; what a binary cannot tell it refuses (`unknown_format`), and never skips or
//! guesses. Wire forms are not domain types: they are converted here, with every range checked.
//!
//! Source of the framing: Apache Avro specification 1.12, "Single-object encoding".

mod carry;
mod codec;
mod control;
mod dead_letter;
mod delivery;
mod fields;
mod judged;
mod kind;
mod progress;
mod push;
mod reader;
mod replay;
mod standing;
mod total;
mod transition;

pub use carry::encode_carry;
pub use control::encode_control;
pub use dead_letter::{DeadLetter, Original, encode_dead_letter};
pub use delivery::encode_delivery;
pub use kind::control_kind;
pub use progress::{Progress, encode_progress};
pub use push::encode_push;
pub use replay::{CopySource, DeadLetterReplay, encode_replay};
pub use standing::{encode_standing, encode_standing_progress};
pub use total::{Total, encode_total};
pub use transition::encode_transition;

use codec::{FRAME_BYTES, MARKER};
use meterline_core::alert::{Delivery, Transition};
use meterline_core::carry::CarryRecord;
use meterline_core::control::ControlRecord;
use meterline_core::halt::Halt;
use meterline_core::push::PushRecord;
use meterline_core::standing::{Standing, StandingProgress};

/// A record of ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// A decision on the control log.
    Control(Box<ControlRecord>),
    /// A bucket on `usage.totals`.
    Total(Total),
    /// Progress of a partition on `usage.totals`.
    Progress(Box<Progress>),
    /// A dead letter.
    DeadLetter(Box<DeadLetter>),
    /// A dead letter was replayed.
    Replay(Box<DeadLetterReplay>),
    /// An alert was opened or resolved, on `usage.alerts`.
    Transition(Box<Transition>),
    /// Outcome of a notification on `usage.alerts`.
    Delivery(Box<Delivery>),
    /// How much of its limit a tenant has used, on `usage.standing`.
    Standing(Box<Standing>),
    /// Progress of standings on `usage.standing`.
    StandingProgress(StandingProgress),
    /// A step of a push, on `meterline.pushes`.
    Push(Box<PushRecord>),
    /// A difference that is billed with a later window, on `meterline.pushes`.
    Carry(Box<CarryRecord>),
}

/// Why bytes are no record of ours.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordError {
    /// Not in Avro single-object encoding.
    #[error("a value of {bytes} bytes is not in Avro single-object encoding")]
    NotSingleObject {
        /// Length of the value.
        bytes: usize,
    },
    /// Written by a schema that this binary does not know.
    #[error("schema fingerprint {fingerprint:016x} is unknown to this binary; run a newer release")]
    UnknownSchema {
        /// The fingerprint, as the number whose little-endian bytes are in the frame.
        fingerprint: u64,
    },
    /// Of a known schema, but damaged or out of range.
    #[error("a {record} cannot be read: {reason}")]
    Malformed {
        /// The schema's name.
        record: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A control record of a kind that this binary does not know.
    #[error(
        "control record of kind `{kind}`, which this binary does not know; run a newer release"
    )]
    UnknownKind {
        /// The kind.
        kind: String,
    },
    /// A catalog by a fold that this binary lacks, in a form that it cannot read.
    #[error("a catalog that needs fold {fold}, which this binary lacks; run a newer release")]
    UnknownFold {
        /// The fold that the catalog names.
        fold: u32,
    },
}

impl From<RecordError> for Halt {
    fn from(error: RecordError) -> Self {
        let text = error.to_string();
        match error {
            RecordError::UnknownKind { .. } => Self::UnknownKind(text),
            RecordError::UnknownFold { .. } => Self::UnknownFold(text),
            _ => Self::UnknownFormat(text),
        }
    }
}

/// Reads any record of ours.
///
/// # Errors
/// Any [`RecordError`]; trailing bytes are an error too.
pub fn decode(bytes: &[u8]) -> Result<Record, RecordError> {
    let not_ours = RecordError::NotSingleObject { bytes: bytes.len() };
    let Some((frame, body)) = bytes.split_at_checked(FRAME_BYTES) else {
        return Err(not_ours);
    };
    let Some(fingerprint) = frame.strip_prefix(&MARKER) else {
        return Err(not_ours);
    };
    let fingerprint = u64::from_le_bytes(fingerprint.try_into().expect("a frame has ten bytes"));
    if fingerprint == total::CODEC.fingerprint() {
        total::decode(body).map(Record::Total)
    } else if fingerprint == progress::CODEC.fingerprint() {
        progress::decode(body).map(|p| Record::Progress(Box::new(p)))
    } else if fingerprint == dead_letter::CODEC.fingerprint() {
        dead_letter::decode(body).map(|d| Record::DeadLetter(Box::new(d)))
    } else if fingerprint == replay::CODEC.fingerprint() {
        replay::decode(body).map(|r| Record::Replay(Box::new(r)))
    } else if fingerprint == standing::CODEC.fingerprint() {
        standing::decode(body).map(|s| Record::Standing(Box::new(s)))
    } else if fingerprint == standing::PROGRESS.fingerprint() {
        standing::decode_progress(body).map(Record::StandingProgress)
    } else if fingerprint == transition::CODEC.fingerprint() {
        transition::decode(body).map(|t| Record::Transition(Box::new(t)))
    } else if fingerprint == delivery::CODEC.fingerprint() {
        delivery::decode(body).map(|d| Record::Delivery(Box::new(d)))
    } else if fingerprint == push::CODEC.fingerprint() {
        push::decode(body).map(|p| Record::Push(Box::new(p)))
    } else if fingerprint == carry::CODEC.fingerprint() {
        carry::decode(body).map(|c| Record::Carry(Box::new(c)))
    } else if fingerprint == control::CODEC.fingerprint() {
        control::decode(body).map(|c| Record::Control(Box::new(c)))
    } else {
        Err(RecordError::UnknownSchema { fingerprint })
    }
}

/// Reads a record of the control log.
///
/// # Errors
/// The halt of what it is instead: `unknown_kind`, `unknown_fold` or `unknown_format`.
pub fn decode_control(bytes: &[u8]) -> Result<ControlRecord, Halt> {
    match decode(bytes)? {
        Record::Control(record) => Ok(*record),
        _ => Err(Halt::UnknownFormat(
            "the control log holds a record of another log".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests;
