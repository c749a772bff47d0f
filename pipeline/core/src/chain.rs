//! Rule 2: chains of decisions.
//!
//! What cannot be recomputed is a record in a log. Every chain of decisions has a key and a head.
//! A record is in force if, at its place in the log, it names the head of its chain ("none" where
//! there is none); it then is the head. Every other record is ignored by every reader. Nothing
//! but the log's order decides, so all readers at one position agree (INV-CHAIN), and a writer
//! that retries leaves copies that name a head which is no longer one.
//!
//! One [`Chains`] reads one partition of one decision log. It refuses to go back: a record at or
//! below one it has read is an error, never a second ruling.

use crate::halt::Halt;
use crate::position::Offset;
use crate::time::LogTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Format of a [`Snapshot`]; a binary takes only its own.
pub const SNAPSHOT_FORMAT: u16 = 1;

/// Says whether a chain is forgotten at a log time.
///
/// It must depend on its arguments alone and stay true once it is: then it does not matter when a
/// reader drops the head.
pub type ForgetRule<K> = fn(&K, LogTime) -> bool;

/// What the log's order says of one record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ruling {
    /// The record named the head; it is the head now.
    InForce,
    /// The record did not name the head, or its chain is forgotten; nothing changed.
    Ignored {
        /// The head that it should have named.
        head: Option<Offset>,
    },
}

/// What is kept for one partition of a decision log; `log` is the topic, without its prefix.
///
/// # Errors
/// [`Halt::PartitionsChanged`] where the log had no such partition at the start: a tenant's records
/// may then lie in two of them, and no order rules them.
pub(crate) fn of_partition<'a, T>(
    partitions: &'a mut [T],
    partition: u32,
    log: &str,
) -> Result<&'a mut T, Halt> {
    let count = partitions.len();
    let place = usize::try_from(partition).ok();
    let found = place.and_then(|place| partitions.get_mut(place));
    found.ok_or_else(|| {
        Halt::PartitionsChanged(format!(
            "a record of {log} is in partition {partition}, and there were {count} partitions at \
             the start; partitions of a decision log never change: make the topic again from its \
             backup"
        ))
    })
}

/// The heads of all chains in one partition of a decision log, as of one position.
#[derive(Clone, Debug)]
pub struct Chains<K> {
    heads: BTreeMap<K, Offset>,
    position: Offset,
    log_time: LogTime,
    forgets: ForgetRule<K>,
}

/// What a reader needs to go on without the log's beginning.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Snapshot<K> {
    /// [`SNAPSHOT_FORMAT`] of the binary that wrote it.
    pub format: u16,
    /// The next record to read.
    pub position: Offset,
    /// Log time before that record.
    pub log_time: LogTime,
    /// Heads by ascending key; forgotten chains are left out.
    pub heads: Vec<(K, Offset)>,
}

impl<K: Ord> Default for Chains<K> {
    fn default() -> Self {
        Self::new(|_, _| false)
    }
}

impl<K: Ord> Chains<K> {
    /// The state before a log's first record; `forgets` says when a chain is forgotten.
    #[must_use]
    pub fn new(forgets: ForgetRule<K>) -> Self {
        Self {
            heads: BTreeMap::new(),
            position: 0,
            log_time: LogTime(i64::MIN),
            forgets,
        }
    }

    /// Rules on the record at `at` of the chain `key`, which names the head `names`.
    ///
    /// # Errors
    /// [`Halt::Order`] where `at` is below the position; nothing has changed then.
    pub fn offer(
        &mut self,
        key: K,
        names: Option<Offset>,
        at: Offset,
        append_time: LogTime,
    ) -> Result<Ruling, Halt> {
        let ruling = self.rule(&key, names, at, append_time)?;
        self.pass(at, append_time)?;
        if ruling == Ruling::InForce {
            self.heads.insert(key, at);
        }
        Ok(ruling)
    }

