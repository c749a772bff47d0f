//! How old what is known of a tenant is.
//!
//! Judged by progress records alone: where nobody says up to where standings are complete, silence
//! is not taken for freshness. A progress that is behind a known one changes nothing.

use meterline_core::control::{Adoption, ChainKey, View};
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
        let adopted = || view.adoptions().filter(|adoption| adoption.topic == name);
        let created = view.topic_created(name).map(|created| created.topic_id);
        // A topic of that name may have been there before: the one adopted last is the present one.
        let last = || {
            let decided = |a: &&Adoption| view.head_of(&ChainKey::Adoption(a.log_partition));
            adopted().max_by_key(decided).map(topic_of)
        };
        let topic_id = created.or_else(last)?;
        let own = adopted().filter(|adoption| topic_of(adoption) == topic_id);
        let partitions = own.map(|adoption| adoption.partitions).max()?;
        Some(Self {
            topic_id,
            partitions,
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

fn topic_of(adoption: &Adoption) -> TopicId {
    adoption.log_partition.topic_id
}

/// From a moment to another; zero where it is not after it.
fn since(then: LogTime, now: LogTime) -> Duration {
    let millis = now.0.saturating_sub(then.0).max(0);
    Duration::from_millis(millis.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::control::{ControlRecord, Decision};

    #[test]
    fn the_topic_adopted_last_is_the_present_one() {
        let check = |adopted: &[(u128, u32, u32)], expected: Option<(u128, u32)>| {
            let mut view = View::default();
            for (offset, (topic, partition, partitions)) in (0..).zip(adopted) {
                let log_partition = LogPartition {
                    topic_id: TopicId(*topic),
                    partition: *partition,
                };
                let record = ControlRecord {
                    write_id: u128::from(offset),
                    actor: "test".to_owned(),
                    note: String::new(),
                    head: None,
                    decision: Decision::Adoption(Adoption {
                        topic: "usage.events".to_owned(),
                        log_partition,
                        partitions: *partitions,
                        first_offset: 0,
                        catalog_version: 1,
                    }),
                };
                let applied = view.apply(offset, 0, LogTime(0), Ok(record));
                applied.expect("applies");
            }
            let topic = UsageTopic::of(&view, "usage.events");
            let topic = topic.map(|topic| (topic.topic_id.0, topic.partitions));
            assert_eq!(topic, expected, "{adopted:?}");
        };
        check(&[], None);
        check(&[(7, 0, 12), (7, 1, 12)], Some((7, 12)));
        // Made anew with fewer partitions, and with an id that sorts before.
        check(&[(7, 0, 12), (5, 0, 4)], Some((5, 4)));
        check(&[(5, 0, 12), (7, 0, 4)], Some((7, 4)));
        // Grown: the partitions adopted first know of fewer.
        check(&[(7, 0, 2), (7, 1, 2), (7, 2, 3)], Some((7, 3)));
    }

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
