//! Purging dead letters: what they hold of their records goes, the letters stay.
//!
//! Views, `verify` and replays go by the rows: a record without its letter would look counted. So
//! a purge empties columns, by mutations that name every position. They ask nothing of other
//! tables, and so are the same on every replica, and each is small enough for one statement.

use crate::client::ClickHouse;
use crate::error::Error;
use crate::letters::DeadLetterFilter;
use clickhouse::Row;
use meterline_core::position::{LogPartition, Offset, TopicId};
use meterline_core::reason::Reason;
use meterline_core::time::LogTime;
use serde::Deserialize;

/// Letters of one mutation: their positions stay far below the server's 256 KiB of a statement.
const BATCH: u32 = 1_000;

/// When, by whom and why a letter was purged.
#[derive(Clone, PartialEq, Eq, Debug, Row, Deserialize)]
pub struct Purge {
    /// By the clock of the one who purged.
    pub purged_at: LogTime,
    /// Who.
    pub purged_by: String,
    /// Why.
    pub purge_note: String,
}

#[derive(Row, Deserialize)]
struct Place {
    topic_id: String,
    log_partition: u32,
    offset: Offset,
}

impl ClickHouse {
    /// The purge of the letter of one record; `None` where it was not purged, or is not there.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn purge_of(
        &self,
        log_partition: LogPartition,
        offset: Offset,
    ) -> Result<Option<Purge>, Error> {
        let filter = DeadLetterFilter {
            topic_id: Some(log_partition.topic_id),
            partition: Some(log_partition.partition),
            offset: Some(offset),
            purged: Some(true),
            ..DeadLetterFilter::default()
        };
        let conditions = filter.conditions();
        let sql = format!("SELECT ?fields FROM dead_letters FINAL WHERE {conditions}");
        let query = filter.bind(self.client().query(&sql));
        let action = || format!("read the purge of {log_partition}/{offset}");
        Ok(self.rows(action, query).await?.pop())
    }

    /// Removes what the letters that are meant hold of their records, and returns their number
    /// when it is gone from the disk. Those that were purged before are left out.
    ///
    /// # Errors
    /// Any [`Error`] of a request; some letters may be purged then.
    pub async fn purge_dead_letters(
        &self,
        filter: &DeadLetterFilter<'_>,
        purge: &Purge,
    ) -> Result<u64, Error> {
        let filter = DeadLetterFilter {
            purged: Some(false),
            ..*filter
        };
        let mut purged = 0;
        let mut after = None;
        loop {
            let places = self.places(&filter, after).await?;
            let Some(last) = places.last() else {
                return Ok(purged);
            };
            after = Some((last.topic_id.clone(), last.log_partition, last.offset));
            purged += places.len() as u64;
            self.empty(&places, purge).await?;
        }
    }

    async fn places(
        &self,
        filter: &DeadLetterFilter<'_>,
        after: Option<(String, u32, Offset)>,
    ) -> Result<Vec<Place>, Error> {
        let (topic_id, partition, offset) = after.unwrap_or_else(|| (TopicId(0).to_string(), 0, 0));
        let (conditions, position) = (filter.conditions(), "(topic_id, log_partition, offset)");
        let sql = format!(
            "SELECT toString(topic_id) AS topic_id, log_partition, offset FROM \
             (SELECT topic_id, log_partition, offset FROM dead_letters FINAL WHERE {conditions} \
             AND {position} > ({{after_topic:UUID}}, {{after_partition:UInt32}}, \
             {{after_offset:UInt64}}) ORDER BY {position} LIMIT {{limit:UInt32}})"
        );
        let query = filter
            .bind(self.client().query(&sql))
            .param("after_topic", topic_id)
            .param("after_partition", partition)
            .param("after_offset", offset)
            .param("limit", BATCH);
        self.rows(|| "read dead letters".to_owned(), query).await
    }

    async fn empty(&self, places: &[Place], purge: &Purge) -> Result<(), Error> {
        let positions: Vec<String> = places
            .iter()
            .map(|at| {
                format!(
                    "(toUUID('{}'), {}, {})",
                    at.topic_id, at.log_partition, at.offset
                )
            })
            .collect();
        let sql = format!(
            "ALTER TABLE dead_letters UPDATE detail = if(reason = '{refused}', \
             regexpExtract(detail, '^void at control offset [0-9]+: ', 0), ''), key = '', \
             headers = CAST(map(), 'Map(String, String)'), original = '', \
             purged_at = fromUnixTimestamp64Milli({{at:Int64}}, 'UTC'), \
             purged_by = {{by:String}}, purge_note = {{note:String}} \
             WHERE (topic_id, log_partition, offset) IN ({}) SETTINGS mutations_sync = 2",
            positions.join(", "),
            // Which decision was refused stays: without it a refused void would pass for one that
            // was carried out.
            refused = Reason::VoidRefused.name(),
        );
        let query = self
            .client()
            .query(&sql)
            .param("at", purge.purged_at.0)
            .param("by", &purge.purged_by)
            .param("note", &purge.purge_note);
        self.call(|| "purge dead letters".to_owned(), query.execute())
            .await
    }
}
