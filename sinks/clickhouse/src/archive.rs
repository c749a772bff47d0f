//! The archive's calls: rows of `usage_events`, the position they reach, and what is missing.
//!
//! A position is inserted after the rows before it were acknowledged, by the caller's order of
//! calls; all three inserts may be repeated.

use crate::client::ClickHouse;
use crate::encode_archive::USAGE_EVENTS_COLUMNS;
use crate::error::Error;
use bytes::Bytes;
use meterline_core::position::{LogPartition, TopicId};
use meterline_schemas::rows::{ArchiveHoleRow, ArchiveProgressRow};

impl ClickHouse {
    /// Inserts archived records: the body of an [`crate::encode_archive::ArchiveBlock`].
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn insert_usage_events(&self, body: Bytes, rows: usize) -> Result<(), Error> {
        let request = async move {
            let names = USAGE_EVENTS_COLUMNS.map(|(name, _)| name).join(", ");
            let sql =
                format!("INSERT INTO usage_events ({names}) FORMAT RowBinaryWithNamesAndTypes");
            let mut insert = self.client().insert_formatted_with(sql);
            insert.send(body).await?;
            insert.end().await
        };
        let action = || format!("insert {rows} records into usage_events");
        self.call(action, request).await
    }

    /// Up to where each partition of a topic is archived.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn archive_progress(
        &self,
        topic_id: TopicId,
    ) -> Result<Vec<ArchiveProgressRow>, Error> {
        let sql = "SELECT ?fields FROM archive_progress FINAL WHERE topic_id = {topic_id:UUID}";
        let request = self
            .client()
            .query(sql)
            .param("topic_id", topic_id.to_string())
            .fetch_all();
        let action = || format!("read archive_progress of topic {topic_id}");
        self.call(action, request).await
    }

    /// How many ranges of records the archive of a topic does not have, by partition.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn archive_holes<C: FromIterator<(u32, u64)>>(
        &self,
        topic_id: TopicId,
    ) -> Result<C, Error> {
        let sql = "SELECT log_partition, count() FROM archive_holes FINAL \
                   WHERE topic_id = {topic_id:UUID} GROUP BY log_partition";
        let request = self
            .client()
            .query(sql)
            .param("topic_id", topic_id.to_string())
            .fetch_all::<(u32, u64)>();
        let action = || format!("read archive_holes of topic {topic_id}");
        Ok(self.call(action, request).await?.into_iter().collect())
    }

    /// Says up to where partitions are archived; their rows must have been acknowledged.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn insert_archive_progress(&self, rows: &[ArchiveProgressRow]) -> Result<(), Error> {
        let action = || format!("insert archive_progress of {} partitions", rows.len());
        self.call(action, self.insert_rows("archive_progress", rows))
            .await
    }

    /// Says which records the archive does not have.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn insert_archive_hole(&self, row: &ArchiveHoleRow) -> Result<(), Error> {
        let log_partition = LogPartition {
            topic_id: row.topic_id,
            partition: row.log_partition,
        };
        let action = || format!("insert into archive_holes of {log_partition}");
        self.call(
            action,
            self.insert_rows("archive_holes", std::slice::from_ref(row)),
        )
        .await
    }
}
