//! Dead letters: pages of them by filter, and their number.
//!
//! One filter serves all commands, so that what `list` shows is what `replay` and `purge` take.
//! SQL is put together from fixed pieces only; what a caller passes travels beside it.

use crate::client::ClickHouse;
use crate::error::Error;
use crate::query::PAGE_ROWS_MAX;
use clickhouse::query::Query;
use clickhouse::{Row, RowOwned, RowRead};
use meterline_core::position::{LogPartition, Offset, TopicId};
use meterline_core::reason::Reason;
use meterline_core::time::LogTime;
use meterline_schemas::rows::{DeadLetterRow, DeadLetterSummary, ReasonCount};
use serde::Deserialize;

/// Most dead letters of one answer: each may hold 64 KiB.
pub const DEAD_LETTERS_MAX: u32 = 1_000;

/// Which letters are meant; every part narrows it further.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DeadLetterFilter<'a> {
    /// One reason, or all.
    pub reason: Option<Reason>,
    /// One tenant, or all.
    pub tenant: Option<&'a str>,
    /// One incarnation of one topic, or all.
    pub topic_id: Option<TopicId>,
    /// One partition, or all.
    pub partition: Option<u32>,
    /// One offset, or all.
    pub offset: Option<Offset>,
    /// First log time that is meant.
    pub since: Option<LogTime>,
    /// First log time that is no longer meant.
    pub until: Option<LogTime>,
    /// Only those that were replayed, or only those that were not.
    pub replayed: Option<bool>,
    /// Only those that were purged, or only those that were not.
    pub purged: Option<bool>,
}

/// Which way letters are ordered, by log time, then position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LetterOrder {
    /// For people.
    NewestFirst,
    /// For replays: in the order in which they happened.
    OldestFirst,
}

/// Log time, partition and offset of a letter: what letters are ordered by.
pub type LetterPlace = (LogTime, LogPartition, Offset);

/// A piece of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LetterPage {
    /// Which way.
    pub order: LetterOrder,
    /// Log time, partition and offset of the last letter before; `None` for the first page.
    pub after: Option<LetterPlace>,
    /// The last letter that is meant, in the order of the oldest first; `None` where all are.
    pub up_to: Option<LetterPlace>,
    /// Most letters; at most [`DEAD_LETTERS_MAX`] come. A shorter page is the last.
    pub limit: u32,
}

/// What `replayed` is compared with.
const REPLAYED: &str = "(topic_id, log_partition, offset) IN (SELECT topic_id, log_partition, offset FROM dead_letter_replays)";

#[derive(Row, Deserialize)]
struct Count {
    count: u64,
}

impl DeadLetterFilter<'_> {
    /// Whether nothing narrows it: all letters are meant.
    #[must_use]
    pub fn is_all(&self) -> bool {
        let (replayed, purged) = (self.replayed, self.purged);
        *self
            == Self {
                replayed,
                purged,
                ..Self::default()
            }
    }

    /// The conditions, with the names of their parameters.
    pub(crate) fn conditions(&self) -> String {
        let mut sql = "1".to_owned();
        for (is_asked, condition) in [
            (self.reason.is_some(), " AND reason = {reason:String}"),
            (self.tenant.is_some(), " AND tenant = {tenant:String}"),
            (self.topic_id.is_some(), " AND topic_id = {topic_id:UUID}"),
            (
                self.partition.is_some(),
                " AND log_partition = {partition:UInt32}",
            ),
            (self.offset.is_some(), " AND offset = {offset:UInt64}"),
            (
                self.since.is_some(),
                " AND log_time >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')",
            ),
            (
                self.until.is_some(),
                " AND log_time < fromUnixTimestamp64Milli({until:Int64}, 'UTC')",
            ),
            (
                self.purged == Some(true),
                " AND toUnixTimestamp64Milli(purged_at) != 0",
            ),
            (
                self.purged == Some(false),
                " AND toUnixTimestamp64Milli(purged_at) = 0",
            ),
        ] {
            if is_asked {
                sql.push_str(condition);
            }
        }
        match self.replayed {
            Some(true) => sql.push_str(&format!(" AND {REPLAYED}")),
            Some(false) => sql.push_str(&format!(" AND NOT ({REPLAYED})")),
            None => {}
        }
        sql
    }

    pub(crate) fn bind(&self, mut query: Query) -> Query {
        if let Some(reason) = self.reason {
            query = query.param("reason", reason.name());
        }
        if let Some(tenant) = self.tenant {
            query = query.param("tenant", tenant);
        }
        if let Some(topic_id) = self.topic_id {
            query = query.param("topic_id", topic_id.to_string());
        }
        if let Some(partition) = self.partition {
            query = query.param("partition", partition);
        }
        if let Some(offset) = self.offset {
            query = query.param("offset", offset);
        }
        if let Some(since) = self.since {
            query = query.param("since", since.0);
        }
        if let Some(until) = self.until {
            query = query.param("until", until.0);
        }
        query
    }
}

