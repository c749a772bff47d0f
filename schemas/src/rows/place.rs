//! Where a projected record is in its log: the key under which its row is the same again.

use meterline_core::position::{LogPartition, Offset};
use meterline_core::time::LogTime;

/// Where a record of a decision log is: `usage.alerts`, `meterline.pushes`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogPlace {
    /// Partition of the log.
    pub log_partition: LogPartition,
    /// Offset in it.
    pub offset: Offset,
    /// When the broker took the record.
    pub append_time: LogTime,
}
