//! Conservation counters: what became of every record delivered (INV-CONSERVE).

use crate::reason::Reason;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Counts of one partition and epoch since its adoption.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Records handed to the fold.
    pub delivered: u64,
    /// Events counted by at least one meter.
    pub accepted: u64,
    /// Events whose identity was recorded before.
    pub duplicate: u64,
    /// Events of a type that the catalog ignores.
    pub ignored: u64,
    /// Events of a known type that no filter fits.
    pub unmatched: u64,
    /// Ticks, placements, and pointers to voids that were applied or taken before.
    pub control: u64,
    /// Dead letters by reason.
    pub rejected: BTreeMap<Reason, u64>,
    /// Accepted events whose hour was sealed already.
    pub late: u64,
    /// Events that each meter matched, by the meter's name; replacements of amends too.
    pub matched: BTreeMap<String, u64>,
    /// Events that voids and amends took back from each meter, by the meter's name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub voided: BTreeMap<String, u64>,
}

impl Counters {
    /// Events that each meter counts: matched and not taken back. What its hour buckets hold
    /// together (INV-CONSERVE).
    #[must_use]
    pub fn counted(&self) -> BTreeMap<String, u64> {
        let voided = |meter: &String| self.voided.get(meter).copied().unwrap_or(0);
        let counted = self.matched.iter();
        counted
            .map(|(meter, events)| (meter.clone(), events.saturating_sub(voided(meter))))
            .collect()
    }

    /// Whether every record delivered is accounted for exactly once.
    #[must_use]
    pub fn is_conserved(&self) -> bool {
        let rejected: u64 = self.rejected.values().sum();
        let parts = [
            self.accepted,
            self.duplicate,
            self.ignored,
            self.unmatched,
            self.control,
            rejected,
        ];
        parts.iter().sum::<u64>() == self.delivered
    }
}