impl LetterPage {
    /// The first page.
    #[must_use]
    pub fn first(order: LetterOrder, limit: u32) -> Self {
        Self {
            order,
            after: None,
            up_to: None,
            limit,
        }
    }

    fn condition(&self) -> String {
        let sign = match self.order {
            LetterOrder::NewestFirst => "<",
            LetterOrder::OldestFirst => ">",
        };
        let beside = |name: &str, sign: &str| {
            format!(
                " AND (log_time, topic_id, log_partition, offset) {sign} \
                 (fromUnixTimestamp64Milli({{{name}_time:Int64}}, 'UTC'), {{{name}_topic:UUID}}, \
                 {{{name}_partition:UInt32}}, {{{name}_offset:UInt64}})"
            )
        };
        let after = self.after.map(|_| beside("after", sign));
        let up_to = self.up_to.map(|_| beside("up_to", "<="));
        after.into_iter().chain(up_to).collect()
    }

    pub(crate) fn sort(&self) -> &'static str {
        match self.order {
            LetterOrder::NewestFirst => {
                " ORDER BY log_time DESC, topic_id DESC, log_partition DESC, offset DESC \
                 LIMIT {limit:UInt32}"
            }
            LetterOrder::OldestFirst => {
                " ORDER BY log_time, topic_id, log_partition, offset LIMIT {limit:UInt32}"
            }
        }
    }

    fn bind(&self, query: Query) -> Query {
        let mut query = query.param("limit", self.limit.min(DEAD_LETTERS_MAX));
        for (name, place) in [("after", self.after), ("up_to", self.up_to)] {
            if let Some((log_time, log_partition, offset)) = place {
                query = query
                    .param(&format!("{name}_time"), log_time.0)
                    .param(&format!("{name}_topic"), log_partition.topic_id.to_string())
                    .param(&format!("{name}_partition"), log_partition.partition)
                    .param(&format!("{name}_offset"), offset);
            }
        }
        query
    }
}

impl ClickHouse {
    /// Dead letters with their records.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn dead_letters(
        &self,
        filter: &DeadLetterFilter<'_>,
        page: &LetterPage,
    ) -> Result<Vec<DeadLetterRow>, Error> {
        self.letters("dead_letters FINAL", filter, page).await
    }

    /// Dead letters without their records, and whether each was replayed.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn dead_letter_summaries(
        &self,
        filter: &DeadLetterFilter<'_>,
        page: &LetterPage,
    ) -> Result<Vec<DeadLetterSummary>, Error> {
        let from = format!("(SELECT *, toUInt8({REPLAYED}) AS replayed FROM dead_letters FINAL)");
        self.letters(&from, filter, page).await
    }

    async fn letters<T: RowOwned + RowRead>(
        &self,
        from: &str,
        filter: &DeadLetterFilter<'_>,
        page: &LetterPage,
    ) -> Result<Vec<T>, Error> {
        let sql = format!(
            "SELECT ?fields FROM {from} WHERE {}{}{}",
            filter.conditions(),
            page.condition(),
            page.sort()
        );
        let query = page.bind(filter.bind(self.client().query(&sql)));
        self.rows(|| "read dead letters".to_owned(), query).await
    }

    /// How many dead letters each reason has, most first.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn dead_letter_counts(
        &self,
        filter: &DeadLetterFilter<'_>,
    ) -> Result<Vec<ReasonCount>, Error> {
        let sql = format!(
            "SELECT toString(reason) AS name, count() AS number FROM dead_letters FINAL WHERE {} \
             GROUP BY name",
            filter.conditions()
        );
        let sql = format!(
            "SELECT name AS reason, number AS count FROM ({sql}) \
             ORDER BY count DESC, reason LIMIT {{limit:UInt32}}"
        );
        let query = filter.bind(self.client().query(&sql).param("limit", PAGE_ROWS_MAX));
        self.rows(|| "count dead letters".to_owned(), query).await
    }

    /// How many dead letters are meant.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn dead_letter_count(&self, filter: &DeadLetterFilter<'_>) -> Result<u64, Error> {
        let conditions = filter.conditions();
        let sql = format!("SELECT count() AS count FROM dead_letters FINAL WHERE {conditions}");
        let query = filter.bind(self.client().query(&sql));
        let counts: Vec<Count> = self.rows(|| "count dead letters".to_owned(), query).await?;
        Ok(counts.first().map_or(0, |counted| counted.count))
    }
}
