//! What is told to whom, and what is left: a fold over transitions in force and outcomes.
//!
//! Pure: time is an argument. It follows from the log alone, so whatever a restart or another
//! instance folds, it comes to the same. Nothing is in it twice and nothing leaves it before its
//! time: what waits is bounded by the alerts of the time that is tried (`retry_for`), what is only
//! remembered by a number. It refuses to send before the log was read to its end.

mod item;
mod queue;
mod take;
#[cfg(test)]
mod tests;
mod word;

pub(crate) use queue::{Lane, QueueKey};
pub(crate) use take::{Attempt, Work};

use crate::Backlog;
use crate::alert::Alert;
use crate::rules::Rules;
use item::{Item, Known, Place};
use meterline_core::alert::{Delivery, DeliveryOutcome};
use meterline_core::time::LogTime;
use queue::{Queues, Receiver};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use word::Words;

/// The state.
#[derive(Debug)]
pub(crate) struct Ledger {
    rules: Rules,
    known: BTreeMap<u128, Known>,
    by_age: BTreeSet<(LogTime, u128)>,
    /// Alerts whose routes are to be asked for, oldest first.
    to_route: BTreeSet<(LogTime, u128)>,
    queues: Queues,
    words: Words,
    backlog: Backlog,
    unknown_requests: u64,
    is_caught_up: bool,
}

/// An alert whose routes are to be asked for.
#[derive(Debug)]
pub(crate) struct ToRoute {
    pub alert: Arc<Alert>,
    /// Routes that somebody asked it to be told to, whatever they are told else.
    pub wanted: Vec<Arc<str>>,
}

