//! What the stage reads before the topics: progress, hours, held levels, standings, in this order.
//!
//! Buckets are read after the progress rows, so they hold at least what those speak of; where a
//! reading breaks off it begins again, since every row keeps the highest stamp it was seen with.

use meterline_clickhouse::{ClickHouse, Error};
use meterline_core::bucket::{BucketRow, Kind, Series};
use meterline_core::catalog::{Aggregation, Catalog};
use meterline_core::limits::Engine;
use meterline_core::position::TopicId;
use meterline_core::standing::Standing;
use meterline_core::time::{Level, LogTime, Window};
use meterline_follow::Reached;
use meterline_schemas::records::Total;
use meterline_schemas::rows::HeldLevelRow;
use std::sync::Arc;

/// Makes one attempt to read all tables into the engine.
pub(crate) async fn read(
    clickhouse: &ClickHouse,
    engine: &mut Engine,
    catalog: &Catalog,
    usage: TopicId,
    now: LogTime,
) -> Result<Reached, Error> {
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
        engine.progress(row.partition(), Reached::stamp(row), row.log_time);
    }
    Ok(Reached::of(&progress, usage))
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
