//! The monthly statement of a tenant: every hour window from the events that it counts to the invoice
//! that bills it.
//!
//! Read meter by meter, so that no more than a month's hours of one meter are held. It judges nothing:
//! what the sides say stands beside each other, with the positions at which they say it.

use super::{ReconcileError, Reconciler};
use crate::engine::values::Value;
use crate::engine::{InvoiceSeen, Listing, Status};
use meterline_clickhouse::{HourFilter, PAGE_ROWS_MAX, PairKey, PushFilter};
use meterline_core::position::{LogPartition, Offset, Stamp};
use meterline_core::pushes::State;
use meterline_core::quantity::Quantity;
use meterline_core::time::{Hour, LogTime};
use meterline_schemas::rows::{CarryRow, PushRow};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

/// A meter of the statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MeterStatement {
    /// The meter.
    pub meter: String,
    /// Its `event_name` at Stripe.
    pub event_name: String,
    /// Its windows with use, a push or a carry, by rising hour.
    pub windows: Vec<StatementWindow>,
    /// Invoice lines that bill hours of the month.
    pub lines: Vec<StatementLine>,
    /// Carries into windows of the month.
    pub carries: Vec<CarryRow>,
}

/// An hour window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatementWindow {
    /// The hour.
    pub hour: Hour,
    /// Events counted.
    pub events: u64,
    /// What the buckets come to, in the meter's base unit; `None` where the sum does not fit.
    pub value: Option<Quantity>,
    /// The record of the last change in each log partition of usage.
    pub changes: Vec<(LogPartition, Stamp)>,
    /// What is carried into the window.
    pub carried: Quantity,
    /// The newest step of the ledger; `None` where it was never pushed.
    pub push: Option<PushRow>,
    /// The offset of the last intent in its partition of `meterline.pushes`.
    pub intent: Option<Offset>,
    /// The offset of the last confirmation.
    pub confirmed: Option<Offset>,
    /// What Stripe's summary shows for the ledger's customer; `None` where it shows nothing.
    pub stripe: Option<Quantity>,
}

/// The window of an hour, which is there from then on.
fn window(windows: &mut Windows, hour: Hour) -> &mut StatementWindow {
    windows.entry(hour).or_insert_with(|| StatementWindow {
        hour,
        events: 0,
        value: None,
        changes: Vec::new(),
        carried: Quantity::ZERO,
        push: None,
        intent: None,
        confirmed: None,
        stripe: None,
    })
}

/// An invoice line, and what was carried of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StatementLine {
    /// The invoice's id.
    pub invoice: String,
    /// The customer whom it bills.
    pub customer: String,
    /// Whether it can no longer change.
    pub is_final: bool,
    /// The hours that it bills.
    pub hours: Range<Hour>,
    /// What it bills.
    pub billed: Quantity,
    /// The source of its carries, as they name it.
    pub source: String,
}

/// Reads a tenant's statement, meter by meter.
#[derive(Debug)]
pub struct StatementReader {
    reconciler: Arc<Reconciler>,
    tenant: String,
    period: Range<Hour>,
    meters: std::vec::IntoIter<(String, String)>,
    /// Invoices of customers that were asked for.
    invoices: HashMap<String, Vec<InvoiceSeen>>,
}

impl StatementReader {
    /// Begins a tenant's statement of a month; nothing is read yet.
    #[must_use]
    pub fn new(reconciler: Arc<Reconciler>, tenant: &str, period: Range<Hour>) -> Self {
        let meters: Vec<_> = reconciler.billed.meters.clone().into_iter().collect();
        Self {
            reconciler,
            tenant: tenant.to_owned(),
            period,
            meters: meters.into_iter(),
            invoices: HashMap::new(),
        }
    }

