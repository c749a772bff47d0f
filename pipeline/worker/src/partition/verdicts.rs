//! Which verdict a partition meets next, and which state it may go on from.
//!
//! The epoch counts the verdicts applied, so the next one is at the epoch's place in the control
//! log's order. A verdict acts before the first record at or after its offset; a state that is
//! already past that offset is of an abandoned history, and an older one must be taken.

use meterline_core::control::Verdict;
use meterline_core::halt::Halt;
use meterline_core::position::{Offset, Stamp};

/// The verdict that a partition in this epoch meets next.
pub(crate) fn next(verdicts: &[(Offset, Verdict)], epoch: u16) -> Option<&Verdict> {
    verdicts.get(usize::from(epoch)).map(|(_, verdict)| verdict)
}

/// Verdicts that a state has applied, but whose record it has not folded yet: what they say of
/// that record is in no checkpoint and holds still.
pub(crate) fn unspent(
    verdicts: &[(Offset, Verdict)],
    position: Stamp,
) -> impl Iterator<Item = &Verdict> {
    let applied = verdicts.iter().take(usize::from(position.epoch));
    applied
        .map(|(_, verdict)| verdict)
        .filter(move |verdict| verdict.offset >= position.offset)
}

/// What may be done with a state at some position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// It is on the way that the verdicts describe.
    Good,
    /// It is past a verdict: take one at or before this position.
    GoBack(Stamp),
    /// It has applied verdicts that the control log, as read so far, does not have.
    Ahead,
}

/// Judges a state at `position`.
pub(crate) fn standing(verdicts: &[(Offset, Verdict)], position: Stamp) -> Standing {
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
pub(crate) fn check_order(verdicts: &[(Offset, Verdict)]) -> Result<(), Halt> {
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
    use meterline_core::control::VerdictAction;
    use meterline_core::position::{LogPartition, TopicId};

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
    fn verdicts_out_of_order_halt() {
        assert!(check_order(&verdicts(&[3, 3, 9])).is_ok());
        let halt = check_order(&verdicts(&[9, 3])).expect_err("no way meets both");
        assert_eq!(halt.name(), "divergence");
    }
}
