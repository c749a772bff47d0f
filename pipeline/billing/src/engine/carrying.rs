//! Carrying: what a final invoice billed otherwise goes to the running period.
//!
//! A final line never changes, so what it billed is read once and compared, whenever one of its
//! windows changes, with what they come to. The difference that was not carried yet is added to the
//! window of the present hour, by a decision on `meterline.pushes`. Because whole sums are compared,
//! nothing depends on when the invoice became final, or on which pushes it still saw. A carry in a
//! period that is final by the time it arrives is a difference of that period, and goes on.
//!
//! Windows that Stripe would not take at all are carried one by one.

use super::action::{Action, Append, Now, Status};
use super::deciding::TOO_OLD;
use super::pairs::PairId;
use super::{Engine, horizon};
use meterline_core::carry::{CARRIED_WINDOWS_MAX, CarriedWindow, Carry, CarryKey, CarryRecord};
use meterline_core::position::{LogPartition, Stamp};
use meterline_core::push::Stamps;
use meterline_core::pushes::nearest_that_fits;
use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, Hour, LogTime, Millis};
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// After so many hours Stripe takes no push for a window: 34 days.
const TOO_OLD_HOURS: i32 = 34 * 24;

/// What may have been billed otherwise.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Source {
    /// A line of a final invoice.
    Line(Arc<str>, usize),
    /// A window that is too old.
    Window(PairId, Hour),
}

/// Sources by when they are to be looked at, each once.
#[derive(Debug, Default)]
pub(super) struct Unequal {
    by_time: BTreeSet<(LogTime, Source)>,
    times: BTreeMap<Source, LogTime>,
    /// Those that could not be carried when they were looked at last.
    waiting: BTreeSet<Source>,
}

impl Unequal {
    /// Has a source looked at, at that time or before.
    pub(super) fn plan(&mut self, source: Source, at: LogTime) {
        match self.times.get(&source) {
            Some(known) if *known <= at => return,
            Some(known) => {
                self.by_time.remove(&(*known, source.clone()));
            }
            None => {}
        }
        self.times.insert(source.clone(), at);
        self.by_time.insert((at, source));
    }

    /// How many could not be carried when they were looked at last.
    pub(super) fn waiting(&self) -> u64 {
        u64::try_from(self.waiting.len()).unwrap_or(u64::MAX)
    }

    /// The next source whose time has come.
    fn next(&mut self, now: LogTime) -> Option<Source> {
        let (at, _) = self.by_time.first()?;
        if *at > now {
            return None;
        }
        let (_, source) = self.by_time.pop_first()?;
        self.times.remove(&source);
        Some(source)
    }
}

/// What a source comes to.
struct Sum {
    id: PairId,
    key: CarryKey,
    wanted: Quantity,
    billed: Quantity,
    changes: BTreeMap<LogPartition, Stamp>,
    windows: Vec<CarriedWindow>,
}

impl Engine {
    /// A window changed: the final lines that bill it are to be compared again.
    pub(super) fn unequal_again(&mut self, tenant: &Arc<str>, id: PairId, hour: Hour, now: Now) {
        let Some(event_name) = self.meters.get(&self.pairs.get(id).meter).cloned() else {
            return;
        };
        for customer in self.linked.get(tenant).into_iter().flatten() {
            for (invoice, line) in self.invoices.lines(customer, &event_name) {
                let seen = self.invoices.get(invoice).map(|invoice| &invoice.seen);
                let line_seen = seen.filter(|seen| seen.status == Status::Final);
                let line_seen = line_seen.and_then(|seen| seen.lines.get(line));
                if line_seen.is_some_and(|line| line.hours.contains(&hour)) {
                    let source = Source::Line(Arc::clone(invoice), line);
                    self.unequal.plan(source, now.wall);
                }
            }
        }
    }

    /// Carries differences whose time has come.
    pub(super) fn carry_due(&mut self, now: Now) {
        // Whoever bills beside us is compared with, not corrected.
        if self.settings.shadow {
            return;
        }
        while let Some(source) = self.unequal.next(now.wall) {
            self.unequal.waiting.remove(&source);
            if let Some(at) = self.carry_source(&source, now) {
                self.unequal.plan(source, at);
            }
        }
    }

