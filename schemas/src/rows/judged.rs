//! What a judgement or a push knew, as columns: log partitions of usage with their stamps.

use super::columns::topic_id::halves;
use meterline_core::alert::Judged;
use meterline_core::position::{LogPartition, Offset, Stamp, TopicId};
use serde::{Deserialize, Serialize};

/// One log partition of usage, and the last change in it that was known: topic, partition and
/// version of the stamp.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(from = "Columns", into = "Columns")]
pub struct JudgedUsage(pub TopicId, pub u32, pub u64);

/// As the wire has it: `Tuple(UUID, UInt32, UInt64)`.
type Columns = ((u64, u64), u32, u64);

impl From<Columns> for JudgedUsage {
    fn from(((high, low), partition, version): Columns) -> Self {
        let topic_id = TopicId((u128::from(high) << 64) | u128::from(low));
        Self(topic_id, partition, version)
    }
}

impl From<JudgedUsage> for Columns {
    fn from(JudgedUsage(topic_id, partition, version): JudgedUsage) -> Self {
        (halves(topic_id), partition, version)
    }
}

pub(super) fn usage_of(judged: &Judged) -> Vec<JudgedUsage> {
    columns_of(&judged.usage)
}

/// Changes of log partitions as columns.
pub(super) fn columns_of(changes: &[(LogPartition, Stamp)]) -> Vec<JudgedUsage> {
    let changes = changes.iter();
    changes
        .map(|(place, stamp)| JudgedUsage(place.topic_id, place.partition, stamp.version()))
        .collect()
}

/// `versions` are those of the account: the newest that was read, and the one in effect.
pub(super) fn judged(
    usage: &[JudgedUsage],
    catalog: Offset,
    versions: [Option<Offset>; 2],
) -> Judged {
    let [account, effective] = versions;
    Judged {
        usage: changes_of(usage).collect(),
        catalog,
        account,
        effective,
    }
}

/// Changes of log partitions from their columns.
pub(super) fn changes_of(
    columns: &[JudgedUsage],
) -> impl Iterator<Item = (LogPartition, Stamp)> + '_ {
    let change = |JudgedUsage(topic_id, partition, version): &JudgedUsage| {
        let log_partition = LogPartition {
            topic_id: *topic_id,
            partition: *partition,
        };
        (log_partition, Stamp::from_version(*version))
    };
    columns.iter().map(change)
}
