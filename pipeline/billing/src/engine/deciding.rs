//! Deciding: which windows are looked at when, and what the next step for each is.
//!
//! A sealed window is looked at at once; the open hour once per interval, with all that changed.
//! The step itself is [`meterline_core::pushes::next`]'s: in here is only when it is taken. What
//! can be pushed goes before what is to be read, so that one reading proves many windows.

use super::action::Now;
use super::carrying::too_old_at;
use super::confirming::Unread;
use super::pairs::PairId;
use super::{CLOCK_SLACK, Engine, SPREAD, passed};
use meterline_core::position::{LogPartition, Offset, Stamp};
use meterline_core::push::{Intent, Stamps};
use meterline_core::pushes::{CannotPush, Head, Link, Next, Wanted, again, next};
use meterline_core::quantity::Quantity;
use meterline_core::time::{Hour, LogTime, Millis};
use std::sync::Arc;

/// Most windows of one pair that are looked at at once.
const WINDOWS_AT_ONCE: usize = 1_000;

/// What Stripe would not take.
pub(super) const TOO_OLD: &str = "too_old";
const TOO_MANY_DIGITS: &str = "too_many_digits";
const TOO_LARGE: &str = "too_large";

/// The next step for a window.
pub(super) enum Decided {
    Nothing,
    At(LogTime),
    Push(Box<Intent>, Option<Offset>),
    Read,
}

/// What a look at a pair may begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Turn {
    /// Nothing: what it wants waits for its turn.
    Wait,
    /// A push.
    Push,
    /// A reading.
    Read,
}

impl Engine {
    /// An hour has another value, or another carry.
    pub(super) fn changed(&mut self, id: PairId, hour: Hour, now: Now) {
        let tenant = Arc::clone(&self.pairs.get(id).tenant);
        let is_sealed = self.is_hour_sealed(id, hour);
        if !is_sealed && let Some(log_partition) = self.newest_partition(id, hour) {
            self.pairs.unsealed(log_partition, hour, id);
        }
        self.unequal_again(&tenant, id, hour, now);
        if !self.started {
            return;
        }
        let at = if is_sealed {
            now.wall
        } else {
            // All that changes in the open hour goes with one push.
            now.wall.after(self.settings.open_every)
        };
        self.pairs.at(id).plan(hour, at);
        self.queue(id, at);
    }

    /// Has all hours of a pair looked at.
    pub(super) fn plan_all(&mut self, id: PairId, now: Now) {
        let pair = self.pairs.at(id);
        let hours: Vec<_> = pair.hours.keys().copied().collect();
        for hour in hours {
            pair.plan(hour, now.wall);
        }
        self.queue(id, now.wall);
    }

    pub(super) fn look_again_at_unlinked(&mut self, id: PairId, now: Now) {
        let pair = self.pairs.at(id);
        for hour in std::mem::take(&mut pair.unlinked) {
            pair.plan(hour, now.wall);
        }
        self.queue(id, now.wall);
    }

    /// Whether nothing on time can change an hour any more. One without a bucket is what its
    /// carries are.
    pub(super) fn is_hour_sealed(&self, id: PairId, hour: Hour) -> bool {
        let Some(log_partition) = self.newest_partition(id, hour) else {
            return true;
        };
        // Nothing comes any more of a topic that was made again.
        log_partition.topic_id != self.topics.usage
            || self
                .sealed_to
                .get(&log_partition)
                .is_some_and(|to| *to >= hour.end())
    }

    fn newest_partition(&self, id: PairId, hour: Hour) -> Option<LogPartition> {
        let value = self.pairs.get(id).hours.get(&hour)?;
        let usage = self.topics.usage;
        let changes = value.changes().map(|(log_partition, _)| log_partition);
        changes.max_by_key(|log_partition| log_partition.topic_id == usage)
    }

