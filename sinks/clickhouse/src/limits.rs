//! What limits are judged by: hour buckets of kinds `only` and `whole`, and what levels held before.

use crate::client::ClickHouse;
use crate::error::Error;
use crate::query::PAGE_ROWS_MAX;
use crate::stream::Rows;
use meterline_core::time::{EventTime, Level, Window};
use meterline_schemas::rows::{HeldLevelRow, HourTotalRow, bound_seconds};

/// Which hours of a tenant's meter to read.
#[derive(Clone, Copy, Debug)]
pub struct HourFilter<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// The meter.
    pub meter: &'a str,
    /// First moment at which an hour may start.
    pub from: EventTime,
    /// First moment at which an hour may no longer start.
    pub to: EventTime,
}

impl ClickHouse {
    /// All hour buckets of kinds `only` and `whole` that start at or after a moment, in no order,
    /// each with its highest stamp. Buckets without events are among them: something was restated.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub fn hour_totals(&self, from: EventTime) -> Result<Rows<HourTotalRow>, Error> {
        let sql = "SELECT ?fields FROM bucket_hourly FINAL \
                   WHERE window_start >= toDateTime({from:UInt32}, 'UTC') AND kind != 'part'";
        let query = self.client().query(sql).param("from", bound_seconds(from));
        Rows::of(self, format!("read hour totals since {from}"), query)
    }

    /// What meters that aggregate by `latest` held before a moment, per tenant, meter and log
    /// partition, in no order.
    ///
    /// Months that end before the moment answer for their hours, with the same last change. The
    /// hours of the last two months are read too: the month of the moment is not over, and rows of
    /// months come after those of their hours.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub fn held_levels(&self, before: EventTime) -> Result<Rows<HeldLevelRow>, Error> {
        let month = Window::of(Level::Month, before.hour());
        let month_before = Window::of(
            Level::Month,
            EventTime((month.start - 1) * 1_000_000).hour(),
        );
        let side = |table: &str, span: &str| {
            format!(
                "SELECT tenant, meter, topic_id, log_partition, latest, latest_time, \
                 latest_version, events, version FROM {table} FINAL \
                 WHERE aggregation = 'latest' AND kind != 'part' AND {span}"
            )
        };
        let hours = side(
            "bucket_hourly",
            "window_start >= toDateTime({hours_from:UInt32}, 'UTC') \
             AND window_start < toDateTime({before:UInt32}, 'UTC')",
        );
        let months = side(
            "bucket_monthly",
            "window_start < toDateTime({month:UInt32}, 'UTC')",
        );
        let newest = |column: &str| {
            format!("argMaxIf(b.{column}, (b.latest_time, b.latest_version), b.events > 0)")
        };
        let sql = format!(
            "SELECT tenant, meter, topic_id, log_partition, {} AS latest, {} AS latest_time, \
             {} AS latest_version, max(b.events) AS events, max(b.version) AS version \
             FROM ({hours} UNION ALL {months}) AS b \
             GROUP BY tenant, meter, topic_id, log_partition",
            newest("latest"),
            newest("latest_time"),
            newest("latest_version"),
        );
        let seconds = |start: i64| bound_seconds(EventTime(start * 1_000_000));
        let query = self
            .client()
            .query(&sql)
            .param("before", bound_seconds(before))
            .param("month", seconds(month.start))
            .param("hours_from", seconds(month_before.start));
        Rows::of(self, format!("read levels held before {before}"), query)
    }

    /// The hour buckets of a tenant's meter, by hour and log partition, each with the stamp and
    /// the log time of its last change; at most [`PAGE_ROWS_MAX`].
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn hour_buckets(&self, filter: &HourFilter<'_>) -> Result<Vec<HourTotalRow>, Error> {
        let sql = "SELECT ?fields FROM bucket_hourly FINAL WHERE tenant = {tenant:String} \
                   AND meter = {meter:String} AND kind != 'part' \
                   AND window_start >= toDateTime({from:UInt32}, 'UTC') \
                   AND window_start < toDateTime({to:UInt32}, 'UTC') \
                   ORDER BY window_start, topic_id, log_partition LIMIT {limit:UInt32}";
        let query = self
            .client()
            .query(sql)
            .param("tenant", filter.tenant)
            .param("meter", filter.meter)
            .param("from", bound_seconds(filter.from))
            .param("to", bound_seconds(filter.to))
            .param("limit", PAGE_ROWS_MAX);
        let action = || format!("read hours of {} of {}", filter.meter, filter.tenant);
        self.rows(action, query).await
    }
}
