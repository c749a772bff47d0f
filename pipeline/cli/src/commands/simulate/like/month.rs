//! A month of acts, hour by hour, in the order in which their events are published.
//!
//! Each hour gets its part of the events by how busy it is. Events that earlier acts left for an
//! hour come out of its part first; what is left over is filled with new acts. So memory follows
//! one hour and what lies ahead of it, not the month. What would happen after the month is not
//! made up, and exactly the number asked for comes out.

use super::draw::percent;
use super::season::Season;
use super::{Act, DAY, HOUR, Plan, Users};
use crate::commands::simulate::tenants::Tenants;
use crate::load::event::{Kind, UsageEvent};
use crate::load::random::Random;
use crate::units::Share;
use meterline_core::time::EventTime;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A late event arrives at least this long after it happened.
const LATE_LEAST: i64 = 2 * HOUR;
/// Most late events arrive within this time …
const LATE_HOURS: i64 = 12 * HOUR;
/// … and the others within this one.
const LATE_DAYS: i64 = 6 * DAY;

/// One hour, or the part of it that lies in the month.
struct Slot {
    from: i64,
    to: i64,
    /// Events that are made up at its end.
    target: u64,
}

/// A month, event by event.
pub(super) struct Month {
    users: Box<dyn Users>,
    tenants: Tenants,
    slots: VecDeque<Slot>,
    end: i64,
    late: Share,
    id_prefix: String,
    random: Random,
    acts: u64,
    made: u64,
    ready: VecDeque<(Kind, UsageEvent)>,
    /// What later hours publish, by moment, then in the order it was made up.
    ahead: BTreeMap<(i64, u64), (Kind, UsageEvent)>,
    order: u64,
}

impl Month {
    /// A month at its first event.
    pub(super) fn new(plan: &Plan<'_>, users: Box<dyn Users>, tenants: Tenants) -> Self {
        Self {
            slots: slots(users.season(), plan),
            users,
            tenants,
            end: plan.to.0,
            late: plan.late,
            id_prefix: plan.id_prefix.to_owned(),
            random: Random::new(plan.seed),
            acts: 0,
            made: 0,
            ready: VecDeque::new(),
            ahead: BTreeMap::new(),
            order: 0,
        }
    }

    /// The next event.
    ///
    /// # Panics
    /// After more events than the plan says.
    pub(super) fn next(&mut self) -> (Kind, UsageEvent) {
        loop {
            if let Some(next) = self.ready.pop_front() {
                return next;
            }
            let slot = self.slots.pop_front();
            self.fill(&slot.expect("the last slot's target is the number of events"));
        }
    }

    /// Makes up what an hour publishes.
    fn fill(&mut self, slot: &Slot) {
        let due = self.ahead.range(..(slot.to, 0)).count();
        let mut due = u64::try_from(due).expect("counts fit 64 bits");
        // Where acts leave all their events for later, an hour stays short of its part. The last
        // one cannot: what is late arrives at its end.
        let mut acts = slot.target.saturating_sub(self.made + due);
        while self.made + due < slot.target && (acts > 0 || slot.to == self.end) {
            due += self.act(slot);
            acts = acts.saturating_sub(1);
        }
        let later = self.ahead.split_off(&(slot.to, 0));
        let hour = std::mem::replace(&mut self.ahead, later);
        self.made += due;
        self.ready.extend(hour.into_values());
    }

    /// Does one act; how many of its events the hour publishes.
    fn act(&mut self, slot: &Slot) -> u64 {
        let rank = self.tenants.pick(&mut self.random);
        let act = Act {
            at: EventTime(self.random.micros(slot.from, slot.to)),
            rank,
            tenant: Arc::clone(self.tenants.name(rank)),
            key: format!("{}-{}", self.id_prefix, self.acts),
        };
        self.acts += 1;
        let mut events = Vec::new();
        self.users.act(&act, &mut self.random, &mut events);
        let published = events.into_iter().map(|event| self.publish(event));
        let times: Vec<i64> = published.flatten().collect();
        let due = times.iter().filter(|at| **at < slot.to).count();
        u64::try_from(due).expect("counts fit 64 bits")
    }

    /// Notes when an event is published; nothing where it would happen after the month.
    fn publish(&mut self, event: UsageEvent) -> Option<i64> {
        if event.time.0 >= self.end {
            return None;
        }
        let (kind, at) = if self.random.happens(self.late) {
            let most = if percent(&mut self.random, 80) {
                LATE_HOURS
            } else {
                LATE_DAYS
            };
            let delay = self.random.micros(LATE_LEAST, most);
            (Kind::Late, (event.time.0 + delay).min(self.end - 1))
        } else {
            (Kind::Event, event.time.0)
        };
        self.order += 1;
        self.ahead.insert((at, self.order), (kind, event));
        Some(at)
    }
}

/// The hours of the month, each with its part of the events.
fn slots(season: &Season, plan: &Plan<'_>) -> VecDeque<Slot> {
    let (from, to) = (plan.from.0, plan.to.0);
    let mut starts = vec![from];
    let second = from.div_euclid(HOUR) * HOUR + HOUR;
    starts.extend((0..).map(|n| second + n * HOUR).take_while(|at| *at < to));
    let ends = starts.iter().skip(1).copied().chain([to]);
    let spans: Vec<_> = starts.iter().copied().zip(ends).collect();
    let weight = |(from, to): &(i64, i64)| {
        let width = u128::try_from(to - from).expect("a slot ends after it begins");
        u128::from(season.weight(EventTime(*from))) * width
    };
    let all: u128 = spans.iter().map(weight).sum();
    let mut sum = 0;
    let slots = spans.iter().map(|span| {
        sum += weight(span);
        let target = u128::from(plan.count) * sum / all;
        Slot {
            from: span.0,
            to: span.1,
            target: u64::try_from(target).expect("at most the number of events"),
        }
    });
    slots.collect()
}
