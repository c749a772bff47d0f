//! Links of the account records read last, so that a writer finds its own without asking for them.
//!
//! An accounts fold of a million tenants keeps no write ids. The log has them: what is not in here
//! any more is read from it again, which one writer in thousands has to do.

use crate::entry::ControlEntry;
use meterline_core::position::Offset;
use std::collections::BTreeMap;

/// Links that are kept: many times what writers have on the way at once, and a few MiB.
const KEPT_MAX: usize = 65_536;

/// What a writer must know of a record in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Known {
    /// The record before it in its chain.
    pub(crate) follows: Option<Offset>,
    /// Chosen by its writer.
    pub(crate) write_id: u128,
    /// Who wrote it.
    pub(crate) actor: String,
}

/// The account records in force that were read last, by offset.
#[derive(Debug, Default)]
pub(crate) struct Recent(BTreeMap<Offset, Known>);

impl Recent {
    /// Keeps a record's link where it is in force.
    pub(crate) fn note(&mut self, entry: &ControlEntry) {
        let Some(record) = entry.record.as_ref().filter(|_| entry.in_force) else {
            return;
        };
        let known = Known {
            follows: record.head,
            write_id: record.write_id,
            actor: record.actor.clone(),
        };
        self.0.insert(entry.offset, known);
        if self.0.len() > KEPT_MAX {
            self.0.pop_first();
        }
    }

    pub(crate) fn get(&self, offset: Offset) -> Option<Known> {
        self.0.get(&offset).cloned()
    }
}
