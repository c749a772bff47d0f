//! What the stage reads before the topics: progress, hours, held levels, standings, in this order.
//!
//! Buckets are read after the progress rows, so they hold at least what those speak of; where a
//! reading breaks off it begins again, since every row keeps the highest stamp it was seen with.

use meterline_clickhouse::{ClickHouse, Error};
use meterline_core::bucket::{BucketRow, Kind, Series};
use meterline_core::catalog::{Aggregation, Catalog};
use meterline_core::limits::Engine;
use meterline_core::position::{Offset, Stamp, TopicId};
use meterline_core::standing::Standing;
use meterline_core::time::{Level, LogTime, Window};
use meterline_schemas::records::Total;
use meterline_schemas::rows::{HeldLevelRow, ProgressRow};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where the totals of each partition are read from, and progress of the usage topic of now.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct FromTables {
    /// By partition; a missing one is read from its beginning.
    pub(crate) positions: BTreeMap<u32, Offset>,
    /// Up to where each partition is complete, and its log time.
    pub(crate) reached: BTreeMap<u32, (Offset, LogTime)>,
}

/// Makes one attempt to read all tables into the engine.
pub(crate) async fn read(
    clickhouse: &ClickHouse,
    engine: &mut Engine,
    catalog: &Catalog,
    usage: TopicId,
    now: LogTime,
) -> Result<FromTables, Error> {
    let progress = clickhouse.progress().await?;
    let first = Engine::first_hour(now, catalog);
    engine.reads_from(first);
    let from = first.start();
    let mut hours = clickhouse.hour_totals(from)?;
    while let Some(rows) = hours.next().await? {
        for row in rows {
            let Total { log_partition, row } = row.into();
            engine.total(log_partition, &row);
        }
    }
    let mut levels = clickhouse.held_levels(from)?;
    while let Some(rows) = levels.next().await? {
        for row in rows {
            engine.held_level(row.partition(), &held(row));
        }
    }
    let mut standings = clickhouse.standings()?;
    while let Some(rows) = standings.next().await? {
        for row in rows {
            engine.known_standing(&Standing::from(row));
        }
    }
    for row in &progress {
        engine.progress(row.partition(), stamp(row), row.log_time);
    }
    Ok(from_progress(&progress, usage))
}

fn stamp(row: &ProgressRow) -> Stamp {
    Stamp {
        epoch: row.epoch,
        offset: row.to_offset,
    }
}

/// Only rows of the usage topic of now say where to go on: those of one that is gone are older
/// than anything that its successor's totals need.
fn from_progress(rows: &[ProgressRow], usage: TopicId) -> FromTables {
    let mut from = FromTables::default();
    for row in rows.iter().filter(|row| row.topic_id == usage) {
        let partition = row.log_partition;
        let reached = (row.to_offset, row.log_time);
        from.reached.insert(partition, reached);
        if let Some(position) = row.totals_offset.and_then(|at| Offset::try_from(at).ok()) {
            from.positions.insert(partition, position);
        }
    }
    from
}

/// A held level as the hour bucket that its value lies in.
fn held(row: HeldLevelRow) -> BucketRow {
    let window = Window::of(Level::Hour, row.latest_time.hour());
    let bucket = row.bucket();
    let series = Series {
        tenant: row.tenant.into(),
        meter: row.meter.into(),
        kind: Kind::Only,
        aggregation: Aggregation::Latest,
        dimensions: Box::default(),
        dimensions_hash: 0,
    };
    BucketRow {
        series: Arc::new(series),
        window,
        bucket,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::counters::Counters;
    use meterline_core::fold::Header;
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
        let from = from_progress(&rows, TopicId(2));
        assert_eq!(from.positions, BTreeMap::from([(0, 40)]));
        assert_eq!(from.reached.keys().copied().collect::<Vec<_>>(), [0, 1]);
    }

    fn progress_row() -> ProgressRow {
        let header = Header {
            log_partition: crate::testing::log_partition(0),
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
            counters: Counters::default(),
            outcome_hash: String::new(),
            identity_key: String::new(),
            hash_samples: Vec::new(),
        };
        ProgressRow::new("usage.events", &header, None)
    }
}
