//! A row of `progress` (the newest per log partition) and `progress_history` (all of them).

use super::columns;
use clickhouse::Row;
use meterline_core::fold::Header;
use meterline_core::position::{LogPartition, Offset, Stamp, TopicId};
use meterline_core::time::{EventTime, LogTime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Up to where the rows of one log partition are complete, and what became of its records.
///
/// Made by [`ProgressRow::new`] only, so that the version always fits the position.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct ProgressRow {
    /// Name of the usage topic.
    pub topic: String,
    /// Incarnation of the usage topic.
    #[serde(with = "columns::topic_id")]
    pub topic_id: TopicId,
    /// Partition of the usage topic.
    pub log_partition: u32,
    /// Verdicts applied.
    pub epoch: u16,
    /// Next record: hour rows and totals are complete up to here.
    pub to_offset: Offset,
    /// Next record: day and month rows are complete up to here.
    pub levels_to: Offset,
    /// Running maximum of append times before `to_offset`.
    pub log_time: LogTime,
    /// Hours that end at or before this are sealed.
    #[serde(with = "columns::seconds")]
    pub sealed_to: EventTime,
    /// Sealed up to at `levels_to`: days and months that end at or before this are sealed.
    #[serde(with = "columns::seconds")]
    pub levels_sealed_to: EventTime,
    /// Catalog version in force at `to_offset`; 0 where there is none.
    pub catalog_version: u32,
    /// Records handed to the fold.
    pub delivered: u64,
    /// Events counted by at least one meter.
    pub accepted: u64,
    /// Events whose identity was recorded before.
    pub duplicate: u64,
    /// Events of a type that the catalog ignores.
    pub ignored: u64,
    /// Events of a known type that no filter fits.
    pub unmatched: u64,
    /// Ticks and placements.
    pub control: u64,
    /// Accepted events whose hour was sealed already.
    pub late: u64,
    /// Dead letters by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Events that each meter counts: those it matched, less those taken back by voids.
    pub matched: BTreeMap<String, u64>,
    /// Position in `usage.totals` from which a reader that has just read the tables misses
    /// nothing; `None` where nothing is known to be safe but the topic's start.
    pub totals_offset: Option<i64>,
    version: u128,
}

impl ProgressRow {
    /// The row of a partition whose hour rows and totals are acknowledged up to the header's
    /// position, and its day and month rows up to the header's `levels_to`.
    #[must_use]
    pub fn new(topic: &str, header: &Header, totals_offset: Option<i64>) -> Self {
        let counters = &header.counters;
        let rejected = counters
            .rejected
            .iter()
            .map(|(reason, count)| (reason.name().to_owned(), *count));
        let position = Stamp {
            epoch: header.epoch,
            offset: header.position,
        };
        Self {
            topic: topic.to_owned(),
            topic_id: header.log_partition.topic_id,
            log_partition: header.log_partition.partition,
            epoch: header.epoch,
            to_offset: header.position,
            levels_to: header.levels_to,
            log_time: header.log_time,
            sealed_to: whole_seconds(header.sealed_to),
            levels_sealed_to: whole_seconds(header.levels_sealed_to),
            catalog_version: header.catalogs.last().map_or(0, |place| place.version),
            delivered: counters.delivered,
            accepted: counters.accepted,
            duplicate: counters.duplicate,
            ignored: counters.ignored,
            unmatched: counters.unmatched,
            control: counters.control,
            late: counters.late,
            rejected: rejected.collect(),
            matched: counters.counted(),
            totals_offset,
            version: (u128::from(position.version()) << 64) | u128::from(header.levels_to),
        }
    }

    /// The log partition that the row is about.
    #[must_use]
    pub fn partition(&self) -> LogPartition {
        LogPartition {
            topic_id: self.topic_id,
            partition: self.log_partition,
        }
    }

    /// Epoch and `to_offset`: what orders the rows of a log partition first.
    #[must_use]
    pub fn position(&self) -> Stamp {
        Stamp {
            epoch: self.epoch,
            offset: self.to_offset,
        }
    }
}

/// The whole second at or before the moment, within what a `DateTime` column holds.
///
/// No window ends outside of that range, so that clamping changes no answer.
fn whole_seconds(time: EventTime) -> EventTime {
    let seconds = time.0.div_euclid(1_000_000).clamp(0, i64::from(u32::MAX));
    EventTime(seconds * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::counters::Counters;

    fn row(epoch: u16, position: Offset, levels_to: Offset) -> ProgressRow {
        let log_partition = LogPartition {
            topic_id: TopicId(7),
            partition: 3,
        };
        let header = Header {
            log_partition,
            epoch,
            position,
            partitions: 4,
            log_time: LogTime(1),
            sealed_to: EventTime(i64::MIN),
            accept_floor: EventTime(0),
            answer_floor: EventTime(0),
            levels_to,
            levels_sealed_to: EventTime(i64::MIN),
            catalogs: Vec::new(),
            voids_to: None,
            counters: Counters::default(),
            outcome_hash: String::new(),
            hash_samples: Vec::new(),
            identity_key: String::new(),
        };
        ProgressRow::new("usage.events", &header, None)
    }

    #[test]
    fn versions_order_by_epoch_then_position_then_levels() {
        let ordered = [
            row(0, 5, 5),
            row(0, 6, 2),
            row(0, 6, 6),
            row(1, 3, 0),
            row(1, 3, 1),
        ];
        for pair in ordered.windows(2) {
            assert!(pair[0].version < pair[1].version, "{pair:?}");
        }
    }

    #[test]
    fn what_was_never_sealed_is_sealed_to_the_first_second() {
        let row = row(0, 0, 0);
        assert_eq!(
            (row.sealed_to, row.levels_sealed_to),
            (EventTime(0), EventTime(0))
        );
    }
}
