//! Inserts: bucket rows, progress and dead letters.
//!
//! Each call is one attempt. An error leaves open how much was written, and that is harmless:
//! the same rows again are the same rows.

use crate::client::ClickHouse;
use crate::encode::{self, Block, COLUMNS};
use crate::error::Error;
use clickhouse::RowOwned;
use clickhouse::RowWrite;
use meterline_core::bucket::BucketRow;
use meterline_core::position::LogPartition;
use meterline_core::time::Level;
use meterline_schemas::rows::{DeadLetterRow, ProgressRow, bucket_table};

/// Most bytes of one INSERT of dead letters, give or take a row.
const DEAD_LETTER_BYTES: usize = 16 << 20;

/// What an insert of buckets came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Inserted {
    /// Rows acknowledged.
    pub rows: usize,
    /// Bytes sent for them.
    pub bytes: usize,
}

impl ClickHouse {
    /// Inserts the rows of that level, in blocks of bounded size; rows of other levels are left
    /// out, so that one cut of days and months serves two calls.
    ///
    /// # Errors
    /// Any [`Error`] of a request; [`Error::Row`] where a window does not fit a `DateTime`.
    pub async fn insert_buckets(
        &self,
        level: Level,
        log_partition: LogPartition,
        rows: &[BucketRow],
    ) -> Result<Inserted, Error> {
        let mut inserted = Inserted::default();
        for block in encode::blocks(level, log_partition, rows) {
            let block = block.map_err(|source| Error::Row {
                action: format!("insert into {} of {log_partition}", bucket_table(level)),
                source,
            })?;
            let (rows, bytes) = (block.rows, block.body.len());
            self.insert_block(level, log_partition, block).await?;
            inserted.rows += rows;
            inserted.bytes += bytes;
        }
        Ok(inserted)
    }

    async fn insert_block(
        &self,
        level: Level,
        log_partition: LogPartition,
        block: Block,
    ) -> Result<(), Error> {
        let table = bucket_table(level);
        let Block { body, rows } = block;
        let request = async move {
            let names = COLUMNS.map(|(name, _)| name).join(", ");
            let sql = format!("INSERT INTO {table} ({names}) FORMAT RowBinaryWithNamesAndTypes");
            let mut insert = self.client().insert_formatted_with(sql);
            insert.send(body.into()).await?;
            insert.end().await
        };
        let action = || format!("insert {rows} rows into {table} of {log_partition}");
        self.call(action, request).await
    }

    /// Inserts a progress record; the copy in `progress_history` is made by the server.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn insert_progress(&self, row: &ProgressRow) -> Result<(), Error> {
        let action = || {
            format!(
                "insert progress of {} at {}",
                row.partition(),
                row.to_offset
            )
        };
        self.call(
            action,
            self.insert_rows("progress", std::slice::from_ref(row)),
        )
        .await
    }

    /// Inserts dead letters, in requests of bounded size.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn insert_dead_letters(&self, rows: &[DeadLetterRow]) -> Result<(), Error> {
        for rows in bounded(rows) {
            let action = || format!("insert {} dead letters", rows.len());
            self.call(action, self.insert_rows("dead_letters", rows))
                .await?;
        }
        Ok(())
    }

    pub(crate) async fn insert_rows<T: RowOwned + RowWrite>(
        &self,
        table: &str,
        rows: &[T],
    ) -> clickhouse::error::Result<()> {
        let mut insert = self.client().insert::<T>(table).await?;
        for row in rows {
            insert.write(row).await?;
        }
        insert.end().await
    }
}

/// Splits dead letters so that no request carries much more than the bound.
fn bounded(rows: &[DeadLetterRow]) -> impl Iterator<Item = &[DeadLetterRow]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let full = rest.iter().position(|row| {
            bytes += size(row);
            bytes >= DEAD_LETTER_BYTES
        });
        let (first, after) = rest.split_at(full.map_or(rest.len(), |place| place + 1));
        rest = after;
        (!first.is_empty()).then_some(first)
    })
}

/// Bytes of the parts of a dead letter that can be large.
fn size(row: &DeadLetterRow) -> usize {
    let headers = row.headers.iter().map(|(n, v)| n.len() + v.len());
    row.original.len() + row.key.len() + row.detail.len() + headers.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::position::{Stamp, TopicId};
    use meterline_core::reason::{Reason, Rejection};
    use meterline_core::time::LogTime;
    use meterline_schemas::rows::DeadRecord;

    #[test]
    fn dead_letters_are_split_and_none_is_left_out() {
        let payload = vec![0; 64 << 10];
        let log_partition = LogPartition {
            topic_id: TopicId(1),
            partition: 0,
        };
        let row = DeadLetterRow::new(
            "usage.events",
            log_partition,
            Stamp::default(),
            LogTime(0),
            &Rejection::new(Reason::TooLarge, ""),
            DeadRecord {
                key: None,
                headers: &[],
                payload: Some(&payload),
            },
        );
        let rows = vec![row; 600];
        let parts: Vec<_> = bounded(&rows).map(<[_]>::len).collect();
        assert_eq!(parts, [256, 256, 88]);
        assert_eq!(bounded(&[]).count(), 0);
    }
}
