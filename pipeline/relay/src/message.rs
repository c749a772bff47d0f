//! A message as the relay's stages read it.

use meterline_core::position::Offset;
use meterline_core::record::CONTROL_HEADER;
use meterline_core::time::LogTime;
use rdkafka::message::{BorrowedMessage, Message, Timestamp};
use smallvec::SmallVec;

/// Headers in written order; records of the CloudEvents binary form have seven or so.
pub(crate) type Headers<'a> = SmallVec<[(&'a str, Option<&'a [u8]>); 10]>;

/// A record as the broker delivered it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RawRecord<'a> {
    /// Its partition.
    pub(crate) partition: u32,
    /// Its offset.
    pub(crate) offset: Offset,
    /// The broker's append time; `None` where the record carries another kind of time.
    pub(crate) append_time: Option<LogTime>,
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
        let mut headers = self.headers.iter();
        let found = headers.find(|(name, _)| *name == CONTROL_HEADER);
        found.map(|(_, value)| value.unwrap_or_default())
    }

    /// Bytes of key, headers and value together: what the bound of record size counts.
    pub(crate) fn size(&self) -> usize {
        self.key.map_or(0, <[u8]>::len) + self.size_without_key()
    }

    /// Bytes of headers and value together.
    pub(crate) fn size_without_key(&self) -> usize {
        let header =
            |(name, value): &(&str, Option<&[u8]>)| name.len() + value.map_or(0, <[u8]>::len);
        let headers: usize = self.headers.iter().map(header).sum();
        headers + self.payload.map_or(0, <[u8]>::len)
    }

    /// The record as decoding takes it.
    pub(crate) fn to_decode(&self) -> meterline_core::record::Record<'_> {
        meterline_core::record::Record {
            offset: self.offset,
            append_time: self.append_time.unwrap_or(LogTime(0)),
            headers: &self.headers,
            payload: self.payload,
            size: self.size(),
            placement: None,
        }
    }
}

/// The message as a record that borrows from it.
pub(crate) fn read<'m>(message: &'m BorrowedMessage<'_>) -> RawRecord<'m> {
    RawRecord {
        partition: u32::try_from(message.partition()).expect("a delivered record has a partition"),
        offset: Offset::try_from(message.offset()).expect("a delivered record has an offset"),
        append_time: match message.timestamp() {
            Timestamp::LogAppendTime(millis) => Some(LogTime(millis)),
            Timestamp::CreateTime(_) | Timestamp::NotAvailable => None,
        },
        headers: meterline_kafka::headers(message).collect(),
        key: message.key(),
        payload: message.payload(),
    }
}
