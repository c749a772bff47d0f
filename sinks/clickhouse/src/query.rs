//! The queries of the commands: bounded pages, every value a bound parameter.
//!
//! SQL is put together from fixed pieces only; what a caller passes travels beside it.

use crate::client::ClickHouse;
use crate::error::Error;
use clickhouse::query::Query;
use clickhouse::{RowOwned, RowRead};
use meterline_core::time::{EventTime, Level};
use meterline_schemas::rows::{ProgressRow, UsageRow, bound_seconds, usage_view};

/// Most rows of one answer: it is held in memory.
pub const PAGE_ROWS_MAX: u32 = 10_000;

/// Which usage to read: one tenant's, in windows that start in a span of time.
#[derive(Clone, Copy, Debug)]
pub struct UsageFilter<'a> {
    /// Length of the windows.
    pub level: Level,
    /// The tenant.
    pub tenant: &'a str,
    /// One meter, or all.
    pub meter: Option<&'a str>,
    /// First moment at which a window may start.
    pub from: EventTime,
    /// First moment at which a window may no longer start.
    pub to: EventTime,
    /// The last row of the page before; `None` for the first page.
    pub after: Option<&'a UsageRow>,
    /// Most rows; at most [`PAGE_ROWS_MAX`] come. A shorter page is the last.
    pub limit: u32,
}

impl ClickHouse {
    /// One tenant's usage, by meter, window and dimensions.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn usage(&self, filter: &UsageFilter<'_>) -> Result<Vec<UsageRow>, Error> {
        let sql = usage_sql("?fields", filter);
        let query = bind_usage(self.client().query(&sql), filter);
        let query = query.param("limit", filter.limit.min(PAGE_ROWS_MAX));
        // Without the tenant: actions get into log lines, which name none.
        self.rows(|| "read usage".to_owned(), query).await
    }

    /// The newest progress of every log partition, also of topics that are gone.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn progress(&self) -> Result<Vec<ProgressRow>, Error> {
        let sql = "SELECT ?fields FROM progress FINAL ORDER BY topic, topic_id, log_partition \
                   LIMIT {limit:UInt32}";
        let query = self.client().query(sql).param("limit", PAGE_ROWS_MAX);
        self.rows(|| "read progress".to_owned(), query).await
    }

    pub(crate) async fn rows<T: RowOwned + RowRead>(
        &self,
        action: impl FnOnce() -> String,
        query: Query,
    ) -> Result<Vec<T>, Error> {
        self.call(action, query.fetch_all()).await
    }
}

/// The statement that reads these columns of the usage that the filter means.
pub(crate) fn usage_sql(columns: &str, filter: &UsageFilter<'_>) -> String {
    usage_sql_of(columns, usage_view(filter.level), filter)
}

/// The same of a source that has the columns of the usage views.
pub(crate) fn usage_sql_of(columns: &str, source: &str, filter: &UsageFilter<'_>) -> String {
    let mut sql = format!(
        "SELECT {columns} FROM {source} WHERE tenant = {{tenant:String}} \
         AND window_start >= toDateTime({{from:UInt32}}, 'UTC') \
         AND window_start < toDateTime({{to:UInt32}}, 'UTC')"
    );
    if filter.meter.is_some() {
        sql.push_str(" AND meter = {meter:String}");
    }
    if filter.after.is_some() {
        // A meter's dimensions have the same keys, so their values tell its rows apart.
        sql.push_str(
            " AND (meter, window_start, mapValues(dimensions)) > ({after_meter:String}, \
             toDateTime({after_start:UInt32}, 'UTC'), {after_values:Array(String)})",
        );
    }
    sql.push_str(" ORDER BY meter, window_start, mapValues(dimensions) LIMIT {limit:UInt32}");
    sql
}

/// Binds what [`usage_sql`] names, except for the limit.
pub(crate) fn bind_usage(query: Query, filter: &UsageFilter<'_>) -> Query {
    let mut query = query
        .param("tenant", filter.tenant)
        .param("from", bound_seconds(filter.from))
        .param("to", bound_seconds(filter.to));
    if let Some(meter) = filter.meter {
        query = query.param("meter", meter);
    }
    if let Some(after) = filter.after {
        let values: Vec<&str> = after.dimensions.iter().map(|(_, v)| v.as_str()).collect();
        query = query
            .param("after_meter", &after.meter)
            .param("after_start", bound_seconds(after.window_start))
            .param("after_values", values);
    }
    query
}
