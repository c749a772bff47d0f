//! Dead letters that wait for their flush.
//!
//! A letter is cut to its bounds when it is taken in, and the number of bytes that wait is
//! bounded: a flood of broken records pauses its partition, it never fills the memory. A replay
//! makes the same letters again; their identity is the record's offset (INV-ONCE).

use super::record::RawRecord;
use meterline_core::position::{LogPartition, Stamp};
use meterline_core::reason::Rejection;
use meterline_core::time::LogTime;
use meterline_schemas::records::{DeadLetter, Original, encode_dead_letter};
use meterline_schemas::rows::{DeadLetterRow, DeadRecord};

/// Bytes of a letter beside its original: texts, allocations, the encoded record's frame.
const LETTER_BYTES: usize = 1 << 10;

/// A dead letter in its two forms.
#[derive(Debug)]
pub(crate) struct Letter {
    /// For ClickHouse.
    pub(crate) row: DeadLetterRow,
    /// For its topic.
    pub(crate) record: Vec<u8>,
}

/// Dead letters of one partition since the last cut.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    waiting: Vec<Letter>,
    bytes: usize,
}

impl Letters {
    /// Takes in a rejected record; `log_time` is that after the record.
    pub(crate) fn take_in(
        &mut self,
        topic: &str,
        log_partition: LogPartition,
        stamp: Stamp,
        log_time: LogTime,
        rejection: Rejection,
        raw: &RawRecord<'_>,
    ) {
        let dead = DeadRecord {
            key: raw.key,
            headers: &raw.headers,
            payload: raw.payload,
        };
        let row = DeadLetterRow::new(topic, log_partition, stamp, log_time, &rejection, dead);
        let original = Original::of(raw.key, &raw.headers, raw.payload);
        let letter = DeadLetter::new(topic, log_partition, stamp, rejection, log_time, original);
        let mut record = Vec::new();
        encode_dead_letter(&letter, &mut record);
        self.bytes += LETTER_BYTES + row.original.len() + record.len();
        self.waiting.push(Letter { row, record });
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes all that wait.
    pub(crate) fn cut(&mut self) -> Vec<Letter> {
        self.bytes = 0;
        std::mem::take(&mut self.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::position::TopicId;
    use meterline_core::reason::Reason;

    #[test]
    fn large_records_are_bounded_and_counted() {
        let payload = vec![b'x'; 4 << 20];
        let raw = RawRecord {
            offset: 5,
            append_time: None,
            leader_epoch: -1,
            headers: std::iter::empty().collect(),
            key: Some(b"acme"),
            payload: Some(&payload),
        };
        let log_partition = LogPartition {
            topic_id: TopicId(1),
            partition: 2,
        };
        let stamp = Stamp {
            epoch: 0,
            offset: 5,
        };
        let rejection = Rejection::new(Reason::TooLarge, "4 MiB");
        let mut letters = Letters::default();
        letters.take_in(
            "usage.events",
            log_partition,
            stamp,
            LogTime(1),
            rejection,
            &raw,
        );
        assert!((128 << 10..150 << 10).contains(&letters.bytes()));
        let cut = letters.cut();
        assert_eq!((cut.len(), letters.bytes()), (1, 0));
        assert_eq!(cut[0].row.length, 4 << 20);
    }
}
