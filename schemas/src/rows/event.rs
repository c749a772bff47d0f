//! What the archive says of one event: its records, what became of each, and the bytes of one.

use super::columns;
use clickhouse::Row;
use meterline_core::position::{LogPartition, Offset, TopicId};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// A record of an event, and what became of it by `usage_raw`.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct EventVerdictRow {
    /// Incarnation of the usage topic.
    #[serde(with = "columns::topic_id")]
    pub topic_id: TopicId,
    /// Partition of the usage topic.
    pub log_partition: u32,
    /// Offset of the record.
    pub offset: Offset,
    /// `counted`, `duplicate`, `rejected`, `pending` and the like.
    pub verdict: String,
    /// Why it was rejected; empty where it was not.
    pub reason: String,
}

impl EventVerdictRow {
    /// The log partition that the record lies in.
    #[must_use]
    pub fn partition(&self) -> LogPartition {
        LogPartition {
            topic_id: self.topic_id,
            partition: self.log_partition,
        }
    }
}

/// An archived record, as far as it was kept.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct ArchivedBytesRow {
    /// Catalog in force at the record.
    pub catalog_version: u32,
    /// The record's headers; an absent value as an empty one, which no record form tells apart.
    pub headers: Vec<(String, ByteBuf)>,
    /// Bytes of the value.
    pub length: u64,
    /// BLAKE3-128 of the value.
    pub hash: u128,
    /// The value, or the beginning of it.
    pub original: ByteBuf,
    /// 1 where key, headers or value were cut.
    pub truncated: u8,
}
