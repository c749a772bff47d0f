//! Answers with millions of rows, taken piece by piece.
//!
//! At most one piece is held here, however long the answer. One that breaks off in the middle is an
//! error: a reader that took half of a table for all of it would decide wrongly without a sign.

use crate::client::ClickHouse;
use crate::error::{Error, classify};
use clickhouse::query::{Query, RowCursor};
use clickhouse::{RowOwned, RowRead};

/// Most rows of one piece: some megabytes, and few enough waits.
const PIECE_ROWS: usize = 8_192;

/// How long the server may take over one answer, in seconds: tens of millions of rows take
/// minutes, and a forgotten query must not run for ever.
const EXECUTION_SECONDS: &str = "3600";

/// Rows that come piece by piece.
#[must_use]
pub struct Rows<T> {
    clickhouse: ClickHouse,
    action: String,
    cursor: RowCursor<T>,
}

impl<T: RowOwned + RowRead> Rows<T> {
    pub(crate) fn of(clickhouse: &ClickHouse, action: String, query: Query) -> Result<Self, Error> {
        let query = query.with_setting("max_execution_time", EXECUTION_SECONDS);
        match query.fetch() {
            Ok(cursor) => Ok(Self {
                clickhouse: clickhouse.clone(),
                action,
                cursor,
            }),
            Err(error) => Err(classify(action, &clickhouse.settings().url, &error)),
        }
    }

    /// The next rows, never none; `None` at the end of a whole answer. Each piece is waited for as
    /// long as one request may take.
    ///
    /// # Errors
    /// Any [`Error`] of a request. The answer is over then: ask again from the beginning.
    pub async fn next(&mut self) -> Result<Option<Vec<T>>, Error> {
        let action = || self.action.clone();
        let cursor = &mut self.cursor;
        let piece = async {
            let mut rows = Vec::new();
            while rows.len() < PIECE_ROWS {
                match cursor.next().await? {
                    Some(row) => rows.push(row),
                    None => break,
                }
            }
            Ok(rows)
        };
        let rows = self.clickhouse.call(action, piece).await?;
        Ok((!rows.is_empty()).then_some(rows))
    }
}
