//! Replays of dead letters: the projection of their markers.

use crate::client::ClickHouse;
use crate::error::Error;
use meterline_core::position::{LogPartition, Offset, TopicId};
use meterline_core::time::LogTime;
use meterline_schemas::rows::{ReplayPositionRow, ReplayRow};

impl ClickHouse {
    /// The replay of the letter of one record; `None` where there is none in the table.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn replay_of(
        &self,
        log_partition: LogPartition,
        offset: Offset,
    ) -> Result<Option<ReplayRow>, Error> {
        let sql = "SELECT ?fields FROM dead_letter_replays FINAL WHERE topic_id = {topic_id:UUID} \
                   AND log_partition = {partition:UInt32} AND offset = {offset:UInt64}";
        let query = self
            .client()
            .query(sql)
            .param("topic_id", log_partition.topic_id.to_string())
            .param("partition", log_partition.partition)
            .param("offset", offset);
        let action = || format!("read the replay of {log_partition}/{offset}");
        Ok(self.rows(action, query).await?.pop())
    }

    /// Up to where markers are in the table; from the log's beginning where none was looked for.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn replay_position(
        &self,
        marker_topic_id: TopicId,
    ) -> Result<ReplayPositionRow, Error> {
        let sql = "SELECT ?fields FROM dead_letter_replay_positions FINAL \
                   WHERE marker_topic_id = {topic_id:UUID}";
        let id = marker_topic_id.to_string();
        let query = self.client().query(sql).param("topic_id", id);
        let action = || "read the position of replays".to_owned();
        let found: Option<ReplayPositionRow> = self.rows(action, query).await?.pop();
        Ok(found.unwrap_or(ReplayPositionRow {
            marker_topic_id,
            position: 0,
            certain_from: LogTime(0),
        }))
    }

    /// Inserts replays, then the position up to which they are complete. May be repeated.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn insert_replays(
        &self,
        rows: &[ReplayRow],
        position: ReplayPositionRow,
    ) -> Result<(), Error> {
        if !rows.is_empty() {
            let action = || format!("insert {} replays", rows.len());
            let inserted = self.insert_rows("dead_letter_replays", rows);
            self.call(action, inserted).await?;
        }
        let positions = [position];
        let action = || "insert the position of replays".to_owned();
        let inserted = self.insert_rows("dead_letter_replay_positions", &positions);
        self.call(action, inserted).await
    }
}
