//! What names a dead letter: the position of its record.

use meterline_core::position::{LogPartition, MAX_OFFSET, Offset, TopicId};
use std::fmt;
use std::str::FromStr;

/// The position of a dead letter's record, written `TOPIC_ID/PARTITION/OFFSET`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LetterId {
    /// The partition.
    pub log_partition: LogPartition,
    /// The offset.
    pub offset: Offset,
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.log_partition, self.offset)
    }
}

impl FromStr for LetterId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || {
            format!(
                "`{text}` names no dead letter: write TOPIC_ID/PARTITION/OFFSET, as `meterline \
                 dead-letters list` shows it"
            )
        };
        let mut parts = text.split('/');
        let (Some(topic_id), Some(partition), Some(offset), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(form());
        };
        let topic_id = TopicId::try_from(topic_id.to_owned())?;
        let partition = partition.parse().map_err(|_| form())?;
        let offset = offset.parse().map_err(|_| form())?;
        if offset > MAX_OFFSET {
            return Err(form());
        }
        let log_partition = LogPartition {
            topic_id,
            partition,
        };
        Ok(Self {
            log_partition,
            offset,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_their_text_and_others_are_refused() {
        let id = LetterId {
            log_partition: LogPartition {
                topic_id: TopicId(0xab),
                partition: 3,
            },
            offset: 12,
        };
        let text = "00000000-0000-0000-0000-0000000000ab/3/12";
        assert_eq!(id.to_string(), text);
        assert_eq!(text.parse(), Ok(id));
        for refused in [
            "",
            "12",
            "00000000-0000-0000-0000-0000000000ab/3",
            "00000000-0000-0000-0000-0000000000ab/3/12/1",
            "00000000-0000-0000-0000-0000000000ab/-3/12",
            "00000000-0000-0000-0000-0000000000ab/3/281474976710656",
            "usage.events/3/12",
        ] {
            assert!(refused.parse::<LetterId>().is_err(), "{refused}");
        }
    }
}
