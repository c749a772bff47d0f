//! What progress rows say of `usage.totals`: where to read on, and up to where usage is known.
//!
//! A stage reads progress rows first and buckets after them, so the buckets hold at least what the
//! rows speak of; from the positions given here the topic has everything later.

use meterline_core::position::{Offset, Stamp, TopicId};
use meterline_core::time::LogTime;
use meterline_schemas::rows::ProgressRow;
use std::collections::BTreeMap;

/// Where the totals of each partition are read from, and progress of the usage topic of now.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reached {
    /// By partition; a missing one is read from its beginning.
    pub positions: BTreeMap<u32, Offset>,
    /// Up to where each partition is complete, and its log time.
    pub usage: BTreeMap<u32, (Offset, LogTime)>,
}

impl Reached {
    /// Only rows of the usage topic of now say where to go on: those of one that is gone are older
    /// than anything that its successor's totals need.
    #[must_use]
    pub fn of(rows: &[ProgressRow], usage: TopicId) -> Self {
        let mut reached = Self::default();
        for row in rows.iter().filter(|row| row.topic_id == usage) {
            let partition = row.log_partition;
            let to = (row.to_offset, row.log_time);
            reached.usage.insert(partition, to);
            if let Some(position) = row.totals_offset.and_then(|at| Offset::try_from(at).ok()) {
                reached.positions.insert(partition, position);
            }
        }
        reached
    }

    /// The position that a row speaks of: usage before it is complete.
    #[must_use]
    pub fn stamp(row: &ProgressRow) -> Stamp {
        Stamp {
            epoch: row.epoch,
            offset: row.to_offset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::counters::Counters;
    use meterline_core::fold::Header;
    use meterline_core::position::LogPartition;
    use meterline_core::time::EventTime;

    #[test]
    fn positions_are_those_of_the_usage_topic_of_now() {
        let row = |topic: u128, partition: u32, to: Offset, totals: Option<i64>| {
            let mut row = progress_row();
            row.topic_id = TopicId(topic);
            row.log_partition = partition;
            row.to_offset = to;
            row.totals_offset = totals;
            row
        };
        let rows = [
            row(1, 0, 90, Some(500)),
            row(2, 0, 7, Some(40)),
            row(2, 1, 8, None),
        ];
        let reached = Reached::of(&rows, TopicId(2));
        assert_eq!(reached.positions, BTreeMap::from([(0, 40)]));
        assert_eq!(reached.usage.keys().copied().collect::<Vec<_>>(), [0, 1]);
    }

    fn progress_row() -> ProgressRow {
        let header = Header {
            log_partition: LogPartition {
                topic_id: TopicId(7),
                partition: 0,
            },
            epoch: 0,
            position: 0,
            partitions: 2,
            log_time: LogTime(0),
            sealed_to: EventTime(0),
            accept_floor: EventTime(0),
            answer_floor: EventTime(0),
            levels_to: 0,
            levels_sealed_to: EventTime(0),
            catalogs: Vec::new(),
            voids_to: None,
            counters: Counters::default(),
            outcome_hash: String::new(),
            identity_key: String::new(),
            hash_samples: Vec::new(),
        };
        ProgressRow::new("usage.events", &header, None)
    }
}
