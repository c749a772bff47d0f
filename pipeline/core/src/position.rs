//! Positions in logs, and the stamps that order values.
//!
//! A *position* names the next record to read; a *stamp* names the record that changed a value.
//! Both are ordered by (epoch, offset) everywhere. The invariant kept here: a stamp packs into 64
//! bits without loss, so that ClickHouse can compare versions as plain integers (INV-STAMP).

use serde::{Deserialize, Serialize};
use std::fmt;

/// Offset of a record in one partition of a log.
pub type Offset = u64;

/// Largest offset that a stamp can hold: 48 bits.
pub const MAX_OFFSET: Offset = (1 << 48) - 1;

/// Kafka's 128-bit topic id, which changes when a topic is deleted and made again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TopicId(pub u128);

impl fmt::Display for TopicId {
    /// Writes the id in the hyphenated form of RFC 9562.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        let (a, b, c, d, e) = (
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        );
        write!(f, "{a}-{b}-{c}-{d}-{e}")
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<TopicId> for String {
    fn from(id: TopicId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for TopicId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let hex: String = text.chars().filter(|c| *c != '-').collect();
        if hex.len() != 32 {
            return Err(format!(
                "`{text}` is not a topic id: 32 hexadecimal digits are needed"
            ));
        }
        u128::from_str_radix(&hex, 16)
            .map(TopicId)
            .map_err(|_| format!("`{text}` is not a topic id: only hexadecimal digits may occur"))
    }
}

/// One partition of one incarnation of a topic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct LogPartition {
    /// The topic's id.
    pub topic_id: TopicId,
    /// The partition's number, from 0.
    pub partition: u32,
}

impl fmt::Display for LogPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic_id, self.partition)
    }
}

/// The record that changed a value: its epoch and offset.
///
/// The epoch counts the verdicts that sent a partition back; the offset alone orders records
/// within one epoch.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
pub struct Stamp {
    /// Number of verdicts applied before the record, from 0.
    pub epoch: u16,
    /// The record's offset, at most [`MAX_OFFSET`].
    pub offset: Offset,
}

impl Stamp {
    /// Packs the stamp into the version column: epoch in the top 16 bits, offset below.
    #[must_use]
    pub fn version(self) -> u64 {
        debug_assert!(self.offset <= MAX_OFFSET, "the fold refuses larger offsets");
        (u64::from(self.epoch) << 48) | (self.offset & MAX_OFFSET)
    }

    /// Unpacks a version column.
    #[must_use]
    pub fn from_version(version: u64) -> Self {
        let epoch = u16::try_from(version >> 48).expect("a 64-bit value has 16 bits above 48");
        Self {
            epoch,
            offset: version & MAX_OFFSET,
        }
    }
}

/// Whether changes that are known, one for each log partition, leave out none of `other`.
#[must_use]
pub fn covers(known: &[(LogPartition, Stamp)], other: &[(LogPartition, Stamp)]) -> bool {
    other.iter().all(|(log_partition, stamp)| {
        let own = known.iter().find(|(own, _)| own == log_partition);
        own.is_some_and(|(_, own)| own >= stamp)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_as_stamps_do() {
        let low = Stamp {
            epoch: 0,
            offset: MAX_OFFSET,
        };
        let high = Stamp {
            epoch: 1,
            offset: 0,
        };
        assert!(low < high && low.version() < high.version());
        assert_eq!(Stamp::from_version(low.version()), low);
    }

    #[test]
    fn topic_ids_survive_their_text() {
        let id = TopicId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(TopicId::try_from(id.to_string()), Ok(id));
        assert!(TopicId::try_from("nonsense".to_owned()).is_err());
    }
}