    /// The next meter; `None` at the end. A meter without any window is left out.
    ///
    /// # Errors
    /// See [`ReconcileError`].
    pub async fn next(&mut self) -> Result<Option<MeterStatement>, ReconcileError> {
        while let Some((meter, event_name)) = self.meters.next() {
            let statement = self.meter(meter, event_name).await?;
            if !statement.windows.is_empty() {
                return Ok(Some(statement));
            }
        }
        Ok(None)
    }

    async fn meter(
        &mut self,
        meter: String,
        event_name: String,
    ) -> Result<MeterStatement, ReconcileError> {
        let pair = PairKey {
            tenant: self.tenant.clone(),
            meter,
        };
        let mut windows = BTreeMap::new();
        self.add_buckets(&pair, &mut windows).await?;
        self.add_pushes(&pair, &mut windows).await?;
        let carries = self.add_carries(&pair, &mut windows).await?;
        let customers = self.add_summaries(&event_name, &mut windows).await?;
        let mut lines = Vec::new();
        for customer in customers {
            lines.extend(self.lines(&customer, &event_name).await?);
        }
        Ok(MeterStatement {
            meter: pair.meter,
            event_name,
            windows: windows.into_values().collect(),
            lines,
            carries,
        })
    }

    async fn add_buckets(
        &self,
        pair: &PairKey,
        windows: &mut Windows,
    ) -> Result<(), ReconcileError> {
        let filter = HourFilter {
            tenant: &pair.tenant,
            meter: &pair.meter,
            from: self.period.start.start(),
            to: self.period.end.start(),
        };
        let rows = self.reconciler.clickhouse.hour_buckets(&filter).await?;
        let mut values: BTreeMap<Hour, (Value, u64)> = BTreeMap::new();
        let mut aggregation = None;
        for row in rows {
            let (value, events) = values.entry(row.window_start.hour()).or_default();
            aggregation = Some(row.aggregation);
            value.take(row.partition(), row.aggregation, &row.bucket());
            *events += row.events;
        }
        for (hour, (value, events)) in values {
            let window = window(windows, hour);
            window.events = events;
            window.value = aggregation.and_then(|aggregation| value.quantity(aggregation).ok());
            window.changes = value.changes().collect();
        }
        Ok(())
    }

    /// Folds the steps of the ledger, page by page.
    async fn add_pushes(
        &self,
        pair: &PairKey,
        windows: &mut Windows,
    ) -> Result<(), ReconcileError> {
        let clickhouse = &self.reconciler.clickhouse;
        let Some((topic, _)) = clickhouse.pushes_topic().await? else {
            return Ok(());
        };
        let tenants = [pair.tenant.clone()];
        let filter = self.filter(&tenants, &pair.meter);
        let mut after: Option<PushRow> = None;
        loop {
            let page = clickhouse.pushes(&filter, after.as_ref(), PAGE_ROWS_MAX);
            let page = page.await?;
            let is_last = page.len() < usize::try_from(PAGE_ROWS_MAX).unwrap_or(usize::MAX);
            after = page.last().cloned();
            for row in page.into_iter().filter(|row| row.topic_id == topic) {
                let window = window(windows, row.window_start.hour());
                match row.step {
                    State::Called => window.intent = Some(row.offset),
                    State::Confirmed => window.confirmed = Some(row.offset),
                    _ => {}
                }
                window.push = Some(row);
            }
            if is_last {
                return Ok(());
            }
        }
    }

    async fn add_carries(
        &self,
        pair: &PairKey,
        windows: &mut Windows,
    ) -> Result<Vec<CarryRow>, ReconcileError> {
        let tenants = [pair.tenant.clone()];
        let filter = self.filter(&tenants, &pair.meter);
        let mut carries: Vec<CarryRow> = Vec::new();
        loop {
            let after = carries.last();
            let page = self
                .reconciler
                .clickhouse
                .carries(&filter, after, PAGE_ROWS_MAX);
            let page = page.await?;
            let is_last = page.len() < usize::try_from(PAGE_ROWS_MAX).unwrap_or(usize::MAX);
            for carry in &page {
                let window = window(windows, carry.window_start.hour());
                let sum = window.carried.plus(carry.quantity);
                window.carried = sum.map_err(|_| ReconcileError::TooLarge {
                    tenant: carry.tenant.clone(),
                    meter: carry.meter.clone(),
                    window: carry.window_start,
                })?;
            }
            carries.extend(page);
            if is_last {
                return Ok(carries);
            }
        }
    }

