//! How old what is known of a tenant is.
//!
//! Judged by progress records alone: where nobody says up to where standings are complete, silence
//! is not taken for freshness. A progress that is behind a known one changes nothing.
//!
//! Standings are judged by accounts and catalogs, and an answer by those that are known here. So a
//! progress counts only once our own control log is read as far as the one that it stands on: where
//! it cannot be followed, limits and keys of before are not taken for those of now, and what is
//! known grows old.

use meterline_core::control::{Adoption, ChainKey, View};
use meterline_core::hash::partition_of;
use meterline_core::position::{LogPartition, Offset, Stamp, TopicId};
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
    known: RwLock<BTreeMap<LogPartition, Said>>,
}

/// A progress: up to where, when, and the control position that it stands on.
type Step = (Stamp, LogTime, Offset);

/// What was said of a partition.
///
/// Of those that wait for our control log the first is kept beside the newest: where decisions come
/// faster than they are read, the newest alone would never be reached.
#[derive(Clone, Copy, Debug)]
struct Said {
    reached: Option<Step>,
    waiting: Option<Step>,
    newest: Step,
}

impl Ages {
    /// Takes a progress, with the control log read up to `control`.
    pub(crate) fn take(&self, progress: &StandingProgress, control: Offset) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let newest = (progress.to, progress.log_time, progress.control);
        let said = known.entry(progress.log_partition).or_insert(Said {
            reached: None,
            waiting: None,
            newest,
        });
        said.settle(control);
        said.newest = said.newest.max(newest);
        said.settle(control);
    }

    /// Age of what is known of a partition, with the control log read up to `control`; `None` where
    /// nothing ever was.
    pub(crate) fn of(
        &self,
        partition: LogPartition,
        control: Offset,
        now: LogTime,
    ) -> Option<Duration> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let at = known.get(&partition)?.complete_at(control)?;
        Some(since(at, now))
    }

    /// As if nothing had ever been said.
    #[cfg(test)]
    pub(crate) fn forget(&self) {
        self.known.write().expect("whole").clear();
    }

    /// The control position that standings stand on, where ours, `control`, is below it.
    pub(crate) fn ahead_of(&self, control: Offset) -> Option<Offset> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let newest = known.values().map(|said| said.newest.2).max()?;
        (newest > control).then_some(newest)
    }

    /// Age per partition of usage, of those of which anything is known.
    pub(crate) fn all(&self, control: Offset, now: LogTime) -> Vec<(LogPartition, Duration)> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let ages = known.iter().filter_map(|(partition, said)| {
            let at = said.complete_at(control)?;
            Some((*partition, since(at, now)))
        });
        ages.collect()
    }
}

impl Said {
    /// Moves on to what our control log has reached.
    fn settle(&mut self, control: Offset) {
        let has_reached = |(_, _, needs): &Step| *needs <= control;
        if has_reached(&self.newest) {
            self.reached = Some(self.newest);
            self.waiting = None;
            return;
        }
        if let Some(waiting) = self.waiting.filter(has_reached) {
            self.reached = Some(waiting);
            self.waiting = None;
        }
        self.waiting.get_or_insert(self.newest);
    }

    /// Before which log time all is known.
    fn complete_at(&self, control: Offset) -> Option<LogTime> {
        let mut settled = *self;
        settled.settle(control);
        settled.reached.map(|(_, at, _)| at)
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

    const PARTITION: LogPartition = LogPartition {
        topic_id: TopicId(1),
        partition: 2,
    };

    fn progress(offset: Offset, log_time: i64, control: Offset) -> StandingProgress {
        StandingProgress {
            log_partition: PARTITION,
            to: Stamp { epoch: 0, offset },
            log_time: LogTime(log_time),
            control,
            standing_position: None,
        }
    }

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
        let check = |now, expected: Option<u64>| {
            let age = ages.of(PARTITION, 0, LogTime(now));
            assert_eq!(age, expected.map(Duration::from_millis));
        };
        check(0, None);
        ages.take(&progress(5, 1_000, 0), 0);
        check(1_500, Some(500));
        ages.take(&progress(4, 900, 0), 0);
        check(1_500, Some(500));
        ages.take(&progress(6, 1_400, 0), 0);
        check(1_500, Some(100));
        check(1_000, Some(0));
        check(61_400, Some(60_000));
        assert_eq!(ages.all(0, LogTime(1_400)), [(PARTITION, Duration::ZERO)]);
    }

    #[test]
    fn progress_counts_once_our_control_log_is_as_far() {
        let ages = Ages::default();
        let at = |control| ages.of(PARTITION, control, LogTime(10_000));
        let check = |control, expected: Option<u64>| {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(at(control), expected, "control {control}");
        };
        // Nothing was ever known that stands on what is known here.
        ages.take(&progress(1, 1_000, 4), 3);
        check(3, None);
        assert_eq!(ages.all(3, LogTime(10_000)), []);
        check(4, Some(9_000));
        ages.take(&progress(2, 2_000, 4), 4);
        check(4, Some(8_000));
        // A log that is not followed makes what is known old, whatever is said meanwhile.
        ages.take(&progress(3, 3_000, 5), 4);
        ages.take(&progress(4, 4_000, 6), 4);
        check(4, Some(8_000));
        // One that is followed behind them moves on: to the first that waited, then to the newest.
        check(5, Some(7_000));
        ages.take(&progress(5, 5_000, 8), 6);
        check(6, Some(6_000));
        check(7, Some(6_000));
        check(8, Some(5_000));
        // The same standings, after a decision that changed none of them.
        ages.take(&progress(5, 5_000, 9), 8);
        check(8, Some(5_000));
    }
}
