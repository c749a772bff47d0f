//! Where a page of alerts ends.
//!
//! Transitions and open alerts are two lists in two orders, so a cursor of one is refused by the
//! other instead of leading somewhere.

use crate::paging::foreign_cursor;
use crate::problem::Problem;
use meterline_core::catalog::plans::Severity;
use meterline_core::position::{LogPartition, Offset};
use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, LogTime};
use meterline_schemas::rows::{AlertRow, LogPlace, OpenAlertRow};
use serde::{Deserialize, Serialize};

/// Place of an alert in its list.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    /// Of a transition among all: that of its record.
    Transition {
        log_partition: LogPartition,
        offset: Offset,
        append_time: LogTime,
    },
    /// Of an alert among those that are open.
    Open {
        tenant: String,
        meter: String,
        period_start: EventTime,
        threshold: String,
    },
}

impl Place {
    /// That of a transition.
    pub(super) fn of(row: &AlertRow) -> Self {
        let place = row.place();
        Self::Transition {
            log_partition: place.log_partition,
            offset: place.offset,
            append_time: place.append_time,
        }
    }

    /// That of an open alert.
    pub(super) fn of_open(row: &OpenAlertRow) -> Self {
        Self::Open {
            tenant: row.tenant.clone(),
            meter: row.meter.clone(),
            period_start: row.period_start,
            threshold: row.threshold.clone(),
        }
    }

    /// As the list of transitions takes it.
    ///
    /// # Errors
    /// 400 for a place of the other list.
    pub(super) fn transition(self) -> Result<LogPlace, Problem> {
        match self {
            Self::Transition {
                log_partition,
                offset,
                append_time,
            } => Ok(LogPlace {
                log_partition,
                offset,
                append_time,
            }),
            Self::Open { .. } => Err(foreign_cursor()),
        }
    }

    /// As the list of open alerts takes it: a row at this place, of whose other columns nothing is
    /// read.
    ///
    /// # Errors
    /// 400 for a place of the other list.
    pub(super) fn open(self) -> Result<OpenAlertRow, Problem> {
        let Self::Open {
            tenant,
            meter,
            period_start,
            threshold,
        } = self
        else {
            return Err(foreign_cursor());
        };
        Ok(OpenAlertRow {
            tenant,
            meter,
            period_start,
            threshold,
            period_end: period_start,
            episode: 0,
            severity: Severity::Info,
            kind: String::new(),
            used: Quantity::ZERO,
            limit: Quantity::ZERO,
            percentage: None,
            plan: String::new(),
            notification: 0,
            append_time: LogTime(0),
            log_partition: 0,
            offset: 0,
        })
    }
}