    /// Carries what a source was billed otherwise; when to look again, where it must wait.
    fn carry_source(&mut self, source: &Source, now: Now) -> Option<LogTime> {
        let later = now
            .wall
            .after(Millis(self.random.random_range(30_000..60_000)));
        let sum = match source {
            Source::Line(invoice, line) => match self.sum_line(invoice, *line, now) {
                Summed::Sum(sum) => *sum,
                Summed::Later => return Some(later),
                Summed::Nothing => return None,
            },
            Source::Window(id, hour) => self.sum_window(*id, *hour, now)?,
        };
        let carried = self.carries.carried(&sum.key);
        let before = carried.map_or(Quantity::ZERO, |carried| carried.quantity);
        let quantity = minus(sum.wanted, sum.billed).and_then(|q| minus(q, before))?;
        if quantity == Quantity::ZERO {
            return None;
        }
        let again = carried.map(|carried| carried.at.after(self.settings.open_every));
        if let Some(again) = again.filter(|again| now.wall < *again) {
            return Some(again);
        }
        if self.pairs.get(sum.id).carrying.is_some() {
            return Some(later);
        }
        let hour = EventTime(now.wall.0 * 1_000).hour();
        let billed_now = self.billed_now(sum.id, hour);
        let part = self.part_that_fits(sum.id, hour, quantity);
        let (Some((customer, event_name)), Some(part)) = (billed_now, part) else {
            // Somebody may be billed later, and another hour's window may have fewer digits.
            self.unequal.waiting.insert(source.clone());
            return Some(later);
        };
        // What is left of it is the difference of the next look.
        let wanted = minus(sum.wanted, minus(quantity, part)?)?;
        let head = carried.map(|carried| carried.offset);
        let write_id = self.random.random();
        let record = CarryRecord {
            write_id,
            head,
            key: sum.key,
            carry: Carry {
                customer,
                event_name,
                window: hour.start(),
                quantity: part,
                wanted,
                billed: sum.billed,
                stamps: Stamps::new(sum.changes.into_iter().collect()),
                windows: sum.windows,
            },
            instance: self.instance.clone(),
        };
        self.pairs.at(sum.id).carrying = Some(write_id);
        self.out
            .push(Action::Append(Append::Carry(Box::new(record))));
        Some(later)
    }

    /// The most of a difference with which Stripe would take an hour's value; `None` where that is
    /// nothing, or would go the other way.
    fn part_that_fits(&self, id: PairId, hour: Hour, quantity: Quantity) -> Option<Quantity> {
        let (wanted, _) = self.wanted(id, hour)?;
        let sum = wanted.plus(quantity).ok()?;
        let part = minus(nearest_that_fits(sum), wanted)?;
        let is_of_it = part != Quantity::ZERO && part.is_negative() == quantity.is_negative();
        is_of_it.then_some(part)
    }

    /// Who is billed for an hour's window: whom its chain has, else whom the account has.
    fn billed_now(&self, id: PairId, hour: Hour) -> Option<(String, String)> {
        if let Some(head) = self.pushes.head(&self.key(id, hour)) {
            return Some((head.intent.customer.clone(), head.intent.event_name.clone()));
        }
        let pair = self.pairs.get(id);
        let customer = self.customers.get(&pair.tenant)?;
        let event_name = self.meters.get(&pair.meter)?;
        Some((customer.to_string(), event_name.to_string()))
    }

    /// What the windows that a final line bills come to.
    fn sum_line(&self, invoice: &str, number: usize, now: Now) -> Summed {
        let Some(invoice) = self.invoices.get(invoice) else {
            return Summed::Nothing;
        };
        let seen = &invoice.seen;
        let Some(line) = seen.lines.get(number) else {
            return Summed::Nothing;
        };
        // Hours that were not read would look as if nothing had been used in them, and a period
        // that was over before the ledger began was billed by somebody else.
        if line.hours.start < horizon(now) || self.began.is_none_or(|began| line.hours.end <= began)
        {
            return Summed::Nothing;
        }
        let tenant = self.owners.get(&seen.customer);
        let pair = tenant.and_then(|tenant| self.pair_of(tenant, &line.event_name));
        let (Some(tenant), Some(id), Status::Final) = (tenant, pair, seen.status) else {
            return Summed::Nothing;
        };
        if !self.is_sealed(tenant, line.hours.end.start()) {
            return Summed::Later;
        }
        let mut sum = Sum {
            id,
            key: CarryKey {
                tenant: tenant.to_string(),
                meter: self.pairs.get(id).meter.to_string(),
                source: format!("{}/{}", seen.id, line.hours.start.0),
            },
            wanted: Quantity::ZERO,
            billed: line.quantity,
            changes: BTreeMap::new(),
            windows: Vec::new(),
        };
        for (hour, _) in self.pairs.get(id).hours.range(line.hours.clone()) {
            let head = self.pushes.head(&self.key(id, *hour));
            let Some(head) = head.filter(|head| *head.intent.customer == *seen.customer) else {
                continue;
            };
            let Some((value, stamps)) = self.wanted(id, *hour) else {
                return Summed::Later;
            };
            // Another instance may have carried it as one that was never pushed, while its first
            // intent was on its way to the log.
            let alone = self.carries.carried(&self.window_source(id, *hour));
            let alone = alone.map_or(Quantity::ZERO, |carried| carried.quantity);
            let wanted = sum.wanted.plus(value).ok();
            let Some(wanted) = wanted.and_then(|wanted| minus(wanted, alone)) else {
                return Summed::Later;
            };
            sum.wanted = wanted;
            for (log_partition, stamp) in stamps.changes() {
                let known = sum.changes.entry(*log_partition).or_insert(*stamp);
                *known = (*known).max(*stamp);
            }
            if head.intent.quantity != value && sum.windows.len() < CARRIED_WINDOWS_MAX {
                sum.windows.push(CarriedWindow {
                    window: hour.start(),
                    before: head.intent.quantity,
                    after: value,
                    stamps,
                });
            }
        }
        Summed::Sum(Box::new(sum))
    }

