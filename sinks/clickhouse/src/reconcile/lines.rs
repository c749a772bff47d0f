//! What the windows of invoice lines come to, and what was carried of them.

use super::{Comparison, SETTLED, merged_sql};
use crate::client::ClickHouse;
use crate::error::Error;
use crate::stream::Rows;
use clickhouse::Row;
use meterline_core::quantity::Quantity;
use meterline_core::time::Hour;
use meterline_schemas::rows::{bound_seconds, columns};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Most lines that are asked for at once: their names travel in the address of the request.
pub const LINES_MAX: usize = 100;

/// A line of an invoice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LineKey {
    /// Who is billed.
    pub tenant: String,
    /// The meter.
    pub meter: String,
    /// The invoice's customer: windows that were pushed for another are not the line's.
    pub customer: String,
    /// The hours that it bills.
    pub hours: Range<Hour>,
    /// The source of its carries.
    pub source: String,
}

/// What a line should bill.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LineSum {
    /// What its windows come to.
    pub wanted: Quantity,
    /// What was carried of it.
    pub carried: Quantity,
    /// Windows that are open, or changed a moment ago.
    pub in_work: u64,
}

/// A customer in the ledger, and whose it is.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct OwnerRow {
    /// The customer's id.
    pub customer: String,
    /// The tenant.
    pub tenant: String,
}

#[derive(Debug, Row, Deserialize)]
struct SumRow {
    line: u32,
    #[serde(with = "columns::quantity")]
    wanted: Quantity,
    in_work: u64,
}

#[derive(Debug, Row, Deserialize)]
struct CarriedRow {
    tenant: String,
    meter: String,
    source: String,
    #[serde(with = "columns::quantity")]
    carried: Quantity,
}

impl CarriedRow {
    /// Lines of several meters on one invoice have the same source.
    fn is_of(&self, line: &LineKey) -> bool {
        (&self.tenant, &self.meter, &self.source) == (&line.tenant, &line.meter, &line.source)
    }
}

impl ClickHouse {
    /// The customers of the ledger's windows, each with its tenant.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub fn ledger_customers(&self, comparison: &Comparison) -> Result<Rows<OwnerRow>, Error> {
        let sql = "SELECT customer, any(p.tenant) AS tenant FROM stripe_pushes AS p \
                   WHERE p.topic_id = {pushes:UUID} \
                   AND window_start >= toDateTime({from:UInt32}, 'UTC') \
                   AND window_start < toDateTime({to:UInt32}, 'UTC') GROUP BY customer";
        let query = comparison.bind(self.client().query(sql));
        Rows::of(self, "read customers of the ledger".to_owned(), query)
    }

    /// What each of these lines should bill, at most [`LINES_MAX`]; their hours must lie within the
    /// comparison's.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn line_sums(
        &self,
        comparison: &Comparison,
        lines: &[LineKey],
    ) -> Result<Vec<LineSum>, Error> {
        let mut sums = vec![LineSum::default(); lines.len()];
        let sql = format!(
            "SELECT l.1 AS line, sum(w.wanted) AS wanted, \
             countIf(w.is_open OR w.changed_at > {SETTLED}) AS in_work FROM ({}) AS w \
             INNER JOIN (SELECT arrayJoin(arrayZip(\
             range(toUInt32(length({{tenants:Array(String)}}))), {{tenants:Array(String)}}, \
             {{of_meters:Array(String)}}, {{customers:Array(String)}}, {{starts:Array(UInt32)}}, \
             {{ends:Array(UInt32)}})) AS l, l.2 AS tenant, l.3 AS meter, l.4 AS customer) AS k \
             ON w.tenant = k.tenant AND w.meter = k.meter AND w.customer = k.customer \
             WHERE toUInt32(w.window_start) >= l.5 AND toUInt32(w.window_start) < l.6 \
             GROUP BY line",
            merged_sql("tenant IN {tenants:Array(String)}")
        );
        let texts = |of: fn(&LineKey) -> &str| lines.iter().map(of).collect::<Vec<_>>();
        let seconds = |of: fn(&LineKey) -> Hour| {
            let seconds = lines.iter().map(|line| bound_seconds(of(line).start()));
            seconds.collect::<Vec<_>>()
        };
        let query = comparison
            .bind(self.client().query(&sql))
            .param("tenants", texts(|line| &line.tenant))
            .param("of_meters", texts(|line| &line.meter))
            .param("customers", texts(|line| &line.customer))
            .param("starts", seconds(|line| line.hours.start))
            .param("ends", seconds(|line| line.hours.end));
        let action = || "sum windows of invoice lines".to_owned();
        for row in self.rows::<SumRow>(action, query).await? {
            let place = usize::try_from(row.line).unwrap_or(usize::MAX);
            if let Some(sum) = sums.get_mut(place) {
                (sum.wanted, sum.in_work) = (row.wanted, row.in_work);
            }
        }
        let sources: Vec<&str> = lines.iter().map(|line| &*line.source).collect();
        for row in self.carried(comparison, &sources).await? {
            let of_source = lines.iter().zip(&mut sums);
            for (_, sum) in of_source.filter(|(line, _)| row.is_of(line)) {
                sum.carried = row.carried;
            }
        }
        Ok(sums)
    }

    /// What was carried of sources, where anything was.
    async fn carried(
        &self,
        comparison: &Comparison,
        sources: &[&str],
    ) -> Result<Vec<CarriedRow>, Error> {
        let sql = "SELECT tenant, meter, source, sum(c.quantity) AS carried \
                   FROM stripe_carries AS c FINAL \
                   WHERE c.topic_id = {pushes:UUID} AND source IN {sources:Array(String)} \
                   GROUP BY tenant, meter, source";
        let query = self.client().query(sql);
        let query = query
            .param("pushes", comparison.pushes.to_string())
            .param("sources", sources);
        self.rows(|| "sum carries of invoice lines".to_owned(), query)
            .await
    }
}
