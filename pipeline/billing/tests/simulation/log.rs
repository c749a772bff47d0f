//! The log `meterline.pushes`, in memory: partitions, offsets, append times.

use meterline_billing::engine::Append;
use meterline_core::hash::partition_of;
use meterline_core::position::TopicId;
use meterline_core::time::LogTime;

pub(crate) const PUSHES: TopicId = TopicId(0x0b);
pub(crate) const PARTITIONS: u32 = 4;

/// The log.
#[derive(Debug, Default)]
pub(crate) struct Log {
    partitions: [Vec<(LogTime, Append)>; 4],
}

impl Log {
    pub(crate) fn append(&mut self, at: LogTime, record: Append) {
        let partition = partition_of(record.tenant().as_bytes(), PARTITIONS);
        self.partitions[place(partition)].push((at, record));
    }

    /// The records of a partition from an offset on.
    pub(crate) fn from(&self, partition: u32, offset: u64) -> &[(LogTime, Append)] {
        let offset = usize::try_from(offset).expect("an offset in memory");
        &self.partitions[place(partition)][offset..]
    }

    pub(crate) fn len(&self) -> usize {
        self.partitions.iter().map(Vec::len).sum()
    }
}

fn place(partition: u32) -> usize {
    usize::try_from(partition).expect("a small number")
}
