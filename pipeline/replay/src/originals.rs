//! Finding the record of a letter again: in the log, else in the letter.

use crate::error::{Refusal, ReplayError};
use crate::judge::{Original, is_control};
use meterline_core::hash::content_hash;
use meterline_core::position::TopicId;
use meterline_kafka::{Admin, ReadRecord, Reader, Settings};
use meterline_schemas::records::CopySource;
use meterline_schemas::rows::DeadLetterRow;
use std::collections::BTreeMap;
use std::time::Duration;

/// Reads originals. Keeps its connection and what it knows of topics for one run.
pub(crate) struct Originals {
    admin: Admin,
    reader: Reader,
    /// The incarnation of each topic now; `None` where there is none.
    topics: BTreeMap<String, Option<TopicId>>,
    timeout: Duration,
}

impl Originals {
    pub(crate) fn connect(settings: &Settings, timeout: Duration) -> Result<Self, ReplayError> {
        Ok(Self {
            admin: Admin::connect(settings)?,
            reader: Reader::connect(settings, "meterline-replay")?,
            topics: BTreeMap::new(),
            timeout,
        })
    }

    /// The original of a letter, or why there is none.
    pub(crate) fn find(
        &mut self,
        letter: &DeadLetterRow,
    ) -> Result<Result<Original, Refusal>, ReplayError> {
        let names = letter.headers.iter().map(|(name, _)| name.as_str());
        if is_control(&letter.reason, names) {
            return Ok(Err(Refusal::Control));
        }
        let log = match self.in_log(letter)? {
            Ok(record) => {
                return Ok(Ok(Original {
                    headers: record.headers,
                    payload: record.payload,
                    copy: CopySource::Log,
                }));
            }
            Err(why) => why,
        };
        Ok(stored(letter).ok_or(Refusal::Gone { log }))
    }

    /// The record in the log, if it is the one that the letter means.
    fn in_log(
        &mut self,
        letter: &DeadLetterRow,
    ) -> Result<Result<ReadRecord, &'static str>, ReplayError> {
        let timeout = self.timeout;
        if !self.topics.contains_key(&letter.topic) {
            let described = self.admin.describe_topic(&letter.topic, timeout)?;
            let id = described.map(|topic| topic.topic_id);
            self.topics.insert(letter.topic.clone(), id);
        }
        if self.topics[&letter.topic] != Some(letter.topic_id) {
            return Ok(Err("its topic was deleted"));
        }
        let (partition, offset) = (letter.log_partition, letter.offset);
        let found = self
            .reader
            .read_at(&letter.topic, partition, offset, timeout)?;
        Ok(match found {
            None => Err("the log no longer has it"),
            Some(record) if !is_it(letter, record.payload.as_deref()) => {
                Err("the log has another record there")
            }
            Some(record) => Ok(record),
        })
    }
}

/// Whether these are the bytes that the letter means.
fn is_it(letter: &DeadLetterRow, payload: Option<&[u8]>) -> bool {
    let payload = payload.unwrap_or_default();
    payload.len() as u64 == letter.length && content_hash(payload) == letter.hash
}

/// The letter's own copy, where it holds all of the record.
///
/// The table holds an absent value as an empty one, that of a header too: no record form tells
/// them apart.
fn stored(letter: &DeadLetterRow) -> Option<Original> {
    let is_whole = letter.truncated == 0 && is_it(letter, Some(&letter.original));
    is_whole.then(|| Original {
        headers: letter
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), Some(value.to_vec())))
            .collect(),
        payload: Some(letter.original.to_vec()),
        copy: CopySource::Letter,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::position::{LogPartition, Stamp};
    use meterline_core::reason::{Reason, Rejection};
    use meterline_core::time::LogTime;
    use meterline_schemas::rows::DeadRecord;

    fn letter(payload: &[u8]) -> DeadLetterRow {
        DeadLetterRow::new(
            "usage.events",
            LogPartition {
                topic_id: TopicId(1),
                partition: 0,
            },
            Stamp::default(),
            LogTime(0),
            &Rejection::new(Reason::Malformed, ""),
            DeadRecord {
                key: None,
                headers: &[("a", Some(b"1")), ("b", None)],
                payload: Some(payload),
            },
        )
    }

    #[test]
    fn a_letter_that_holds_all_of_its_record_stands_for_it() {
        let kept = stored(&letter(b"{}")).expect("it is whole");
        assert_eq!(kept.copy, CopySource::Letter);
        assert_eq!(kept.payload.as_deref(), Some(&b"{}"[..]));
        assert_eq!(kept.headers[0], ("a".to_owned(), Some(b"1".to_vec())));
        assert_eq!(kept.headers.len(), 2);
    }

    #[test]
    fn a_letter_that_was_cut_or_changed_does_not() {
        assert_eq!(stored(&letter(&vec![b'x'; 65 << 10])), None);
        let mut changed = letter(b"{}");
        changed.original[1] = b' ';
        assert_eq!(stored(&changed), None);
        assert!(!is_it(&letter(b"{}"), Some(b"{} ")));
        assert!(!is_it(&letter(b"{}"), None));
        assert!(is_it(&letter(b""), None));
    }
}
