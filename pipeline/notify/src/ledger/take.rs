//! Taking what is due for one receiver, and giving back what became of it.

use super::Ledger;
use super::item::Place;
use super::queue::{Lane, QueueKey, Waiting};
use crate::alert::Alert;
use meterline_core::alert::Delivery;
use meterline_core::time::LogTime;
use std::sync::Arc;

/// Most alerts that are looked at for one bundle: some milliseconds of work.
const LOOK_MAX: usize = 4_096;

/// What is due for one receiver: its turn lasts until [`Ledger::finish`].
#[derive(Debug)]
pub(crate) struct Work {
    pub key: Arc<QueueKey>,
    /// To be told in one bundle; not empty unless something expired.
    pub attempts: Vec<Attempt>,
    /// What was tried for long enough: to be parked.
    pub expired: Vec<Attempt>,
}

/// One alert of a bundle.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub alert: Arc<Alert>,
    /// Attempts before, of all instances.
    pub before: u32,
    /// Whether it was another instance's turn.
    pub is_takeover: bool,
}

impl Ledger {
    /// What is due next in a lane; `None`: nothing is now.
    pub(crate) fn take(&mut self, lane: Lane, now: LogTime) -> Option<Work> {
        while let Some(key) = self.queues.next_due(lane, now) {
            let work = self.gather(&key, now);
            if work.attempts.is_empty() && work.expired.is_empty() {
                self.schedule(&key, now);
                continue;
            }
            self.queues.queue(&key).is_sending = true;
            for attempt in work.attempts.iter().chain(&work.expired) {
                self.place(attempt.alert.id, &key, Place::Sending);
            }
            return Some(work);
        }
        None
    }

    /// When something is due in a lane; `None`: nothing waits.
    pub(crate) fn next_time(&self, lane: Lane) -> Option<LogTime> {
        self.queues.next_time(lane)
    }

    /// The first bundle of what is due within a window from now. What others have begun to tell
    /// meanwhile is put off.
    fn gather(&mut self, key: &Arc<QueueKey>, now: LogTime) -> Work {
        let horizon = now.after(self.rules.window);
        let size = self.words.bundle_size(&key.receiver, &self.rules);
        let due: Vec<Waiting> = {
            let waiting = &self.queues.queue(key).waiting;
            let until = (horizon, LogTime(i64::MAX), u128::MAX);
            waiting.range(..=until).take(LOOK_MAX).copied().collect()
        };
        let mut work = Work {
            key: Arc::clone(key),
            attempts: Vec::new(),
            expired: Vec::new(),
        };
        for (_, _, id) in due {
            if work.attempts.len().max(work.expired.len()) == size {
                break;
            }
            let known = self.known.get_mut(&id).expect("what waits is known");
            let route = known.item(&key.receiver.route);
            let known = &self.known[&id];
            let item = &known.items[route].1;
            if self.due(known, item, key) > horizon {
                self.set_due(id, route, now);
                continue;
            }
            let turn = item.last.as_ref().map_or(&known.alert.writer, |(_, by)| by);
            let attempt = Attempt {
                alert: Arc::clone(&known.alert),
                before: item.attempts,
                is_takeover: *turn != self.rules.instance,
            };
            if now >= item.since.after(self.rules.retry_for) {
                work.expired.push(attempt);
            } else {
                work.attempts.push(attempt);
            }
        }
        work
    }

    /// Ends a turn: applies the outcomes, and lets wait again what has none.
    pub(crate) fn finish(
        &mut self,
        work: &Work,
        outcomes: &[Delivery],
        not_before: Option<LogTime>,
        now: LogTime,
    ) {
        for outcome in outcomes {
            self.outcome(outcome, now);
        }
        let queue = self.queues.queue(&work.key);
        queue.is_sending = false;
        queue.not_before = not_before;
        for attempt in work.attempts.iter().chain(&work.expired) {
            self.wait_again(attempt.alert.id, &work.key, now);
        }
        self.schedule(&work.key, now.after(self.rules.window));
    }

    /// The receiver is none any more, or of another kind: routes are asked for again.
    pub(crate) fn withdraw(&mut self, work: &Work, now: LogTime) {
        self.finish(work, &[], None, now);
        for (_, appended, id) in self.queues.clear(&work.key) {
            self.place(id, &work.key, Place::Unrouted);
            self.to_route.insert((appended, id));
        }
        self.schedule(&work.key, now);
    }

    fn wait_again(&mut self, id: u128, key: &Arc<QueueKey>, now: LogTime) {
        let Some(known) = self.known.get_mut(&id) else {
            return;
        };
        let route = known.item(&key.receiver.route);
        if known.items[route].1.place != Place::Sending {
            return;
        }
        let place = Place::Waiting {
            key: Arc::clone(key),
            due: LogTime(i64::MIN),
        };
        self.move_to(id, route, place);
        self.set_due(id, route, now);
    }

    fn place(&mut self, id: u128, key: &QueueKey, place: Place) {
        let known = self.known.get_mut(&id).expect("what waits is known");
        let route = known.item(&key.receiver.route);
        self.move_to(id, route, place);
    }
}
