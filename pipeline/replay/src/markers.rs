//! The markers of replays: reading them all, and bringing the table up to them.
//!
//! All markers lie in partition 0 of `usage.dead-letter`, between letters, and are told apart by
//! their fingerprint. The table holds all markers below its position, so only what follows is
//! read. Where the log no longer reaches back to that position, markers may have been lost unread:
//! they were of replays before the first record that is left. The table remembers that time, and
//! older letters are not replayed by guess.

use crate::error::ReplayError;
use meterline_clickhouse::ClickHouse;
use meterline_core::position::TopicId;
use meterline_core::time::LogTime;
use meterline_kafka::{ReadRecord, Reader};
use meterline_schemas::records::{Record, decode};
use meterline_schemas::rows::{ReplayPositionRow, ReplayRow};
use std::time::Duration;
use tokio::runtime::Handle;

/// The partition of markers.
pub(crate) const MARKERS: u32 = 0;

/// Rows of one insert: the memory of a projection that begins anew.
const ROWS_MAX: usize = 10_000;

/// How far the clocks of brokers may differ, in milliseconds: as far as the fold believes an
/// append time that is ahead.
const CLOCKS_MS: i64 = 5 * 60_000;

/// Where the markers are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct MarkerLog {
    pub(crate) topic: String,
    pub(crate) topic_id: TopicId,
}

impl MarkerLog {
    /// Brings the table up to the log's end of now. Returns the log time from which every letter's
    /// replay is known.
    pub(crate) fn catch_up(
        &self,
        reader: &mut Reader,
        clickhouse: &ClickHouse,
        runtime: &Handle,
        timeout: Duration,
    ) -> Result<LogTime, ReplayError> {
        let known = runtime.block_on(clickhouse.replay_position(self.topic_id))?;
        let first = reader.first(&self.topic, MARKERS, timeout)?;
        let lost = first.filter(|first| first.offset > known.position);
        let lost_before = match &lost {
            Some(first) => LogTime(self.append_time(first)?.0.saturating_add(CLOCKS_MS)),
            None => LogTime(0),
        };
        let certain_from = known.certain_from.max(lost_before);
        let at = |position| ReplayPositionRow {
            marker_topic_id: self.topic_id,
            position,
            certain_from,
        };
        let mut rows: Vec<ReplayRow> = Vec::new();
        let end = reader.read_to_end(&self.topic, MARKERS, known.position, timeout, |record| {
            rows.extend(self.row(&record)?);
            if rows.len() == ROWS_MAX {
                runtime.block_on(clickhouse.insert_replays(&rows, at(record.offset + 1)))?;
                rows.clear();
            }
            Ok::<_, ReplayError>(())
        })?;
        if end > known.position {
            runtime.block_on(clickhouse.insert_replays(&rows, at(end)))?;
        }
        Ok(certain_from)
    }

    /// The row of a marker; `None` for a letter.
    fn row(&self, record: &ReadRecord) -> Result<Option<ReplayRow>, ReplayError> {
        let bytes = record.payload.as_deref().unwrap_or_default();
        let decoded = decode(bytes).map_err(|source| ReplayError::Marker {
            topic: self.topic.clone(),
            offset: record.offset,
            source,
        })?;
        let Record::Replay(replay) = decoded else {
            return Ok(None);
        };
        let appended = self.append_time(record)?;
        let row = ReplayRow::new(&replay, self.topic_id, record.offset, appended);
        Ok(Some(row))
    }

    fn append_time(&self, record: &ReadRecord) -> Result<LogTime, ReplayError> {
        record.append_time.ok_or_else(|| ReplayError::AppendTime {
            topic: self.topic.clone(),
            offset: record.offset,
        })
    }
}
