//! The account: everything that Stripe would remember, and what the clock makes of it.
//!
//! Pure: requests and times come in, answers and deliveries come out. What lies in the future
//! waits in one queue and happens, in the order of its times, when the clock passes it. It refuses
//! to go back in time.

use crate::catalog::{Price, Product};
use crate::customers::Customer;
use crate::events::Events;
use crate::idempotency::Keys;
use crate::invoice_items::InvoiceItem;
use crate::invoices::Invoice;
use crate::limits::Limiter;
use crate::meter_events::{MeterEvent, Reception};
use crate::meters::Meter;
use crate::refusal::Refusal;
use crate::reports::Reports;
use crate::request::{Answer, Call, Request};
use crate::settings::{SECOND, Settings};
use crate::subscriptions::Subscription;
use crate::truth::Calls;
use crate::usage::Usage;
use crate::{catalog, customers, events, invoice_items, invoices, meters, subscriptions};
use crate::{meter_events, reports};
use rand::Rng;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use std::collections::BTreeMap;

/// What happens at a time.
#[derive(Debug)]
pub(crate) enum Due {
    /// A meter event is validated and counts.
    Arrive(Box<MeterEvent>),
    /// A cancelled meter event counts no more.
    Cancel(String),
    /// The errors of a meter, or of none, are reported.
    Report(Option<String>),
    /// A subscription's period ends.
    PeriodEnd(String),
    /// A draft becomes final, if it still is to at this time.
    Finalize(String),
}

/// The state.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) settings: Settings,
    pub(crate) random: StdRng,
    now: i64,
    last_id: u64,
    due: BTreeMap<(i64, u64), Due>,
    pub(crate) limiter: Limiter,
    pub(crate) keys: Keys,
    pub(crate) meters: BTreeMap<String, Meter>,
    pub(crate) reception: Reception,
    pub(crate) usage: Usage,
    pub(crate) reports: Reports,
    pub(crate) customers: BTreeMap<String, Customer>,
    pub(crate) products: BTreeMap<String, Product>,
    pub(crate) prices: BTreeMap<String, Price>,
    pub(crate) subscriptions: BTreeMap<String, Subscription>,
    pub(crate) invoices: BTreeMap<String, Invoice>,
    pub(crate) invoice_items: BTreeMap<String, InvoiceItem>,
    pub(crate) events: Events,
    pub(crate) calls: Calls,
}

impl Account {
    pub(crate) fn new(settings: Settings, now: i64) -> Self {
        Self {
            random: StdRng::seed_from_u64(settings.seed),
            calls: Calls::new(settings.calls_kept),
            settings,
            now,
            last_id: 0,
            due: BTreeMap::new(),
            limiter: Limiter::default(),
            keys: Keys::default(),
            meters: BTreeMap::new(),
            reception: Reception::default(),
            usage: Usage::default(),
            reports: Reports::default(),
            customers: BTreeMap::new(),
            products: BTreeMap::new(),
            prices: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            invoices: BTreeMap::new(),
            invoice_items: BTreeMap::new(),
            events: Events::default(),
        }
    }

    /// The time in milliseconds.
    pub(crate) const fn now(&self) -> i64 {
        self.now
    }

    /// The time as Stripe writes it, in whole seconds.
    pub(crate) const fn seconds(&self) -> i64 {
        self.now.div_euclid(SECOND)
    }

    /// A new id; ids of one kind sort in the order of their making.
    pub(crate) fn new_id(&mut self, prefix: &str) -> String {
        self.last_id += 1;
        format!("{prefix}_{:012}", self.last_id)
    }

    /// Puts something into the future.
    pub(crate) fn at(&mut self, time: i64, due: Due) {
        self.last_id += 1;
        self.due.insert((time, self.last_id), due);
    }

    /// A random delay up to a longest.
    pub(crate) fn delay(&mut self, longest: i64) -> i64 {
        self.random.random_range(0..=longest.max(0))
    }

    /// Moves the clock on; everything that lies between happens at its own time. An earlier time
    /// changes nothing.
    pub(crate) fn advance(&mut self, to: i64) {
        while let Some(entry) = self.due.first_entry()
            && entry.key().0 <= to
        {
            self.now = self.now.max(entry.key().0);
            let due = entry.remove();
            self.happen(due);
        }
        self.now = self.now.max(to);
        let now = self.now;
        self.reception.forget(now);
        self.keys.forget(now);
        self.events.forget(now);
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Arrive(event) => meter_events::arrive(self, *event),
            Due::Cancel(identifier) => meter_events::cancel(self, &identifier),
            Due::Report(meter) => reports::publish(self, meter.as_deref()),
            Due::PeriodEnd(subscription) => subscriptions::end_period(self, &subscription),
            Due::Finalize(invoice) => invoices::finalize_if_due(self, &invoice),
        }
    }

    /// Does what a request asks for.
    pub(crate) fn answer(&mut self, request: &Request) -> Answer {
        match self.dispatch(request) {
            Ok(body) => Answer::json(200, &body),
            Err(refusal) => refusal.answer(),
        }
    }

    fn dispatch(&mut self, request: &Request) -> Result<Value, Refusal> {
        let parts = request.parts();
        let (name, behind) = match parts.as_slice() {
            ["v1", "billing", name, ..] => (*name, 3),
            ["v1", name, ..] => (*name, 2),
            ["v2", "core", "events", ..] => ("thin_events", 3),
            _ => ("", parts.len()),
        };
        let call = Call {
            method: &request.method,
            path: &request.path,
            rest: parts.get(behind..).unwrap_or_default(),
            version: request.version.as_deref(),
            form: request.form(),
        };
        match name {
            "meters" => meters::call(self, &call),
            "meter_events" => meter_events::call(self, &call),
            "meter_event_adjustments" => meter_events::call_adjustments(self, &call),
            "customers" => customers::call(self, &call),
            "payment_methods" => customers::call_payment_methods(self, &call),
            "products" => catalog::call_products(self, &call),
            "prices" => catalog::call_prices(self, &call),
            "subscriptions" => subscriptions::call(self, &call),
            "invoices" => invoices::call(self, &call),
            "invoiceitems" => invoice_items::call(self, &call),
            "events" => events::call(self, &call),
            "thin_events" => events::call_thin(self, &call),
            _ => Err(call.no_such_route()),
        }
    }
}
