//! What really happened, for tests to compare with what a client believes.
//!
//! Read in process only: no client of the API sees any of it.

use crate::account::Account;
use crate::decimal::Decimal;
use crate::invoices;
use crate::lines::Line;
use crate::meters::Window;
use crate::request::{Answer, Request};
use crate::usage;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Whether the client saw an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seen {
    /// The answer.
    Answer,
    /// Nothing: it timed out, or the connection was reset.
    Nothing,
}

/// A call, and what came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// By the injected clock, in milliseconds.
    pub at: i64,
    /// `GET`, `POST` or `DELETE`.
    pub method: String,
    /// The path.
    pub path: String,
    /// Query or body, form-encoded.
    pub parameters: String,
    /// The header `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// The header `Stripe-Version`.
    pub version: Option<String>,
    /// Status and body; none if the call did not get as far.
    pub answer: Option<(u16, Bytes)>,
    /// Whether the client saw the answer.
    pub seen: Seen,
}

/// The calls, the oldest of which go when there are too many.
#[derive(Debug)]
pub(crate) struct Calls {
    kept: VecDeque<Call>,
    kept_max: usize,
    count: u64,
}

impl Calls {
    pub(crate) const fn new(kept_max: usize) -> Self {
        Self {
            kept: VecDeque::new(),
            kept_max,
            count: 0,
        }
    }

    pub(crate) fn note(&mut self, at: i64, request: &Request, answer: Option<&Answer>, seen: Seen) {
        self.count += 1;
        if self.kept_max == 0 {
            return;
        }
        if self.kept.len() == self.kept_max {
            self.kept.pop_front();
        }
        let parameters = if request.body.is_empty() {
            &request.query
        } else {
            &request.body
        };
        self.kept.push_back(Call {
            at,
            method: request.method.clone(),
            path: request.path.clone(),
            parameters: parameters.clone(),
            idempotency_key: request.idempotency_key.clone(),
            version: request.version.clone(),
            answer: answer.map(|answer| (answer.status, answer.body.clone())),
            seen,
        });
    }
}

/// What counts of one customer at one meter in one window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counted {
    /// The customer's id.
    pub customer: String,
    /// The meter's id.
    pub meter: String,
    /// The meter's event name.
    pub event_name: String,
    /// The window's start in seconds: of the meter's own windows, or of an hour.
    pub window: i64,
    /// The quantity by the meter's formula.
    pub quantity: Decimal,
}

/// A line of an invoice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BilledLine {
    /// The invoice's id.
    pub invoice: String,
    /// `draft`, `open`, `paid` or `void`.
    pub status: &'static str,
    /// The customer's id.
    pub customer: String,
    /// The subscription's id.
    pub subscription: Option<String>,
    /// The price's id; none for an invoice item.
    pub price: Option<String>,
    /// The event name of the price's meter.
    pub event_name: Option<String>,
    /// Seconds, the end open.
    pub period: std::ops::Range<i64>,
    /// Exact.
    pub quantity: Decimal,
    /// In the currency's smallest unit.
    pub amount: i64,
    /// The currency, in small letters.
    pub currency: String,
    /// Of an invoice item.
    pub metadata: BTreeMap<String, String>,
}

/// A view of the truth at one moment.
#[derive(Debug)]
pub struct Truth<'a>(pub(crate) &'a Account);

impl Truth<'_> {
    /// The calls that are kept, in their order.
    pub fn calls(&self) -> impl Iterator<Item = &Call> {
        self.0.calls.kept.iter()
    }

    /// How many calls there were.
    #[must_use]
    pub fn call_count(&self) -> u64 {
        self.0.calls.count
    }

    /// The ids and the types of the events of the past 30 days, in their order: what webhooks are
    /// sent about.
    pub fn events(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.events.published()
    }

    /// All that counts now, by meter, customer and window.
    #[must_use]
    pub fn counted(&self) -> Vec<Counted> {
        let mut all = Vec::new();
        for (meter_id, customer, series) in self.0.usage.all() {
            let Some(meter) = self.0.meters.get(meter_id) else {
                continue;
            };
            let length = meter.window.unwrap_or(Window::Hour).seconds();
            for window in series.keys() {
                let span = *window..*window + length;
                if let Some(quantity) = usage::quantity(meter, series, span, self.0.now()) {
                    all.push(Counted {
                        customer: customer.to_owned(),
                        meter: meter_id.to_owned(),
                        event_name: meter.event_name.clone(),
                        window: *window,
                        quantity,
                    });
                }
            }
        }
        all
    }

    /// The lines of all invoices, those of drafts as they would be billed now.
    #[must_use]
    pub fn lines(&self) -> Vec<BilledLine> {
        let invoices = self.0.invoices.values();
        let lines = invoices.flat_map(|invoice| {
            let lines = invoices::current_lines(self.0, invoice);
            lines.into_iter().map(|line| self.billed(invoice, line))
        });
        lines.collect()
    }

    fn billed(&self, invoice: &invoices::Invoice, line: Line) -> BilledLine {
        let price = line.price().map(str::to_owned);
        let meter = price.as_ref().and_then(|price| {
            let meter = self.0.prices.get(price)?.meter.as_ref()?;
            self.0.meters.get(meter)
        });
        BilledLine {
            invoice: invoice.id.clone(),
            status: invoice.status.name(),
            customer: invoice.customer.clone(),
            subscription: invoice.subscription.clone(),
            event_name: meter.map(|meter| meter.event_name.clone()),
            price,
            period: line.period,
            quantity: line.quantity,
            amount: line.amount,
            currency: invoice.currency.clone(),
            metadata: line.metadata,
        }
    }
}
