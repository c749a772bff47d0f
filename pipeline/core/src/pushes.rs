//! Pushes: the fold of `meterline.pushes`.
//!
//! A record is in force if it names the head of its chain and follows from it. An intent follows
//! only when nothing that was sent before can still arrive ([`Head::quiet_at`]), for the chain's
//! customer, with a newer version of the window or the next attempt of the same one. So of all
//! calls in force for a window the last one written is the last one that Stripe can receive, and
//! no identifier is ever used for two quantities (INV-ONCE). Everything else is ignored by every
//! reader and counted.
//!
//! All of it depends on the log alone: times are the brokers' append times, and readers at one
//! position agree (INV-CHAIN). A chain is forgotten by log time, [`FORGET_AFTER_MILLIS`] after its
//! window.
//!
//! It refuses to guess: what the arrival of a call rests on are the bounds below, and a sender that
//! breaks them (a process that is stopped between its last look at the clock and the write to its
//! socket) is found by the summary that is read before an invoice becomes final.

mod next;

pub use next::{
    CannotPush, Link, Next, REFUSED_AGAIN, STRIPE_DIGITS, Wanted, again, can_push,
    nearest_that_fits, next,
};

use crate::chain::{Chains, Ruling, of_partition};
use crate::halt::Halt;
use crate::hash::partition_of;
use crate::position::Offset;
use crate::push::{Intent, Outcome, PushKey, PushRecord, Stamps, Step};
use crate::quantity::Quantity;
use crate::time::{LogTime, Millis};
use std::collections::BTreeMap;

/// After Stripe has received a push, how long others that it received may still overtake it. Stripe
/// processes meter events asynchronously and names no bound; this is twice what was seen.
pub const RECEIVED_SETTLES: Millis = Millis(2 * 60_000);

/// After a call whose outcome nobody knows, how long it may still arrive and be overtaken: the
/// longest that a segment lives in the network (two minutes, RFC 9293, section 3.4.2), and
/// [`RECEIVED_SETTLES`], and one more.
pub const UNKNOWN_SETTLES: Millis = Millis(5 * 60_000);

/// How long after its window a chain is forgotten, in milliseconds (100 days): an invoice period has
/// at most 31 days, usage is accepted for 35 days, an invoice is a draft for 3 at most, and 31 are
/// left for who was down.
pub const FORGET_AFTER_MILLIS: i64 = 100 * 24 * 3_600_000;

/// The head of a chain: what the last record in force made of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// Offset of the last record in force.
    pub offset: Offset,
    /// Its write id.
    pub write_id: u128,
    /// Its append time.
    pub at: LogTime,
    /// The last intent in force.
    pub intent: Intent,
    /// Write id of that intent: who wrote it knows that it is theirs.
    pub intent_write_id: u128,
    /// What became of it.
    pub state: State,
    /// From then on nothing that was sent for this window can arrive.
    pub quiet_at: LogTime,
}

/// What became of an intent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It may be called, or was: nobody has said.
    Called,
    /// Stripe received it.
    Received,
    /// Stripe took nothing.
    NotTaken,
    /// Nobody knows.
    Unknown,
    /// Stripe refuses it as it is.
    Refused,
    /// A summary showed its value.
    Confirmed,
}

/// How many records the log had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// In force.
    pub in_force: u64,
    /// Ignored: they did not name the head, or their chain is forgotten.
    pub not_the_head: u64,
    /// Ignored: something that was sent before could still arrive.
    pub too_soon: u64,
    /// Ignored: they do not follow from the head, or lie in a foreign partition.
    pub unfit: u64,
}

/// All pushes, as of one position in each partition of the log.
#[derive(Clone, Debug)]
pub struct Pushes {
    partitions: Vec<Partition>,
    counts: Counts,
}

#[derive(Clone, Debug)]
struct Partition {
    order: Chains<PushKey>,
    heads: BTreeMap<PushKey, Head>,
}

/// Why a record that names the head is ignored all the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    TooSoon,
    Unfit,
}

impl Pushes {
    /// The state before the first record of a log of so many partitions.
    #[must_use]
    pub fn new(partitions: u32) -> Self {
        let partition = || Partition {
            order: Chains::new(forgets),
            heads: BTreeMap::new(),
        };
        Self {
            partitions: (0..partitions).map(|_| partition()).collect(),
            counts: Counts::default(),
        }
    }

    /// Rules on the record at `offset` of a partition.
    ///
    /// # Errors
    /// [`Halt::Order`] where `offset` is below the partition's position,
    /// [`Halt::PartitionsChanged`] where there is no such partition; nothing has changed then.
    pub fn apply(
        &mut self,
        partition: u32,
        offset: Offset,
        append_time: LogTime,
        record: &PushRecord,
    ) -> Result<Ruling, Halt> {
        let is_home = partition_of(record.key.tenant.as_bytes(), self.count()) == partition;
        let Partition { order, heads } = self.partition_mut(partition)?;
        let now = order.log_time().max(append_time);
        let head = heads.get(&record.key);
        let ruling = if forgets(&record.key, now) {
            order.rule(&record.key, record.head, offset, append_time)?
        } else {
            order.rule_on(head.map(|head| head.offset), record.head, offset)?
        };
        order.pass(offset, append_time)?;
        if ruling != Ruling::InForce {
            self.counts.not_the_head += 1;
            return Ok(ruling);
        }
        let next = if is_home {
            Head::after(head, offset, now, record)
        } else {
            Err(Fault::Unfit)
        };
        match next {
            Ok(next) => {
                heads.insert(record.key.clone(), next);
                self.counts.in_force += 1;
                Ok(Ruling::InForce)
            }
            Err(fault) => {
                match fault {
                    Fault::TooSoon => self.counts.too_soon += 1,
                    Fault::Unfit => self.counts.unfit += 1,
                }
                Ok(Ruling::Ignored { head: record.head })
            }
        }
    }