    /// Looks at pairs whose time has come, and at those that waited for room.
    pub(super) fn look_at_due(&mut self, now: Now) {
        while let Some((at, id)) = self.agenda.first().copied()
            && at <= now.wall
        {
            self.agenda.pop_first();
            self.pairs.at(id).queued = None;
            self.look_at(id, now, Turn::Wait);
        }
        while self.has_room()
            && !self.starved.is_empty()
            && self.breaker.lets_through(now.wall)
            && self.bucket.take(now.steady)
        {
            // The token is for the first that still wants to push.
            while let Some(id) = self.starved.pop_front() {
                self.pairs.at(id).is_starved = false;
                if self.look_at(id, now, Turn::Push) {
                    break;
                }
            }
        }
    }

    fn has_room(&self) -> bool {
        self.calls < self.settings.calls_max
    }

    /// Looks at the hours of a pair that are due: pushes one, or reads summaries where nothing is
    /// left to push, where it is its turn; else it waits for it. Whether the turn was used.
    pub(super) fn look_at(&mut self, id: PairId, now: Now, turn: Turn) -> bool {
        let pair = self.pairs.get(id);
        if pair.is_busy {
            return false; // Looked at again when it is free.
        }
        if now.wall < pair.blocked_until {
            let until = pair.blocked_until;
            self.queue(id, until);
            return false;
        }
        let due = pair.todo.iter().filter(|(_, at)| **at <= now.wall);
        let due: Vec<_> = due.map(|(hour, _)| *hour).take(WINDOWS_AT_ONCE).collect();
        let mut to_read = Vec::new();
        for hour in due {
            match self.decide(id, hour, now) {
                Decided::Nothing => {
                    self.pairs.at(id).todo.remove(&hour);
                }
                Decided::At(at) => self.pairs.at(id).postpone(hour, at),
                Decided::Read => to_read.push(hour),
                Decided::Push(intent, head) if turn == Turn::Push => {
                    self.write_intent(id, hour, *intent, head, now);
                    return true;
                }
                Decided::Push(..) => {
                    let pair = self.pairs.at(id);
                    if !std::mem::replace(&mut pair.is_starved, true) {
                        self.starved.push_back(id);
                    }
                    return false;
                }
            }
        }
        let has_read = turn == Turn::Read && self.read(id, &to_read, now);
        let pair = self.pairs.at(id);
        let next = if has_read || to_read.is_empty() {
            pair.due()
        } else {
            if !std::mem::replace(&mut pair.is_unread, true) {
                self.unread.push_back(Unread::Pair(id));
            }
            // What is due now is looked at again when it is its turn.
            self.pairs.get(id).due_after(now.wall)
        };
        if let Some(at) = next {
            // What is due now and is being read is looked at again when that has ended.
            self.queue(id, at.max(now.wall.after(Millis(1_000))));
        }
        has_read
    }

    /// What an hour should be at Stripe; `None` where its sum does not fit.
    pub(super) fn wanted(&self, id: PairId, hour: Hour) -> Option<(Quantity, Stamps)> {
        let pair = self.pairs.get(id);
        let value = pair.hours.get(&hour);
        let quantity = match value {
            Some(value) => value.quantity(pair.aggregation).ok()?,
            None => Quantity::ZERO,
        };
        let changes = value.into_iter().flat_map(|value| value.changes());
        let mut changes: Vec<_> = changes.collect();
        let Some(placed) = self.carries.placed(&self.key(id, hour)) else {
            return Some((quantity, Stamps::new(changes)));
        };
        let stamp = Stamp {
            epoch: 0,
            offset: placed.offset,
        };
        changes.push((self.pushes_partition(&pair.tenant), stamp));
        let quantity = quantity.plus(placed.quantity).ok()?;
        Some((quantity, Stamps::new(changes)))
    }

