//! What the outcomes of others say beside their own: who is alive, and which receivers fail.

use super::queue::Receiver;
use crate::rules::Rules;
use meterline_core::alert::{Delivery, DeliveryOutcome};
use meterline_core::time::LogTime;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Failed attempts at a receiver since it last took something.
#[derive(Debug, Default)]
struct Streak {
    failures: u32,
    at: LogTime,
    /// Who made the last one and when by its own clock: a bundle fails once, in many records.
    last: Option<(Arc<str>, LogTime)>,
}

/// What was heard of processes and receivers.
#[derive(Debug, Default)]
pub(crate) struct Words {
    /// By route and process, when it was last heard of there.
    heard: BTreeMap<(Arc<str>, Arc<str>), LogTime>,
    streaks: BTreeMap<Receiver, Streak>,
}

impl Words {
    /// Takes what an outcome says; `at` is when it was made, on the own clock. Answers which
    /// receivers it shows to be well again.
    pub(crate) fn hear(&mut self, outcome: &Delivery, at: LogTime) -> Vec<Receiver> {
        let mut recovered = Vec::new();
        if outcome.outcome == DeliveryOutcome::Requested {
            return recovered;
        }
        let route: Arc<str> = outcome.route.as_str().into();
        let by: Arc<str> = outcome.instance.as_str().into();
        let heard = (Arc::clone(&route), Arc::clone(&by));
        let last = self.heard.entry(heard).or_insert(at);
        *last = at.max(*last);
        // Which of both the receiver is, the route knows, and it may not be known yet.
        let tenant: Arc<str> = outcome.tenant.as_str().into();
        for tenant in [None, Some(tenant)] {
            let route = Arc::clone(&route);
            let receiver = Receiver { route, tenant };
            match outcome.outcome {
                DeliveryOutcome::Failed => self.fails(receiver, (Arc::clone(&by), outcome.at), at),
                DeliveryOutcome::Delivered if self.streaks.remove(&receiver).is_some() => {
                    recovered.push(receiver);
                }
                _ => {}
            }
        }
        recovered
    }

    fn fails(&mut self, receiver: Receiver, last: (Arc<str>, LogTime), at: LogTime) {
        let streak = self.streaks.entry(receiver).or_default();
        if streak.last.as_ref() != Some(&last) {
            streak.failures += 1;
            streak.at = at.max(streak.at);
            streak.last = Some(last);
        }
    }

    /// How many alerts a receiver is told at once: half as many with each failure in a row. One
    /// that is dead is asked with little, and an alert that it cannot take is soon alone.
    pub(crate) fn bundle_size(&self, receiver: &Receiver, rules: &Rules) -> usize {
        let failures = self.streaks.get(receiver).map_or(0, |s| s.failures);
        (rules.bundle_size >> failures.min(31)).max(1)
    }

    /// Until when a receiver rests; `None`: it does not fail.
    pub(crate) fn rests_until(&self, receiver: &Receiver, rules: &Rules) -> Option<LogTime> {
        let streak = self.streaks.get(receiver)?;
        let pause = rules.backoff(&receiver.route, streak.failures);
        Some(streak.at.after(pause))
    }

    /// When a process was last heard of at a route.
    pub(crate) fn heard(&self, route: &Arc<str>, by: &Arc<str>) -> Option<LogTime> {
        let heard = (Arc::clone(route), Arc::clone(by));
        self.heard.get(&heard).copied()
    }

    /// Receivers that fail.
    pub(crate) fn failing(&self) -> usize {
        self.streaks.keys().filter(|r| r.tenant.is_none()).count()
    }

    /// Forgets what was heard before: it decides nothing any more.
    pub(crate) fn forget_before(&mut self, time: LogTime) {
        self.heard.retain(|_, at| *at >= time);
        self.streaks.retain(|_, streak| streak.at >= time);
    }
}
