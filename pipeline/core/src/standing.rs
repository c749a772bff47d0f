//! Standing: how much of what it may use a tenant has used in the running period.
//!
//! A value, by rule 1: it follows from the totals, the catalog and the account, and carries a
//! version that orders what was known. It is what the API, gateways and analysts read; the table
//! `standing` and the topic `usage.standing` keep the highest version per tenant and meter.

use crate::alert::Judged;
use crate::catalog::plans::Cap;
use crate::position::{LogPartition, Offset, Stamp};
use crate::quantity::Quantity;
use crate::time::{EventTime, LogTime};
use serde::{Deserialize, Serialize};

/// Standing of one tenant on one meter or derived quantity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The tenant.
    pub tenant: String,
    /// The meter or derived quantity.
    pub meter: String,
    /// When the running period started.
    pub period_start: EventTime,
    /// First moment after it.
    pub period_end: EventTime,
    /// Use in it so far, in the meter's base unit (a derived quantity's rounded half up). Of a
    /// level, the latest value.
    pub used: Quantity,
    /// What is included; `None`: nothing is said.
    pub included: Option<Quantity>,
    /// The limit; `None`: unlimited.
    pub limit: Option<Quantity>,
    /// What a check does beyond it.
    pub cap: Cap,
    /// How well the tenant is, by this meter.
    pub health: Health,
    /// When use first passed the limit in this period: the append time of that alert's first
    /// opening in force. Grace counts from it.
    pub crossed_at: Option<LogTime>,
    /// The plan in force; empty: none.
    pub plan: String,
    /// What it was judged by.
    pub judged: Judged,
}

impl Standing {
    /// Orders what was known: decisions, then the period, then usage, then the crossing.
    ///
    /// From the top: 39 bits of the sum of the control offsets (the catalog, the account's newest
    /// version, its version in effect), 24 bits of the period's start in hours since 1970, 64 bits
    /// of the sum of the stamps' versions, one bit of whether the limit was crossed. Control
    /// offsets only rise with what is read and with time; by the same decisions, periods only
    /// follow each other (another catalog or account may begin them earlier); in one period stamps
    /// only rise. So a higher version knows more.
    ///
    /// Two that know other decisions each can have one version: one has read an account's next
    /// version, and a slow clock has not let the one before it begin. What knows both is above
    /// both, and follows as soon as either engine knows it.
    #[must_use]
    pub fn version(&self) -> u128 {
        Self::version_of(&self.judged, self.period_start, self.crossed_at.is_some())
    }

    /// [`Standing::version`] of one that need not be made.
    pub(crate) fn version_of(judged: &Judged, period_start: EventTime, is_crossed: bool) -> u128 {
        let (catalog, account, effective) = judged.decisions();
        let control = catalog + account.unwrap_or(0) + effective.unwrap_or(0);
        let hours = period_start.hour().0.max(0).unsigned_abs();
        let usage = judged.usage.iter();
        let usage = usage.fold(0u64, |sum, (_, stamp)| sum.saturating_add(stamp.version()));
        let crossed = u128::from(is_crossed);
        (u128::from(control & 0x7f_ffff_ffff) << 89)
            | (u128::from(hours & 0xff_ffff) << 65)
            | (u128::from(usage) << 1)
            | crossed
    }
}

/// How well a tenant is: by its worst meter.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Health {
    /// Far from its limits.
    #[default]
    Healthy = 0,
    /// At three quarters, or as the catalog says.
    Caution = 1,
    /// At nine tenths, or as the catalog says.
    Warning = 2,
    /// Above its limit.
    Critical = 3,
}

impl Health {
    /// The name in answers and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Caution => "caution",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Up to where the standings of the tenants of one log partition of usage are complete.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StandingProgress {
    /// The log partition of usage.
    pub log_partition: LogPartition,
    /// Next record of it: every change before it is in the standings.
    pub to: Stamp,
    /// Log time before that record: how old what is known is.
    pub log_time: LogTime,
    /// Next record of the control log: every decision before it is in the standings.
    pub control: Offset,
    /// Offset in the partition of `usage.standing` that has this record, from which a reader that
    /// has just read the table misses nothing; `None`: its beginning.
    pub standing_position: Option<Offset>,
}