    /// The next step for an hour.
    fn decide(&mut self, id: PairId, hour: Hour, now: Now) -> Decided {
        let key = self.key(id, hour);
        self.pairs.at(id).impossible.remove(&hour);
        let Some((quantity, stamps)) = self.wanted(id, hour) else {
            return self.impossible(id, hour, TOO_LARGE, now);
        };
        let pair = self.pairs.get(id);
        let wanted = Wanted {
            quantity,
            stamps: &stamps,
            recheck: pair.doubted.contains(&hour),
        };
        let head = self.pushes.head(&key);
        let customer = self.customers.get(&pair.tenant);
        let event_name = self.meters.get(&pair.meter);
        let link = customer.zip(event_name).map(|(customer, event_name)| Link {
            customer,
            event_name,
        });
        let call_within = self.settings.call_within;
        let next = next(&key, head, &wanted, link, call_within, passed(now));
        let is_sealed = self.is_hour_sealed(id, hour);
        let open_at = head.map(|head| head.at.after(self.settings.open_every));
        match next {
            Next::Done => Decided::Nothing,
            // What is pushed while an hour is open is proved when it is sealed.
            Next::ReadSummary if !is_sealed => Decided::Nothing,
            Next::ReadSummary if pair.lost.contains(&hour) => self.push_again(id, hour, now),
            Next::ReadSummary => Decided::Read,
            Next::Wait(_) if !is_sealed && head.is_some_and(|h| h.intent.quantity == quantity) => {
                Decided::Nothing
            }
            Next::Wait(at) => Decided::At(self.some_time_after(at.after(CLOCK_SLACK), SPREAD)),
            Next::Behind => Decided::At(now.wall.after(Millis(30_000))),
            Next::Push(_) if !is_sealed && open_at.is_some_and(|at| now.wall < at) => {
                Decided::At(open_at.unwrap_or(now.wall))
            }
            Next::Push(_) if self.settings.shadow && head.is_some_and(is_same(&stamps)) => {
                Decided::Nothing
            }
            Next::Push(intent) => Decided::Push(Box::new(intent), head.map(|head| head.offset)),
            Next::Unlinked => {
                self.pairs.at(id).unlinked.insert(hour);
                Decided::Nothing
            }
            Next::Impossible(reason) => {
                let reason = match reason {
                    CannotPush::TooOld => TOO_OLD,
                    CannotPush::TooManyDigits => TOO_MANY_DIGITS,
                };
                self.impossible(id, hour, reason, now)
            }
        }
    }

    fn impossible(&mut self, id: PairId, hour: Hour, reason: &'static str, now: Now) -> Decided {
        self.carry_too_old(id, hour, reason, now);
        self.pairs.at(id).impossible.insert(hour, reason);
        if reason == TOO_MANY_DIGITS {
            // Until then another value of it may be pushed; if it was also carried, twice is billed.
            return Decided::At(too_old_at(hour));
        }
        Decided::Nothing
    }

    /// The next attempt where a summary does not show what it should.
    fn push_again(&mut self, id: PairId, hour: Hour, now: Now) -> Decided {
        let key = self.key(id, hour);
        let (Some((quantity, stamps)), Some(head)) =
            (self.wanted(id, hour), self.pushes.head(&key))
        else {
            return Decided::Nothing;
        };
        let wanted = Wanted {
            quantity,
            stamps: &stamps,
            recheck: true,
        };
        let at = head
            .quiet_at
            .after(CLOCK_SLACK)
            .max(head.at.after(patience(head.intent.attempt)));
        if now.wall < at {
            return Decided::At(at);
        }
        match again(&key, head, &wanted, self.settings.call_within, passed(now)) {
            Next::Push(intent) => Decided::Push(Box::new(intent), Some(head.offset)),
            _ => self.impossible(id, hour, TOO_OLD, now),
        }
    }
}

/// How long an attempt waits for the next one: Stripe loses little, so that what is lost again and
/// again is disturbed by somebody, and three records a minute for each such window help nobody.
fn patience(attempt: u32) -> Millis {
    Millis(15 * 60_000 * attempt.saturating_sub(3).min(24))
}

fn is_same(stamps: &Stamps) -> impl FnOnce(&Head) -> bool {
    move |head| head.intent.stamps == *stamps
}
