//! Rows of `standing` and `standing_progress`.

use super::judged::{JudgedUsage, judged, usage_of};
use super::{codes, columns};
use clickhouse::Row;
use meterline_core::catalog::plans::Cap;
use meterline_core::position::{LogPartition, Offset, Stamp, TopicId};
use meterline_core::quantity::Quantity;
use meterline_core::standing::{Health, Standing, StandingProgress};
use meterline_core::time::{EventTime, LogTime};
use serde::{Deserialize, Serialize};

/// The standing of one tenant on one meter.
///
/// Made by [`StandingRow::new`] only, so that the version always fits what was known.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct StandingRow {
    /// Who is billed.
    pub tenant: String,
    /// The meter or derived quantity.
    pub meter: String,
    /// First second of the running period.
    #[serde(with = "columns::seconds")]
    pub period_start: EventTime,
    /// First second after it.
    #[serde(with = "columns::seconds")]
    pub period_end: EventTime,
    /// Use in the period.
    #[serde(with = "columns::quantity")]
    pub used: Quantity,
    /// What is included.
    #[serde(with = "columns::optional_quantity")]
    pub included: Option<Quantity>,
    /// The limit.
    #[serde(with = "columns::optional_quantity")]
    pub limit: Option<Quantity>,
    /// What a check does beyond it.
    #[serde(with = "codes::cap")]
    pub cap: Cap,
    /// How well the tenant is.
    #[serde(with = "codes::health")]
    pub health: Health,
    /// When use first passed the limit.
    pub crossed_at: Option<LogTime>,
    /// The plan in force.
    pub plan: String,
    /// Log partitions of usage that it was judged by.
    pub judged_usage: Vec<JudgedUsage>,
    /// Catalog version that it was judged by.
    pub judged_catalog: Offset,
    /// The newest version of the account that was read.
    pub judged_account: Option<Offset>,
    /// The version of the account in effect.
    pub judged_effective: Option<Offset>,
    version: u128,
}

impl StandingRow {
    /// The row of a standing.
    #[must_use]
    pub fn new(standing: &Standing) -> Self {
        Self {
            tenant: standing.tenant.clone(),
            meter: standing.meter.clone(),
            period_start: standing.period_start,
            period_end: standing.period_end,
            used: standing.used,
            included: standing.included,
            limit: standing.limit,
            cap: standing.cap,
            health: standing.health,
            crossed_at: standing.crossed_at,
            plan: standing.plan.clone(),
            judged_usage: usage_of(&standing.judged),
            judged_catalog: standing.judged.catalog,
            judged_account: standing.judged.account,
            judged_effective: standing.judged.effective,
            version: standing.version(),
        }
    }
}

impl From<StandingRow> for Standing {
    fn from(row: StandingRow) -> Self {
        Self {
            judged: judged(
                &row.judged_usage,
                row.judged_catalog,
                [row.judged_account, row.judged_effective],
            ),
            tenant: row.tenant,
            meter: row.meter,
            period_start: row.period_start,
            period_end: row.period_end,
            used: row.used,
            included: row.included,
            limit: row.limit,
            cap: row.cap,
            health: row.health,
            crossed_at: row.crossed_at,
            plan: row.plan,
        }
    }
}

/// Up to where the standings of one log partition are complete.
///
/// Made by [`StandingProgressRow::new`] only, so that the version always fits the position.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct StandingProgressRow {
    /// Incarnation of the usage topic.
    #[serde(with = "columns::topic_id")]
    pub topic_id: TopicId,
    /// Partition of the usage topic.
    pub log_partition: u32,
    /// Verdicts applied.
    pub epoch: u16,
    /// Next record of it.
    pub to_offset: Offset,
    /// Log time before that record.
    pub log_time: LogTime,
    /// Next record of the control log.
    pub control_offset: Offset,
    /// Position in `usage.standing` from which a reader that has just read the table misses
    /// nothing.
    pub standing_offset: Option<Offset>,
    version: u128,
}

impl StandingProgressRow {
    /// The row of a progress record.
    #[must_use]
    pub fn new(progress: &StandingProgress) -> Self {
        let to = progress.to;
        Self {
            topic_id: progress.log_partition.topic_id,
            log_partition: progress.log_partition.partition,
            epoch: to.epoch,
            to_offset: to.offset,
            log_time: progress.log_time,
            control_offset: progress.control,
            standing_offset: progress.standing_position,
            version: (u128::from(to.version()) << 64) | u128::from(progress.control),
        }
    }
}

impl From<StandingProgressRow> for StandingProgress {
    fn from(row: StandingProgressRow) -> Self {
        Self {
            log_partition: LogPartition {
                topic_id: row.topic_id,
                partition: row.log_partition,
            },
            to: Stamp {
                epoch: row.epoch,
                offset: row.to_offset,
            },
            log_time: row.log_time,
            control: row.control_offset,
            standing_position: row.standing_offset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(epoch: u16, offset: Offset, control: Offset) -> u128 {
        let progress = StandingProgress {
            log_partition: LogPartition {
                topic_id: TopicId(7),
                partition: 3,
            },
            to: Stamp { epoch, offset },
            log_time: LogTime(0),
            control,
            standing_position: None,
        };
        StandingProgressRow::new(&progress).version
    }

    #[test]
    fn progress_is_ordered_by_epoch_then_position_then_decisions() {
        let ordered = [
            version(0, 5, 9),
            version(0, 6, 2),
            version(0, 6, 6),
            version(1, 3, 0),
            version(1, 3, 1),
        ];
        assert!(ordered.is_sorted_by(|one, next| one < next), "{ordered:?}");
    }
}
