//! What reconciliations found, and how far they are: `stripe_differences`, `stripe_reconciliations`.
//!
//! SQL is put together from fixed pieces only; what a caller passes travels beside it.

use crate::alerts::conditions;
use crate::client::ClickHouse;
use crate::error::Error;
use crate::query::PAGE_ROWS_MAX;
use crate::reconcile::PairRange;
use crate::stream::Rows;
use clickhouse::query::Query;
use meterline_core::time::EventTime;
use meterline_schemas::rows::{
    DifferenceCountRow, DifferenceKind, DifferenceRow, ReconciliationRow, bound_seconds,
};

/// Most rows of one insert.
const INSERT_ROWS_MAX: usize = 10_000;

/// Which differences are meant, by the end of their windows; every part narrows it further.
#[derive(Clone, Copy, Debug, Default)]
pub struct DifferenceFilter<'a> {
    /// One tenant, or all.
    pub tenant: Option<&'a str>,
    /// One meter, or all.
    pub meter: Option<&'a str>,
    /// Windows that end later than this.
    pub ends_after: Option<EventTime>,
    /// Windows that end at this moment or before.
    pub ends_to: Option<EventTime>,
}

impl DifferenceFilter<'_> {
    fn sql(&self) -> String {
        conditions(&[
            (self.tenant.is_some(), "tenant = {tenant:String}"),
            (self.meter.is_some(), "meter = {meter:String}"),
            (
                self.ends_after.is_some(),
                "window_end > toDateTime({ends_after:UInt32}, 'UTC')",
            ),
            (
                self.ends_to.is_some(),
                "window_end <= toDateTime({ends_to:UInt32}, 'UTC')",
            ),
        ])
    }

    fn bind(&self, mut query: Query) -> Query {
        for (name, text) in [("tenant", self.tenant), ("meter", self.meter)] {
            if let Some(text) = text {
                query = query.param(name, text);
            }
        }
        for (name, moment) in [("ends_after", self.ends_after), ("ends_to", self.ends_to)] {
            if let Some(moment) = moment {
                query = query.param(name, bound_seconds(moment));
            }
        }
        query
    }
}

impl ClickHouse {
    /// Inserts judgements on differences. May be repeated.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn insert_differences(&self, rows: &[DifferenceRow]) -> Result<(), Error> {
        for rows in rows.chunks(INSERT_ROWS_MAX) {
            let action = || format!("insert {} differences", rows.len());
            self.call(action, self.insert_rows("stripe_differences", rows))
                .await?;
        }
        Ok(())
    }

    /// The open differences of these tenants' meters that are, or are not, of invoice lines, in no
    /// order.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub fn open_differences_of(
        &self,
        filter: &DifferenceFilter<'_>,
        range: Option<&PairRange>,
        of_invoices: bool,
    ) -> Result<Rows<DifferenceRow>, Error> {
        let in_range = if range.is_some() {
            "(tenant, meter) > ({after_tenant:String}, {after_meter:String}) \
             AND (tenant, meter) <= ({to_tenant:String}, {to_meter:String})"
        } else {
            "1"
        };
        let of_kind = if of_invoices { "=" } else { "!=" };
        let sql = format!(
            "SELECT ?fields FROM stripe_differences FINAL WHERE is_open \
             AND kind {of_kind} '{}' AND {} AND {in_range}",
            DifferenceKind::InvoiceDiffers.name(),
            filter.sql()
        );
        let mut query = filter.bind(self.client().query(&sql));
        if let Some(PairRange { after, to }) = range {
            query = query
                .param("after_tenant", &after.tenant)
                .param("after_meter", &after.meter)
                .param("to_tenant", &to.tenant)
                .param("to_meter", &to.meter);
        }
        Rows::of(self, "read open differences".to_owned(), query)
    }

    /// The first open differences, by tenant, meter, window, kind and subject; at most
    /// [`PAGE_ROWS_MAX`].
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn open_differences(
        &self,
        filter: &DifferenceFilter<'_>,
        limit: u32,
    ) -> Result<Vec<DifferenceRow>, Error> {
        let sql = format!(
            "SELECT ?fields FROM stripe_differences FINAL WHERE is_open AND {} \
             ORDER BY tenant, meter, window_start, kind, subject LIMIT {{limit:UInt32}}",
            filter.sql()
        );
        let query = filter
            .bind(self.client().query(&sql))
            .param("limit", limit.min(PAGE_ROWS_MAX));
        self.rows(|| "read open differences".to_owned(), query)
            .await
    }

    /// How many differences are open, by kind; kinds without one are left out.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn difference_counts(
        &self,
        filter: &DifferenceFilter<'_>,
    ) -> Result<Vec<DifferenceCountRow>, Error> {
        let sql = format!(
            "SELECT ?fields FROM (SELECT kind, sum(windows) AS differences, \
             min(first_seen) AS since FROM stripe_differences FINAL WHERE is_open AND {} \
             GROUP BY kind) ORDER BY kind",
            filter.sql()
        );
        let query = filter.bind(self.client().query(&sql));
        self.rows(|| "count open differences".to_owned(), query)
            .await
    }

    /// Inserts how far a reconciliation is. May be repeated.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn insert_reconciliation(&self, row: &ReconciliationRow) -> Result<(), Error> {
        let rows = std::slice::from_ref(row);
        let request = self.insert_rows("stripe_reconciliations", rows);
        self.call(|| "insert how far a reconciliation is".to_owned(), request)
            .await
    }

    /// The newest reconciliation of a period and scope, as far as it is; with `finished` the newest
    /// that is finished.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn newest_reconciliation(
        &self,
        period: (EventTime, EventTime),
        scope: &str,
        finished: bool,
    ) -> Result<Option<ReconciliationRow>, Error> {
        let sql = "SELECT ?fields FROM stripe_reconciliations FINAL \
                   WHERE period_start = toDateTime({from:UInt32}, 'UTC') \
                   AND period_end = toDateTime({to:UInt32}, 'UTC') AND scope = {scope:String} \
                   AND (is_finished OR NOT {finished:Bool}) \
                   ORDER BY started_at DESC, run LIMIT 1";
        let query = self.client().query(sql);
        let query = query
            .param("from", bound_seconds(period.0))
            .param("to", bound_seconds(period.1))
            .param("scope", scope)
            .param("finished", finished);
        let action = || "read how far reconciliations are".to_owned();
        Ok(self.rows(action, query).await?.pop())
    }
}
