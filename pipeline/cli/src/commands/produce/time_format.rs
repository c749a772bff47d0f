//! How the times of a file are written.

use chrono::NaiveDateTime;
use meterline_core::quantity::Quantity;
use meterline_core::time::{EVENT_TIME_END, EVENT_TIME_MIN, EventTime, parse_rfc3339};
use std::str::FromStr;

/// A way to write times.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum TimeFormat {
    /// RFC 3339 with an offset.
    Rfc3339,
    /// A number of seconds since 1970-01-01 UTC, decimals allowed.
    UnixSeconds,
    /// A number of milliseconds since 1970-01-01 UTC, decimals allowed.
    UnixMillis,
    /// A pattern of `chrono`'s `strftime`, read as UTC.
    Pattern(String),
}

impl FromStr for TimeFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "rfc3339" => Ok(Self::Rfc3339),
            "unix-seconds" => Ok(Self::UnixSeconds),
            "unix-millis" => Ok(Self::UnixMillis),
            _ if text.contains('%') => Ok(Self::Pattern(text.to_owned())),
            _ => Err(format!(
                "`{text}` is no time format: rfc3339, unix-seconds, unix-millis, or a pattern such as `%Y-%m-%d %H:%M:%S%.f`"
            )),
        }
    }
}

impl TimeFormat {
    /// Reads a time; digits below a microsecond are cut off (a floor).
    ///
    /// # Errors
    /// A sentence that quotes the text.
    pub(crate) fn read(&self, text: &str) -> Result<EventTime, String> {
        let micros = match self {
            Self::Rfc3339 => parse_rfc3339(text).map(|time| time.0),
            Self::UnixSeconds => unix(text, 1_000),
            Self::UnixMillis => unix(text, 1_000_000),
            Self::Pattern(pattern) => {
                let time = NaiveDateTime::parse_from_str(text, pattern).ok();
                time.map(|time| time.and_utc().timestamp_micros())
            }
        };
        let time = micros
            .map(EventTime)
            .filter(|t| (EVENT_TIME_MIN..EVENT_TIME_END).contains(t));
        time.ok_or_else(|| format!("time `{text}` is not {self}"))
    }
}

/// A decimal number as microseconds; `per_micro` is how many raw units (10⁻⁹) one has.
fn unix(text: &str, per_micro: i128) -> Option<i64> {
    let number = Quantity::parse(text).ok()?;
    i64::try_from(number.raw().div_euclid(per_micro)).ok()
}

impl std::fmt::Display for TimeFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rfc3339 => f.write_str("RFC 3339 with an offset"),
            Self::UnixSeconds => f.write_str("a number of seconds since 1970"),
            Self::UnixMillis => f.write_str("a number of milliseconds since 1970"),
            Self::Pattern(pattern) => write!(f, "written as `{pattern}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: &str, text: &str, expected: Option<&str>) {
        let format: TimeFormat = format.parse().expect("a format");
        let read = format.read(text).map(|time| time.to_string());
        assert_eq!(read.ok().as_deref(), expected, "{format}: {text}");
    }

    #[test]
    fn times_are_read_exactly() {
        check(
            "rfc3339",
            "2026-11-21T08:00:00+01:00",
            Some("2026-11-21T07:00:00.000000Z"),
        );
        check(
            "unix-seconds",
            "807256800",
            Some("1995-08-01T06:00:00.000000Z"),
        );
        check(
            "unix-seconds",
            "-0.0000001",
            Some("1969-12-31T23:59:59.999999Z"),
        );
        check(
            "unix-millis",
            "807256800123.4567",
            Some("1995-08-01T06:00:00.123456Z"),
        );
        let pattern = "%Y-%m-%d %H:%M:%S%.f";
        check(
            pattern,
            "2023-11-16 18:15:46.6805900",
            Some("2023-11-16T18:15:46.680590Z"),
        );
        for (format, text) in [
            ("rfc3339", "807256800"),
            ("unix-seconds", "NaN"),
            ("unix-seconds", "99999999999999"),
            (pattern, "2023-11-16"),
        ] {
            check(format, text, None);
        }
        assert!("epoch".parse::<TimeFormat>().is_err());
    }
}
