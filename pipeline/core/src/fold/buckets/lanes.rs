//! Which changed buckets each lane still has to take.
//!
//! A lane is a way out of the fold; none waits for another. A bucket stands at most once in a
//! lane's list, however often it changes.

use super::SlotRef;

/// Number of lanes.
pub(super) const LANES: usize = 4;

/// A way out of the fold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lane {
    /// Hour rows to ClickHouse.
    HourRows = 0,
    /// Day and month rows to ClickHouse.
    LevelRows = 1,
    /// Whole and only buckets of all levels to `usage.totals`.
    Totals = 2,
    /// Everything to the next checkpoint.
    Checkpoint = 3,
}

impl Lane {
    /// The lane's bit in a set of lanes.
    pub(super) const fn bit(self) -> u8 {
        1 << self as u8
    }

    const ALL: [Self; LANES] = [
        Self::HourRows,
        Self::LevelRows,
        Self::Totals,
        Self::Checkpoint,
    ];
}

/// The lists of changed buckets.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    changed: [Vec<SlotRef>; LANES],
}

impl Lanes {
    /// Notes a change in the lanes that carry the bucket; `dirty` is the bucket's set.
    pub(super) fn mark(&mut self, slot: SlotRef, dirty: &mut u8, carried: u8) {
        let fresh = carried & !*dirty;
        if fresh == 0 {
            return;
        }
        for lane in Lane::ALL {
            if fresh & lane.bit() != 0 {
                self.changed[lane as usize].push(slot);
            }
        }
        *dirty |= carried;
    }

    /// Takes a lane's list; the caller clears the bit of every bucket in it.
    pub(super) fn take(&mut self, lane: Lane) -> Vec<SlotRef> {
        std::mem::take(&mut self.changed[lane as usize])
    }

    /// Whether a lane's list has anything.
    pub(super) fn has_changes(&self, lane: Lane) -> bool {
        !self.changed[lane as usize].is_empty()
    }

    /// Length of the publishing lanes' lists together.
    pub(super) fn unflushed(&self) -> usize {
        [Lane::HourRows, Lane::LevelRows, Lane::Totals]
            .into_iter()
            .map(|lane| self.changed[lane as usize].len())
            .sum()
    }
}
