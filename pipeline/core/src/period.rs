//! Periods: when use starts at zero again, in whose time.
//!
//! A period is a span of event time between two full UTC hours, so its use is a sum of hourly
//! buckets. By one rule, and by one account's timeline, periods tile time: each ends where the
//! next starts. There is no clock and no machine's time zone in here; moments outside of
//! [`EVENT_TIME_MIN`] to [`EVENT_TIME_END`] are taken for the nearest inside.

use crate::catalog::plans::Reset;
use crate::time::{
    EVENT_TIME_END, EVENT_TIME_MIN, EventTime, Hour, LogTime, civil_from_days, days_from_civil,
};
use std::fmt;

mod timeline;
mod zone;

pub use timeline::{Periods, Timeline};
pub use zone::{DATABASE, KNOWN_FROM, Zone, ZoneError};

/// A span of event time in which use adds up; the end is open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Period {
    /// First moment, a full UTC hour.
    pub start: EventTime,
    /// First moment after it, a full UTC hour.
    pub end: EventTime,
}

impl Period {
    /// Whether a moment is in it.
    #[must_use]
    pub fn contains(&self, at: EventTime) -> bool {
        self.start <= at && at < self.end
    }

    /// The moment whose terms it is judged by: now, or its last millisecond once it is over.
    #[must_use]
    pub fn judged_at(&self, now: LogTime) -> LogTime {
        now.min(LogTime(self.end.0.div_euclid(1_000) - 1))
    }

    /// Of hours since 1970-01-01 UTC.
    fn of_hours(start: i64, end: i64) -> Self {
        let moment = |hour| {
            let hour = i32::try_from(hour).expect("event times are within years 1900 to 2299");
            Hour(hour).start()
        };
        Self {
            start: moment(start),
            end: moment(end),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.start, self.end)
    }
}

/// When periods end, for one meter of one version of an account.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PeriodRule {
    reset: Reset,
    zone: Zone,
    anchor_day: u8,
}

impl PeriodRule {
    /// The rule of a reset in a zone's time; billing months begin on `anchor_day`, 1 to 31 (what is
    /// outside is taken for the nearest), or on the last day of a shorter month.
    #[must_use]
    pub fn new(reset: Reset, zone: Zone, anchor_day: u8) -> Self {
        // What a reset does not depend on is left out, so that equal rules are equal.
        let zone = if reset == Reset::Hour {
            Zone::utc()
        } else {
            zone
        };
        let anchor_day = if reset == Reset::BillingMonth {
            anchor_day.clamp(1, 31)
        } else {
            1
        };
        Self {
            reset,
            zone,
            anchor_day,
        }
    }

    /// The period that holds a moment.
    #[must_use]
    pub fn period_at(&self, at: EventTime) -> Period {
        let hour = hour_of(at);
        if self.reset == Reset::Hour {
            return Period::of_hours(hour, hour + 1);
        }
        let day = self.zone.day_at(hour);
        let (first, next) = match self.reset {
            Reset::Hour | Reset::Day => (day, day + 1),
            Reset::Month | Reset::BillingMonth => month_of(day, i64::from(self.anchor_day)),
        };
        Period::of_hours(self.zone.day_start(first), self.zone.day_start(next))
    }
}

/// The hour of a moment, since 1970-01-01 UTC.
fn hour_of(at: EventTime) -> i64 {
    let last = EventTime(EVENT_TIME_END.0 - 1);
    i64::from(at.clamp(EVENT_TIME_MIN, last).hour().0)
}

/// First day of the month that holds a day and begins on `anchor_day`, and that of the next.
fn month_of(day: i64, anchor_day: i64) -> (i64, i64) {
    let (year, month, _) = civil_from_days(day);
    let months = year * 12 + month - 1;
    let this = month_start(months, anchor_day);
    if day < this {
        (month_start(months - 1, anchor_day), this)
    } else {
        (this, month_start(months + 1, anchor_day))
    }
}

/// The anchor day of a month, or its last day where that is before. `months` are since year 0.
fn month_start(months: i64, anchor_day: i64) -> i64 {
    let first_of =
        |months: i64| days_from_civil(months.div_euclid(12), months.rem_euclid(12) + 1, 1);
    let first = first_of(months);
    let length = first_of(months + 1) - first;
    first + anchor_day.min(length) - 1
}

#[cfg(test)]
mod tests;
