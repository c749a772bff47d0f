//! The projection of `meterline.pushes`: steps and carries in force, as rows for people.
//!
//! It has a fold of its own, so that ClickHouse may be away for as long as it likes without holding
//! up a push.

use crate::engine::Append;
use meterline_clickhouse::{ClickHouse, Error, Projection};
use meterline_core::carries::Carries;
use meterline_core::chain::Ruling;
use meterline_core::halt::Halt;
use meterline_core::position::{LogPartition, Offset, TopicId};
use meterline_core::pushes::Pushes;
use meterline_follow::{Appended, Project};
use meterline_schemas::rows::{CarryRow, LogPlace, PushRow};
use std::collections::BTreeMap;

/// The folds, and the rows that wait, by partition.
pub(crate) struct PushesProjection {
    topic_id: TopicId,
    pushes: Pushes,
    carries: Carries,
    rows: BTreeMap<u32, Rows>,
}

#[derive(Default)]
struct Rows {
    pushes: Vec<PushRow>,
    carries: Vec<CarryRow>,
}

impl PushesProjection {
    /// The state before the first record of a log of so many partitions.
    pub(crate) fn new(topic_id: TopicId, partitions: u32) -> Self {
        Self {
            topic_id,
            pushes: Pushes::new(partitions),
            carries: Carries::new(partitions),
            rows: BTreeMap::new(),
        }
    }
}

impl Project for PushesProjection {
    type Record = Appended<Append>;

    const PROJECTION: Projection = Projection::Pushes;

    fn take(
        &mut self,
        partition: u32,
        offset: Offset,
        record: Self::Record,
        is_wanted: bool,
    ) -> Result<(), Halt> {
        let Appended { at, record } = record;
        let place = LogPlace {
            log_partition: LogPartition {
                topic_id: self.topic_id,
                partition,
            },
            offset,
            append_time: at,
        };
        let rows = self.rows.entry(partition).or_default();
        match record {
            Append::Push(record) => {
                let ruling = self.pushes.apply(partition, offset, at, &record)?;
                self.carries.pass(partition, offset, at)?;
                if is_wanted
                    && ruling == Ruling::InForce
                    && let Some(head) = self.pushes.head(&record.key)
                {
                    rows.pushes.push(PushRow::new(place, &record, &head.intent));
                }
            }
            Append::Carry(record) => {
                let ruling = self.carries.apply(partition, offset, at, &record)?;
                self.pushes.pass(partition, offset, at)?;
                if is_wanted && ruling == Ruling::InForce {
                    rows.carries.push(CarryRow::new(place, &record));
                }
            }
        }
        Ok(())
    }

    fn waiting(&self) -> usize {
        let rows = self.rows.values();
        rows.map(|rows| rows.pushes.len() + rows.carries.len())
            .sum()
    }

    async fn write(
        &self,
        clickhouse: &ClickHouse,
        log_partition: LogPartition,
        position: Offset,
    ) -> Result<(), Error> {
        let none = Rows::default();
        let rows = self.rows.get(&log_partition.partition).unwrap_or(&none);
        let inserted =
            clickhouse.insert_pushes(&rows.pushes, &rows.carries, log_partition, position);
        inserted.await
    }

    fn written(&mut self, partition: u32) {
        self.rows.remove(&partition);
        // Chains of long ago take memory and decide nothing.
        self.pushes.sweep();
    }
}
