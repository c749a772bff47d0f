//! Confirming: summaries decide what Stripe has, never an answer to a call.
//!
//! A reading begins when nothing that was sent for its windows can still arrive, and counts only
//! for windows whose chain did not move on since. A window that is not as expected is pushed again,
//! as the next attempt.

use super::action::{Action, LineSeen, Now, Read, Seen};
use super::deciding::Turn;
use super::pairs::PairId;
use super::{Engine, passed};
use meterline_core::position::Offset;
use meterline_core::push::Step;
use meterline_core::pushes::State;
use meterline_core::quantity::Quantity;
use meterline_core::time::{Hour, Millis};
use rand::Rng;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Most hours of one reading of single windows: a page of summaries.
const HOURS_AT_ONCE: i32 = 100;

/// What is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Reading {
    pair: PairId,
    what: What,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum What {
    /// Windows, and the heads that they had.
    Windows(Vec<(Hour, Offset)>),
    /// All windows of a draft's line, as of that version.
    Line {
        invoice: Arc<str>,
        line: usize,
        version: u64,
    },
}

/// What waits for room to be read, in the order in which it was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Unread {
    /// Windows of a pair that are due.
    Pair(PairId),
    /// A line of a draft.
    Line(Arc<str>, usize),
}

impl Engine {
    /// Reads what waits for it, while there is room and Stripe answers.
    pub(super) fn read_waiting(&mut self, now: Now) {
        while self.reads.len() < self.settings.reads_max
            && !self.unread.is_empty()
            && self.breaker.lets_through(now.wall)
        {
            // The turn is for the first that still wants to read.
            while let Some(waiting) = self.unread.pop_front() {
                let has_read = match waiting {
                    Unread::Pair(id) => {
                        self.pairs.at(id).is_unread = false;
                        self.look_at(id, now, Turn::Read)
                    }
                    Unread::Line(invoice, line) => self.read_waiting_line(&invoice, line),
                };
                if has_read {
                    break;
                }
            }
        }
    }

    /// Reads the summaries of windows of a pair; what does not fit one reading goes next time.
    pub(super) fn read(&mut self, id: PairId, hours: &[Hour], now: Now) -> bool {
        let keep = |engine: &mut Self, after: Millis| {
            for hour in hours {
                engine.pairs.at(id).postpone(*hour, now.wall.after(after));
            }
        };
        let Some(first) = hours.first().copied() else {
            return false;
        };
        let Some(head) = self.pushes.head(&self.key(id, first)) else {
            keep(self, Millis(1_000));
            return false;
        };
        // A pair has several customers where it was linked again: one at a time.
        let customer: Arc<str> = head.intent.customer.as_str().into();
        let event_name: Arc<str> = head.intent.event_name.as_str().into();
        let end = Hour(first.0 + HOURS_AT_ONCE);
        let mut windows = Vec::new();
        for hour in hours.iter().filter(|hour| **hour < end) {
            let head = self.pushes.head(&self.key(id, *hour));
            if let Some(head) = head.filter(|h| *h.intent.customer == *customer) {
                windows.push((*hour, head.offset));
            }
        }
        let last = windows.last().map_or(first, |(hour, _)| *hour);
        let span = first..Hour(last.0 + 1);
        keep(self, Millis(60_000));
        self.ask(id, What::Windows(windows), customer, event_name, span);
        true
    }

    /// Reads all summaries of a draft's line.
    pub(super) fn read_line(
        &mut self,
        id: PairId,
        (invoice, number): (&Arc<str>, usize),
        customer: &Arc<str>,
        line: &LineSeen,
    ) {
        let what = What::Line {
            invoice: Arc::clone(invoice),
            line: number,
            version: self.version(id, &line.hours),
        };
        let (customer, event_name) = (Arc::clone(customer), Arc::clone(&line.event_name));
        self.ask(id, what, customer, event_name, line.hours.clone());
    }

    fn ask(
        &mut self,
        id: PairId,
        what: What,
        customer: Arc<str>,
        event_name: Arc<str>,
        hours: Range<Hour>,
    ) {
        self.last_read += 1;
        self.pairs.at(id).is_busy = true;
        let expected = self.pushed(id, &customer, &hours);
        self.reads
            .insert(self.last_read, Reading { pair: id, what });
        self.out.push(Action::Read(Read {
            id: self.last_read,
            customer,
            event_name,
            hours,
            expected,
        }));
    }

