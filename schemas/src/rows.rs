//! Rows of the ClickHouse tables and views, as RowBinary carries them.
//!
//! Storage types, not domain types: values are converted here, at the edge, and what a column
//! cannot hold is refused, never cut to fit. The field names are the column names; tests against
//! the live schema hold the two together.

pub mod alert;
pub mod archive;
pub mod audit;
pub mod bucket;
pub mod carry;
pub mod codes;
pub mod columns;
pub mod dead_letter;
pub mod difference;
pub mod event;
pub mod judged;
pub mod place;
pub mod progress;
pub mod push;
pub mod replay;
pub mod standing;
pub mod total;
pub mod usage;

pub use alert::{AlertRow, DeliveryRow, OpenAlertRow, ProjectionPositionRow};
pub use archive::{ArchiveHoleRow, ArchiveProgressRow, HoleCause};
pub use audit::AuditRow;
pub use bucket::BucketTableRow;
pub use carry::{CarryRow, WindowColumns};
pub use dead_letter::{DeadLetterRow, DeadLetterSummary, DeadRecord, ReasonCount};
pub use difference::{
    Amount, DifferenceCountRow, DifferenceKey, DifferenceKind, DifferenceRow, PairRow,
    ReconciliationRow, WindowDifference, WindowRow,
};
pub use event::{ArchivedBytesRow, EventVerdictRow};
pub use place::LogPlace;
pub use progress::ProgressRow;
pub use push::{PushCountRow, PushRow};
pub use replay::{ReplayPositionRow, ReplayRow};
pub use standing::{StandingProgressRow, StandingRow};
pub use total::{HeldLevelRow, HourTotalRow};
pub use usage::UsageRow;

use meterline_core::time::{EventTime, Level, Window};

/// The table of a level's buckets.
#[must_use]
pub const fn bucket_table(level: Level) -> &'static str {
    match level {
        Level::Hour => "bucket_hourly",
        Level::Day => "bucket_daily",
        Level::Month => "bucket_monthly",
    }
}

/// The view of a level's usage: the public contract.
#[must_use]
pub const fn usage_view(level: Level) -> &'static str {
    match level {
        Level::Hour => "usage_hourly",
        Level::Day => "usage_daily",
        Level::Month => "usage_monthly",
    }
}

/// A window that starts before 1970 or after 2105: a `DateTime` column cannot hold it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a window that starts {start} seconds after 1970-01-01 does not fit a DateTime column")]
pub struct WindowOutOfRange {
    /// First second of the window.
    pub start: i64,
}

/// The window's first second as a `DateTime` column holds it.
///
/// # Errors
/// Outside of the years 1970 to 2105.
pub fn window_start(window: Window) -> Result<u32, WindowOutOfRange> {
    u32::try_from(window.start).map_err(|_| WindowOutOfRange {
        start: window.start,
    })
}

/// Whole seconds at or after the moment, clamped to what a `DateTime` column can hold.
///
/// For bounds only: no window lies outside of that range, so clamping a bound excludes none.
#[must_use]
pub fn bound_seconds(time: EventTime) -> u32 {
    let seconds = time.0.div_euclid(1_000_000) + i64::from(time.0.rem_euclid(1_000_000) != 0);
    u32::try_from(seconds.clamp(0, i64::from(u32::MAX))).expect("clamped to 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::time::Hour;

    #[test]
    fn windows_outside_of_a_date_time_are_refused() {
        let start = |hour| window_start(Window::of(Level::Hour, Hour(hour)));
        assert_eq!(start(1), Ok(3_600));
        assert_eq!(start(-1), Err(WindowOutOfRange { start: -3_600 }));
        assert!(start(2_000_000).is_err());
    }

    #[test]
    fn bounds_round_up_and_stay_in_range() {
        assert_eq!(bound_seconds(EventTime(1_000_000)), 1);
        assert_eq!(bound_seconds(EventTime(1_000_001)), 2);
        assert_eq!(bound_seconds(EventTime(-5)), 0);
        assert_eq!(bound_seconds(EventTime(i64::MAX)), u32::MAX);
    }
}
