//! Invoices as Stripe has them: drafts, which [`super::drafts`] holds, and final ones, which
//! [`super::carrying`] compares with the windows that they bill.
//!
//! Nothing of this is remembered anywhere: it follows from Stripe's invoices and the ledger. What is
//! final and longer ago than windows are known is freed.

use super::Engine;
use super::action::{Action, InvoiceSeen, LineSeen, Listed, Listing, Now, Status};
use super::carrying::Source;
use super::drafts::Check;
use super::pairs::PairId;
use meterline_core::time::{Hour, LogTime, Millis};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// How far back invoices are listed at first: a period, its late events, and its draft.
const FIRST_BACK_MILLIS: i64 = 75 * 24 * 3_600_000;
/// How far back they are listed then: those that are new, and all drafts.
const THEN_BACK: Millis = Millis(3_600_000);
/// How often they are listed a draft's life back, because a final one may be made void.
const FAR_EVERY: Millis = Millis(6 * 3_600_000);
const FAR_BACK: Millis = Millis(4 * 24 * 3_600_000);
/// How long a change of an invoice is waited for before it is asked for again.
pub(super) const CHANGE_AGAIN: Millis = Millis(60_000);

/// A customer's lines at a meter: customer, event name.
type OfMeter = (Arc<str>, Arc<str>);

/// A line's place: the invoice, and the number of the line.
type Place = (Arc<str>, usize);

/// All that is known of invoices.
#[derive(Debug, Default)]
pub(super) struct Invoices {
    all: BTreeMap<Arc<str>, Invoice>,
    by_meter: HashMap<OfMeter, BTreeSet<Place>>,
    list_at: LogTime,
    is_listing: bool,
    /// Somebody became a customer of ours since the list that is awaited was asked for.
    is_outdated: bool,
    /// When what was listed last was asked for.
    listed_at: Option<LogTime>,
    /// The same of what was listed far back.
    listed_far_at: LogTime,
    /// From when on invoices are being listed, and since when.
    listing: Option<(LogTime, LogTime)>,
    /// When all drafts are looked at again.
    pub(super) look_at: LogTime,
    /// Drafts that are looked at before that: a reading of theirs has ended.
    pub(super) to_check: Vec<Arc<str>>,
}

/// An invoice with lines of ours.
#[derive(Debug)]
pub(super) struct Invoice {
    pub(super) seen: InvoiceSeen,
    pub(super) checks: Vec<Check>,
    /// When a change may be asked for again.
    pub(super) asked_until: LogTime,
    /// Whether people were told that it is made final unproved.
    is_told: bool,
}

impl Invoices {
    pub(super) fn due(&self) -> Option<LogTime> {
        (!self.is_listing).then_some(self.list_at)
    }

    pub(super) fn get(&self, id: &str) -> Option<&Invoice> {
        self.all.get(id)
    }

    /// Lines of a customer at a meter.
    pub(super) fn lines(
        &self,
        customer: &Arc<str>,
        event_name: &Arc<str>,
    ) -> impl Iterator<Item = (&Arc<str>, usize)> {
        let key = (Arc::clone(customer), Arc::clone(event_name));
        let lines = self.by_meter.get(&key).into_iter().flatten();
        lines.map(|(invoice, line)| (invoice, *line))
    }

    /// Has all invoices listed again.
    pub(super) fn list_all(&mut self) {
        self.listed_at = None;
        self.is_outdated = true;
    }

    /// All that are known.
    pub(super) fn all(&self) -> impl Iterator<Item = &Invoice> {
        self.all.values()
    }

    /// Whether an invoice bills an hour of a customer's use of a meter.
    pub(super) fn bills(&self, customer: &str, event_name: &str, hour: Hour) -> bool {
        let key = (Arc::from(customer), Arc::from(event_name));
        let mut places = self.by_meter.get(&key).into_iter().flatten();
        places.any(|(invoice, line)| {
            let known = self.all.get(invoice).map(|known| &known.seen);
            let known = known.filter(|seen| seen.status != Status::Void);
            let line = known.and_then(|seen| seen.lines.get(*line));
            line.is_some_and(|line| line.hours.contains(&hour))
        })
    }

    /// Whether nothing was told of an invoice before; from now on something was.
    pub(super) fn is_told_first(&mut self, id: &str) -> bool {
        let known = self.all.get_mut(id);
        known.is_some_and(|known| !std::mem::replace(&mut known.is_told, true))
    }

    /// All drafts.
    pub(super) fn drafts(&self) -> Vec<Arc<str>> {
        let drafts = self.all.values().map(|invoice| &invoice.seen);
        let drafts = drafts.filter(|seen| seen.status == Status::Draft);
        drafts.map(|seen| Arc::clone(&seen.id)).collect()
    }

    /// A change of an invoice was asked for, and is not asked for again before that time.
    pub(super) fn asked(&mut self, id: &str, until: LogTime) {
        if let Some(invoice) = self.all.get_mut(id) {
            invoice.asked_until = until;
        }
    }

    /// Frees invoices that are final and bill only hours before one.
    pub(super) fn forget_before(&mut self, first: Hour) {
        let matters = |invoice: &Invoice| {
            let mut lines = invoice.seen.lines.iter();
            invoice.seen.status == Status::Draft || lines.any(|line| line.hours.end > first)
        };
        self.all.retain(|_, invoice| matters(invoice));
        self.by_meter.retain(|_, lines| {
            lines.retain(|(id, _)| self.all.contains_key(id));
            !lines.is_empty()
        });
    }

    pub(super) fn check(&mut self, invoice: &str, line: usize) -> Option<&mut Check> {
        self.all.get_mut(invoice)?.checks.get_mut(line)
    }

