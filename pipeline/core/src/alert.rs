//! Alerts: transitions that are decided on `usage.alerts`, and what is told of them.
//!
//! An alert is open while a tenant's use of a meter in a period is at (or above) a share of its
//! limit. Each (tenant, meter, period, threshold) is a chain of transitions by rule 2
//! ([`crate::chain`]): opened, resolved, opened again as a new episode. A transition names what it
//! was judged by, and one that knew less than its head did is ignored by every reader.

use crate::catalog::plans::Severity;
use crate::position::{LogPartition, Offset, Stamp, covers};
use crate::quantity::Quantity;
use crate::time::{EventTime, LogTime};
use serde::{Deserialize, Serialize};

/// Which alert: the key of its chain.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct AlertKey {
    /// The tenant.
    pub tenant: String,
    /// The meter or derived quantity.
    pub meter: String,
    /// When the period starts.
    pub period_start: EventTime,
    /// Name of the threshold; see [`crate::catalog::plans::Threshold::name`].
    pub threshold: String,
}

/// One record of an alert's chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transition {
    /// Chosen at random by the writer, the same in every retry.
    pub write_id: u128,
    /// Offset of the record it follows in its chain; `None` where the chain is empty.
    pub head: Option<Offset>,
    /// Which alert.
    pub key: AlertKey,
    /// What became of it.
    pub state: AlertState,
    /// From 1; each opening counts up.
    pub episode: u32,
    /// How bad it is.
    pub severity: Severity,
    /// What receivers call it; see [`crate::catalog::plans::Threshold::kind`].
    pub kind: String,
    /// First moment after the period.
    pub period_end: EventTime,
    /// Use that it was judged by, in the meter's base unit (a derived quantity's rounded half up).
    pub used: Quantity,
    /// What the share is taken of: the limit in force, in the meter's base unit.
    pub limit: Quantity,
    /// The plan in force.
    pub plan: String,
    /// What it was judged by.
    pub judged: Judged,
    /// The process that wrote it.
    pub instance: String,
}

/// State of an alert.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// Use is at the threshold.
    Opened,
    /// It no longer is.
    Resolved,
}

impl AlertState {
    /// The name in records and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Resolved => "resolved",
        }
    }
}

/// Positions of the logs that a judgement knew.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Judged {
    /// Per log partition of usage that the use comes from, the record of its last change. By
    /// ascending log partition.
    pub usage: Vec<(LogPartition, Stamp)>,
    /// Offset in the control log of the catalog version.
    pub catalog: Offset,
    /// Offset in the control log of the account's newest version that was read, in effect or not;
    /// `None`: there is no account.
    pub account: Option<Offset>,
    /// Offset of the version in effect at the moment of the judgement; `None`: none is yet.
    pub effective: Option<Offset>,
}

impl Judged {
    /// Whether less was known than by `other`, of usage or of the control log: then this judgement
    /// does not count after that one.
    ///
    /// The offsets are of one log, and who has read a catalog has read the accounts before it. A
    /// record read can take the place of a version that was to take effect, and only time brings
    /// the next one into effect: so catalogs come first, then what was read, then what was in
    /// effect. What a past period is judged by does not matter: its end may have been elsewhere.
    #[must_use]
    pub fn is_behind(&self, other: &Self) -> bool {
        self.decisions() < other.decisions() || !covers(&self.usage, &other.usage)
    }

    /// The decisions that were known; the order is that of knowledge.
    #[must_use]
    pub fn decisions(&self) -> (Offset, Option<Offset>, Option<Offset>) {
        (self.catalog, self.account, self.effective)
    }

    /// Adds that a log partition is known up to a change; nothing where more was known.
    pub fn learn(&mut self, log_partition: LogPartition, stamp: Stamp) {
        match self
            .usage
            .binary_search_by_key(&log_partition, |(id, _)| *id)
        {
            Ok(place) => self.usage[place].1 = self.usage[place].1.max(stamp),
            Err(place) => self.usage.insert(place, (log_partition, stamp)),
        }
    }
}

/// Outcome of one attempt to tell a route of a transition: a plain record, in no chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// Id of the notification; see [`crate::limits::notification_id`].
    pub notification: u128,
    /// The tenant: its partition is the record's.
    pub tenant: String,
    /// The route.
    pub route: String,
    /// What became of it.
    pub outcome: DeliveryOutcome,
    /// From 1.
    pub attempt: u32,
    /// When it was made, on the clock of whoever made it.
    pub at: LogTime,
    /// The process that made it.
    pub instance: String,
    /// What the receiver said, or why there was no answer; bounded, no secrets.
    pub detail: String,
}

/// What became of an attempt to deliver.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// The receiver took it: it is over.
    Delivered,
    /// It did not; another attempt follows.
    Failed,
    /// No further attempt is made until somebody asks for one.
    Parked,
    /// Somebody asked for it again.
    Requested,
}

impl DeliveryOutcome {
    /// The name in records and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Parked => "parked",
            Self::Requested => "requested",
        }
    }
}