    /// What [`Chains::offer`] would say; changes nothing.
    ///
    /// # Errors
    /// As [`Chains::offer`].
    pub fn rule(
        &self,
        key: &K,
        names: Option<Offset>,
        at: Offset,
        append_time: LogTime,
    ) -> Result<Ruling, Halt> {
        if (self.forgets)(key, self.log_time.max(append_time)) {
            self.check_order(at)?;
            return Ok(Ruling::Ignored { head: None });
        }
        self.rule_on(self.heads.get(key).copied(), names, at)
    }

    /// Rules on a record of a chain whose head the caller keeps, with what the chain decides;
    /// changes nothing. [`Chains::pass`] then moves past it.
    ///
    /// # Errors
    /// As [`Chains::offer`].
    pub fn rule_on(
        &self,
        head: Option<Offset>,
        names: Option<Offset>,
        at: Offset,
    ) -> Result<Ruling, Halt> {
        self.check_order(at)?;
        Ok(if head == names {
            Ruling::InForce
        } else {
            Ruling::Ignored { head }
        })
    }

    /// Moves past a record that belongs to no chain (such as a delivery outcome).
    ///
    /// # Errors
    /// [`Halt::Order`] where `at` is below the position; nothing has changed then.
    pub fn pass(&mut self, at: Offset, append_time: LogTime) -> Result<(), Halt> {
        self.check_order(at)?;
        self.position = at + 1;
        self.log_time = self.log_time.max(append_time);
        Ok(())
    }

    fn check_order(&self, at: Offset) -> Result<(), Halt> {
        if at >= self.position {
            return Ok(());
        }
        Err(Halt::Order {
            offset: at,
            position: self.position,
        })
    }

    /// The head of a chain; `None` where it is empty or forgotten.
    #[must_use]
    pub fn head(&self, key: &K) -> Option<Offset> {
        let head = self.heads.get(key).copied()?;
        (!(self.forgets)(key, self.log_time)).then_some(head)
    }

    /// The next record to read.
    #[must_use]
    pub fn position(&self) -> Offset {
        self.position
    }

    /// The running maximum of append times, before the next record.
    #[must_use]
    pub fn log_time(&self) -> LogTime {
        self.log_time
    }

    /// Frees the memory of forgotten chains. When it is called changes no ruling.
    pub fn sweep(&mut self) {
        let (forgets, log_time) = (self.forgets, self.log_time);
        self.heads.retain(|key, _| !forgets(key, log_time));
    }
}

impl<K: Ord + Clone> Chains<K> {
    /// The heads as of the position.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<K> {
        let remembered = self
            .heads
            .iter()
            .filter(|(key, _)| !(self.forgets)(key, self.log_time));
        Snapshot {
            format: SNAPSHOT_FORMAT,
            position: self.position,
            log_time: self.log_time,
            heads: remembered.map(|(k, at)| (k.clone(), *at)).collect(),
        }
    }

    /// Goes on from a snapshot.
    ///
    /// # Errors
    /// [`Halt::UnknownFormat`] where the snapshot is of another format or contradicts itself.
    pub fn restore(snapshot: Snapshot<K>, forgets: ForgetRule<K>) -> Result<Self, Halt> {
        let Snapshot {
            format,
            position,
            log_time,
            heads,
        } = snapshot;
        if format != SNAPSHOT_FORMAT {
            return Err(Halt::UnknownFormat(format!(
                "a snapshot of chains has format {format}, this binary reads {SNAPSHOT_FORMAT}; \
                 read the log from its beginning instead"
            )));
        }
        let sorted = heads.is_sorted_by(|(a, _), (b, _)| a < b);
        if !sorted || heads.iter().any(|(_, at)| *at >= position) {
            return Err(Halt::UnknownFormat(format!(
                "a snapshot of chains at position {position} contradicts itself; \
                 read the log from its beginning instead"
            )));
        }
        Ok(Self {
            heads: heads.into_iter().collect(),
            position,
            log_time,
            forgets,
        })
    }
}

#[cfg(test)]
mod tests;
