//! A row of `dead_letters`: one record that was not counted, and why.
//!
//! Whatever the broker allowed into the log fits here: key, headers and value are cut at bounds,
//! and length and hash are those of the whole value (INV-BOUND).

use super::columns;
use clickhouse::Row;
use meterline_core::hash::content_hash;
use meterline_core::position::{LogPartition, Offset, Stamp, TopicId};
use meterline_core::reason::Rejection;
use meterline_core::time::LogTime;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Most bytes of a record's value that are kept: enough to see what was wrong.
pub const ORIGINAL_BYTES: usize = 64 << 10;

/// Most bytes of a record's key that are kept: a tenant has at most 128.
pub const KEY_BYTES: usize = 1 << 10;

/// Most bytes of names and values of headers that are kept together.
pub const HEADERS_BYTES: usize = 8 << 10;

/// Most headers that are kept.
pub const HEADERS: usize = 64;

/// A record that was not counted.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct DeadLetterRow {
    /// Name of the usage topic.
    pub topic: String,
    /// Incarnation of the usage topic.
    #[serde(with = "columns::topic_id")]
    pub topic_id: TopicId,
    /// Partition of the usage topic.
    pub log_partition: u32,
    /// Offset of the record.
    pub offset: Offset,
    /// Verdicts applied before the record.
    pub epoch: u16,
    /// Running maximum of append times, the record's own included.
    pub log_time: LogTime,
    /// Name of the reason ([`meterline_core::reason::Reason::name`]).
    pub reason: String,
    /// Which field, which bound.
    pub detail: String,
    /// The tenant; empty where it could not be read.
    pub tenant: String,
    /// The record's key, at most [`KEY_BYTES`].
    pub key: ByteBuf,
    /// The record's headers, at most [`HEADERS`] of them and [`HEADERS_BYTES`].
    pub headers: Vec<(String, ByteBuf)>,
    /// Bytes of the value.
    pub length: u64,
    /// BLAKE3-128 of the value.
    pub hash: u128,
    /// The value, at most [`ORIGINAL_BYTES`] of it.
    pub original: ByteBuf,
    /// 1 where key, headers or value were cut.
    pub truncated: u8,
}

/// The record behind a dead letter, as the broker delivered it.
#[derive(Clone, Copy, Debug)]
pub struct DeadRecord<'a> {
    /// The record's key.
    pub key: Option<&'a [u8]>,
    /// Headers in written order; a value may be absent.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
    /// The record's value; absent in a tombstone.
    pub payload: Option<&'a [u8]>,
}

impl DeadLetterRow {
    /// The row of a rejected record; `stamp` is the epoch at the record and its offset.
    #[must_use]
    pub fn new(
        topic: &str,
        log_partition: LogPartition,
        stamp: Stamp,
        log_time: LogTime,
        rejection: &Rejection,
        record: DeadRecord<'_>,
    ) -> Self {
        let (key, payload) = (
            record.key.unwrap_or_default(),
            record.payload.unwrap_or_default(),
        );
        let (headers, headers_whole) = bounded_headers(record.headers);
        let truncated = key.len() > KEY_BYTES || payload.len() > ORIGINAL_BYTES || !headers_whole;
        Self {
            topic: topic.to_owned(),
            topic_id: log_partition.topic_id,
            log_partition: log_partition.partition,
            offset: stamp.offset,
            epoch: stamp.epoch,
            log_time,
            reason: rejection.reason.name().to_owned(),
            detail: rejection.detail.clone(),
            tenant: rejection.tenant.clone().unwrap_or_default(),
            key: start_of(key, KEY_BYTES),
            headers,
            length: payload.len() as u64,
            hash: content_hash(payload),
            original: start_of(payload, ORIGINAL_BYTES),
            truncated: u8::from(truncated),
        }
    }
}

fn start_of(bytes: &[u8], bound: usize) -> ByteBuf {
    ByteBuf::from(&bytes[..bytes.len().min(bound)])
}

/// The first headers that fit the bounds, whole ones only, and whether those are all.
fn bounded_headers(headers: &[(&str, Option<&[u8]>)]) -> (Vec<(String, ByteBuf)>, bool) {
    let mut kept = Vec::new();
    let mut bytes = 0;
    for (name, value) in headers {
        let value = value.unwrap_or_default();
        bytes += name.len() + value.len();
        if kept.len() == HEADERS || bytes > HEADERS_BYTES {
            return (kept, false);
        }
        kept.push(((*name).to_owned(), ByteBuf::from(value)));
    }
    (kept, true)
}

/// A dead letter without its record, and whether it was replayed.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct DeadLetterSummary {
    /// Name of the usage topic.
    pub topic: String,
    /// Incarnation of the usage topic.
    #[serde(with = "columns::topic_id")]
    pub topic_id: TopicId,
    /// Partition of the usage topic.
    pub log_partition: u32,
    /// Offset of the record.
    pub offset: Offset,
    /// Log time at the record.
    pub log_time: LogTime,
    /// Name of the reason.
    pub reason: String,
    /// Which field, which bound.
    pub detail: String,
    /// The tenant; empty where it could not be read.
    pub tenant: String,
    /// Bytes of the value.
    pub length: u64,
    /// BLAKE3-128 of the value.
    pub hash: u128,
    /// 1 where key, headers or value were cut.
    pub truncated: u8,
    /// 1 where it was replayed.
    pub replayed: u8,
}

/// How many dead letters have a reason.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct ReasonCount {
    /// Name of the reason.
    pub reason: String,
    /// Dead letters, one per offset.
    pub count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::reason::Reason;

    fn row(record: DeadRecord<'_>) -> DeadLetterRow {
        let log_partition = LogPartition {
            topic_id: TopicId(1),
            partition: 0,
        };
        let rejection = Rejection::new(Reason::TooLarge, "too large");
        DeadLetterRow::new(
            "usage.events",
            log_partition,
            Stamp::default(),
            LogTime(0),
            &rejection,
            record,
        )
    }

    #[test]
    fn a_huge_record_is_cut_and_its_length_and_hash_are_whole() {
        let payload = vec![b'x'; 3 * ORIGINAL_BYTES];
        let name = "n".repeat(HEADERS_BYTES);
        let headers = [("small", Some(&b"1"[..])), (name.as_str(), None)];
        let row = row(DeadRecord {
            key: Some(&payload),
            headers: &headers,
            payload: Some(&payload),
        });
        assert_eq!(row.original.len(), ORIGINAL_BYTES);
        assert_eq!(row.key.len(), KEY_BYTES);
        assert_eq!(row.headers.len(), 1);
        assert_eq!(row.length, payload.len() as u64);
        assert_eq!(row.hash, content_hash(&payload));
        assert_eq!(row.truncated, 1);
    }

    #[test]
    fn a_small_record_is_kept_as_it_is() {
        let headers = [("a", Some(&b"\xff"[..])), ("b", None)];
        let row = row(DeadRecord {
            key: None,
            headers: &headers,
            payload: Some(b"{"),
        });
        assert_eq!(row.truncated, 0);
        assert_eq!(row.headers[0], ("a".to_owned(), ByteBuf::from(b"\xff")));
        assert_eq!(row.headers[1], ("b".to_owned(), ByteBuf::new()));
        assert_eq!(row.original.as_ref(), b"{");
    }
}
