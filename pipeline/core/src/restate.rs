//! What going back in a log leaves behind, and what is written over it.
//!
//! A verdict at an offset ends an epoch there. What the epoch's history wrote for records at or
//! after that offset is *abandoned*: the next epoch orders after it, and replaces it wherever both
//! touched the same bucket. Where only the abandoned history did, the value as it stood at the
//! verdict is written again, under the last stamp that the ended epoch has
//! ([`restated`]). That stamp orders after everything abandoned and before everything of the next
//! epoch, and what is written under it is a function of the log before the verdict alone. So it may
//! be written again, by anybody, at any time (INV-STAMP).
//!
//! What is refused: to take a bucket that nobody can know any more for one that was empty.

use crate::bucket::Bucket;
use crate::control::Verdict;
use crate::position::{MAX_OFFSET, Offset, Stamp};
use crate::time::{EventTime, Window};

/// The stamp that restated values of an epoch carry: no record ever has this offset.
#[must_use]
pub const fn restated(epoch: u16) -> Stamp {
    Stamp {
        epoch,
        offset: MAX_OFFSET,
    }
}

/// Where each epoch of a partition ended, first epoch first: the offsets of its verdicts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EpochEnds(Vec<Offset>);

impl EpochEnds {
    /// The ends that verdicts in force make, in the order of the control log.
    #[must_use]
    pub fn of(verdicts: &[(Offset, Verdict)]) -> Self {
        Self(verdicts.iter().map(|(_, verdict)| verdict.offset).collect())
    }

    /// The ends, first epoch first.
    #[must_use]
    pub fn offsets(&self) -> &[Offset] {
        &self.0
    }

    /// Whether a value with this stamp belongs to a history that was given up, and still stands.
    #[must_use]
    pub fn is_abandoned(&self, stamp: Stamp) -> bool {
        let end = self.0.get(usize::from(stamp.epoch));
        stamp.offset != MAX_OFFSET && end.is_some_and(|end| stamp.offset >= *end)
    }
}

/// What becomes of an abandoned row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Restatement {
    /// The next epoch changed the bucket: its own row comes, or is there.
    Replaced,
    /// To be written in its place.
    Write(Bucket),
    /// The state no longer answers for the window, so nobody knows.
    Unknown,
}

/// Decides on a row with the stamp `abandoned`.
///
/// `found` is the bucket in a state of a later epoch than the row's, and `answer_floor` is that
/// state's: windows that end before it may have left the state.
#[must_use]
pub fn restate(
    abandoned: Stamp,
    found: Option<Bucket>,
    window: Window,
    answer_floor: EventTime,
) -> Restatement {
    let changed = restated(abandoned.epoch);
    match found {
        Some(bucket) if bucket.changed.epoch > abandoned.epoch => Restatement::Replaced,
        Some(bucket) => Restatement::Write(Bucket { changed, ..bucket }),
        None if window.end_time() < answer_floor => Restatement::Unknown,
        None => Restatement::Write(Bucket {
            changed,
            ..Bucket::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::VerdictAction;
    use crate::position::{LogPartition, TopicId};
    use crate::time::{Hour, Level};
    use proptest::prelude::*;

    fn at(epoch: u16, offset: Offset) -> Stamp {
        Stamp { epoch, offset }
    }

    fn ends(offsets: &[Offset]) -> EpochEnds {
        let verdict = |offset: &Offset| Verdict {
            log_partition: LogPartition {
                topic_id: TopicId(1),
                partition: 0,
            },
            offset: *offset,
            action: VerdictAction::ContinueAt(*offset),
        };
        let verdicts: Vec<_> = (0..).zip(offsets.iter().map(verdict)).collect();
        EpochEnds::of(&verdicts)
    }

    #[test]
    fn what_lies_at_or_behind_its_epochs_end_is_abandoned() {
        let ends = ends(&[7, 9]);
        let cases = [
            (at(0, 6), false),
            (at(0, 7), true),
            (at(0, 500), true),
            (at(1, 8), false),
            (at(1, 9), true),
            (at(2, 500), false),
            (restated(0), false),
            (restated(1), false),
        ];
        for (stamp, expected) in cases {
            assert_eq!(ends.is_abandoned(stamp), expected, "{stamp:?}");
        }
    }

    #[test]
    fn a_bucket_is_restated_as_it_stood_or_as_nothing_and_never_guessed() {
        let window = Window::of(Level::Hour, Hour(100));
        let answers = EventTime(0);
        let bucket = |changed| Bucket {
            events: 3,
            revision: 1,
            changed,
            ..Bucket::default()
        };
        let stood = bucket(restated(0));
        let nothing = Bucket {
            changed: restated(0),
            ..Bucket::default()
        };
        let expired = EventTime(window.end_time().0 + 1);
        let cases = [
            (Some(bucket(at(0, 6))), answers, Restatement::Write(stood)),
            (Some(bucket(at(1, 7))), answers, Restatement::Replaced),
            (None, answers, Restatement::Write(nothing)),
            (None, window.end_time(), Restatement::Write(nothing)),
            (None, expired, Restatement::Unknown),
            (Some(bucket(at(0, 6))), expired, Restatement::Write(stood)),
        ];
        for (found, floor, expected) in cases {
            assert_eq!(
                restate(at(0, 9), found, window, floor),
                expected,
                "{found:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn restated_values_order_between_their_epoch_and_the_next(
            epoch in 0u16..u16::MAX - 1, old in 0..MAX_OFFSET, new in 0..MAX_OFFSET,
        ) {
            prop_assert!(at(epoch, old).version() < restated(epoch).version());
            prop_assert!(restated(epoch).version() < at(epoch + 1, new).version());
        }
    }
}
