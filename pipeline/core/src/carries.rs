//! The fold of carries on `meterline.pushes`.
//!
//! A record is in force if it names the head of its chain, says what follows from the chain
//! (quantity = wanted − billed − what was carried before) and knows no less than the head. So of
//! two instances that find the same difference one carries it, and one that is behind carries
//! nothing back. Everything else is ignored by every reader, and counted.
//!
//! Invariant: for each chain, billed + all that was carried = wanted of its head (INV-EXACT).
//! Chains are kept as long as the log: there is one for each invoice line that was not right.

use crate::carry::{CarryKey, CarryRecord};
use crate::chain::{Chains, Ruling, of_partition};
use crate::halt::Halt;
use crate::hash::partition_of;
use crate::position::Offset;
use crate::push::{PushKey, Stamps};
use crate::quantity::Quantity;
use crate::time::LogTime;
use std::collections::BTreeMap;

/// All carries, as of one position in each partition of the log.
#[derive(Clone, Debug)]
pub struct Carries {
    partitions: Vec<Chains<CarryKey>>,
    chains: BTreeMap<CarryKey, Carried>,
    placed: BTreeMap<PushKey, Placed>,
    ignored: u64,
}

/// What a chain comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Carried {
    /// Offset of its head.
    pub offset: Offset,
    /// Append time of its head.
    pub at: LogTime,
    /// All that was carried.
    pub quantity: Quantity,
    /// What its source's windows came to at the head.
    pub wanted: Quantity,
    /// What Stripe billed for them.
    pub billed: Quantity,
    /// The versions that the head was judged by.
    pub stamps: Stamps,
}

/// What is added to a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placed {
    /// The sum.
    pub quantity: Quantity,
    /// Offset of the last record that it comes from.
    pub offset: Offset,
}

impl Carries {
    /// The state before the first record of a log of so many partitions.
    #[must_use]
    pub fn new(partitions: u32) -> Self {
        let never = |_: &CarryKey, _| false;
        Self {
            partitions: (0..partitions).map(|_| Chains::new(never)).collect(),
            chains: BTreeMap::new(),
            placed: BTreeMap::new(),
            ignored: 0,
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
        record: &CarryRecord,
    ) -> Result<Ruling, Halt> {
        let count = u32::try_from(self.partitions.len()).unwrap_or(u32::MAX);
        let head = self.chains.get(&record.key).map(|carried| carried.offset);
        let order = self.order(partition)?;
        let ruling = order.rule_on(head, record.head, offset)?;
        order.pass(offset, append_time)?;
        let at = order.log_time();
        let is_home = partition_of(record.key.tenant.as_bytes(), count) == partition;
        let before = self.chains.get(&record.key);
        let next = follows(before, record, offset, at).filter(|_| is_home);
        let (Ruling::InForce, Some(next)) = (ruling, next) else {
            self.ignored += 1;
            return Ok(Ruling::Ignored { head });
        };
        let window = PushKey {
            tenant: record.key.tenant.clone(),
            meter: record.key.meter.clone(),
            window: record.carry.window,
        };
        let sum = self.placed(&window).map_or(Quantity::ZERO, |p| p.quantity);
        let Ok(quantity) = sum.plus(record.carry.quantity) else {
            self.ignored += 1;
            return Ok(Ruling::Ignored { head });
        };
        self.placed.insert(window, Placed { quantity, offset });
        self.chains.insert(record.key.clone(), next);
        Ok(Ruling::InForce)
    }

    /// Moves past a record that is no carry.
    ///
    /// # Errors
    /// As [`Carries::apply`].
    pub fn pass(
        &mut self,
        partition: u32,
        offset: Offset,
        append_time: LogTime,
    ) -> Result<(), Halt> {
        self.order(partition)?.pass(offset, append_time)
    }

    fn order(&mut self, partition: u32) -> Result<&mut Chains<CarryKey>, Halt> {
        of_partition(&mut self.partitions, partition, "meterline.pushes")
    }

    /// What a chain comes to; `None` where nothing was carried.
    #[must_use]
    pub fn carried(&self, key: &CarryKey) -> Option<&Carried> {
        self.chains.get(key)
    }

    /// What is added to a window; `None` where nothing is.
    #[must_use]
    pub fn placed(&self, window: &PushKey) -> Option<Placed> {
        self.placed.get(window).copied()
    }

    /// All chains, by key.
    pub fn chains(&self) -> impl Iterator<Item = (&CarryKey, &Carried)> {
        self.chains.iter()
    }

    /// All windows that something is added to.
    pub fn windows(&self) -> impl Iterator<Item = &PushKey> {
        self.placed.keys()
    }

    /// How many records were ignored.
    #[must_use]
    pub const fn ignored(&self) -> u64 {
        self.ignored
    }
}

/// What a record that names the head makes of its chain; `None` where it does not follow.
fn follows(
    before: Option<&Carried>,
    record: &CarryRecord,
    offset: Offset,
    at: LogTime,
) -> Option<Carried> {
    let carry = &record.carry;
    let is_behind = before.is_some_and(|before| before.stamps.is_newer_than(&carry.stamps));
    let before = before.map_or(Quantity::ZERO, |before| before.quantity);
    let quantity = before.plus(carry.quantity).ok()?;
    let is_sum = carry.billed.plus(quantity).ok()? == carry.wanted;
    (is_sum && !is_behind && carry.quantity != Quantity::ZERO).then(|| Carried {
        offset,
        at,
        quantity,
        wanted: carry.wanted,
        billed: carry.billed,
        stamps: carry.stamps.clone(),
    })
}

#[cfg(test)]
mod tests;