    fn filter<'a>(&self, tenants: &'a [String], meter: &'a str) -> PushFilter<'a> {
        PushFilter {
            tenants: Some(tenants),
            meter: Some(meter),
            from: Some(self.period.start.start()),
            to: Some(self.period.end.start()),
        }
    }

    /// Reads what Stripe shows of the ledger's customers; whose they are.
    async fn add_summaries(
        &self,
        event_name: &str,
        windows: &mut Windows,
    ) -> Result<BTreeSet<String>, ReconcileError> {
        let pushes = windows.values().filter_map(|window| window.push.as_ref());
        let mut customers: BTreeSet<String> = pushes.map(|push| push.customer.clone()).collect();
        for customer in &customers {
            let of = (event_name, &**customer);
            let shown = self.reconciler.stripe.hours_shown(of, self.period.clone());
            let shown = shown
                .await
                .map_err(|failure| ReconcileError::Stripe { failure })?;
            for (hour, window) in windows.iter_mut() {
                let push = window.push.as_ref();
                if push.is_some_and(|push| push.customer == *customer) {
                    window.stripe = shown.get(hour).copied().flatten();
                }
            }
        }
        customers.extend(self.reconciler.billed.customers.get(&self.tenant).cloned());
        Ok(customers)
    }

    /// Lines of a customer's invoices that bill hours of the month.
    async fn lines(
        &mut self,
        customer: &str,
        event_name: &str,
    ) -> Result<Vec<StatementLine>, ReconcileError> {
        if !self.invoices.contains_key(customer) {
            let listing = Listing {
                created_from: LogTime(self.period.start.start().0.div_euclid(1_000)),
            };
            let listed = self.reconciler.stripe.invoices_of(listing, Some(customer));
            let listed = listed
                .await
                .map_err(|failure| ReconcileError::Stripe { failure })?;
            self.invoices.insert(customer.to_owned(), listed);
        }
        let mut lines = Vec::new();
        let invoices = self.invoices.get(customer).into_iter().flatten();
        for seen in invoices.filter(|seen| seen.status != Status::Void) {
            let ours = seen.lines.iter().filter(|line| {
                let overlaps =
                    line.hours.start < self.period.end && self.period.start < line.hours.end;
                *line.event_name == *event_name && overlaps
            });
            lines.extend(ours.map(|line| StatementLine {
                invoice: seen.id.to_string(),
                customer: customer.to_owned(),
                is_final: seen.status == Status::Final,
                hours: line.hours.clone(),
                billed: line.quantity,
                source: format!("{}/{}", seen.id, line.hours.start.0),
            }));
        }
        Ok(lines)
    }
}

type Windows = BTreeMap<Hour, StatementWindow>;

impl MeterStatement {
    /// The invoice whose line bills a window, if there is one: of the customer it was pushed for.
    #[must_use]
    pub fn invoice_of(&self, window: &StatementWindow) -> Option<&str> {
        let customer = &window.push.as_ref()?.customer;
        let mut lines = self.lines.iter();
        let line =
            lines.find(|line| line.customer == *customer && line.hours.contains(&window.hour))?;
        Some(&line.invoice)
    }

    /// What was carried of a source into windows of the month; `None` where it does not fit.
    #[must_use]
    pub fn carried_of(&self, source: &str) -> Option<Quantity> {
        let carries = self.carries.iter().filter(|carry| carry.source == source);
        let mut quantities = carries.map(|carry| carry.quantity);
        quantities.try_fold(Quantity::ZERO, Quantity::plus).ok()
    }
}
