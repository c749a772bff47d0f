//! Voids and amends: decisions that take an event back, or put another in its place.
//!
//! A decision names the event by its identity and by the record that was counted, and carries that
//! record, because the fold reads nothing else. It grants nothing by itself: it acts where a
//! pointer to it lies in the usage partition, if the fold finds there that the identity is counted
//! and not yet void. The invariant kept here: what a decision carries is bounded.

use crate::position::{LogPartition, Offset};
use crate::record::Record;
use crate::time::LogTime;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// Longest record of an event that can be voided, and longest replacement: headers and value
/// together. Every reader of the control log holds them.
pub const VOID_RECORD_BYTES_MAX: usize = 64 << 10;

/// Most headers of such a record.
const HEADERS_MAX: usize = 256;

/// Takes an event back; with a replacement, amends it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Void {
    /// The event's tenant.
    pub tenant: String,
    /// The event's source.
    pub source: String,
    /// The event's id.
    pub id: String,
    /// The partition that counted it.
    #[serde(flatten)]
    pub log_partition: LogPartition,
    /// Offset of the record that was counted: the first of that identity. Its catalog is the one
    /// in force there.
    pub offset: Offset,
    /// That record.
    pub record: EventRecord,
    /// What is counted instead, under the same identity and event time; `None`: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<EventRecord>,
}

impl Void {
    /// Why the decision carries more than it may; `None` where it does not.
    #[must_use]
    pub fn excess(&self) -> Option<String> {
        let replacement = self.replacement.as_ref();
        let carried = [("record", Some(&self.record)), ("replacement", replacement)];
        carried.into_iter().find_map(|(what, record)| {
            let record = record?;
            let (bytes, headers) = (record.bytes(), record.headers.len());
            let is_bounded = bytes <= VOID_RECORD_BYTES_MAX && headers <= HEADERS_MAX;
            (!is_bounded).then(|| {
                format!(
                    "its {what} has {bytes} bytes and {headers} headers; the bounds are \
                     {VOID_RECORD_BYTES_MAX} and {HEADERS_MAX}"
                )
            })
        })
    }
}

/// An event's record as it lies in the usage log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct EventRecord {
    /// Headers in written order; a value may be absent.
    pub headers: Vec<(String, Option<Bytes>)>,
    /// The value; absent in a tombstone.
    pub payload: Option<Bytes>,
}

impl EventRecord {
    /// Bytes of headers and value together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let headers = self.headers.iter();
        let headers =
            headers.map(|(name, value)| name.len() + value.as_ref().map_or(0, |v| v.0.len()));
        headers.sum::<usize>() + self.payload.as_ref().map_or(0, |v| v.0.len())
    }

    /// The headers as records carry them.
    #[must_use]
    pub fn headers(&self) -> Vec<(&str, Option<&[u8]>)> {
        let headers = self.headers.iter();
        headers
            .map(|(name, value)| (name.as_str(), value.as_ref().map(|v| v.0.as_slice())))
            .collect()
    }

    /// The record as decoders take it; `headers` are its own ([`EventRecord::headers`]).
    #[must_use]
    pub fn at<'a>(
        &'a self,
        offset: Offset,
        append_time: LogTime,
        headers: &'a [(&'a str, Option<&'a [u8]>)],
    ) -> Record<'a> {
        Record {
            offset,
            append_time,
            headers,
            payload: self.payload.as_ref().map(|v| v.0.as_slice()),
            size: self.bytes(),
            placement: None,
        }
    }
}

/// Bytes that are written as lowercase hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use std::fmt::Write;
        let mut text = String::with_capacity(self.0.len() * 2);
        for byte in &self.0 {
            write!(text, "{byte:02x}").expect("a string takes any text");
        }
        serializer.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let malformed = || serde::de::Error::custom("bytes are pairs of hexadecimal digits");
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
            return Err(malformed());
        };
        let read = |pair: &[u8; 2]| {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let value = digit(pair[0])? * 16 + digit(pair[1])?;
            u8::try_from(value).ok()
        };
        let bytes: Option<Vec<u8>> = pairs.iter().map(read).collect();
        bytes.map(Self).ok_or_else(malformed)
    }
}

/// A void or amend in force.
#[derive(Debug)]
pub struct VoidDecision {
    /// Its offset in the control log.
    pub offset: Offset,
    /// [`crate::hash::content_hash`] of the record's bytes: what pointers name.
    pub hash: u128,
    /// Control offset of the void before it on the same partition: voids act in the order of the
    /// control log, so that one number says which have.
    pub follows: Option<Offset>,
    /// The decision before it on the same event.
    pub earlier: Option<Arc<VoidDecision>>,
    /// The decision.
    pub void: Void,
}

impl VoidDecision {
    /// What the decision at this control offset put in place of the same event.
    #[must_use]
    pub fn replacement_of(&self, offset: Offset) -> Option<&EventRecord> {
        let mut at = self.earlier.as_deref();
        while let Some(decision) = at {
            if decision.offset == offset {
                return decision.void.replacement.as_ref();
            }
            at = decision.earlier.as_deref();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_their_text_and_nothing_else_is_read() {
        let bytes = Bytes((0..=255).collect());
        let json = serde_json::to_string(&bytes).expect("text");
        assert_eq!(serde_json::from_str::<Bytes>(&json).ok(), Some(bytes));
        for text in ["\"0\"", "\"0g\"", "\"é\"", "7"] {
            assert!(serde_json::from_str::<Bytes>(text).is_err(), "{text}");
        }
    }
}