    /// What was pushed last, of windows of a customer.
    fn pushed(&self, id: PairId, customer: &str, hours: &Range<Hour>) -> Vec<(Hour, Quantity)> {
        let known = self.pairs.get(id).hours.range(hours.clone());
        let heads = known.filter_map(|(hour, _)| {
            let head = self.pushes.head(&self.key(id, *hour))?;
            let is_theirs = head.intent.customer == customer;
            is_theirs.then_some((*hour, head.intent.quantity))
        });
        heads
            .filter(|(_, quantity)| *quantity != Quantity::ZERO)
            .collect()
    }

    /// Tells what a reading showed.
    pub fn seen(&mut self, seen: Seen, now: Now) {
        let Some(Reading { pair, what }) = self.reads.remove(&seen.id) else {
            return;
        };
        self.weather(seen.weather, now);
        self.pairs.at(pair).is_busy = false;
        let differing = seen.differing.map(|hours| hours.into_iter().collect());
        match (what, differing) {
            (What::Windows(windows), Some(differing)) => {
                for (hour, offset) in windows {
                    self.judge_window(pair, hour, offset, &differing, now);
                }
            }
            (What::Windows(windows), None) => {
                for (hour, _) in windows {
                    let pause = Millis(self.random.random_range(5_000..30_000));
                    self.pairs.at(pair).postpone(hour, now.wall.after(pause));
                }
            }
            (
                What::Line {
                    invoice,
                    line,
                    version,
                },
                differing,
            ) => self.judge_line(pair, (invoice, line), version, differing, now),
        }
        self.queue(pair, now.wall);
    }

    /// Confirms a window that is as expected, has another pushed again.
    fn judge_window(
        &mut self,
        id: PairId,
        hour: Hour,
        offset: Offset,
        differing: &BTreeMap<Hour, Option<Quantity>>,
        now: Now,
    ) {
        let head = self.pushes.head(&self.key(id, hour));
        let Some(head) = head.filter(|head| head.offset == offset) else {
            return self.pairs.at(id).postpone(hour, now.wall);
        };
        let state = head.state;
        let is_quiet = head.quiet_at <= passed(now);
        let shown = differing.get(&hour);
        // A zero is as good as nothing.
        let is_nothing = head.intent.quantity == Quantity::ZERO
            && shown.is_none_or(|shown| *shown == Some(Quantity::ZERO));
        let pair = self.pairs.at(id);
        if !is_quiet {
            pair.postpone(hour, now.wall);
        } else if shown.is_some() && !is_nothing {
            pair.lost.insert(hour);
            pair.postpone(hour, now.wall);
        } else if state == State::Confirmed {
            pair.doubted.remove(&hour);
            pair.todo.remove(&hour);
        } else {
            pair.doubted.remove(&hour);
            pair.postpone(hour, now.wall.after(self.settings.append_timeout));
            self.write_step(id, hour, offset, Step::Confirmed, now);
        }
    }

    /// Notes that a draft's line shows everything, or has windows looked at that differ.
    fn judge_line(
        &mut self,
        id: PairId,
        (invoice, line): (Arc<str>, usize),
        version: u64,
        differing: Option<BTreeMap<Hour, Option<Quantity>>>,
        now: Now,
    ) {
        self.invoices.look_soon(&invoice);
        let Some(differing) = differing else {
            return self
                .invoices
                .unread(&invoice, line, now.wall.after(Millis(10_000)));
        };
        if differing.is_empty() {
            return self.invoices.verified(&invoice, line, version);
        }
        let mut is_ours = false;
        for hour in differing.into_keys() {
            let has_head = self.pushes.head(&self.key(id, hour)).is_some();
            if has_head {
                let pair = self.pairs.at(id);
                pair.doubted.insert(hour);
                pair.plan(hour, now.wall);
                is_ours = true;
            }
        }
        if is_ours {
            self.invoices.unread(&invoice, line, now.wall);
        } else {
            // Somebody else pushed to our meter: nothing that we can mend. It is told.
            if self.invoices.foreign(&invoice, line, version) {
                self.tell_foreign(&invoice, line);
            }
        }
    }
}
