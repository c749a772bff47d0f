//! Markers of replayed dead letters, on `usage.dead-letter` between the letters.
//!
//! A marker and the record that it stands for are written in one transaction, so markers say
//! exactly what was replayed; everything else that knows it is made from them.

use super::RecordError;
use super::codec::{Codec, long};
use meterline_core::position::{LogPartition, Offset, TopicId};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

pub(super) static CODEC: LazyLock<Codec> = LazyLock::new(|| {
    let text = include_str!("../../avro/dead_letter_replay.avsc");
    Codec::new("replay of a dead letter", text)
});

/// Where the bytes of a replayed record came from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CopySource {
    /// From the usage log itself.
    Log,
    /// From the dead letter, which had all of it.
    Letter,
}

impl CopySource {
    /// The name in records, tables and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Letter => "letter",
        }
    }
}

/// A dead letter was replayed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeadLetterReplay {
    /// Partition of the letter's record.
    pub log_partition: LogPartition,
    /// Offset of the letter's record.
    pub offset: Offset,
    /// Name of the topic that it was published to again.
    pub to_topic: String,
    /// The partition there.
    pub to: LogPartition,
    /// The offset there.
    pub to_offset: Offset,
    /// Where its bytes came from.
    pub copy: CopySource,
    /// Who replayed it.
    pub actor: String,
    /// Why, in the actor's words; may be empty.
    pub note: String,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(with = "apache_avro::serde_avro_fixed")]
    topic_id: [u8; 16],
    partition: i64,
    offset: i64,
    to_topic: String,
    #[serde(with = "apache_avro::serde_avro_fixed")]
    to_topic_id: [u8; 16],
    to_partition: i64,
    to_offset: i64,
    copy: String,
    actor: String,
    note: String,
}

/// Appends a marker.
pub fn encode_replay(replay: &DeadLetterReplay, out: &mut Vec<u8>) {
    let wire = Wire {
        topic_id: replay.log_partition.topic_id.0.to_be_bytes(),
        partition: replay.log_partition.partition.into(),
        offset: long(replay.offset),
        to_topic: replay.to_topic.clone(),
        to_topic_id: replay.to.topic_id.0.to_be_bytes(),
        to_partition: replay.to.partition.into(),
        to_offset: long(replay.to_offset),
        copy: replay.copy.name().to_owned(),
        actor: replay.actor.clone(),
        note: replay.note.clone(),
    };
    CODEC.encode(&wire, out);
}

pub(super) fn decode(body: &[u8]) -> Result<DeadLetterReplay, RecordError> {
    let wire: Wire = CODEC.decode(body)?;
    let partition = |topic_id, field, number| {
        let partition = CODEC.number(field, number)?;
        let topic_id = TopicId(u128::from_be_bytes(topic_id));
        Ok::<_, RecordError>(LogPartition {
            topic_id,
            partition,
        })
    };
    let known = [CopySource::Log, CopySource::Letter];
    let copy = known.into_iter().find(|copy| copy.name() == wire.copy);
    Ok(DeadLetterReplay {
        log_partition: partition(wire.topic_id, "partition", wire.partition)?,
        offset: CODEC.number("offset", wire.offset)?,
        to: partition(wire.to_topic_id, "to_partition", wire.to_partition)?,
        to_offset: CODEC.number("to_offset", wire.to_offset)?,
        to_topic: wire.to_topic,
        copy: copy.ok_or_else(|| CODEC.malformed(format!("no copy is called `{}`", wire.copy)))?,
        actor: wire.actor,
        note: wire.note,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Record, decode};

    #[test]
    fn replays_survive_their_encoding_and_other_copies_are_refused() {
        let partition = |id, partition| LogPartition {
            topic_id: TopicId(id),
            partition,
        };
        for copy in [CopySource::Log, CopySource::Letter] {
            let replay = DeadLetterReplay {
                log_partition: partition(u128::MAX, 7),
                offset: (1 << 48) - 1,
                to_topic: "usage.events".to_owned(),
                to: partition(5, u32::MAX),
                to_offset: 12,
                copy,
                actor: "admin@example.com".to_owned(),
                note: String::new(),
            };
            let mut bytes = Vec::new();
            encode_replay(&replay, &mut bytes);
            assert_eq!(decode(&bytes), Ok(Record::Replay(Box::new(replay))));
            let name = copy.name().as_bytes();
            let at = bytes.windows(name.len()).position(|part| part == name);
            bytes[at.expect("the name is in the record")] = b'x';
            assert!(decode(&bytes).is_err(), "{copy:?}");
        }
    }
}