impl Ledger {
    /// A ledger that nothing was fed to.
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            known: BTreeMap::new(),
            by_age: BTreeSet::new(),
            to_route: BTreeSet::new(),
            queues: Queues::default(),
            words: Words::default(),
            backlog: Backlog::default(),
            unknown_requests: 0,
            is_caught_up: false,
        }
    }

    /// A transition in force. One that is too old to be told is not kept; a repeat changes nothing.
    pub(crate) fn transition(&mut self, alert: Alert, now: LogTime) {
        let (id, appended) = (alert.id, alert.appended);
        if appended < now.before(self.rules.remember_for) || self.known.contains_key(&id) {
            return;
        }
        // Clocks differ: of what is read as it happens, the own one says when.
        let from = if self.is_caught_up {
            now
        } else {
            appended.min(now)
        };
        self.known.insert(id, Known::new(alert, from));
        self.by_age.insert((appended, id));
        self.to_route.insert((appended, id));
    }

    /// An outcome of any process, this one included; a repeat changes nothing.
    pub(crate) fn outcome(&mut self, outcome: &Delivery, now: LogTime) {
        let is_news = self.is_caught_up && outcome.instance != *self.rules.instance;
        let at = if is_news { now } else { outcome.at.min(now) };
        for receiver in self.words.hear(outcome, at) {
            self.revive(&receiver, now);
        }
        let is_request = outcome.outcome == DeliveryOutcome::Requested;
        let Some(known) = self.known.get_mut(&outcome.notification) else {
            self.unknown_requests += u64::from(is_request);
            return;
        };
        let route = known.item(&outcome.route);
        let item = &mut known.items[route].1;
        item.attempts = item.attempts.max(outcome.attempt);
        match outcome.outcome {
            DeliveryOutcome::Delivered => {
                self.move_to(outcome.notification, route, Place::Delivered)
            }
            DeliveryOutcome::Parked => self.move_to(outcome.notification, route, Place::Parked),
            DeliveryOutcome::Failed => {
                item.last = Some((at, outcome.instance.as_str().into()));
                self.set_due(outcome.notification, route, now);
            }
            DeliveryOutcome::Requested => {
                (item.since, item.last, item.is_wanted) = (at, None, true);
                self.want(outcome.notification, route, now);
            }
        }
    }

    /// A receiver is well again: what rested with it need not.
    fn revive(&mut self, receiver: &Receiver, now: LogTime) {
        for lane in Lane::ALL {
            let key = QueueKey {
                lane,
                receiver: receiver.clone(),
            };
            for (_, _, id) in self.queues.waiting(&key) {
                let known = self.known.get_mut(&id).expect("what waits is known");
                let route = known.item(&receiver.route);
                self.set_due(id, route, now);
            }
        }
    }

    /// Makes something that was asked for again wait once more.
    fn want(&mut self, id: u128, route: usize, now: LogTime) {
        let known = &self.known[&id];
        match &known.items[route].1.place {
            Place::Waiting { .. } => self.set_due(id, route, now),
            // What is on its way answers the request.
            Place::Sending => {}
            Place::Unrouted | Place::Delivered | Place::Parked => {
                self.to_route.insert((known.alert.appended, id));
                self.move_to(id, route, Place::Unrouted);
            }
        }
    }

    /// The log was read to its end as of the start.
    pub(crate) fn caught_up(&mut self) {
        self.is_caught_up = true;
    }

    /// The oldest alerts whose routes are to be asked for; the caller answers each by
    /// [`Ledger::routed`].
    pub(crate) fn take_unrouted(&mut self, most: usize) -> Vec<ToRoute> {
        if !self.is_caught_up {
            return Vec::new();
        }
        let next = std::iter::from_fn(|| self.to_route.pop_first());
        let known = next.filter_map(|(_, id)| self.known.get(&id));
        known.take(most).map(Known::to_route).collect()
    }

    /// The queues that an alert waits in from now on, unless it is over there.
    pub(crate) fn routed(&mut self, id: u128, keys: Vec<QueueKey>, now: LogTime) {
        for key in keys {
            let Some(known) = self.known.get_mut(&id) else {
                return;
            };
            let route = known.item(&key.receiver.route);
            if known.items[route].1.place == Place::Unrouted {
                let (key, due) = (Arc::new(key), LogTime(i64::MIN));
                self.move_to(id, route, Place::Waiting { key, due });
                self.set_due(id, route, now);
            }
        }
    }

    /// A route has changed: routes of all alerts that are still tried are asked for again.
    pub(crate) fn routes_changed(&mut self, now: LogTime) {
        let from = now.before(self.rules.retry_for);
        self.to_route.extend(self.by_age.range((from, 0)..));
    }

    /// What is left to tell.
    pub(crate) fn backlog(&self) -> Backlog {
        self.backlog
    }

    /// Routes whose last attempt failed.
    pub(crate) fn failing(&self) -> usize {
        self.words.failing()
    }

    /// Requests for a repeat of what is no longer known.
    pub(crate) fn unknown_requests(&self) -> u64 {
        self.unknown_requests
    }

    /// Forgets what is too old, and the oldest of what is over where it is too much.
    pub(crate) fn forget(&mut self, now: LogTime) {
        let too_old = now.before(self.rules.remember_for);
        let mut excess = self.known.len().saturating_sub(self.rules.remembered_max);
        let mut leaving = Vec::new();
        for (appended, id) in &self.by_age {
            let is_old = *appended < too_old;
            if !is_old && excess == 0 {
                break;
            }
            if self.known[id].is_over() && !self.to_route.contains(&(*appended, *id)) {
                leaving.push((*appended, *id));
                excess = excess.saturating_sub(1);
            }
        }
        for (appended, id) in leaving {
            self.by_age.remove(&(appended, id));
            let known = self.known.remove(&id).expect("it was just looked at");
            self.backlog.parked -= known.parked();
        }
        self.words.forget_before(now.before(self.rules.retry_for));
    }

    /// Moves an alert of a route, with all that counts and finds it.
    fn move_to(&mut self, id: u128, route: usize, to: Place) {
        let known = self.known.get_mut(&id).expect("callers have just found it");
        let item = &mut known.items[route].1;
        let appended = known.alert.appended;
        self.backlog.leave(&item.place);
        self.backlog.enter(&to);
        let from = std::mem::replace(&mut item.place, to.clone());
        let left = match from {
            Place::Waiting { key, due } => {
                self.queues.queue(&key).waiting.remove(&(due, appended, id));
                Some(key)
            }
            _ => None,
        };
        if let Place::Waiting { key, due } = to {
            self.queues.queue(&key).waiting.insert((due, appended, id));
        }
        // Last: a queue that stands empty for a moment only is not forgotten.
        if let Some(key) = left {
            self.schedule(&key, LogTime(i64::MIN));
        }
    }

    /// Computes anew when a waiting alert is due; others have no such time.
    fn set_due(&mut self, id: u128, route: usize, now: LogTime) {
        let known = &self.known[&id];
        let Place::Waiting { key, .. } = &known.items[route].1.place else {
            return;
        };
        let key = Arc::clone(key);
        let due = self.due(known, &known.items[route].1, &key);
        let to = Place::Waiting {
            key: Arc::clone(&key),
            due,
        };
        self.move_to(id, route, to);
        self.schedule(&key, now.after(self.rules.window));
    }

    fn schedule(&mut self, key: &Arc<QueueKey>, horizon: LogTime) {
        self.queues.schedule(key, self.rules.bundle_size, horizon);
    }

    /// When this instance may tell, by all that is known: at its turn at once, or after its pause;
    /// in another's place when that one was not heard of for a delay after it should have.
    fn due(&self, known: &Known, item: &Item, key: &QueueKey) -> LogTime {
        let route = &key.receiver.route;
        let (turn, pause) = match &item.last {
            Some((at, by)) => (by, at.after(self.rules.backoff(route, item.attempts))),
            None if item.is_wanted => (&known.alert.writer, item.since.after(self.rules.window)),
            None => (&known.alert.writer, known.from.after(self.rules.window)),
        };
        let rest = self.words.rests_until(&key.receiver, &self.rules);
        let ready = rest.map_or(pause, |rest| pause.max(rest));
        if *turn == self.rules.instance {
            return ready;
        }
        let heard = self.words.heard(route, turn);
        let silent_since = heard.map_or(ready, |heard| ready.max(heard));
        silent_since.after(self.rules.takeover(route))
    }
}
