//! What a segment keeps beside an identity, so that its event can be voided later.
//!
//! Sums and counts can be undone from the event itself; a minimum, maximum or latest value
//! cannot, so their values are kept with the id. The empty note, by far the most frequent, means
//! "counted, nothing to keep". A durable format: runs hold it.

use crate::position::{Offset, Stamp};
use crate::quantity::Quantity;
use crate::time::EventTime;

/// State of a recorded identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IdState {
    /// Counted by at least one meter.
    Counted,
    /// Of a known type, but no filter fitted.
    Unmatched,
    /// A duplicate that was found in a neighbouring hour.
    Duplicate,
    /// Counted once and taken back; never accepted again.
    Void,
    /// The replacement that the decision at this control offset carries is counted instead.
    Amended(Offset),
}

impl IdState {
    const fn code(self) -> u8 {
        match self {
            Self::Counted => 1,
            Self::Unmatched => 2,
            Self::Duplicate => 3,
            Self::Void => 4,
            Self::Amended(_) => 5,
        }
    }

    /// Reads the state at the front of a note's bytes; gives what follows.
    fn take(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (code, rest) = bytes.split_first()?;
        Some(match code {
            1 => (Self::Counted, rest),
            2 => (Self::Unmatched, rest),
            3 => (Self::Duplicate, rest),
            4 => (Self::Void, rest),
            5 => {
                let (offset, rest) = rest.split_first_chunk()?;
                (Self::Amended(Offset::from_le_bytes(*offset)), rest)
            }
            _ => return None,
        })
    }
}

/// A value that a bucket of min, max or latest took from the event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeptValue {
    /// First 64 bits of [`crate::hash::content_hash`] of the bucket's series key.
    pub series: u64,
    /// The value.
    pub quantity: Quantity,
    /// The event's time.
    pub time: EventTime,
    /// The event's record.
    pub stamp: Stamp,
}

/// State and kept values of a recorded identity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdNote {
    /// What became of the event.
    pub state: IdState,
    /// Its values in buckets of min, max and latest, at all levels alike.
    pub kept: Vec<KeptValue>,
}

/// Bytes of one kept value: series, quantity, time, version.
const KEPT_BYTES: usize = 8 + 16 + 8 + 8;

impl IdNote {
    /// Encodes the note: empty for a counted id without kept values, otherwise the state's byte,
    /// for an amended one the decision's offset, and fixed-width little-endian values.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        if self.state == IdState::Counted && self.kept.is_empty() {
            return Vec::new();
        }
        let mut out = Vec::with_capacity(1 + self.kept.len() * KEPT_BYTES);
        out.push(self.state.code());
        if let IdState::Amended(decision) = self.state {
            out.extend_from_slice(&decision.to_le_bytes());
        }
        for value in &self.kept {
            out.extend_from_slice(&value.series.to_le_bytes());
            out.extend_from_slice(&value.quantity.raw().to_le_bytes());
            out.extend_from_slice(&value.time.0.to_le_bytes());
            out.extend_from_slice(&value.stamp.version().to_le_bytes());
        }
        out
    }

    /// Reads [`IdNote::encode`] back; `None` where the bytes are no note.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self {
                state: IdState::Counted,
                kept: Vec::new(),
            });
        }
        let (state, rest) = IdState::take(bytes)?;
        let (values, []) = rest.as_chunks::<KEPT_BYTES>() else {
            return None;
        };
        let kept = values.iter().map(decode_kept).collect::<Option<_>>()?;
        Some(Self { state, kept })
    }
}

fn decode_kept(bytes: &[u8; KEPT_BYTES]) -> Option<KeptValue> {
    let word = |at: usize| bytes[at..at + 8].try_into().ok().map(u64::from_le_bytes);
    let raw = i128::from_le_bytes(bytes[8..24].try_into().ok()?);
    Some(KeptValue {
        series: word(0)?,
        quantity: Quantity::from_raw(raw).ok()?,
        time: EventTime(word(24)?.cast_signed()),
        stamp: Stamp::from_version(word(32)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_survive_their_encoding() {
        let kept = KeptValue {
            series: 9,
            quantity: Quantity::ONE,
            time: EventTime(-5),
            stamp: Stamp {
                epoch: 1,
                offset: 2,
            },
        };
        for state in [
            IdState::Counted,
            IdState::Unmatched,
            IdState::Duplicate,
            IdState::Void,
            IdState::Amended(7),
        ] {
            for kept in [vec![], vec![kept, kept]] {
                let note = IdNote { state, kept };
                assert_eq!(IdNote::decode(&note.encode()), Some(note));
            }
        }
        assert_eq!(IdNote::decode(&[9]), None);
        assert_eq!(IdNote::decode(&[1, 2]), None);
        assert_eq!(IdNote::decode(&[5, 2]), None);
    }
}
