//! Alarms: what people must be told before a deadline passes, and what was done without proof.
//!
//! Stripe takes a window for 35 days and holds a draft for 72 hours at most; what is not billed by
//! then is billed later, by a carry, or never. In here is only what is said of it: nothing is
//! decided by it.

use super::action::{Now, Status};
use super::{Engine, horizon};
use meterline_core::time::{Hour, Millis};
use std::sync::Arc;

/// After so many hours a window that was billed has an invoice: a month and its draft.
const INVOICED_HOURS: i32 = 35 * 24;

/// What is to be told once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// A draft was held for as long as the settings allow, and is made final unproved. What it
    /// lacks is carried.
    Unproved {
        /// The invoice's id.
        invoice: Arc<str>,
    },
    /// A draft bills use that the ledger does not know: somebody else pushes to our meter.
    Foreign {
        /// The invoice's id.
        invoice: Arc<str>,
        /// `event_name` of the meter.
        event_name: Arc<str>,
    },
}

/// How near the deadlines are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Alarms {
    /// Age of the oldest window that is not proved, by its start, in milliseconds; 0 where all are.
    pub oldest_open_millis: i64,
    /// Drafts that wait for proof.
    pub drafts_held: u64,
    /// Those of them that have waited for three quarters of what the settings allow.
    pub drafts_late: u64,
    /// Lines that bill use that the ledger does not know.
    pub foreign_lines: u64,
    /// Differences that wait to be carried: nobody is billed for them now, or no part of them fits
    /// the window of the present hour.
    pub waiting_carries: u64,
    /// Windows with a carry that no invoice bills, a month and a draft after it was placed: their
    /// customer has no subscription any more.
    pub unbilled_carries: u64,
}

impl Engine {
    /// How near the deadlines are.
    #[must_use]
    pub fn alarms(&self, now: Now) -> Alarms {
        let mut alarms = Alarms {
            waiting_carries: self.unequal.waiting(),
            unbilled_carries: self.unbilled,
            ..Alarms::default()
        };
        if let Some(oldest) = self.pairs.oldest_open() {
            let start = oldest.start().0.div_euclid(1_000);
            alarms.oldest_open_millis = now.wall.0.saturating_sub(start).max(0);
        }
        let late = three_quarters(self.settings.hold_max);
        for invoice in self.invoices.all() {
            let foreign = invoice.checks.iter().filter(|check| check.is_foreign);
            alarms.foreign_lines += u64::try_from(foreign.count()).unwrap_or(u64::MAX);
            if invoice.seen.status == Status::Draft {
                alarms.drafts_held += 1;
                let is_late = now.wall >= invoice.seen.created.after(late);
                alarms.drafts_late += u64::from(is_late);
            }
        }
        alarms
    }

    /// What is to be told since this was asked last.
    pub fn notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// Counts windows with carries that nobody is billed for.
    pub(super) fn count_unbilled(&mut self, now: Now) {
        let last = Hour(now.wall.as_event_time().hour().0 - INVOICED_HOURS);
        let placed = self.carries.windows().filter(|window| {
            let hour = window.window.hour();
            horizon(now) <= hour && hour < last
        });
        let unbilled = placed.filter(|window| {
            let hour = window.window.hour();
            let Some(head) = self.pushes.head(window) else {
                return true; // It was never pushed.
            };
            let (customer, event_name) = (&head.intent.customer, &head.intent.event_name);
            !self.invoices.bills(customer, event_name, hour)
        });
        self.unbilled = u64::try_from(unbilled.count()).unwrap_or(u64::MAX);
    }

    /// Tells that an invoice is made final although not all of it is proved.
    pub(super) fn tell_unproved(&mut self, id: &Arc<str>) {
        if self.invoices.is_told_first(id) {
            let invoice = Arc::clone(id);
            self.notices.push(Notice::Unproved { invoice });
        }
    }

    /// Tells that a line bills what is not in the ledger.
    pub(super) fn tell_foreign(&mut self, id: &Arc<str>, line: usize) {
        let lines = self.invoices.get(id).map(|invoice| &invoice.seen.lines);
        if let Some(line) = lines.and_then(|lines| lines.get(line)) {
            self.notices.push(Notice::Foreign {
                invoice: Arc::clone(id),
                event_name: Arc::clone(&line.event_name),
            });
        }
    }
}

fn three_quarters(time: Millis) -> Millis {
    Millis(time.0 / 4 * 3)
}
