//! Usage as the users of one product cause it: a month of it, by day and night, week and weekend.
//!
//! What is made up are people's acts (a meeting, a sale, a campaign); the events follow from them,
//! some of them hours later. The rules of the five products are written here a second time, from
//! what their users do and not from the catalogs: so a month that is counted right shows that a
//! catalog fits its product. Floats do not occur; distributions are tables and powers of two.

use super::EventSource;
use super::shapes::{Shape, shapes};
use super::tenants::Tenants;
use crate::args::simulate::{Product, SimulateArgs};
use crate::failure::Failure;
use crate::load::event::{Kind, UsageEvent};
use crate::load::random::Random;
use meterline_core::catalog::Catalog;
use meterline_core::time::EventTime;
use month::Month;
use std::collections::BTreeMap;
use std::sync::Arc;

mod draw;
mod irisx;
mod month;
mod operate;
mod provider;
mod pulse;
mod season;
mod stack;

/// A second in microseconds.
const SECOND: i64 = 1_000_000;
/// A minute in microseconds.
const MINUTE: i64 = 60 * SECOND;
/// An hour in microseconds.
const HOUR: i64 = 60 * MINUTE;
/// A day in microseconds.
const DAY: i64 = 24 * HOUR;

/// Without a month asked for: that long up to the present.
const LAST_DAYS: i64 = 30 * DAY;

/// Which month to make up, and how much of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'a> {
    /// Whose users act.
    pub product: Product,
    /// Number of tenants.
    pub tenants: u32,
    /// Number of events.
    pub count: u64,
    /// First event time.
    pub from: EventTime,
    /// First moment after the last event time.
    pub to: EventTime,
    /// Share of events that arrive hours or days after they happened.
    pub late: crate::units::Share,
    /// Seed of all choices.
    pub seed: u64,
    /// What ids begin with.
    pub id_prefix: &'a str,
}

/// The least that a month stays inside the acceptance window: publishing it takes a while.
const ACCEPTANCE_MARGIN: i64 = HOUR;

/// First event time, and the first moment after the last: of the span or month asked for, up to
/// the present.
pub(crate) fn span(
    args: &SimulateArgs,
    catalog: &Catalog,
    now: EventTime,
) -> Result<(EventTime, EventTime), Failure> {
    let (from, to) = match (args.span, args.month) {
        (Some(span), _) => (span.from.resolve(now), span.to.resolve(now)),
        (None, Some(month)) => (month.from, month.to),
        (None, None) => (EventTime(now.0 - LAST_DAYS), now),
    };
    let to = to.min(now);
    let oldest = EventTime(now.before(catalog.acceptance).0 + ACCEPTANCE_MARGIN);
    if from < oldest {
        return Err(Failure::usage(format!(
            "the month begins at {from}, and events from before {oldest} would be `too_late`: \
             choose a later month, or --span"
        )));
    }
    if from >= to {
        return Err(Failure::usage(format!(
            "the month begins at {from}, which is not before {to}: its events would lie in the future"
        )));
    }
    Ok((from, to))
}

/// The users of one product.
trait Users {
    /// Types of the events that they cause.
    fn kinds(&self) -> &'static [&'static str];
    /// When they act.
    fn season(&self) -> &'static season::Season;
    /// Does one thing that a user does at a moment: adds its events, in any order of time.
    fn act(&mut self, act: &Act, random: &mut Random, events: &mut Vec<UsageEvent>);
}

/// One thing that somebody does.
struct Act {
    /// When it begins.
    at: EventTime,
    /// Rank of the tenant.
    rank: usize,
    /// The tenant's name.
    tenant: Arc<str>,
    /// Unique in the run: what the ids of the act's events are made of.
    key: String,
}

impl Act {
    /// An event of this act, some time after its beginning.
    fn event(&self, source: &str, kind: &str, id: String, after: i64) -> Draft {
        Draft(UsageEvent {
            id,
            source: source.into(),
            kind: kind.into(),
            tenant: Arc::clone(&self.tenant),
            time: EventTime(self.at.0 + after),
            quantity: None,
            properties: Vec::new(),
        })
    }
}

/// An event that is being filled.
struct Draft(UsageEvent);

impl Draft {
    fn quantity(mut self, quantity: impl ToString) -> Self {
        self.0.quantity = Some(quantity.to_string());
        self
    }

    fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.0.properties.push((name.into(), value.to_string()));
        self
    }

    fn add_to(self, events: &mut Vec<UsageEvent>) {
        events.push(self.0);
    }
}

/// A product's month, event by event, with the shapes that the catalog has for them.
pub(crate) struct Likeness {
    month: Month,
    shapes: BTreeMap<Arc<str>, Vec<Shape>>,
    number: usize,
}

impl Likeness {
    /// A month at its first event.
    ///
    /// # Errors
    /// A sentence that names the types which no meter of the catalog counts.
    pub(crate) fn new(plan: &Plan<'_>, catalog: &Catalog) -> Result<Self, String> {
        let users = users(plan.product, plan.tenants);
        let mut by_kind: BTreeMap<Arc<str>, Vec<Shape>> = BTreeMap::new();
        for shape in shapes(catalog) {
            by_kind
                .entry(Arc::clone(&shape.kind))
                .or_default()
                .push(shape);
        }
        let kinds = users.kinds().iter();
        let unknown: Vec<_> = kinds
            .filter(|k| !by_kind.contains_key(**k))
            .copied()
            .collect();
        if !unknown.is_empty() {
            return Err(format!(
                "the catalog `{}` has no meter for events of type {}; give \
                 `--catalog schemas/catalogs/{}.yaml`, or apply that catalog",
                catalog.name,
                unknown.join(", "),
                plan.product.name()
            ));
        }
        Ok(Self {
            month: Month::new(plan, users, Tenants::new(plan.tenants)),
            shapes: by_kind,
            number: 0,
        })
    }
}

impl EventSource for Likeness {
    fn next(&mut self) -> (Kind, UsageEvent, &Shape) {
        let (kind, event) = self.month.next();
        let shapes = &self.shapes[&event.kind];
        // Taking turns, so that broken records show what each meter of the type refuses.
        self.number += 1;
        (kind, event, &shapes[self.number % shapes.len()])
    }
}

fn users(product: Product, tenants: u32) -> Box<dyn Users> {
    let tenants = usize::try_from(tenants).expect("a usize has 32 bits or more");
    match product {
        Product::Pulse => Box::new(pulse::Pulse::new(tenants)),
        Product::Provider => Box::new(provider::Provider::new(tenants)),
        Product::Stack => Box::new(stack::Stack::new(tenants)),
        Product::Irisx => Box::new(irisx::Irisx),
        Product::Operate => Box::new(operate::Operate::new(tenants)),
    }
}

#[cfg(test)]
#[path = "like/tests.rs"]
mod tests;
