//! How old what is known of a tenant is.
//!
//! Judged by progress records alone: where nobody says up to where standings are complete, silence
//! is not taken for freshness. A progress that is behind a known one changes nothing.

use meterline_core::control::View;
use meterline_core::hash::partition_of;
use meterline_core::position::{LogPartition, Stamp, TopicId};
use meterline_core::standing::StandingProgress;
use meterline_core::time::LogTime;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// The usage log, by whose partitions tenants are told apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct UsageTopic {
    topic_id: TopicId,
    partitions: u32,
}

impl UsageTopic {
    /// The topic as the control log has it; `None` where no partition of it was adopted yet.
    pub(crate) fn of(view: &View, name: &str) -> Option<Self> {
        let created = view.topic_created(name).map(|created| created.topic_id);
        let adopted = view.adoptions().filter(|adoption| adoption.topic == name);
        let of_topic = |id: TopicId| created.is_none_or(|created| created == id);
        let adopted = adopted.filter(|a| of_topic(a.log_partition.topic_id));
        let last = adopted.max_by_key(|adoption| adoption.partitions)?;
        Some(Self {
            topic_id: last.log_partition.topic_id,
            partitions: last.partitions,
        })
    }

    /// Where a tenant's events are.
    pub(crate) fn home(self, tenant: &str) -> LogPartition {
        LogPartition {
            topic_id: self.topic_id,
            partition: partition_of(tenant.as_bytes(), self.partitions),
        }
    }
}

/// Up to where standings are complete, per partition of usage.
#[derive(Debug, Default)]
pub(crate) struct Ages {
    known: RwLock<BTreeMap<LogPartition, (Stamp, LogTime)>>,
}

impl Ages {
    /// Takes a progress.
    pub(crate) fn take(&self, progress: &StandingProgress) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let new = (progress.to, progress.log_time);
        let entry = known.entry(progress.log_partition).or_insert(new);
        *entry = (*entry).max(new);
    }

    /// Age of what is known of a partition; `None` where nothing ever was.
    pub(crate) fn of(&self, partition: LogPartition, now: LogTime) -> Option<Duration> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&partition).map(|(_, at)| since(*at, now))
    }

    /// As if nothing had ever been said.
    #[cfg(test)]
    pub(crate) fn forget(&self) {
        self.known.write().expect("whole").clear();
    }

    /// Age per partition of usage.
    pub(crate) fn all(&self, now: LogTime) -> Vec<(LogPartition, Duration)> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let ages = known.iter();
        ages.map(|(partition, (_, at))| (*partition, since(*at, now)))
            .collect()
    }
}

/// From a moment to another; zero where it is not after it.
fn since(then: LogTime, now: LogTime) -> Duration {
    let millis = now.0.saturating_sub(then.0).max(0);
    Duration::from_millis(millis.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_only_moves_on_and_silence_makes_old() {
        let ages = Ages::default();
        let partition = LogPartition {
            topic_id: TopicId(1),
            partition: 2,
        };
        let progress = |offset, log_time| StandingProgress {
            log_partition: partition,
            to: Stamp { epoch: 0, offset },
            log_time: LogTime(log_time),
            control: 0,
            standing_position: None,
        };
        let check = |now, expected: Option<u64>| {
            let age = ages.of(partition, LogTime(now));
            assert_eq!(age, expected.map(Duration::from_millis));
        };
        check(0, None);
        ages.take(&progress(5, 1_000));
        check(1_500, Some(500));
        ages.take(&progress(4, 900));
        check(1_500, Some(500));
        ages.take(&progress(6, 1_400));
        check(1_500, Some(100));
        check(1_000, Some(0));
        check(61_400, Some(60_000));
        assert_eq!(ages.all(LogTime(1_400)), [(partition, Duration::ZERO)]);
    }
}
