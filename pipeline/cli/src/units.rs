//! Values with units, as arguments and settings write them.
//!
//! Nothing here goes through a float: shares are parts per million, times are microseconds. A
//! number without its unit is refused where the unit is not obvious.

mod month;

pub(crate) use month::Month;

use meterline_control::AdoptStart;
use meterline_core::position::Offset;
use meterline_core::quantity::{ONE, Quantity};
use meterline_core::reason::Reason;
use meterline_core::time::{EVENT_TIME_END, EVENT_TIME_MIN, EventTime, parse_rfc3339};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

/// A length of time above zero, such as `500ms`, `2s` or `1h 30m`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Length(pub Duration);

impl FromStr for Length {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let length = humantime::parse_duration(text).map_err(|_| {
            format!(
                "`{text}` is no duration: write a number and a unit, such as 500ms, 2s, 5m or 1h"
            )
        })?;
        if length.is_zero() {
            return Err(format!("`{text}` is no duration above zero"));
        }
        Ok(Self(length))
    }
}

impl Length {
    /// The length in microseconds.
    pub(crate) fn micros(self) -> i64 {
        i64::try_from(self.0.as_micros()).unwrap_or(i64::MAX)
    }
}

/// A signed length in microseconds, such as `2h` or `-35d`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Shift(pub i64);

impl FromStr for Shift {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix('-') {
            Some(length) => Ok(Self(-length.parse::<Length>()?.micros())),
            None => Ok(Self(
                text.strip_prefix('+')
                    .unwrap_or(text)
                    .parse::<Length>()?
                    .micros(),
            )),
        }
    }
}

/// Records a second, as the time between two of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rate {
    /// Number of records …
    pub records: u64,
    /// … in this many seconds.
    pub seconds: u64,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
        let seconds = match unit {
            "s" => 1,
            "min" | "m" => 60,
            "h" => 3_600,
            _ => {
                return Err(format!(
                    "`{text}` is no rate: write it as 500/s, 30/min or 10/h"
                ));
            }
        };
        match number.replace('_', "").parse() {
            Ok(records) if records > 0 => Ok(Self { records, seconds }),
            _ => Err(format!(
                "`{text}` is no rate: a whole number above zero is needed, such as 500/s"
            )),
        }
    }
}

impl Rate {
    /// When the record of this number (from 0) is due, in microseconds after the first.
    pub(crate) fn due_micros(self, record: u64) -> i64 {
        let due =
            u128::from(record) * u128::from(self.seconds) * 1_000_000 / u128::from(self.records);
        i64::try_from(due).unwrap_or(i64::MAX)
    }

    /// How many records are due in that many microseconds, at least one.
    pub(crate) fn records_in(self, micros: i64) -> u64 {
        let micros = u128::try_from(micros).unwrap_or(0);
        let records = micros * u128::from(self.records) / (u128::from(self.seconds) * 1_000_000);
        u64::try_from(records).unwrap_or(u64::MAX).max(1)
    }
}

/// A share, in parts per million; written as a percentage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Share(pub u32);

impl Share {
    /// The whole: one million parts.
    pub(crate) const WHOLE: u32 = 1_000_000;
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || {
            format!(
                "`{text}` is no share: write a percentage from 0% to 100% with at most four decimals, such as 2% or 0.1%"
            )
        };
        let number = text.strip_suffix('%').ok_or_else(refused)?;
        let percent = Quantity::parse(number).map_err(|_| refused())?.raw();
        // One percent is 10⁹ raw and 10⁴ parts, so a part is 10⁵ raw.
        let in_range = (0..=100 * ONE).contains(&percent) && percent % 100_000 == 0;
        let parts = in_range
            .then(|| u32::try_from(percent / 100_000).ok())
            .flatten();
        parts.map(Self).ok_or_else(refused)
    }
}

/// A moment that may depend on the present.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Moment {
    /// A fixed time.
    At(EventTime),
    /// The present and a distance from it.
    FromNow(i64),
}

impl Moment {
    /// The moment, given the present.
    pub(crate) fn resolve(self, now: EventTime) -> EventTime {
        match self {
            Self::At(time) => time,
            Self::FromNow(distance) => EventTime(now.0.saturating_add(distance)),
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("now") {
            Some("") => Ok(Self::FromNow(0)),
            Some(distance) => distance.parse().map(|Shift(micros)| Self::FromNow(micros)),
            None => parse_event_time(text).map(Self::At),
        }
    }
}

/// A span of event time, `FROM..TO`; the end is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    /// First moment.
    pub from: Moment,
    /// First moment after it.
    pub to: Moment,
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text
            .split_once("..")
            .ok_or_else(|| format!("`{text}` is no span: write FROM..TO, such as now-7d..now"))?;
        Ok(Self {
            from: from.parse()?,
            to: to.parse()?,
        })
    }
}

/// Reads an RFC 3339 time as event time.
pub(crate) fn parse_event_time(text: &str) -> Result<EventTime, String> {
    parse_rfc3339(text).ok_or_else(|| {
        format!("`{text}` is no time from {EVENT_TIME_MIN} to {EVENT_TIME_END}: write RFC 3339 with an offset, such as 2026-11-21T07:41:55Z")
    })
}

