//! Drafts: they wait until every window of their period is proved.
//!
//! A draft with a line of ours is held; when the period is sealed and every window confirmed, all
//! summaries of the line are read once more, and if nothing moved it is made final. What is held too
//! long is made final all the same, and said.
//!
//! A line is looked at again only where its tenant's meter changed since: what is looked at costs
//! as much as its windows, and there are as many drafts at a cut as customers.

use super::Engine;
use super::action::{Action, LineSeen, Now, Status};
use super::confirming::Unread;
use super::invoices::CHANGE_AGAIN;
use super::pairs::PairId;
use meterline_core::pushes::State;
use meterline_core::quantity::Quantity;
use meterline_core::time::{Hour, LogTime, Millis};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

/// How often drafts are looked at.
const LOOK_EVERY: Millis = Millis(10_000);

/// What is known of a draft's line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Check {
    /// The version of its windows as of which all summaries were as expected.
    pub(super) verified: Option<u64>,
    /// What was found when its tenant's meter had changed so often.
    looked: Option<(u64, bool)>,
    /// It waits for room to be read.
    is_waiting: bool,
    pub(super) is_reading: bool,
    pub(super) not_before: LogTime,
    pub(super) is_foreign: bool,
}

/// A line of a draft that bills a tenant's meter.
struct Billed {
    id: PairId,
    customer: Arc<str>,
    line: LineSeen,
    check: Check,
}

/// What a line needs to be proved.
enum Proof {
    /// Its period is sealed, but not all of it is confirmed.
    Open,
    /// Its summaries are to be read.
    ToRead,
    Proved,
}

impl Engine {
    /// Holds drafts, looks at what they wait for, and makes those final that are proved.
    pub(super) fn check_drafts(&mut self, now: Now) {
        if self.settings.shadow {
            return;
        }
        let mut drafts = std::mem::take(&mut self.invoices.to_check);
        if now.wall >= self.invoices.look_at {
            self.invoices.look_at = now.wall.after(LOOK_EVERY);
            drafts = self.invoices.drafts();
        }
        for id in drafts {
            self.check_draft(&id, now);
        }
    }

    fn check_draft(&mut self, id: &Arc<str>, now: Now) {
        let Some(invoice) = self.invoices.get(id) else {
            return;
        };
        let seen = &invoice.seen;
        if seen.status != Status::Draft || invoice.asked_until > now.wall {
            return;
        }
        let is_overdue = now.wall >= seen.created.after(self.settings.hold_max);
        let action = if seen.auto_advance {
            Action::Hold(Arc::clone(id))
        } else if self.is_proved(id, now) {
            Action::Finalize(Arc::clone(id))
        } else if is_overdue {
            self.tell_unproved(id);
            Action::Finalize(Arc::clone(id))
        } else {
            return;
        };
        self.out.push(action);
        self.invoices.asked(id, now.wall.after(CHANGE_AGAIN));
    }

    /// Whether every line of a draft is proved; has read what is left to read.
    fn is_proved(&mut self, id: &Arc<str>, now: Now) -> bool {
        let lines = self
            .invoices
            .get(id)
            .map_or(0, |invoice| invoice.seen.lines.len());
        let mut is_proved = true;
        for line in 0..lines {
            is_proved &= self.is_line_proved(id, line, now);
        }
        is_proved
    }

    fn is_line_proved(&mut self, invoice: &Arc<str>, number: usize, now: Now) -> bool {
        if !self.is_line_sealed(invoice, number) {
            return false; // Even its first use may still come.
        }
        let Some(billed) = self.billed_by(invoice, number) else {
            return true; // No use of ours, nothing to bill.
        };
        let check = billed.check;
        let changes = self.pairs.get(billed.id).changes;
        if let Some((_, found)) = check.looked.filter(|(at, _)| *at == changes) {
            return found;
        }
        if check.is_reading || check.is_waiting || now.wall < check.not_before {
            return false;
        }
        let proof = self.proof(&billed);
        let Some(check) = self.invoices.check(invoice, number) else {
            return false;
        };
        match proof {
            Proof::Open => check.looked = Some((changes, false)),
            Proof::Proved => check.looked = Some((changes, true)),
            Proof::ToRead => {
                check.is_waiting = true;
                let waiting = Unread::Line(Arc::clone(invoice), number);
                self.unread.push_back(waiting);
            }
        }
        matches!(proof, Proof::Proved)
    }

