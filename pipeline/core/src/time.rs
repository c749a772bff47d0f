//! Event time, log time and the windows of event time.
//!
//! All windows are UTC; a month is a calendar month, not a duration. Window arithmetic rounds
//! down by the euclidean remainder, so it is right before 1970 too, and the same few functions
//! serve the fold, the tests and the queries.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::SystemTime;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_HOUR: i64 = 3_600;
const SECONDS_PER_DAY: i64 = 86_400;

/// Event times outside of the years 1900 to 2299 are malformed: ClickHouse's `DateTime64` ends
/// there, and window arithmetic cannot overflow inside.
pub const EVENT_TIME_MIN: EventTime = EventTime(-2_208_988_800_000_000);
/// Exclusive upper end of event time; see [`EVENT_TIME_MIN`].
pub const EVENT_TIME_END: EventTime = EventTime(10_413_792_000_000_000);

/// When an event happened: microseconds since 1970-01-01 UTC.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct EventTime(pub i64);

/// A moment on the log's clock: milliseconds since 1970-01-01 UTC, a running maximum of the
/// broker's append times.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct LogTime(pub i64);

/// A length of time in milliseconds, never negative.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub u32);

impl From<SystemTime> for LogTime {
    /// The moment of a clock, in whole milliseconds; one before 1970 is 1970.
    fn from(clock: SystemTime) -> Self {
        let since = clock.duration_since(SystemTime::UNIX_EPOCH);
        let millis = since.map_or(0, |since| since.as_millis());
        Self(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

impl LogTime {
    /// The same moment as event time.
    #[must_use]
    pub fn as_event_time(self) -> EventTime {
        EventTime(self.0.saturating_mul(1_000))
    }

    /// The moment `length` later.
    #[must_use]
    pub fn after(self, length: Millis) -> Self {
        Self(self.0.saturating_add(i64::from(length.0)))
    }

    /// The moment `length` earlier.
    #[must_use]
    pub fn before(self, length: Millis) -> Self {
        Self(self.0.saturating_sub(i64::from(length.0)))
    }
}

impl EventTime {
    /// The moment `length` later.
    #[must_use]
    pub fn after(self, length: Millis) -> Self {
        Self(self.0.saturating_add(i64::from(length.0) * 1_000))
    }

    /// The moment `length` earlier.
    #[must_use]
    pub fn before(self, length: Millis) -> Self {
        Self(self.0.saturating_sub(i64::from(length.0) * 1_000))
    }

    /// The hour that holds this moment.
    #[must_use]
    pub fn hour(self) -> Hour {
        let hour = self.0.div_euclid(MICROS_PER_SECOND * SECONDS_PER_HOUR);
        Hour(i32::try_from(hour).expect(
            "2⁶³ microseconds are 2.6 · 10⁹ hours; event times are checked to be far below",
        ))
    }
}

/// An hour of event time: hours since 1970-01-01 UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hour(pub i32);

impl Hour {
    /// First moment of the hour.
    #[must_use]
    pub fn start(self) -> EventTime {
        EventTime(i64::from(self.0) * SECONDS_PER_HOUR * MICROS_PER_SECOND)
    }

    /// First moment after the hour.
    #[must_use]
    pub fn end(self) -> EventTime {
        EventTime((i64::from(self.0) + 1) * SECONDS_PER_HOUR * MICROS_PER_SECOND)
    }
}

/// The three lengths of window that usage is rolled up into.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Level {
    /// One hour, UTC.
    Hour = 0,
    /// One day, UTC.
    Day = 1,
    /// One calendar month, UTC.
    Month = 2,
}

impl Level {
    /// All levels, shortest first.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Month];

    /// The level's name in tables, records and commands.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// Reads back `self as u8`.
    #[must_use]
    pub const fn from_u8(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Hour),
            1 => Some(Self::Day),
            2 => Some(Self::Month),
            _ => None,
        }
    }
}

/// A span of event time that one bucket covers; the end is open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Window {
    /// Length of the window.
    pub level: Level,
    /// First second of the window, since 1970-01-01 UTC.
    pub start: i64,
}

impl Window {
    /// The window of that level that holds the hour.
    #[must_use]
    pub fn of(level: Level, hour: Hour) -> Self {
        let seconds = i64::from(hour.0) * SECONDS_PER_HOUR;
        let day = seconds.div_euclid(SECONDS_PER_DAY);
        let start = match level {
            Level::Hour => seconds,
            Level::Day => day * SECONDS_PER_DAY,
            Level::Month => {
                let (year, month, _) = civil_from_days(day);
                days_from_civil(year, month, 1) * SECONDS_PER_DAY
            }
        };
        Self { level, start }
    }

    /// First second after the window, since 1970-01-01 UTC.
    #[must_use]
    pub fn end(self) -> i64 {
        match self.level {
            Level::Hour => self.start + SECONDS_PER_HOUR,
            Level::Day => self.start + SECONDS_PER_DAY,
            Level::Month => {
                let (year, month, _) = civil_from_days(self.start.div_euclid(SECONDS_PER_DAY));
                let (year, month) = if month == 12 {
                    (year + 1, 1)
                } else {
                    (year, month + 1)
                };
                days_from_civil(year, month, 1) * SECONDS_PER_DAY
            }
        }
    }