/// Reads an RFC 3339 time or a date (its first moment, UTC).
pub(crate) fn parse_moment(text: &str) -> Result<EventTime, String> {
    let of_day = if text.len() == "2026-11-21".len() {
        format!("{text}T00:00:00Z")
    } else {
        text.to_owned()
    };
    parse_rfc3339(&of_day)
        .ok_or_else(|| format!("`{text}` is no time: write 2026-11-21 or 2026-11-21T07:41:55Z"))
}

/// Reads where an adopted topic begins: `end`, or `PARTITION=OFFSET,…`.
pub(crate) fn parse_adopt(text: &str) -> Result<AdoptStart, String> {
    if text == "end" {
        return Ok(AdoptStart::End);
    }
    let mut offsets = BTreeMap::new();
    for part in text.split(',') {
        let pair = part.split_once('=').and_then(|(partition, offset)| {
            Some((
                partition.parse::<u32>().ok()?,
                offset.parse::<Offset>().ok()?,
            ))
        });
        let (partition, offset) = pair.ok_or_else(|| {
            format!("`{part}` is neither `end` nor PARTITION=OFFSET, such as 0=100,1=250")
        })?;
        if offsets.insert(partition, offset).is_some() {
            return Err(format!("partition {partition} is named twice"));
        }
    }
    Ok(AdoptStart::At(offsets))
}

/// Reads a size in bytes with its unit, such as `32MiB`.
pub(crate) fn parse_size(text: &str) -> Result<usize, String> {
    let refused = || {
        format!("`{text}` is no size: write a whole number and B, KiB, MiB or GiB, such as 32MiB")
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim_start() {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err(refused()),
    };
    let number: usize = number.parse().map_err(|_| refused())?;
    number.checked_mul(1 << shift).ok_or_else(refused)
}

/// Reads the name of a dead letter's reason.
pub(crate) fn parse_reason(text: &str) -> Result<Reason, String> {
    let found = Reason::ALL.into_iter().find(|reason| reason.name() == text);
    found.ok_or_else(|| {
        format!(
            "no such reason; there are {}",
            Reason::ALL.map(Reason::name).join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: FromStr<Err = String> + std::fmt::Debug + PartialEq>(
        text: &str,
        expected: Result<T, &str>,
    ) {
        match (text.parse::<T>(), expected) {
            (Ok(value), Ok(expected)) => assert_eq!(value, expected, "{text}"),
            (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
            (got, expected) => panic!("{text}: got {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn lengths_need_a_unit() {
        check("500ms", Ok(Length(Duration::from_millis(500))));
        check("1h 30m", Ok(Length(Duration::from_secs(5_400))));
        for text in ["2", "", "-2s", "2 parsecs"] {
            check::<Length>(text, Err("is no duration"));
        }
        check::<Length>("0s", Err("above zero"));
    }

    #[test]
    fn shares_are_exact_percentages() {
        check("2%", Ok(Share(20_000)));
        check("0.0001%", Ok(Share(1)));
        check("100%", Ok(Share(Share::WHOLE)));
        for text in ["0.02", "101%", "-1%", "0.00001%", "%", "NaN%"] {
            check::<Share>(text, Err("is no share"));
        }
    }

    #[test]
    fn rates_say_when_a_record_is_due() {
        check(
            "500/s",
            Ok(Rate {
                records: 500,
                seconds: 1,
            }),
        );
        check(
            "20_000",
            Ok(Rate {
                records: 20_000,
                seconds: 1,
            }),
        );
        for text in ["0/s", "1.5/s", "5/fortnight", "fast"] {
            check::<Rate>(text, Err("is no rate"));
        }
        let rate = Rate {
            records: 3,
            seconds: 60,
        };
        assert_eq!(rate.due_micros(3), 60_000_000);
        assert_eq!(rate.records_in(60_000_000), 3);
    }

    #[test]
    fn spans_follow_the_present() {
        let now = EventTime(1_000_000_000_000_000);
        let span: Span = "now-1d..now+2h".parse().expect("a span");
        assert_eq!(span.from.resolve(now), EventTime(now.0 - 86_400_000_000));
        assert_eq!(span.to.resolve(now), EventTime(now.0 + 7_200_000_000));
        check::<Span>("yesterday", Err("FROM..TO"));
        check::<Span>("now-1..now", Err("is no duration"));
    }

    #[test]
    fn adoption_begins_at_the_end_or_at_offsets() {
        assert_eq!(parse_adopt("end"), Ok(AdoptStart::End));
        assert_eq!(
            parse_adopt("0=5,2=7"),
            Ok(AdoptStart::At(BTreeMap::from([(0, 5), (2, 7)])))
        );
        assert_eq!(
            parse_adopt("0=5,0=6"),
            Err("partition 0 is named twice".to_owned())
        );
        for text in ["0=-1", "", "end,0=1"] {
            assert!(parse_adopt(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_need_a_unit() {
        assert_eq!(parse_size("32MiB"), Ok(32 << 20));
        assert_eq!(parse_size("512 B"), Ok(512));
        for text in ["32", "MiB", "1.5GiB", "32MB", "99999999999999999999GiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn moments_are_dates_or_times() {
        assert_eq!(parse_moment("1970-01-02"), Ok(EventTime(86_400_000_000)));
        assert_eq!(parse_moment("1970-01-01T01:00:00+01:00"), Ok(EventTime(0)));
        assert!(parse_moment("today").is_err());
    }
}
