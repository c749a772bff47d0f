//! Rows of the views `usage_hourly`, `usage_daily` and `usage_monthly`.

use super::columns;
use clickhouse::Row;
use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, LogTime};
use serde::{Deserialize, Serialize};

/// The usage of one tenant, meter and combination of dimensions in one window.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct UsageRow {
    /// Who is billed.
    pub tenant: String,
    /// Name of the meter.
    pub meter: String,
    /// Dimensions sorted by key; empty for a meter without group-by.
    pub dimensions: Vec<(String, String)>,
    /// First second of the window.
    #[serde(with = "columns::seconds")]
    pub window_start: EventTime,
    /// First second after the window.
    #[serde(with = "columns::seconds")]
    pub window_end: EventTime,
    /// The meter's value in its base unit.
    #[serde(with = "columns::quantity")]
    pub value: Quantity,
    /// Events counted.
    pub events: u64,
    /// 1 where the window is sealed: only late events can change it, each as a revision.
    pub sealed: u8,
    /// Changes after the window was sealed.
    pub revision: u32,
    /// Log time of the last change.
    pub updated_at: LogTime,
}
