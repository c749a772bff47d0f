//! Dead letters on `usage.dead-letter`: bounded, however large the record was.

use super::RecordError;
use super::codec::{Codec, long};
use super::progress::reason;
use meterline_core::hash::content_hash;
use meterline_core::position::{LogPartition, Offset, Stamp, TopicId};
use meterline_core::reason::{Reason, Rejection};
use meterline_core::time::LogTime;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

pub(super) static CODEC: LazyLock<Codec> = LazyLock::new(|| {
    let text = include_str!("../../avro/dead_letter.avsc");
    Codec::new("dead letter", text)
});

/// Bytes of the original value that a dead letter keeps.
const MAX_ORIGINAL_BYTES: usize = 64 << 10;
/// Bytes of the key that a dead letter keeps: far above the longest tenant.
const MAX_KEY_BYTES: usize = 4 << 10;
/// Bytes of headers that a dead letter keeps: those of CloudEvents and tracing fit many times.
const MAX_HEADER_BYTES: usize = 16 << 10;
/// Headers that a dead letter keeps: empty ones have no bytes, and still take room in a record.
const MAX_HEADERS: usize = 64;

/// A record that was not counted, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeadLetter {
    /// Name of its topic.
    pub topic: String,
    /// Its partition.
    pub log_partition: LogPartition,
    /// Its epoch and offset.
    pub stamp: Stamp,
    /// Why it was not counted.
    pub reason: Reason,
    /// What exactly was wrong.
    pub detail: String,
    /// The tenant, where it could be read.
    pub tenant: Option<String>,
    /// Log time at the record.
    pub log_time: LogTime,
    /// The record itself.
    pub original: Original,
}

/// What is kept of a record: at most 64 KiB of its value, 4 KiB of its key, 64 headers of
/// 16 KiB together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Original {
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The headers in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The value; `None` for a tombstone.
    pub value: Option<Vec<u8>>,
    /// Length of the whole value, in bytes.
    pub length: u64,
    /// [`content_hash`] of the whole value; of no bytes for a tombstone.
    pub hash: u128,
    /// Whether key, headers or value were cut.
    pub truncated: bool,
}

impl Original {
    /// Cuts a record to the bounds.
    #[must_use]
    pub fn of(key: Option<&[u8]>, headers: &[(&str, Option<&[u8]>)], value: Option<&[u8]>) -> Self {
        let mut truncated = false;
        let mut cut = |bytes: &[u8], bound: usize| {
            truncated |= bytes.len() > bound;
            bytes[..bytes.len().min(bound)].to_vec()
        };
        let kept_key = key.map(|key| cut(key, MAX_KEY_BYTES));
        let kept_value = value.map(|value| cut(value, MAX_ORIGINAL_BYTES));
        let mut kept_headers = Vec::new();
        let mut room = MAX_HEADER_BYTES;
        for (name, value) in headers {
            let bytes = name.len() + value.map_or(0, <[u8]>::len);
            let left = room
                .checked_sub(bytes)
                .filter(|_| kept_headers.len() < MAX_HEADERS);
            let Some(left) = left else {
                truncated = true;
                break;
            };
            room = left;
            kept_headers.push(((*name).to_owned(), value.map(<[u8]>::to_vec)));
        }
        let whole = value.unwrap_or_default();
        Self {
            key: kept_key,
            headers: kept_headers,
            value: kept_value,
            length: whole.len() as u64,
            hash: content_hash(whole),
            truncated,
        }
    }
}

impl DeadLetter {
    /// The dead letter of a rejected record.
    #[must_use]
    pub fn new(
        topic: &str,
        log_partition: LogPartition,
        stamp: Stamp,
        rejection: Rejection,
        log_time: LogTime,
        original: Original,
    ) -> Self {
        Self {
            topic: topic.to_owned(),
            log_partition,
            stamp,
            reason: rejection.reason,
            detail: rejection.detail,
            tenant: rejection.tenant,
            log_time,
            original,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Wire {
    topic: String,
    #[serde(with = "apache_avro::serde_avro_fixed")]
    topic_id: [u8; 16],
    partition: i64,
    offset: i64,
    epoch: i64,
    reason: String,
    detail: String,
    tenant: Option<String>,
    #[serde(with = "apache_avro::serde_avro_bytes_opt")]
    key: Option<Vec<u8>>,
    headers: Vec<WireHeader>,
    length: i64,
    #[serde(with = "apache_avro::serde_avro_fixed")]
    hash: [u8; 16],
    #[serde(with = "apache_avro::serde_avro_bytes_opt")]
    original: Option<Vec<u8>>,
    truncated: bool,
    log_time: i64,
}

#[derive(Serialize, Deserialize)]
struct WireHeader {
    name: String,
    #[serde(with = "apache_avro::serde_avro_bytes_opt")]
    value: Option<Vec<u8>>,
}

/// Appends a dead letter.
pub fn encode_dead_letter(letter: &DeadLetter, out: &mut Vec<u8>) {
    let original = &letter.original;
    let headers = original.headers.iter().map(|(name, value)| WireHeader {
        name: name.clone(),
        value: value.clone(),
    });
    let wire = Wire {
        topic: letter.topic.clone(),
        topic_id: letter.log_partition.topic_id.0.to_be_bytes(),
        partition: letter.log_partition.partition.into(),
        offset: long(letter.stamp.offset),
        epoch: letter.stamp.epoch.into(),
        reason: letter.reason.name().to_owned(),
        detail: letter.detail.clone(),
        tenant: letter.tenant.clone(),
        key: original.key.clone(),
        headers: headers.collect(),
        length: long(original.length),
        hash: original.hash.to_be_bytes(),
        original: original.value.clone(),
        truncated: original.truncated,
        log_time: letter.log_time.0,
    };
    CODEC.encode(&wire, out);
}

pub(super) fn decode(body: &[u8]) -> Result<DeadLetter, RecordError> {
    let wire: Wire = CODEC.decode(body)?;
    let offset: Offset = CODEC.number("offset", wire.offset)?;
    let headers = wire.headers.into_iter().map(|h| (h.name, h.value));
    Ok(DeadLetter {
        topic: wire.topic,
        log_partition: LogPartition {
            topic_id: TopicId(u128::from_be_bytes(wire.topic_id)),
            partition: CODEC.number("partition", wire.partition)?,
        },
        stamp: Stamp {
            epoch: CODEC.number("epoch", wire.epoch)?,
            offset,
        },
        reason: reason(&CODEC, &wire.reason)?,
        detail: wire.detail,
        tenant: wire.tenant,
        log_time: LogTime(wire.log_time),
        original: Original {
            key: wire.key,
            headers: headers.collect(),
            value: wire.original,
            length: CODEC.number("length", wire.length)?,
            hash: u128::from_be_bytes(wire.hash),
            truncated: wire.truncated,
        },
    })
}