    /// Moves past a record that is of no push, such as a carry.
    ///
    /// # Errors
    /// As [`Pushes::apply`].
    pub fn pass(
        &mut self,
        partition: u32,
        offset: Offset,
        append_time: LogTime,
    ) -> Result<(), Halt> {
        self.partition_mut(partition)?
            .order
            .pass(offset, append_time)
    }

    /// All chains and their heads.
    pub fn heads(&self) -> impl Iterator<Item = (&PushKey, &Head)> {
        self.partitions.iter().flat_map(|p| &p.heads)
    }

    /// The head of a chain; `None` where it is empty or forgotten.
    #[must_use]
    pub fn head(&self, key: &PushKey) -> Option<&Head> {
        let partition = self.home(key)?;
        if forgets(key, partition.order.log_time()) {
            return None;
        }
        partition.heads.get(key)
    }

    /// The log time in the partition of a tenant: a time that the brokers' clock has passed.
    #[must_use]
    pub fn log_time(&self, key: &PushKey) -> Option<LogTime> {
        Some(self.home(key)?.order.log_time())
    }

    /// The next record of a partition; `None` where there is no such partition.
    #[must_use]
    pub fn position(&self, partition: u32) -> Option<Offset> {
        let partition = self.partitions.get(usize::try_from(partition).ok()?)?;
        Some(partition.order.position())
    }

    /// How many records were in force and ignored.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Frees the memory of forgotten chains. When it is called changes no ruling.
    pub fn sweep(&mut self) {
        for Partition { order, heads } in &mut self.partitions {
            let log_time = order.log_time();
            heads.retain(|key, _| !forgets(key, log_time));
        }
    }

    fn count(&self) -> u32 {
        u32::try_from(self.partitions.len()).unwrap_or(u32::MAX)
    }

    fn home(&self, key: &PushKey) -> Option<&Partition> {
        if self.partitions.is_empty() {
            return None;
        }
        let home = partition_of(key.tenant.as_bytes(), self.count());
        self.partitions.get(usize::try_from(home).ok()?)
    }

    fn partition_mut(&mut self, partition: u32) -> Result<&mut Partition, Halt> {
        of_partition(&mut self.partitions, partition, "meterline.pushes")
    }
}

impl Head {
    /// What a record that names this head makes of the chain.
    fn after(
        head: Option<&Self>,
        offset: Offset,
        at: LogTime,
        record: &PushRecord,
    ) -> Result<Self, Fault> {
        match (&record.step, head) {
            (Step::Intent(intent), head) => {
                if let Some(head) = head {
                    head.must_allow(intent, at)?;
                } else if intent.attempt != 1 {
                    return Err(Fault::Unfit);
                }
                let deadline = at.after(intent.call_within);
                Ok(Self {
                    offset,
                    write_id: record.write_id,
                    at,
                    intent: intent.clone(),
                    intent_write_id: record.write_id,
                    state: State::Called,
                    quiet_at: deadline.after(UNKNOWN_SETTLES),
                })
            }
            (Step::Outcome(outcome), Some(head)) if head.state == State::Called => {
                let (state, quiet_at) = match outcome {
                    Outcome::Received => (State::Received, at.after(RECEIVED_SETTLES)),
                    Outcome::NotTaken { .. } => (State::NotTaken, at),
                    Outcome::Unknown { .. } => (State::Unknown, at.after(UNKNOWN_SETTLES)),
                    Outcome::Refused { .. } => (State::Refused, at.after(UNKNOWN_SETTLES)),
                };
                Ok(head.moved(offset, at, record, state, quiet_at))
            }
            (Step::Confirmed, Some(head)) if head.state != State::Confirmed => {
                if at < head.quiet_at {
                    return Err(Fault::TooSoon);
                }
                Ok(head.moved(offset, at, record, State::Confirmed, head.quiet_at))
            }
            _ => Err(Fault::Unfit),
        }
    }

    fn moved(
        &self,
        offset: Offset,
        at: LogTime,
        record: &PushRecord,
        state: State,
        quiet_at: LogTime,
    ) -> Self {
        Self {
            offset,
            write_id: record.write_id,
            at,
            state,
            quiet_at,
            ..self.clone()
        }
    }

    /// Whether an intent may follow.
    fn must_allow(&self, intent: &Intent, at: LogTime) -> Result<(), Fault> {
        let is_same_customer =
            self.intent.customer == intent.customer && self.intent.event_name == intent.event_name;
        if !is_same_customer || !self.is_next(&intent.stamps, intent.attempt, intent.quantity) {
            return Err(Fault::Unfit);
        }
        if at < self.quiet_at {
            return Err(Fault::TooSoon);
        }
        Ok(())
    }

    /// Whether this is the next attempt of the same version, or the first of a newer one: versions
    /// and attempts only rise, so none comes twice.
    fn is_next(&self, stamps: &Stamps, attempt: u32, quantity: Quantity) -> bool {
        if *stamps == self.intent.stamps {
            attempt == self.intent.attempt.saturating_add(1) && quantity == self.intent.quantity
        } else {
            attempt == 1 && stamps.is_newer_than(&self.intent.stamps)
        }
    }
}

fn forgets(key: &PushKey, log_time: LogTime) -> bool {
    log_time.0.saturating_sub(key.window.0.div_euclid(1_000)) >= FORGET_AFTER_MILLIS
}

#[cfg(test)]
mod tests;
