//! Standings on their way: to the topic `usage.standing`, then to the table.
//!
//! Judging never waits for them. What waits is coalesced, the newest per tenant and meter, so the
//! bound of the memory is the number of standings there are. The topic comes first and the table
//! after its acknowledgement: what the table has, every reader of the topic was told. Progress of a
//! log partition is written after the standings that it speaks of, and names the place in the topic
//! from which a reader that has just read the table misses nothing.

mod table;
mod topic;

pub(crate) use table::TableLane;
pub(crate) use topic::TopicLane;

use meterline_core::position::{LogPartition, Offset};
use meterline_core::standing::{Standing, StandingProgress};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Whose standing it is: tenant, then meter.
type Key = (String, String);

/// A progress record, and where the topic has it once it does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Told {
    pub(crate) progress: StandingProgress,
    pub(crate) offset: Option<Offset>,
}

/// What waits to be written by one lane.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    inner: Mutex<Batch>,
}

/// What one lane writes at once: standings, then progress.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Batch {
    pub(crate) standings: HashMap<Key, Standing>,
    pub(crate) progress: BTreeMap<LogPartition, Told>,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.standings.is_empty() && self.progress.is_empty()
    }

    /// Adds a standing, unless a newer one waits.
    pub(crate) fn add(&mut self, standing: Standing) {
        let key = (standing.tenant.clone(), standing.meter.clone());
        let newer = self.standings.get(&key);
        if newer.is_none_or(|known| known.version() <= standing.version()) {
            self.standings.insert(key, standing);
        }
    }

    /// Adds progress, unless later progress waits.
    pub(crate) fn reach(&mut self, told: Told) {
        let place = |progress: &StandingProgress| (progress.to, progress.control);
        let later = self.progress.get(&told.progress.log_partition);
        if later.is_none_or(|known| place(&known.progress) <= place(&told.progress)) {
            self.progress.insert(told.progress.log_partition, told);
        }
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Batch> {
        // Every write leaves it whole, so a panic elsewhere does not spoil it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds standings with the progress that holds once they are written.
    pub(crate) fn offer(
        &self,
        standings: impl IntoIterator<Item = Standing>,
        progress: impl IntoIterator<Item = Told>,
    ) {
        let mut batch = self.lock();
        standings
            .into_iter()
            .for_each(|standing| batch.add(standing));
        progress.into_iter().for_each(|told| batch.reach(told));
    }

    /// Takes all that waits.
    pub(crate) fn take(&self) -> Batch {
        std::mem::take(&mut *self.lock())
    }

    /// How many standings wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().standings.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{log_partition, standing};
    use meterline_core::position::Stamp;
    use meterline_core::time::LogTime;

    fn progress(to: u64, control: u64) -> Told {
        Told {
            progress: StandingProgress {
                log_partition: log_partition(0),
                to: Stamp {
                    epoch: 0,
                    offset: to,
                },
                log_time: LogTime(0),
                control,
                standing_position: None,
            },
            offset: None,
        }
    }

    #[test]
    fn the_newest_standing_of_each_key_waits() {
        let waiting = Waiting::default();
        let newer = standing("acme", "calls", 7, 9);
        waiting.offer([newer.clone(), standing("acme", "bytes", 1, 4)], []);
        waiting.offer([standing("acme", "calls", 5, 8)], []);
        assert_eq!(waiting.len(), 2);
        let batch = waiting.take();
        let key = ("acme".to_owned(), "calls".to_owned());
        assert_eq!(batch.standings.get(&key), Some(&newer));
        assert!(waiting.take().is_empty());
    }

    #[test]
    fn the_latest_progress_of_each_log_partition_waits() {
        let waiting = Waiting::default();
        waiting.offer([], [progress(5, 2), progress(5, 3), progress(4, 9)]);
        let batch = waiting.take();
        let kept: Vec<_> = batch.progress.into_values().collect();
        assert_eq!(kept, [progress(5, 3)]);
    }
}
