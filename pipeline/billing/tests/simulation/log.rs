//! The log `meterline.pushes`, in memory: partitions, offsets, append times.

use meterline_billing::engine::Append;
use meterline_core::hash::partition_of;
use meterline_core::position::TopicId;
use meterline_core::pushes::Pushes;
use meterline_core::time::LogTime;

pub(crate) const PUSHES: TopicId = TopicId(0x0b);
pub(crate) const PARTITIONS: u32 = 4;

/// The log.
#[derive(Debug)]
pub(crate) struct Log {
    partitions: [Vec<(LogTime, Append)>; 4],
    /// What its records make of pushes.
    pub(crate) ledger: Pushes,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self {
            partitions: Default::default(),
            ledger: Pushes::new(PARTITIONS),
        }
    }

    pub(crate) fn append(&mut self, at: LogTime, record: Append) {
        let partition = partition_of(record.tenant().as_bytes(), PARTITIONS);
        let records = &mut self.partitions[place(partition)];
        let offset = u64::try_from(records.len()).expect("an offset in memory");
        let ruled = match &record {
            Append::Push(record) => {
                let ruling = self.ledger.apply(partition, offset, at, record);
                ruling.map(|_| ())
            }
            Append::Carry(_) => self.ledger.pass(partition, offset, at),
        };
        ruled.expect("offsets rise");
        records.push((at, record));
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
