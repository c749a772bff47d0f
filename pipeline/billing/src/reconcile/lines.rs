//! Lines of final invoices beside the windows that they bill.
//!
//! A line belongs to the month in which it ends. What it bills, with what was carried of it, should be
//! what its windows come to; what is missing is the stage's to carry, as long as it knows the windows.
//! Drafts follow usage and are not compared, nor are lines from before the ledger began.

use super::findings::{self, line_difference};
use super::{ReconcileError, Reconciler, Scope, now};
use crate::engine::{HORIZON_HOURS, InvoiceSeen, LineSeen, Listing, Status};
use meterline_clickhouse::{Comparison, LINES_MAX, LineKey};
use meterline_core::quantity::Quantity;
use meterline_core::time::{Hour, LogTime};
use meterline_schemas::rows::{DifferenceRow, ReconciliationRow};
use std::collections::HashMap;

/// A line that is compared.
struct Line {
    key: LineKey,
    invoice: String,
    billed: Quantity,
}

impl Reconciler {
    /// Compares the lines of a month's final invoices, writes what differs, and closes what does not
    /// any more.
    pub(super) async fn lines(
        &self,
        comparison: Comparison,
        scope: &Scope,
        run: &mut ReconciliationRow,
    ) -> Result<(), ReconcileError> {
        let mut known = Vec::new();
        let filter = scope.filter();
        let mut answer = self.clickhouse.open_differences_of(&filter, None, true)?;
        while let Some(piece) = answer.next().await? {
            known.extend(piece);
        }
        let listing = Listing {
            created_from: LogTime(scope.period.start.start().0.div_euclid(1_000)),
        };
        let invoices = self.stripe.invoices(listing).await;
        let invoices = invoices.map_err(|failure| ReconcileError::Stripe { failure })?;
        let lines = self.ours(&invoices, &comparison, scope).await?;
        run.invoice_lines += u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let mut found = Vec::new();
        for lines in lines.chunks(LINES_MAX) {
            found.extend(self.compare_lines(lines, &comparison).await?);
        }
        run.found += u64::try_from(found.len()).unwrap_or(u64::MAX);
        let judged = findings::judged(found, known, run.run, now());
        Ok(self.clickhouse.insert_differences(&judged).await?)
    }

    /// The final lines that end in the period, of customers and meters of ours.
    async fn ours(
        &self,
        invoices: &[InvoiceSeen],
        comparison: &Comparison,
        scope: &Scope,
    ) -> Result<Vec<Line>, ReconcileError> {
        let finals = invoices.iter().filter(|seen| seen.status == Status::Final);
        let lines = finals.flat_map(|seen| seen.lines.iter().map(move |line| (seen, line)));
        let ending = scope.period.start.0 + 1..=scope.period.end.0;
        let lines: Vec<(&InvoiceSeen, &LineSeen)> = lines
            .filter(|(_, line)| ending.contains(&line.hours.end.0) && !line.hours.is_empty())
            .collect();
        let Some(first) = lines.iter().map(|(_, line)| line.hours.start).min() else {
            return Ok(Vec::new());
        };
        let owners = self.owners(comparison, first).await?;
        let meters = self.billed.meters.iter();
        let meters: HashMap<&str, &String> = meters.map(|(meter, name)| (&**name, meter)).collect();
        let of_line = |(seen, line): (&InvoiceSeen, &LineSeen)| {
            let tenant = owners.get(&*seen.customer)?;
            let meter = *meters.get(&*line.event_name)?;
            let is_meant = scope.tenant.as_ref().is_none_or(|of| of == tenant)
                && comparison.meters.contains(meter);
            is_meant.then(|| Line {
                key: LineKey {
                    tenant: tenant.clone(),
                    meter: meter.clone(),
                    customer: seen.customer.to_string(),
                    hours: line.hours.clone(),
                    source: format!("{}/{}", seen.id, line.hours.start.0),
                },
                invoice: seen.id.to_string(),
                billed: line.quantity,
            })
        };
        let began = comparison.began;
        let lines = lines.into_iter().filter_map(of_line);
        Ok(lines.filter(|line| line.key.hours.end > began).collect())
    }

    /// Whose a customer is: of the ledger since an hour, and of accounts now.
    async fn owners(
        &self,
        comparison: &Comparison,
        from: Hour,
    ) -> Result<HashMap<String, String>, ReconcileError> {
        let linked = self.billed.customers.iter();
        let mut owners: HashMap<String, String> = linked
            .map(|(tenant, customer)| (customer.clone(), tenant.clone()))
            .collect();
        let comparison = Comparison {
            hours: from..comparison.hours.end,
            ..comparison.clone()
        };
        let mut answer = self.clickhouse.ledger_customers(&comparison)?;
        while let Some(rows) = answer.next().await? {
            owners.extend(rows.into_iter().map(|row| (row.customer, row.tenant)));
        }
        Ok(owners)
    }

    async fn compare_lines(
        &self,
        lines: &[Line],
        comparison: &Comparison,
    ) -> Result<Vec<DifferenceRow>, ReconcileError> {
        let starts = lines.iter().map(|line| line.key.hours.start);
        let first = starts.min().unwrap_or(comparison.hours.start);
        let comparison = Comparison {
            hours: first..comparison.hours.end,
            ..comparison.clone()
        };
        let keys: Vec<LineKey> = lines.iter().map(|line| line.key.clone()).collect();
        let sums = self.clickhouse.line_sums(&comparison, &keys).await?;
        let known_from = Hour(now().as_event_time().hour().0 - HORIZON_HOURS);
        let found = lines.iter().zip(sums).filter_map(|(line, sum)| {
            let is_carried = !self.settings.shadow && line.key.hours.start >= known_from;
            line_difference(&line.key, &line.invoice, line.billed, sum, is_carried)
        });
        Ok(found.collect())
    }
}