    /// Has a draft looked at: a reading of its has ended.
    pub(super) fn look_soon(&mut self, id: &Arc<str>) {
        self.to_check.push(Arc::clone(id));
    }

    /// All summaries of a line are as expected.
    pub(super) fn verified(&mut self, invoice: &str, line: usize, version: u64) {
        self.judged(invoice, line, version, false);
    }

    /// All of a line are as expected that are ours; whether that it has others is new.
    pub(super) fn foreign(&mut self, invoice: &str, line: usize, version: u64) -> bool {
        self.judged(invoice, line, version, true)
    }

    fn judged(&mut self, invoice: &str, line: usize, version: u64, is_foreign: bool) -> bool {
        let Some(check) = self.check(invoice, line) else {
            return false;
        };
        check.is_reading = false;
        check.verified = Some(version);
        let was_foreign = std::mem::replace(&mut check.is_foreign, is_foreign);
        is_foreign && !was_foreign
    }

    pub(super) fn unread(&mut self, invoice: &str, line: usize, not_before: LogTime) {
        if let Some(check) = self.check(invoice, line) {
            check.is_reading = false;
            check.not_before = not_before;
        }
    }
}

impl Engine {
    /// Asks for invoices, where it is time.
    pub(super) fn list_invoices(&mut self, now: Now) {
        let invoices = &mut self.invoices;
        let is_due = !invoices.is_listing && now.wall >= invoices.list_at;
        if !is_due || !self.breaker.lets_through(now.wall) {
            return;
        }
        invoices.is_listing = true;
        invoices.is_outdated = false;
        let created_from = if let Some(listed_at) = invoices.listed_at {
            let drafts = invoices.all.values();
            let drafts = drafts.filter(|invoice| invoice.seen.status == Status::Draft);
            let oldest = drafts.map(|invoice| invoice.seen.created).min();
            let is_far = now.wall >= invoices.listed_far_at.after(FAR_EVERY);
            let recent = listed_at.before(if is_far { FAR_BACK } else { THEN_BACK });
            oldest.map_or(recent, |oldest| oldest.min(recent))
        } else {
            LogTime(now.wall.0.saturating_sub(FIRST_BACK_MILLIS))
        };
        invoices.listing = Some((created_from, now.wall));
        self.out.push(Action::List(Listing { created_from }));
    }

    /// Tells what invoices there are.
    pub fn listed(&mut self, Listed { listed, weather }: Listed, now: Now) {
        self.weather(weather, now);
        self.invoices.is_listing = false;
        self.invoices.list_at = now.wall.after(self.settings.invoices_every);
        let Some(listed) = listed else {
            return;
        };
        if let Some((created_from, asked_at)) = self.invoices.listing.take() {
            if !self.invoices.is_outdated {
                self.invoices.listed_at = Some(asked_at);
            }
            if created_from <= asked_at.before(FAR_BACK) {
                self.invoices.listed_far_at = asked_at;
            }
            let ids: BTreeSet<_> = listed.iter().map(|seen| &seen.id).collect();
            self.invoices.all.retain(|id, known| {
                let is_gone = known.seen.created >= created_from && !ids.contains(id);
                known.seen.status != Status::Draft || !is_gone
            });
        }
        for seen in listed {
            self.invoice(seen, now);
        }
    }

    /// Takes an invoice as it was seen.
    fn invoice(&mut self, seen: InvoiceSeen, now: Now) {
        // Whoever is not a customer of ours is somebody else's business.
        let id = Arc::clone(&seen.id);
        let known = self.invoices.all.get(&id);
        let is_ours = self.owners.contains_key(&seen.customer);
        if !is_ours || (seen.lines.is_empty() && known.is_none()) {
            return;
        }
        let was_final = known.is_some_and(|known| known.seen.status == Status::Final);
        if was_final && seen.status == Status::Draft {
            return; // An older answer.
        }
        for (line, LineSeen { event_name, .. }) in seen.lines.iter().enumerate() {
            let key = (Arc::clone(&seen.customer), Arc::clone(event_name));
            let lines = self.invoices.by_meter.entry(key).or_default();
            lines.insert((Arc::clone(&id), line));
        }
        let count = seen.lines.len();
        let is_final = seen.status == Status::Final;
        match self.invoices.all.get_mut(&id) {
            Some(known) => {
                if known.seen.lines.len() != count {
                    known.checks = vec![Check::default(); count];
                }
                known.seen = seen;
            }
            None => {
                let invoice = Invoice {
                    seen,
                    checks: vec![Check::default(); count],
                    asked_until: LogTime(i64::MIN),
                    is_told: false,
                };
                self.invoices.all.insert(Arc::clone(&id), invoice);
            }
        }
        if is_final && !was_final {
            for line in 0..count {
                let source = Source::Line(Arc::clone(&id), line);
                self.unequal.plan(source, now.wall);
            }
        }
    }

    /// Tells what became of an invoice that was asked to change; `None` where that is not known.
    pub fn invoice_changed(&mut self, id: &str, seen: Option<InvoiceSeen>, now: Now) {
        let Some(seen) = seen else {
            // It may be done all the same, and be refused the next time.
            self.invoices.asked(id, now.wall.after(Millis(5_000)));
            let soon = now.wall.after(Millis(30_000));
            self.invoices.list_at = self.invoices.list_at.min(soon);
            return;
        };
        self.invoices.asked(id, now.wall);
        self.invoice(seen, now);
    }

    pub(super) fn pair_of(&self, tenant: &str, event_name: &str) -> Option<PairId> {
        let mut meters = self.meters.iter();
        let (meter, _) = meters.find(|(_, name)| ***name == *event_name)?;
        self.pairs.find(tenant, meter)
    }
}
