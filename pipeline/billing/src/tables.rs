//! What the stage reads before the topics: progress, then hours.
//!
//! Hours are read after the progress rows, so they hold at least what those speak of; where a
//! reading breaks off it begins again with a new engine.

use crate::engine::{Engine, Now};
use meterline_clickhouse::{ClickHouse, Error};
use meterline_core::position::TopicId;
use meterline_core::time::EventTime;
use meterline_follow::Reached;
use meterline_schemas::records::Total;

/// How far back hours are read, in microseconds (70 days): a period of 31, a draft of 3, and the
/// 35 in which usage is accepted.
const BACK_MICROS: i64 = 70 * 24 * 3_600_000_000;

/// Makes one attempt to read the tables into the engine.
pub(crate) async fn read(
    clickhouse: &ClickHouse,
    engine: &mut Engine,
    usage: TopicId,
    now: Now,
) -> Result<Reached, Error> {
    let progress = clickhouse.progress().await?;
    let from = now.wall.as_event_time().0.saturating_sub(BACK_MICROS);
    let mut hours = clickhouse.hour_totals(EventTime(from).hour().start())?;
    while let Some(rows) = hours.next().await? {
        for row in rows {
            let Total { log_partition, row } = row.into();
            engine.total(log_partition, &row, now);
        }
    }
    for row in &progress {
        engine.progress(row.partition(), row.sealed_to, now);
    }
    Ok(Reached::of(&progress, usage))
}
