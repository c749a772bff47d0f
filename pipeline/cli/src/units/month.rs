//! A calendar month, UTC, as people write it: `2026-10`.

use meterline_core::time::{EVENT_TIME_END, Hour, Level, Window, parse_rfc3339};
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// A month.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Month(Window);

impl FromStr for Month {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let first = (text.len() == "2026-10".len())
            .then(|| parse_rfc3339(&format!("{text}-01T00:00:00Z")))
            .flatten();
        let first = first.filter(|first| first.0 >= 0 && *first < EVENT_TIME_END);
        let first = first.ok_or_else(|| format!("`{text}` is no month: write 2026-10"))?;
        Ok(Self(Window::of(Level::Month, first.hour())))
    }
}

impl Month {
    /// Its hours.
    pub(crate) fn hours(self) -> Range<Hour> {
        let start = Hour(i32::try_from(self.0.start / 3_600).expect("checked when it was read"));
        start..self.0.end_time().hour()
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.hours().start.start().to_string();
        write!(f, "{}", text.get(.."2026-10".len()).unwrap_or(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_has_its_hours_and_its_name() {
        let month: Month = "2026-02".parse().expect("a month");
        let hours = month.hours();
        assert_eq!(hours.end.0 - hours.start.0, 28 * 24);
        assert_eq!(
            hours.start.start().to_string(),
            "2026-02-01T00:00:00.000000Z"
        );
        assert_eq!(month.to_string(), "2026-02");
        let december: Month = "2026-12".parse().expect("a month");
        assert_eq!(
            december.hours().end.start().to_string(),
            "2027-01-01T00:00:00.000000Z"
        );
    }

    #[test]
    fn what_is_no_month_is_refused() {
        for text in ["2026-13", "2026-1", "2026-10-01", "1969-12", "october", ""] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
    }
}