    /// First moment after the window.
    #[must_use]
    pub fn end_time(self) -> EventTime {
        EventTime(self.end() * MICROS_PER_SECOND)
    }
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
#[must_use]
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The date (year, month, day) of a number of days since 1970-01-01.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
#[must_use]
pub fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Reads an RFC 3339 time with an offset; digits below a microsecond are cut off (a floor).
///
/// A leap second (`:60`) is refused, as is a time outside of [`EVENT_TIME_MIN`] to
/// [`EVENT_TIME_END`]. Source of the format: RFC 3339, section 5.6.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<EventTime> {
    let bytes = text.as_bytes();
    let separators = bytes.len() >= 20
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && matches!(bytes[10], b'T' | b't' | b' ')
        && bytes[13] == b':'
        && bytes[16] == b':';
    if !separators {
        return None;
    }
    let (year, month, day) = (
        digits(&bytes[..4])?,
        digits(&bytes[5..7])?,
        digits(&bytes[8..10])?,
    );
    let (hour, minute, second) = (
        digits(&bytes[11..13])?,
        digits(&bytes[14..16])?,
        digits(&bytes[17..19])?,
    );
    let days = days_from_civil(year, month, day);
    let is_date = (1..=12).contains(&month) && civil_from_days(days) == (year, month, day);
    if !is_date || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (micros, zone) = parse_fraction(&bytes[19..])?;
    let seconds = days * SECONDS_PER_DAY + hour * SECONDS_PER_HOUR + minute * 60 + second;
    let time = EventTime((seconds - parse_zone(zone)?) * MICROS_PER_SECOND + micros);
    (EVENT_TIME_MIN <= time && time < EVENT_TIME_END).then_some(time)
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |n, b| {
        b.is_ascii_digit().then(|| n * 10 + i64::from(b - b'0'))
    })
}

/// Reads `.123456789` if it is there: the microseconds, and what follows.
fn parse_fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    if text.first() != Some(&b'.') {
        return Some((0, text));
    }
    let length = text[1..].iter().take_while(|b| b.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let mut micros = 0;
    for place in 0..6 {
        let digit = if place < length {
            i64::from(text[1 + place] - b'0')
        } else {
            0
        };
        micros = micros * 10 + digit;
    }
    Some((micros, &text[1 + length..]))
}

/// Reads `Z` or `+hh:mm`: seconds east of UTC.
fn parse_zone(text: &[u8]) -> Option<i64> {
    match text {
        [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            let seconds = hours * SECONDS_PER_HOUR + minutes * 60;
            let in_range = hours <= 23 && minutes <= 59;
            in_range.then_some(if *sign == b'-' { -seconds } else { seconds })
        }
        _ => None,
    }
}

impl fmt::Display for EventTime {
    /// Writes RFC 3339 in UTC with microseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.div_euclid(MICROS_PER_SECOND);
        let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
        let in_day = seconds.rem_euclid(SECONDS_PER_DAY);
        let (hour, minute, second) = (in_day / 3_600, in_day / 60 % 60, in_day % 60);
        let micros = self.0.rem_euclid(MICROS_PER_SECOND);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z"
        )
    }
}

impl fmt::Display for LogTime {
    /// Writes RFC 3339 in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_event_time().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(
            parse_rfc3339(text).map(|t| t.to_string()).as_deref(),
            expected,
            "{text}"
        );
    }

    #[test]
    fn reads_rfc3339() {
        check("2026-11-21T07:41:55Z", Some("2026-11-21T07:41:55.000000Z"));
        check(
            "2024-02-29t23:59:59.123456789+01:30",
            Some("2024-02-29T22:29:59.123456Z"),
        );
        check(
            "1969-12-31T23:59:59.5Z",
            Some("1969-12-31T23:59:59.500000Z"),
        );
        for text in [
            "2023-02-29T00:00:00Z",
            "2026-11-21T07:41:60Z",
            "2026-11-21T07:41:55",
            "2026-11-21",
            "2026-11-21T24:00:00Z",
            "2026-11-21T07:41:55.Z",
            "2026-11-21T07:41:55+25:00",
            "1800-01-01T00:00:00Z",
            "2300-01-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn windows_hold_their_hours_and_meet_their_neighbours() {
        for hour in (-800_000..800_000).step_by(37).map(Hour) {
            for level in Level::ALL {
                let window = Window::of(level, hour);
                let start = i64::from(hour.0) * 3_600;
                assert!(window.start <= start && start < window.end());
                let next = Hour(i32::try_from(window.end() / 3_600).expect("small"));
                assert_eq!(Window::of(level, next).start, window.end());
            }
        }
    }

    #[test]
    fn dates_survive_their_day_numbers() {
        for days in -800_000..800_000 {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
    }
}
