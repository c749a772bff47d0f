//! What a judgement knew, as columns: log partitions of usage with their stamps.

use super::columns;
use meterline_core::alert::Judged;
use meterline_core::position::{LogPartition, Offset, Stamp, TopicId};
use serde::{Deserialize, Serialize};

/// One log partition of usage, and the last change in it that was known: topic, partition and
/// version of the stamp.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JudgedUsage(
    #[serde(with = "columns::topic_id")] pub TopicId,
    pub u32,
    pub u64,
);

pub(super) fn usage_of(judged: &Judged) -> Vec<JudgedUsage> {
    let usage = judged.usage.iter();
    usage
        .map(|(place, stamp)| JudgedUsage(place.topic_id, place.partition, stamp.version()))
        .collect()
}

pub(super) fn judged(usage: &[JudgedUsage], catalog: Offset, account: Option<Offset>) -> Judged {
    let usage = usage
        .iter()
        .map(|JudgedUsage(topic_id, partition, version)| {
            let log_partition = LogPartition {
                topic_id: *topic_id,
                partition: *partition,
            };
            (log_partition, Stamp::from_version(*version))
        });
    Judged {
        usage: usage.collect(),
        catalog,
        account,
    }
}
