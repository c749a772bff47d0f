//! The letters that are there when a run begins: those that it takes, and no others.
//!
//! What a run publishes may be rejected again, and is a new letter then. Taken into the same run
//! it would be published once more, and so on up to the run's limit.

use super::{Replayer, TIMEOUT, id_of};
use crate::error::ReplayError;
use meterline_clickhouse::{DeadLetterFilter, LetterOrder, LetterPage, LetterPlace};
use meterline_core::position::{Offset, TopicId};
use meterline_schemas::rows::DeadLetterRow;

/// Where letters and records ended when the run began.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Snapshot {
    /// The newest letter that was meant; `None` where there was none.
    pub(super) newest: Option<LetterPlace>,
    /// The usage topic.
    topic_id: TopicId,
    /// The end of each of its partitions. Log times alone do not tell old from new: clocks of
    /// brokers differ.
    ends: Vec<Offset>,
}

impl Snapshot {
    /// Whether a letter is of a record that was there.
    pub(super) fn has(&self, letter: &DeadLetterRow) -> bool {
        if letter.topic_id != self.topic_id {
            return true;
        }
        let place = usize::try_from(letter.log_partition).ok();
        let end = place.and_then(|place| self.ends.get(place));
        end.is_some_and(|end| letter.offset < *end)
    }
}

impl Replayer {
    /// The ends of now.
    pub(super) fn snapshot(&self, filter: &DeadLetterFilter<'_>) -> Result<Snapshot, ReplayError> {
        let page = LetterPage::first(LetterOrder::NewestFirst, 1);
        let letters = self.places.clickhouse.dead_letters(filter, &page);
        let newest = self.places.runtime.block_on(letters)?;
        let ends = (0..self.usage.partition_count()).map(|partition| {
            let (_, end) = self
                .admin
                .watermarks(&self.usage.name, partition, TIMEOUT)?;
            Ok(end)
        });
        Ok(Snapshot {
            newest: newest.first().map(place_of),
            topic_id: self.usage.topic_id,
            ends: ends.collect::<Result<_, ReplayError>>()?,
        })
    }
}

/// Of the letters that are meant, those that can be taken.
pub(super) fn unfinished<'a>(filter: &DeadLetterFilter<'a>) -> DeadLetterFilter<'a> {
    DeadLetterFilter {
        replayed: Some(false),
        purged: Some(false),
        ..*filter
    }
}

/// What a letter is ordered by.
pub(super) fn place_of(letter: &DeadLetterRow) -> LetterPlace {
    (letter.log_time, id_of(letter).log_partition, letter.offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::position::{LogPartition, Stamp};
    use meterline_core::reason::{Reason, Rejection};
    use meterline_core::time::LogTime;
    use meterline_schemas::rows::DeadRecord;

    fn letter(topic: u128, partition: u32, offset: Offset) -> DeadLetterRow {
        DeadLetterRow::new(
            "usage.events",
            LogPartition {
                topic_id: TopicId(topic),
                partition,
            },
            Stamp { epoch: 0, offset },
            LogTime(0),
            &Rejection::new(Reason::TooLate, ""),
            DeadRecord {
                key: None,
                headers: &[],
                payload: None,
            },
        )
    }

    #[test]
    fn only_letters_of_records_before_the_ends_were_there() {
        let snapshot = Snapshot {
            newest: None,
            topic_id: TopicId(1),
            ends: vec![5, 0],
        };
        for (letter, expected) in [
            (letter(1, 0, 4), true),
            (letter(1, 0, 5), false),
            (letter(1, 1, 0), false),
            // A partition that was added since.
            (letter(1, 2, 0), false),
            // Of another topic: no replay is published there.
            (letter(2, 0, 9), true),
        ] {
            assert_eq!(snapshot.has(&letter), expected, "{letter:?}");
        }
    }
}
