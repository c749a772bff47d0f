//! Invoices as the engine sees them: lines of our meters, with the hours that they bill.
//!
//! A price with tiers has a line for each tier; together they are what was billed. An hour that a
//! billing cut divides is billed whole with the later period (seen with Stripe's test clock, not
//! documented), so cuts are rounded down to hours.

use super::Stripe;
use crate::engine::{InvoiceSeen, LineSeen, Listing, Status};
use meterline_core::quantity::Quantity;
use meterline_core::time::{Hour, LogTime};
use meterline_stripe::Failure;
use meterline_stripe::requests::invoices::{self, Invoice, InvoiceFilter, Line};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Stripe {
    /// All invoices of subscriptions that were made from a moment on.
    pub(crate) async fn invoices(&self, listing: Listing) -> Result<Vec<InvoiceSeen>, Failure> {
        self.invoices_of(listing, None).await
    }

    /// The same of one customer, if there is one.
    pub(crate) async fn invoices_of(
        &self,
        listing: Listing,
        customer: Option<&str>,
    ) -> Result<Vec<InvoiceSeen>, Failure> {
        let filter = InvoiceFilter {
            created_from: Some(listing.created_from.0.div_euclid(1_000)),
            customer,
            ..InvoiceFilter::default()
        };
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let request = invoices::list(&filter, after.as_deref());
            let page = self.read("invoices", &request).await?;
            for invoice in &page.data {
                all.extend(self.invoice(invoice).await?);
            }
            match page.next() {
                Some(next) => after = Some(next.to_owned()),
                None => return Ok(all),
            }
        }
    }

    /// `None` for one that is not of a subscription.
    pub(super) async fn invoice(&self, invoice: &Invoice) -> Result<Option<InvoiceSeen>, Failure> {
        let (Some(customer), Some(_)) = (&invoice.customer, invoice.subscription()) else {
            return Ok(None);
        };
        let status = match invoice.status.as_deref() {
            Some("draft") => Status::Draft,
            Some("open" | "paid" | "uncollectible") => Status::Final,
            _ => Status::Void,
        };
        let mut lines = BTreeMap::new();
        self.add_lines(&mut lines, &invoice.lines.data).await?;
        let mut after = invoice.lines.next().map(str::to_owned);
        while let Some(place) = after {
            let request = invoices::list_lines(&invoice.id, Some(&place));
            let page = self.read("invoice lines", &request).await?;
            self.add_lines(&mut lines, &page.data).await?;
            after = page.next().map(str::to_owned);
        }
        let lines = lines.into_iter();
        Ok(Some(InvoiceSeen {
            id: invoice.id.as_str().into(),
            customer: customer.as_str().into(),
            status,
            auto_advance: invoice.auto_advance,
            created: LogTime(invoice.created.saturating_mul(1_000)),
            lines: lines
                .map(|((event_name, from, to), quantity)| LineSeen {
                    event_name,
                    hours: from..to,
                    quantity,
                })
                .collect(),
        }))
    }

    async fn add_lines(
        &self,
        sums: &mut BTreeMap<(Arc<str>, Hour, Hour), Quantity>,
        lines: &[Line],
    ) -> Result<(), Failure> {
        for line in lines {
            let Some(price) = line.price() else {
                continue;
            };
            let Some(event_name) = self.event_name(price).await? else {
                continue;
            };
            let unreadable = |what: &str| Failure::Misunderstood {
                what: format!("an invoice line {}", line.id),
                detail: what.to_owned(),
            };
            let quantity = match line.quantity() {
                Some(decimal) => decimal.quantity(),
                None => Ok(Quantity::ZERO),
            };
            let quantity = quantity.map_err(|_| unreadable("its quantity is none of ours"))?;
            let (from, to) = (hour(line.period.start), hour(line.period.end));
            let sum = sums.entry((event_name, from, to)).or_default();
            *sum = sum
                .plus(quantity)
                .map_err(|_| unreadable("its sum does not fit"))?;
        }
        Ok(())
    }
}

/// The hour that holds a second.
fn hour(seconds: i64) -> Hour {
    let hour = i32::try_from(seconds.div_euclid(3_600));
    Hour(hour.unwrap_or(if seconds < 0 { i32::MIN } else { i32::MAX }))
}