    /// The chain of a window that Stripe never took.
    fn window_source(&self, id: PairId, hour: Hour) -> CarryKey {
        let pair = self.pairs.get(id);
        CarryKey {
            tenant: pair.tenant.to_string(),
            meter: pair.meter.to_string(),
            source: format!("window/{}", hour.0),
        }
    }

    /// What a window comes to that Stripe never took.
    fn sum_window(&self, id: PairId, hour: Hour, now: Now) -> Option<Sum> {
        // What was too old when the ledger began is not ours, and what is forgotten was not unpushed.
        let first = Hour(self.began?.0 - TOO_OLD_HOURS);
        if hour < horizon(now).max(first) {
            return None;
        }
        let key = self.key(id, hour);
        if self.pushes.head(&key).is_some() {
            return None; // It is a window of its invoice.
        }
        let (wanted, stamps) = self.wanted(id, hour)?;
        Some(Sum {
            id,
            key: self.window_source(id, hour),
            wanted,
            billed: Quantity::ZERO,
            changes: stamps.changes().iter().copied().collect(),
            windows: vec![CarriedWindow {
                window: hour.start(),
                before: Quantity::ZERO,
                after: wanted,
                stamps,
            }],
        })
    }

    /// A window is too old to be pushed.
    pub(super) fn carry_too_old(&mut self, id: PairId, hour: Hour, reason: &str, now: Now) {
        let is_unpushed = self.pushes.head(&self.key(id, hour)).is_none();
        if reason == TOO_OLD && is_unpushed {
            // Another instance's intent of the last moment must have been read by then.
            let at = LogTime(Hour(hour.0 + TOO_OLD_HOURS + 2).start().0 / 1_000);
            self.unequal
                .plan(Source::Window(id, hour), at.max(now.wall));
        }
    }

    /// A carry was read: its window has another value now, whoever wrote it.
    pub(super) fn carry_read_back(&mut self, record: &CarryRecord, now: Now) {
        let CarryKey { tenant, meter, .. } = &record.key;
        let hour = record.carry.window.hour();
        let Some(id) = self.pairs.find(tenant, meter) else {
            return; // Its total was not read yet: it is planned when everything was.
        };
        let pair = self.pairs.at(id);
        pair.hours.entry(hour).or_default();
        if pair.carrying == Some(record.write_id) {
            pair.carrying = None;
        }
        if self.started {
            self.changed(id, hour, now);
        }
    }

    /// A carry could not be appended, as far as is known.
    pub(super) fn carry_not_appended(&mut self, write_id: u128) {
        for id in self.pairs.all() {
            let pair = self.pairs.at(id);
            if pair.carrying == Some(write_id) {
                pair.carrying = None;
            }
        }
    }
}

/// From then on a window is too old to be pushed, whatever the clocks say.
pub(super) fn too_old_at(hour: Hour) -> LogTime {
    LogTime(Hour(hour.0 + TOO_OLD_HOURS + 1).start().0 / 1_000)
}

/// A final line's sum.
enum Summed {
    Sum(Box<Sum>),
    /// It cannot be said yet.
    Later,
    Nothing,
}

fn minus(a: Quantity, b: Quantity) -> Option<Quantity> {
    a.plus(Quantity::from_raw(b.raw().checked_neg()?).ok()?)
        .ok()
}
