//! What the crate's tests share.

use meterline_core::alert::Judged;
use meterline_core::catalog::plans::Cap;
use meterline_core::position::{LogPartition, Stamp, TopicId};
use meterline_core::quantity::Quantity;
use meterline_core::standing::{Health, Standing};
use meterline_core::time::EventTime;

pub(crate) fn log_partition(partition: u32) -> LogPartition {
    LogPartition {
        topic_id: TopicId(7),
        partition,
    }
}

/// A standing of the first hour of 1970, as of an offset of usage.
pub(crate) fn standing(tenant: &str, meter: &str, used: i128, offset: u64) -> Standing {
    Standing {
        tenant: tenant.to_owned(),
        meter: meter.to_owned(),
        period_start: EventTime(0),
        period_end: EventTime(3_600_000_000),
        used: Quantity::from_unscaled(used, 0).expect("small numbers fit"),
        included: None,
        limit: None,
        cap: Cap::None,
        health: Health::Healthy,
        crossed_at: None,
        plan: String::new(),
        judged: Judged {
            usage: vec![(log_partition(0), Stamp { epoch: 0, offset })],
            catalog: 1,
            account: None,
            effective: None,
        },
    }
}
