//! Voids that the partition has not taken: which of them to point at, and when again.
//!
//! A void acts where its pointer lies in the log. The owner writes the pointers, in the order of
//! the control log and a bounded number at once; copies by others race, and do no harm.

use super::idle::{POINTER_WAIT, WRITE};
use super::thread::Thread;
use meterline_core::control::VoidDecision;
use meterline_core::position::Offset;
use std::sync::Arc;
use std::time::Instant;

/// Most voids that are pointed at between two looks at the control log.
const AT_ONCE: usize = 100;

/// The voids that were pointed at.
#[derive(Debug, Default)]
pub(super) struct PointedVoids {
    /// Control offset of the last one.
    last: Option<Offset>,
    /// Control offset of the one that is next to be taken, and since when it is waited for.
    next: Option<(Offset, Instant)>,
}

impl PointedVoids {
    /// Those of the voids not taken that nobody here has pointed at; all of them again where the
    /// log is at its end and the pointer to the next one did not come. Voids are taken in order, so
    /// that one decides, however many new ones follow it.
    fn due<'a>(
        &mut self,
        outstanding: &'a [Arc<VoidDecision>],
        is_at_end: bool,
        now: Instant,
    ) -> &'a [Arc<VoidDecision>] {
        let next = outstanding.first().map(|void| void.offset);
        match (next, self.next) {
            (Some(next), Some((waited, since))) if next == waited => {
                let waited = now.saturating_duration_since(since);
                if is_at_end && waited >= POINTER_WAIT {
                    self.last = None;
                    self.next = Some((next, now));
                }
            }
            (next, _) => self.next = next.map(|next| (next, now)),
        }
        let first = outstanding.partition_point(|void| Some(void.offset) <= self.last);
        let due = &outstanding[first..];
        let due = &due[..due.len().min(AT_ONCE)];
        if let Some(newest) = due.last() {
            self.last = Some(newest.offset);
        }
        due
    }
}

impl Thread {
    /// Points at voids of this partition that it has not taken.
    pub(super) fn point_at_voids(&mut self, now: Instant) {
        let taken = self.partition.voids_to();
        let outstanding = self.view.voids_after(&self.log_partition, taken);
        let is_at_end = self.idle.is_at_end;
        let due = self.idle.pointed_voids.due(outstanding, is_at_end, now);
        if !due.is_empty() {
            let (due, partition) = (due.to_vec(), self.log_partition.partition);
            self.write("pointers to voids", move |log| {
                log.place_voids(&due, partition, WRITE)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::control::{EventRecord, Void};
    use meterline_core::position::{LogPartition, TopicId};
    use std::ops::Range;
    use std::time::Duration;

    fn void(offset: Offset) -> Arc<VoidDecision> {
        let void = Void {
            tenant: "acme".to_owned(),
            source: "/t".to_owned(),
            id: offset.to_string(),
            log_partition: LogPartition {
                topic_id: TopicId(1),
                partition: 0,
            },
            offset: 0,
            record: EventRecord {
                headers: Vec::new(),
                payload: None,
            },
            replacement: None,
        };
        Arc::new(VoidDecision {
            offset,
            hash: 0,
            follows: None,
            earlier: None,
            void,
        })
    }

    #[test]
    fn voids_are_pointed_at_once_in_bounded_numbers_and_again_when_nothing_came() {
        let all: Vec<_> = (0..250).map(void).collect();
        let mut pointed = PointedVoids::default();
        let began = Instant::now();
        let mut check = |outstanding: Range<usize>, is_at_end, seconds, expected: Range<u64>| {
            let now = began + Duration::from_secs(seconds);
            let due = pointed.due(&all[outstanding], is_at_end, now).iter();
            let due: Vec<_> = due.map(|void| void.offset).collect();
            assert_eq!(due, expected.collect::<Vec<_>>());
        };
        check(0..250, true, 0, 0..100);
        check(0..250, true, 1, 100..200);
        check(0..250, true, 2, 200..250);
        check(0..250, true, 3, 0..0);
        check(0..250, false, 40, 0..0);
        check(0..250, true, 40, 0..100);
        // What was taken begins the wait for the next one.
        check(50..250, true, 60, 100..200);
        check(50..250, true, 61, 200..250);
        check(50..250, true, 89, 0..0);
        check(50..250, true, 90, 50..150);
        check(0..0, true, 200, 0..0);
    }

    #[test]
    fn a_lost_pointer_is_written_again_while_new_voids_keep_coming() {
        let all: Vec<_> = (0..100).map(void).collect();
        let mut pointed = PointedVoids::default();
        let began = Instant::now();
        // A new void every second, and the pointer to the first never comes.
        let written = (1..=all.len()).position(|count| {
            let now = began + Duration::from_secs(count as u64);
            let due = pointed.due(&all[..count], true, now);
            count > 1 && due.first().is_some_and(|void| void.offset == 0)
        });
        let waited = POINTER_WAIT.as_secs();
        assert_eq!(written.map(|at| at as u64), Some(waited));
    }
}
