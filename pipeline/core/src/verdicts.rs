//! Which verdict a partition meets next, and which state it may go on from.
//!
//! The epoch counts the verdicts applied, so the next one is at the epoch's place in the control
//! log's order. A verdict acts before the first record at or after its offset; a state that is
//! already past that offset is of an abandoned history, and an older one must be taken.
//!
//! Shared by the stages, which apply verdicts, and by the commands, which write them.

use crate::control::{Verdict, VerdictAction};
use crate::halt::Halt;
use crate::position::{Offset, Stamp};

/// The verdict that a partition in this epoch meets next.
#[must_use]
pub fn next(verdicts: &[(Offset, Verdict)], epoch: u16) -> Option<&Verdict> {
    verdicts.get(usize::from(epoch)).map(|(_, verdict)| verdict)
}

/// Verdicts that a state has applied, but whose records it has not all folded yet: what they say
/// of those records is in no checkpoint and holds still.
pub fn unspent(verdicts: &[(Offset, Verdict)], position: Stamp) -> impl Iterator<Item = &Verdict> {
    let applied = verdicts.iter().take(usize::from(position.epoch));
    applied
        .map(|(_, verdict)| verdict)
        .filter(move |verdict| verdict.speaks_until() > position.offset)
}

/// The first record to read from a position: verdicts at the very position may move it.
#[must_use]
pub fn first_record(verdicts: &[(Offset, Verdict)], mut position: Stamp) -> Offset {
    while let Some(verdict) = next(verdicts, position.epoch) {
        if verdict.offset != position.offset {
            break;
        }
        position.epoch += 1;
        if let VerdictAction::ContinueAt(offset) = verdict.action {
            position.offset = position.offset.max(offset);
        }
    }
    position.offset
}

/// How many partitions the topic must have: what the last verdict on that accepted, met already
/// or not, else what the partition knows.
///
/// A partition that is loaded from before the verdict still has the count of then; it will meet
/// the verdict on its way.
#[must_use]
pub fn partitions(verdicts: &[(Offset, Verdict)], known: u32) -> u32 {
    let counts = verdicts.iter().rev().map(|(_, verdict)| &verdict.action);
    let accepted = |action: &VerdictAction| match action {
        VerdictAction::Partitions(count) => Some(*count),
        _ => None,
    };
    counts.filter_map(accepted).next().unwrap_or(known)
}

/// What may be done with a state at some position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It is on the way that the verdicts describe.
    Good,
    /// It is past a verdict: take one at or before this position.
    GoBack(Stamp),
    /// It has applied verdicts that the control log, as read so far, does not have.
    Ahead,
}

/// Judges a state at `position`.
#[must_use]
pub fn standing(verdicts: &[(Offset, Verdict)], position: Stamp) -> Standing {
    if usize::from(position.epoch) > verdicts.len() {
        return Standing::Ahead;
    }
    match next(verdicts, position.epoch) {
        Some(verdict) if verdict.offset < position.offset => Standing::GoBack(Stamp {
            epoch: position.epoch,
            offset: verdict.offset,
        }),
        _ => Standing::Good,
    }
}

/// Refuses verdicts that no single way through the log meets in their order.
///
/// # Errors
/// A halt `divergence` that names both.
pub fn check_order(verdicts: &[(Offset, Verdict)]) -> Result<(), Halt> {
    for pair in verdicts.windows(2) {
        let [(_, first), (at, second)] = pair else {
            continue;
        };
        if second.offset < first.offset {
            return Err(Halt::Divergence(format!(
                "the verdict at control offset {at} is on offset {}, before an earlier verdict on \
                 offset {}; no reader can meet them in this order",
                second.offset, first.offset
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::{LogPartition, TopicId};
    use crate::time::LogTime;

    fn verdicts(offsets: &[Offset]) -> Vec<(Offset, Verdict)> {
        let verdict = |offset| Verdict {
            log_partition: LogPartition {
                topic_id: TopicId(1),
                partition: 0,
            },
            offset,
            action: VerdictAction::ContinueAt(offset + 1),
        };
        (100..).zip(offsets.iter().copied().map(verdict)).collect()
    }

    #[test]
    fn states_are_judged_by_the_verdict_they_meet_next() {
        let at = |epoch, offset| Stamp { epoch, offset };
        let cases = [
            (&[][..], at(0, 7), Standing::Good),
            (&[][..], at(1, 7), Standing::Ahead),
            (&[7][..], at(0, 7), Standing::Good),
            (&[7][..], at(0, 8), Standing::GoBack(at(0, 7))),
            (&[7][..], at(1, 8), Standing::Good),
            (&[7, 9][..], at(1, 12), Standing::GoBack(at(1, 9))),
            (&[7, 9][..], at(2, 12), Standing::Good),
        ];
        for (offsets, position, expected) in cases {
            let found = standing(&verdicts(offsets), position);
            assert_eq!(found, expected, "{offsets:?} at {position:?}");
        }
    }

    #[test]
    fn a_verdict_holds_until_its_record_was_folded() {
        let at = |epoch, offset| Stamp { epoch, offset };
        let cases = [
            (at(0, 7), &[][..]),
            (at(1, 7), &[7][..]),
            (at(2, 7), &[7, 7][..]),
            (at(2, 8), &[][..]),
            (at(3, 8), &[9][..]),
        ];
        for (position, expected) in cases {
            let all = verdicts(&[7, 7, 9]);
            let found: Vec<_> = unspent(&all, position).map(|v| v.offset).collect();
            assert_eq!(found, expected, "{position:?}");
        }
    }

    #[test]
    fn verdicts_at_the_position_move_the_first_record() {
        let of = |offset, action| {
            let mut all = verdicts(&[offset]);
            all[0].1.action = action;
            all.remove(0)
        };
        let verdicts = [
            of(5, VerdictAction::LogTime(LogTime(1))),
            of(5, VerdictAction::ContinueAt(9)),
            of(12, VerdictAction::ContinueAt(20)),
        ];
        let cases = [(0, 5, 9), (0, 4, 4), (1, 5, 9), (2, 9, 9), (2, 12, 20)];
        for (epoch, offset, expected) in cases {
            let found = first_record(&verdicts, Stamp { epoch, offset });
            assert_eq!(found, expected, "({epoch}, {offset})");
        }
    }

    #[test]
    fn a_range_holds_until_its_last_record_was_folded() {
        let mut all = verdicts(&[7]);
        all[0].1.action = VerdictAction::LogTimeUntil {
            until: 20,
            log_time: LogTime(1),
        };
        for (offset, holds) in [(7, true), (19, true), (20, false)] {
            let position = Stamp { epoch: 1, offset };
            assert_eq!(unspent(&all, position).count() == 1, holds, "{offset}");
        }
    }

    #[test]
    fn the_last_accepted_partition_count_is_the_one_that_counts() {
        let mut all = verdicts(&[7, 8, 9]);
        assert_eq!(partitions(&all, 4), 4);
        all[0].1.action = VerdictAction::Partitions(6);
        assert_eq!(partitions(&all, 4), 6);
        all[2].1.action = VerdictAction::Partitions(8);
        assert_eq!(partitions(&all, 4), 8);
    }

    #[test]
    fn verdicts_out_of_order_halt() {
        assert!(check_order(&verdicts(&[3, 3, 9])).is_ok());
        let halt = check_order(&verdicts(&[9, 3])).expect_err("no way meets both");
        assert_eq!(halt.name(), "divergence");
    }
}
