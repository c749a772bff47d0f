//! Records of the usage log on their way from the broker's client to the fold.
//!
//! Nothing is copied on the common path: a [`RawRecord`] borrows from the client's message. What
//! has to wait (a stall, a pointer that needs the control log) is copied into a [`HeldRecord`], so
//! that the partition's queue is never held while somebody waits.

use meterline_core::position::Offset;
use meterline_core::record::{CONTROL_HEADER, Placement, Record};
use meterline_core::time::LogTime;
use smallvec::SmallVec;

/// Headers in written order; records of the CloudEvents binary form have seven or so.
pub(crate) type Headers<'a> = SmallVec<[(&'a str, Option<&'a [u8]>); 10]>;

/// A record as the broker delivered it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RawRecord<'a> {
    /// Its offset.
    pub(crate) offset: Offset,
    /// The broker's append time; `None` where the record carries another kind of time.
    pub(crate) append_time: Option<LogTime>,
    /// Epoch of the partition leader that appended it; −1 where the broker does not say.
    pub(crate) leader_epoch: i32,
    /// Its headers.
    pub(crate) headers: Headers<'a>,
    /// Its key.
    pub(crate) key: Option<&'a [u8]>,
    /// Its value.
    pub(crate) payload: Option<&'a [u8]>,
}

impl<'a> RawRecord<'a> {
    /// The value of the first `meterline-control` header; empty where that header has none.
    pub(crate) fn control_header(&self) -> Option<&'a [u8]> {
        self.headers
            .iter()
            .find(|(name, _)| *name == CONTROL_HEADER)
            .map(|(_, value)| value.unwrap_or_default())
    }

    /// Bytes of key, headers and value together.
    pub(crate) fn size(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len))
            .sum();
        headers + self.key.map_or(0, <[u8]>::len) + self.payload.map_or(0, <[u8]>::len)
    }

    /// The record as the fold takes it, with the append time that counts.
    pub(crate) fn to_fold<'r>(
        &'r self,
        append_time: LogTime,
        placement: Option<&'r Placement>,
    ) -> Record<'r> {
        Record {
            offset: self.offset,
            append_time,
            headers: &self.headers,
            payload: self.payload,
            size: self.size(),
            placement,
        }
    }
}

/// A header with its own copy of the bytes.
type HeldHeader = (Box<str>, Option<Box<[u8]>>);

/// A record with its own copy of the bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct HeldRecord {
    offset: Offset,
    append_time: Option<LogTime>,
    leader_epoch: i32,
    headers: Box<[HeldHeader]>,
    key: Option<Box<[u8]>>,
    payload: Option<Box<[u8]>>,
}

impl HeldRecord {
    /// Copies a record.
    pub(crate) fn copy(raw: &RawRecord<'_>) -> Self {
        let headers = raw
            .headers
            .iter()
            .map(|(name, value)| (Box::from(*name), value.map(Box::from)))
            .collect();
        Self {
            offset: raw.offset,
            append_time: raw.append_time,
            leader_epoch: raw.leader_epoch,
            headers,
            key: raw.key.map(Box::from),
            payload: raw.payload.map(Box::from),
        }
    }

    /// The record again.
    pub(crate) fn raw(&self) -> RawRecord<'_> {
        RawRecord {
            offset: self.offset,
            append_time: self.append_time,
            leader_epoch: self.leader_epoch,
            headers: self
                .headers
                .iter()
                .map(|(name, value)| (name.as_ref(), value.as_deref()))
                .collect(),
            key: self.key.as_deref(),
            payload: self.payload.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw<'a>(headers: &[(&'a str, Option<&'a [u8]>)]) -> RawRecord<'a> {
        RawRecord {
            offset: 7,
            append_time: Some(LogTime(9)),
            leader_epoch: 3,
            headers: headers.iter().copied().collect(),
            key: Some(b"acme"),
            payload: Some(b"{}"),
        }
    }

    #[test]
    fn held_records_are_the_records() {
        let headers: &[(&str, Option<&[u8]>)] = &[("a", None), ("b", Some(b"x"))];
        let held = HeldRecord::copy(&raw(headers));
        let raw = raw(headers);
        assert_eq!(held.raw(), raw, "a copy is the record");
        assert_eq!(raw.size(), 4 + 2 + 1 + 2);
    }

    #[test]
    fn the_first_control_header_counts() {
        let first: &[(&str, Option<&[u8]>)] = &[
            ("x", Some(b"1")),
            (CONTROL_HEADER, None),
            (CONTROL_HEADER, Some(b"tick")),
        ];
        assert_eq!(raw(first).control_header(), Some(&b""[..]));
        assert_eq!(raw(&[]).control_header(), None);
    }
}
