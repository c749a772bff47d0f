//! How long tables keep their rows: removes rows, never alters one.

use super::SettingsError;
use serde::Deserialize;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// How much longer than its age an archived record may stay: the archive goes by whole parts, each
/// of one month, and a day is for the server to get to it.
pub(super) const ARCHIVE_PART_DAYS: u32 = 32;

/// How long each table keeps its rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    /// Hour buckets, by the start of their window. Default 13 months.
    pub bucket_hourly: Keep,
    /// Day buckets, by the start of their window. Default for ever.
    pub bucket_daily: Keep,
    /// Month buckets, by the start of their window. Default for ever.
    pub bucket_monthly: Keep,
    /// Progress records, by log time; the newest per log partition is kept for ever. Default
    /// 90 days.
    pub progress_history: Keep,
    /// Dead letters, by log time. Default for ever; otherwise a month longer than the archive.
    pub dead_letters: Keep,
    /// The archive of usage records, by append time; whole parts go. Default 93 days: the longest
    /// quarter and a day.
    pub usage_events: Keep,
    /// Outcomes of attempts to deliver alerts, by append time; whole months go. Alerts themselves
    /// are kept for ever. Default 90 days.
    pub alert_deliveries: Keep,
    /// Steps of pushes to Stripe, by the start of their window; whole months go. Carries are kept
    /// for ever. Default 13 months, as hour buckets: what a statement is made of.
    pub stripe_pushes: Keep,
}

impl Retention {
    /// Whether the letters are there for as long as the records that they name.
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let (dead_letters, usage_events) = (self.dead_letters, self.usage_events);
        let outlives = match (dead_letters.days(28), usage_events.days(31)) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(letters), Some(events)) => letters >= events.saturating_add(ARCHIVE_PART_DAYS),
        };
        if outlives {
            return Ok(());
        }
        Err(SettingsError::Letters {
            dead_letters,
            usage_events,
        })
    }
}

impl Default for Retention {
    fn default() -> Self {
        const MONTHS: NonZeroU32 = NonZeroU32::new(13).expect("13 is not 0");
        const DAYS: NonZeroU32 = NonZeroU32::new(90).expect("90 is not 0");
        const ARCHIVE: NonZeroU32 = NonZeroU32::new(93).expect("93 is not 0");
        Self {
            bucket_hourly: Keep::Months(MONTHS),
            bucket_daily: Keep::Forever,
            bucket_monthly: Keep::Forever,
            progress_history: Keep::Days(DAYS),
            dead_letters: Keep::Forever,
            usage_events: Keep::Days(ARCHIVE),
            alert_deliveries: Keep::Days(DAYS),
            stripe_pushes: Keep::Months(MONTHS),
        }
    }
}

/// A length of retention: written `forever`, `90 days` or `13 months`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub enum Keep {
    /// Nothing is removed.
    Forever,
    /// Rows go when they are older.
    Days(NonZeroU32),
    /// Rows go when they are older; calendar months.
    Months(NonZeroU32),
}

impl Keep {
    /// Its length, by months of so many days; `None` for ever.
    fn days(self, month: u32) -> Option<u32> {
        match self {
            Self::Forever => None,
            Self::Days(count) => Some(count.get()),
            Self::Months(count) => Some(count.get().saturating_mul(month)),
        }
    }
}

impl FromStr for Keep {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        let refused = || SettingsError::Keep {
            text: text.to_owned(),
        };
        if text == "forever" {
            return Ok(Self::Forever);
        }
        let (count, unit) = text.split_once(' ').ok_or_else(refused)?;
        let count: NonZeroU32 = count.parse().map_err(|_| refused())?;
        match unit {
            "day" | "days" => Ok(Self::Days(count)),
            "month" | "months" => Ok(Self::Months(count)),
            _ => Err(refused()),
        }
    }
}

impl TryFrom<String> for Keep {
    type Error = SettingsError;

    fn try_from(text: String) -> Result<Self, SettingsError> {
        text.parse()
    }
}

impl fmt::Display for Keep {
    /// Writes what [`Keep::from_str`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forever => f.write_str("forever"),
            Self::Days(count) => write!(f, "{count} days"),
            Self::Months(count) => write!(f, "{count} months"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_outlive_the_records_that_they_name() {
        let keep = |text: &str| text.parse::<Keep>().expect("a length");
        let check = |letters: &str, events: &str, expected: bool| {
            let retention = Retention {
                dead_letters: keep(letters),
                usage_events: keep(events),
                ..Retention::default()
            };
            let refused = retention.check().map_err(|error| error.to_string());
            match refused {
                Ok(()) => assert!(expected, "{letters}, {events}"),
                Err(text) => {
                    assert!(!expected, "{text}");
                    assert!(
                        text.contains(&format!("dead_letters ({letters})")),
                        "{text}"
                    );
                    assert!(text.contains(&format!("usage_events ({events})")), "{text}");
                }
            }
        };
        check("forever", "forever", true);
        check("125 days", "93 days", true);
        check("124 days", "93 days", false);
        check("90 days", "forever", false);
        check("5 months", "3 months", true);
        check("4 months", "3 months", false);
    }

    #[test]
    fn retention_survives_its_text() {
        for text in ["forever", "90 days", "13 months"] {
            assert_eq!(
                text.parse::<Keep>().map(|keep| keep.to_string()),
                Ok(text.into())
            );
        }
        for text in ["", "0 days", "90", "90days", "1 year", "-1 days", "Forever"] {
            assert!(text.parse::<Keep>().is_err(), "{text}");
        }
    }
}
