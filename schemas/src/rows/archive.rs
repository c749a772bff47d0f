//! Rows of the archive's bookkeeping: `archive_progress` and `archive_holes`.
//!
//! The archive's records themselves are written column by column, without a row in between
//! (`meterline_clickhouse::archive`): there are as many as there are events.

use super::columns;
use clickhouse::Row;
use meterline_core::position::{LogPartition, Offset, Stamp, TopicId};
use meterline_core::time::LogTime;
use serde::{Deserialize, Serialize};

/// Up to where the archive has every record of one log partition.
///
/// Made by [`ArchiveProgressRow::new`] only, so that the version always fits the position.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct ArchiveProgressRow {
    /// Name of the usage topic.
    pub topic: String,
    /// Incarnation of the usage topic.
    #[serde(with = "columns::topic_id")]
    pub topic_id: TopicId,
    /// Partition of the usage topic.
    pub log_partition: u32,
    /// How often the position went back, because the log did.
    pub epoch: u16,
    /// Next record to archive.
    pub to_offset: Offset,
    /// Running maximum of append times before `to_offset`.
    pub log_time: LogTime,
    /// Catalog version in force at `to_offset`.
    pub catalog_version: u32,
    version: u64,
}

impl ArchiveProgressRow {
    /// The row of a log partition that is archived up to that epoch and offset.
    #[must_use]
    pub fn new(
        topic: &str,
        log_partition: LogPartition,
        position: Stamp,
        log_time: LogTime,
        catalog_version: u32,
    ) -> Self {
        Self {
            topic: topic.to_owned(),
            topic_id: log_partition.topic_id,
            log_partition: log_partition.partition,
            epoch: position.epoch,
            to_offset: position.offset,
            log_time,
            catalog_version,
            version: position.version(),
        }
    }

    /// Epoch and next record.
    #[must_use]
    pub fn position(&self) -> Stamp {
        Stamp {
            epoch: self.epoch,
            offset: self.to_offset,
        }
    }
}

/// Why records are missing in the archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HoleCause {
    /// They were gone before the archive first read the partition.
    BegunLate,
    /// The log's retention removed them before they were archived.
    Retention,
    /// The log lost its end after it was archived, and these offsets may be given again.
    Truncated,
}

impl HoleCause {
    /// The name in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BegunLate => "begun_late",
            Self::Retention => "retention",
            Self::Truncated => "truncated",
        }
    }
}

/// Records that the archive never got, or that the log has lost since.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct ArchiveHoleRow {
    /// Name of the usage topic.
    pub topic: String,
    /// Incarnation of the usage topic.
    #[serde(with = "columns::topic_id")]
    pub topic_id: TopicId,
    /// Partition of the usage topic.
    pub log_partition: u32,
    /// First missing record.
    pub from_offset: Offset,
    /// First record that is there again.
    pub to_offset: Offset,
    /// [`HoleCause::name`].
    pub cause: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_that_went_back_has_the_higher_version() {
        let log_partition = LogPartition {
            topic_id: TopicId(1),
            partition: 0,
        };
        let row = |epoch, offset| {
            let position = Stamp { epoch, offset };
            ArchiveProgressRow::new("usage.events", log_partition, position, LogTime(0), 1)
        };
        assert!(row(0, 900).version < row(1, 100).version);
        assert!(row(1, 100).version < row(1, 101).version);
    }
}