    /// Reads a line that has waited for it; false where it is not to be read any more.
    pub(super) fn read_waiting_line(&mut self, invoice: &Arc<str>, number: usize) -> bool {
        let Some(check) = self.invoices.check(invoice, number) else {
            return false;
        };
        check.is_waiting = false;
        let is_draft = self
            .invoices
            .get(invoice)
            .map(|invoice| invoice.seen.status);
        let Some(billed) = self.billed_by(invoice, number) else {
            return false;
        };
        let can_read = is_draft == Some(Status::Draft)
            && !self.pairs.get(billed.id).is_busy
            && matches!(self.proof(&billed), Proof::ToRead);
        if !can_read {
            return false;
        }
        self.read_line(billed.id, (invoice, number), &billed.customer, &billed.line);
        if let Some(check) = self.invoices.check(invoice, number) {
            check.is_reading = true;
        }
        true
    }

    /// Whether no use of a line's hours is expected any more; true of what is not ours to bill.
    fn is_line_sealed(&self, invoice: &str, number: usize) -> bool {
        let Some(invoice) = self.invoices.get(invoice) else {
            return true;
        };
        let tenant = self.owners.get(&invoice.seen.customer);
        let line = invoice.seen.lines.get(number);
        tenant
            .zip(line)
            .is_none_or(|(tenant, line)| self.is_sealed(tenant, line.hours.end.start()))
    }

    /// What a line bills; `None` where no tenant of ours has used its meter.
    fn billed_by(&self, invoice: &str, number: usize) -> Option<Billed> {
        let invoice = self.invoices.get(invoice)?;
        let line = invoice.seen.lines.get(number)?.clone();
        let customer = Arc::clone(&invoice.seen.customer);
        let tenant = self.owners.get(&customer)?;
        Some(Billed {
            id: self.pair_of(tenant, &line.event_name)?,
            customer,
            line,
            check: *invoice.checks.get(number)?,
        })
    }

    fn proof(&self, billed: &Billed) -> Proof {
        let Billed { id, line, .. } = billed;
        if !self.is_confirmed(*id, &billed.customer, line) {
            return Proof::Open;
        }
        if billed.check.verified == Some(self.version(*id, &line.hours)) {
            Proof::Proved
        } else {
            Proof::ToRead
        }
    }

    /// Whether all windows of a line are confirmed with the values that they should have. What
    /// Stripe would not take is no reason to wait: it is carried.
    fn is_confirmed(&self, id: PairId, customer: &str, line: &LineSeen) -> bool {
        let pair = self.pairs.get(id);
        let mut hours = pair.hours.range(line.hours.clone());
        hours.all(|(hour, _)| {
            if pair.impossible.contains_key(hour) {
                return true;
            }
            let Some((wanted, _)) = self.wanted(id, *hour) else {
                return true;
            };
            match self.pushes.head(&self.key(id, *hour)) {
                Some(head) if head.intent.customer != customer => true,
                Some(head) => {
                    head.state == State::Confirmed
                        && head.intent.quantity == wanted
                        && !pair.doubted.contains(hour)
                }
                None => wanted == Quantity::ZERO || pair.unlinked.contains(hour),
            }
        })
    }

    /// A number that changes when a chain of one of the windows moves on.
    pub(super) fn version(&self, id: PairId, hours: &Range<Hour>) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (hour, _) in self.pairs.get(id).hours.range(hours.clone()) {
            let head = self.pushes.head(&self.key(id, *hour));
            (hour, head.map(|head| head.offset)).hash(&mut hasher);
        }
        hasher.finish()
    }
}
