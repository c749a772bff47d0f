//! Invoices: drafts wait until every window of their period is proved.
//!
//! A draft with a line of ours is held; when the period is sealed and every window confirmed, all
//! summaries of the line are read once more, and if nothing moved it is made final. What is held too
//! long is made final all the same, and said. A final line is compared with the windows that it
//! bills by [`super::carrying`].
//!
//! Nothing of this is remembered anywhere: it follows from Stripe's invoices and the ledger.

use super::Engine;
use super::action::{Action, InvoiceSeen, LineSeen, Listed, Listing, Now, Status};
use super::carrying::Source;
use super::deciding::TOO_OLD;
use super::pairs::PairId;
use meterline_core::pushes::State;
use meterline_core::quantity::Quantity;
use meterline_core::time::{Hour, LogTime, Millis};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

/// How far back invoices are listed at first: a period, its late events, and its draft.
const FIRST_BACK_MILLIS: i64 = 75 * 24 * 3_600_000;
/// How far back they are listed then: a draft's life.
const THEN_BACK: Millis = Millis(4 * 24 * 3_600_000);
/// How often drafts are looked at.
const LOOK_EVERY: Millis = Millis(10_000);
/// How long a change of an invoice is waited for before it is asked for again.
const CHANGE_AGAIN: Millis = Millis(60_000);

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
    /// When what was listed last was asked for.
    listed_at: Option<LogTime>,
    /// From when on invoices are being listed, and since when.
    listing: Option<(LogTime, LogTime)>,
    look_at: LogTime,
}

/// An invoice with lines of ours.
#[derive(Debug)]
pub(super) struct Invoice {
    pub(super) seen: InvoiceSeen,
    checks: Vec<Check>,
    /// When a change may be asked for again.
    asked_until: LogTime,
}

/// What is known of a draft's line.
#[derive(Clone, Copy, Debug, Default)]
struct Check {
    /// The version of its windows as of which all summaries were as expected.
    verified: Option<u64>,
    is_reading: bool,
    not_before: LogTime,
    is_foreign: bool,
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
    }

    fn check(&mut self, invoice: &str, line: usize) -> Option<&mut Check> {
        self.all.get_mut(invoice)?.checks.get_mut(line)
    }

    /// Has drafts looked at: a reading has ended, there is room for another.
    pub(super) fn look_soon(&mut self) {
        self.look_at = LogTime(i64::MIN);
    }

    pub(super) fn verified(&mut self, invoice: &str, line: usize, version: u64) {
        if let Some(check) = self.check(invoice, line) {
            check.is_reading = false;
            check.verified = Some(version);
        }
    }

    pub(super) fn foreign(&mut self, invoice: &str, line: usize, version: u64) {
        self.verified(invoice, line, version);
        if let Some(check) = self.check(invoice, line) {
            check.is_foreign = true;
        }
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
        let created_from = if let Some(listed_at) = invoices.listed_at {
            let drafts = invoices.all.values();
            let drafts = drafts.filter(|invoice| invoice.seen.status == Status::Draft);
            let oldest = drafts.map(|invoice| invoice.seen.created).min();
            let recent = listed_at.before(THEN_BACK);
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
            self.invoices.listed_at = Some(asked_at);
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

    /// Tells that an invoice was asked to change, and may be looked at again.
    pub fn invoice_changed(&mut self, id: &str, is_done: bool, now: Now) {
        if let Some(invoice) = self.invoices.all.get_mut(id) {
            let pause = if is_done { CHANGE_AGAIN } else { Millis(5_000) };
            invoice.asked_until = now.wall.after(pause);
        }
        // What is not known to be done may be done, and be refused the next time.
        let soon = if is_done {
            Millis(2_000)
        } else {
            Millis(30_000)
        };
        self.invoices.list_at = self.invoices.list_at.min(now.wall.after(soon));
    }

    /// Holds drafts, looks at what they wait for, and makes those final that are proved.
    pub(super) fn check_drafts(&mut self, now: Now) {
        if now.wall < self.invoices.look_at || self.settings.shadow {
            return;
        }
        self.invoices.look_at = now.wall.after(LOOK_EVERY);
        let drafts = self.invoices.all.values();
        let drafts = drafts.filter(|invoice| {
            invoice.seen.status == Status::Draft && invoice.asked_until <= now.wall
        });
        let drafts: Vec<_> = drafts.map(|invoice| Arc::clone(&invoice.seen.id)).collect();
        for id in drafts {
            self.check_draft(&id, now);
        }
    }

    fn check_draft(&mut self, id: &Arc<str>, now: Now) {
        let Some(invoice) = self.invoices.all.get(id) else {
            return;
        };
        let is_overdue = now.wall >= invoice.seen.created.after(self.settings.hold_max);
        let action = if invoice.seen.auto_advance {
            Action::Hold(Arc::clone(id))
        } else if self.is_proved(id, now) || is_overdue {
            Action::Finalize(Arc::clone(id))
        } else {
            return;
        };
        self.out.push(action);
        if let Some(invoice) = self.invoices.all.get_mut(id) {
            invoice.asked_until = now.wall.after(CHANGE_AGAIN);
        }
    }

    /// Whether every line of a draft is proved; reads what is left to read.
    fn is_proved(&mut self, id: &Arc<str>, now: Now) -> bool {
        let Some(invoice) = self.invoices.all.get(id) else {
            return false;
        };
        let customer = Arc::clone(&invoice.seen.customer);
        let lines = invoice.seen.lines.clone();
        let checks = invoice.checks.clone();
        let mut is_proved = true;
        for (number, (line, check)) in lines.iter().zip(checks).enumerate() {
            is_proved &= self.is_line_proved(id, number, &customer, line, check, now);
        }
        is_proved
    }

    fn is_line_proved(
        &mut self,
        invoice: &Arc<str>,
        number: usize,
        customer: &Arc<str>,
        line: &LineSeen,
        check: Check,
        now: Now,
    ) -> bool {
        let Some(tenant) = self.owners.get(customer).cloned() else {
            return true;
        };
        if !self.is_sealed(&tenant, line.hours.end.start()) {
            return false;
        }
        let Some(pair) = self.pair_of(&tenant, &line.event_name) else {
            return true; // No use, nothing to bill.
        };
        if check.is_reading || !self.is_confirmed(pair, customer, line) {
            return false;
        }
        if check.verified == Some(self.version(pair, &line.hours)) {
            return true;
        }
        if now.wall < check.not_before {
            return false;
        }
        let of = (customer, &line.event_name);
        let is_asked = self.read_line(pair, (invoice, number), of, line.hours.clone(), now);
        if let Some(check) = self.invoices.check(invoice, number) {
            check.is_reading = is_asked;
        }
        false
    }

    /// Whether all windows of a line are confirmed with the values that they should have. What
    /// Stripe would not take is no reason to wait: it is carried.
    fn is_confirmed(&self, id: PairId, customer: &str, line: &LineSeen) -> bool {
        let pair = self.pairs.get(id);
        let mut hours = pair.hours.range(line.hours.clone());
        hours.all(|(hour, _)| {
            if pair.impossible.get(hour) == Some(&TOO_OLD) {
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

    pub(super) fn pair_of(&self, tenant: &str, event_name: &str) -> Option<PairId> {
        let mut meters = self.meters.iter();
        let (meter, _) = meters.find(|(_, name)| ***name == *event_name)?;
        self.pairs.find(tenant, meter)
    }
}
