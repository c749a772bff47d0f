//! Long answers as ClickHouse itself writes them: a stream of Apache Parquet, with decimals as
//! they are stored.
//!
//! Nothing of an answer is held here; the caller takes it piece by piece. An answer counts as
//! whole only if it ends as the format does: a server that fails half way leaves no mistakable
//! file.

use crate::client::ClickHouse;
use crate::error::{Error, classify};
use crate::letters::{DeadLetterFilter, LetterOrder, LetterPage};
use crate::query::{UsageFilter, bind_usage, usage_sql};
use bytes::Bytes;
use clickhouse::query::{BytesCursor, Query};

/// The form that is asked for.
const FORMAT: &str = "Parquet";

/// What a file of that form begins and ends with (parquet.apache.org, "File Format").
const MAGIC: &[u8] = b"PAR1";

/// How long the server may take over one export, in seconds: a year of a tenant's hours takes
/// seconds, and a forgotten query must not run for ever.
const EXECUTION_SECONDS: &str = "3600";

/// Columns of exported usage: those that `usage` shows, and the tenant.
const USAGE_COLUMNS: &str = "tenant, meter, window_start, window_end, dimensions, value, events, \
                             sealed, revision, updated_at";

/// Columns of exported dead letters: all that a letter is, with ids and hashes as text.
const LETTER_COLUMNS: &str = "topic, toString(topic_id) AS topic_id, log_partition, offset, epoch, \
                              log_time, reason, detail, tenant, key, headers, length, \
                              lower(hex(hash)) AS hash, original, truncated, purged_at, purged_by, \
                              purge_note";

/// An answer that comes piece by piece.
pub struct Export<'a> {
    clickhouse: &'a ClickHouse,
    action: String,
    cursor: BytesCursor,
    /// The last bytes that came.
    tail: Vec<u8>,
}

impl Export<'_> {
    /// The next piece; `None` at the end of a whole answer.
    ///
    /// # Errors
    /// Any [`Error`] of a request, also where the answer ends before its form does.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let action = || self.action.clone();
        let piece = self.clickhouse.call(action, self.cursor.next()).await?;
        match &piece {
            Some(piece) => keep_tail(&mut self.tail, piece),
            None if self.tail == MAGIC => {}
            None => {
                let cut = clickhouse::error::Error::NotEnoughData;
                let url = &self.clickhouse.settings().url;
                return Err(classify(self.action.clone(), url, &cut));
            }
        }
        Ok(piece)
    }
}

/// Keeps the last bytes of a stream, as many as the form's end has.
fn keep_tail(tail: &mut Vec<u8>, piece: &[u8]) {
    let news = piece.len().saturating_sub(MAGIC.len());
    tail.extend_from_slice(&piece[news..]);
    tail.drain(..tail.len().saturating_sub(MAGIC.len()));
}

impl ClickHouse {
    /// One tenant's usage, by meter, window and dimensions, as Apache Parquet. `filter.limit` is
    /// not bounded by a page here; [`u32::MAX`] rows are all.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub fn export_usage(&self, filter: &UsageFilter<'_>) -> Result<Export<'_>, Error> {
        let sql = usage_sql(USAGE_COLUMNS, filter);
        let query = bind_usage(self.client().query(&sql), filter);
        let query = query.param("limit", filter.limit);
        self.export(format!("export usage of {}", filter.tenant), query)
    }

    /// Dead letters with their records, newest first, as Apache Parquet; at most `limit`.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub fn export_dead_letters(
        &self,
        filter: &DeadLetterFilter<'_>,
        limit: u32,
    ) -> Result<Export<'_>, Error> {
        let conditions = filter.conditions();
        let sort = LetterPage::first(LetterOrder::NewestFirst, limit).sort();
        let letters = format!("SELECT * FROM dead_letters FINAL WHERE {conditions}{sort}");
        let sql = format!("SELECT {LETTER_COLUMNS} FROM ({letters})");
        let query = filter.bind(self.client().query(&sql)).param("limit", limit);
        self.export("export dead letters".to_owned(), query)
    }

    fn export(&self, action: String, query: Query) -> Result<Export<'_>, Error> {
        let query = query.with_setting("max_execution_time", EXECUTION_SECONDS);
        match query.fetch_bytes(FORMAT) {
            Ok(cursor) => Ok(Export {
                clickhouse: self,
                action,
                cursor,
                tail: Vec::new(),
            }),
            Err(error) => Err(classify(action, &self.settings().url, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_stream_is_known_however_it_is_cut() {
        for pieces in [
            &[&b"PAR1....PAR1"[..]][..],
            &[b"PAR1....PA", b"R1"],
            &[b"PAR1....", b"P", b"A", b"R1"],
            &[b"PAR1....PAR1", b""],
        ] {
            let mut tail = Vec::new();
            pieces.iter().for_each(|piece| keep_tail(&mut tail, piece));
            assert_eq!(tail, MAGIC, "{pieces:?}");
        }
        let mut tail = Vec::new();
        keep_tail(&mut tail, b"PAR1....PAR");
        assert_ne!(tail, MAGIC);
    }
}
