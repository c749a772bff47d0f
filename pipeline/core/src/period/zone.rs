//! Time zones whose offsets from UTC are whole hours.
//!
//! Buckets are by UTC hours, so a day of a zone with a part-hour offset is no sum of buckets: such
//! a zone is refused with its reason, never rounded. The IANA time zone database is part of the
//! binary; nothing of the machine is read. Its rules hold from [`KNOWN_FROM`] to the end of 2099:
//! before, the offset of its first moment holds, afterwards that of the last.

use crate::nearest::nearest;
use crate::time::Hour;
use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};
use std::fmt;

/// First hour whose offset is looked up: 2020-01-01T00:00Z. Nothing that old is judged, and before
/// it more zones had part-hour offsets.
pub const KNOWN_FROM: Hour = Hour(438_288);

/// Release of the IANA time zone database in this binary.
pub const DATABASE: &str = chrono_tz::IANA_TZDB_VERSION;

/// Longest name that an error repeats; the database's longest has 32 bytes.
const SHOWN_CHARS_MAX: usize = 64;

const HOURS_PER_DAY: i64 = 24;
const SECONDS_PER_HOUR: i64 = 3_600;

/// Zones with a part-hour offset at any time since [`KNOWN_FROM`], by name, and the first such
/// offset in seconds east of UTC. A test recounts them from the database.
const PART_HOUR: [(&str, i32); 25] = [
    ("America/St_Johns", -12_600),
    ("Asia/Calcutta", 19_800),
    ("Asia/Colombo", 19_800),
    ("Asia/Kabul", 16_200),
    ("Asia/Kathmandu", 20_700),
    ("Asia/Katmandu", 20_700),
    ("Asia/Kolkata", 19_800),
    ("Asia/Rangoon", 23_400),
    ("Asia/Tehran", 12_600),
    ("Asia/Yangon", 23_400),
    ("Australia/Adelaide", 37_800),
    ("Australia/Broken_Hill", 37_800),
    ("Australia/Darwin", 34_200),
    ("Australia/Eucla", 31_500),
    ("Australia/LHI", 37_800),
    ("Australia/Lord_Howe", 37_800),
    ("Australia/North", 34_200),
    ("Australia/South", 37_800),
    ("Australia/Yancowinna", 37_800),
    ("Canada/Newfoundland", -12_600),
    ("Indian/Cocos", 23_400),
    ("Iran", 12_600),
    ("NZ-CHAT", 49_500),
    ("Pacific/Chatham", 49_500),
    ("Pacific/Marquesas", -34_200),
];

/// A time zone whose offsets are whole hours.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Zone(Tz);

/// Why a name is no [`Zone`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ZoneError {
    /// The database has no such zone.
    #[error("`{name}` is no time zone of the IANA database ({DATABASE}); {hint}")]
    Unknown {
        /// The name, cut to a bounded length.
        name: String,
        /// The nearest known name, or what names look like.
        hint: String,
    },
    /// Its days do not begin at full hours of UTC.
    #[error(
        "time zone `{name}` is {} off UTC, which is no whole number of hours: its days are no sums \
         of hourly buckets; use a zone with whole hours, such as `UTC`",
        OffsetText(*seconds)
    )]
    PartHour {
        /// The name.
        name: &'static str,
        /// The offset, in seconds east of UTC.
        seconds: i32,
    },
}

/// An offset from UTC as `+05:30`.
struct OffsetText(i32);

impl fmt::Display for OffsetText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        let minutes = self.0.unsigned_abs() / 60;
        write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

impl Zone {
    /// UTC.
    #[must_use]
    pub const fn utc() -> Self {
        Self(Tz::UTC)
    }

    /// Reads the IANA name of a zone, such as `Europe/Berlin`; case matters.
    ///
    /// # Errors
    /// [`ZoneError`] for an unknown name, and for a zone with a part-hour offset from 2020 on.
    pub fn parse(name: &str) -> Result<Self, ZoneError> {
        let Ok(zone) = name.parse::<Tz>() else {
            return Err(unknown(name));
        };
        match PART_HOUR.binary_search_by_key(&zone.name(), |(name, _)| name) {
            Ok(place) => {
                let (name, seconds) = PART_HOUR[place];
                Err(ZoneError::PartHour { name, seconds })
            }
            Err(_) => Ok(Self(zone)),
        }
    }

    /// The zone's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Hours that the zone's clocks are ahead of UTC in an hour since 1970-01-01 UTC.
    fn offset(self, hour: i64) -> i64 {
        if self.0 == Tz::UTC {
            return 0;
        }
        let seconds = offset_seconds(self.0, hour.max(i64::from(KNOWN_FROM.0)));
        i64::from(seconds).div_euclid(SECONDS_PER_HOUR)
    }

    /// The first hour at which the zone's clocks have reached the midnight that begins a day; days
    /// are since 1970-01-01.
    ///
    /// So a midnight that the clocks skip is the first moment after the gap, and of one that they
    /// show twice it is the first.
    pub(super) fn day_start(self, day: i64) -> i64 {
        let midnight = day * HOURS_PER_DAY;
        // No offset since 2020 is beyond 14 hours, and no zone changes its offset twice within
        // these two days (a test shows both): one of these two holds at any hour looked at.
        let before = self.offset(midnight - HOURS_PER_DAY);
        let after = self.offset(midnight + HOURS_PER_DAY);
        let mut hour = midnight - before.max(after);
        while hour + self.offset(hour) < midnight {
            hour += 1;
        }
        hour
    }

    /// The day, since 1970-01-01, that the zone's clocks show in an hour. Since 2020 no zone's clocks
    /// have gone back to a day that was over (a test shows it), so it is the last that has begun.
    pub(super) fn day_at(self, hour: i64) -> i64 {
        (hour + self.offset(hour)).div_euclid(HOURS_PER_DAY)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The database's offset at the start of an hour, in seconds east of UTC.
fn offset_seconds(zone: Tz, hour: i64) -> i32 {
    let moment = DateTime::from_timestamp(hour * SECONDS_PER_HOUR, 0)
        .expect("event times end in 2299, far within chrono's years");
    let offset = zone.offset_from_utc_datetime(&moment.naive_utc());
    offset.fix().local_minus_utc()
}

fn unknown(name: &str) -> ZoneError {
    let known = TZ_VARIANTS.iter().map(|zone| zone.name());
    let hint = match nearest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "names look like `Europe/Berlin`".to_owned(),
    };
    let name = name.chars().take(SHOWN_CHARS_MAX).collect();
    ZoneError::Unknown { name, hint }
}

#[cfg(test)]
mod tests;
