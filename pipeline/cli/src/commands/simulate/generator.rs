//! Makes up events: the same for the same seed, catalog and present.
//!
//! Tenants are heavy-tailed ([`Tenants`]); event times ascend evenly over the span.

use super::EventSource;
use super::shapes::{Shape, shapes, timed_id};
use super::tenants::Tenants;
use crate::load::event::{Kind, UsageEvent};
use crate::load::random::Random;
use crate::units::Share;
use meterline_core::catalog::{Catalog, IdTime};
use meterline_core::time::EventTime;
use std::sync::Arc;

/// Source of events whose ids carry no time.
const SOURCE: &str = "meterline/simulate";
/// Late events stay this far inside the acceptance window: a long run must not outlast it.
const LATE_MARGIN: i64 = 3_600_000_000;
/// A late event is at least this much older than the others: its hour is sealed.
const LATE_LEAST: i64 = 2 * 3_600_000_000;

/// What to make up.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Number of tenants.
    pub tenants: u32,
    /// Number of events.
    pub count: u64,
    /// First event time.
    pub from: EventTime,
    /// First moment after the last event time.
    pub to: EventTime,
    /// The present: late events are measured from it.
    pub now: EventTime,
    /// Share of late events.
    pub late: Share,
    /// Seed of all choices.
    pub seed: u64,
    /// What ids begin with.
    pub id_prefix: String,
}

/// Makes up events one by one.
#[derive(Clone, Debug)]
pub(crate) struct Generator {
    plan: Plan,
    shapes: Vec<Shape>,
    sources: Vec<(Arc<str>, Option<IdTime>)>,
    tenants: Tenants,
    oldest: EventTime,
    random: Random,
    number: u64,
}

impl Generator {
    /// A generator at its first event. The catalog must have a meter.
    pub(crate) fn new(plan: Plan, catalog: &Catalog) -> Self {
        let mut sources = vec![(Arc::from(SOURCE), None)];
        sources.extend(
            catalog
                .sources
                .iter()
                .map(|(name, rule)| (Arc::from(name.as_str()), Some(rule.id_time))),
        );
        Self {
            shapes: shapes(catalog),
            sources,
            tenants: Tenants::new(plan.tenants),
            oldest: EventTime(plan.now.before(catalog.acceptance).0 + LATE_MARGIN),
            random: Random::new(plan.seed),
            number: 0,
            plan,
        }
    }
}

impl EventSource for Generator {
    fn next(&mut self) -> (Kind, UsageEvent, &Shape) {
        let shape = self.random.index(self.shapes.len());
        let shape = &self.shapes[shape];
        let (source, id_time) = self.random.pick(&self.sources).clone();
        let tenant = self.tenants.pick(&mut self.random);
        let mut event = UsageEvent {
            id: String::new(),
            source,
            kind: Arc::clone(&shape.kind),
            tenant: Arc::clone(self.tenants.name(tenant)),
            time: self.plan.time(self.number),
            quantity: None,
            properties: Vec::with_capacity(6),
        };
        shape.fill(&mut event, &mut self.random);
        let kind = self
            .plan
            .make_late(&mut event, self.oldest, &mut self.random);
        event.id = self
            .plan
            .id(self.number, id_time, event.time, &mut self.random);
        self.number += 1;
        (kind, event, shape)
    }
}

impl Plan {
    /// Event time of the event of that number: evenly over the span.
    fn time(&self, number: u64) -> EventTime {
        let width = i128::from(self.to.0 - self.from.0);
        let offset = width * i128::from(number) / i128::from(self.count.max(1));
        EventTime(self.from.0 + i64::try_from(offset).expect("below the width, which is an i64"))
    }

    fn make_late(&self, event: &mut UsageEvent, oldest: EventTime, random: &mut Random) -> Kind {
        let newest = EventTime(event.time.0 - LATE_LEAST);
        if oldest >= newest || !random.happens(self.late) {
            return Kind::Event;
        }
        event.time = EventTime(random.micros(oldest.0, newest.0));
        Kind::Late
    }

    fn id(
        &self,
        number: u64,
        id_time: Option<IdTime>,
        time: EventTime,
        random: &mut Random,
    ) -> String {
        match id_time {
            Some(form) => timed_id(
                form,
                time.0,
                (u128::from(self.seed) << 64) ^ u128::from(random.bits()),
            ),
            None => format!("{}-{number}", self.id_prefix),
        }
    }
}

#[cfg(test)]
#[path = "generator_tests.rs"]
mod tests;
