//! Quantities and times as answers and requests write them.
//!
//! Quantities are strings in answers. Requests may write them as strings or numbers; a number is
//! read as the text that was written, and never passes through a float.

use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, parse_rfc3339};
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use std::time::Duration;

/// A quantity of a request, as its text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct QuantityText(String);

impl From<Quantity> for QuantityText {
    fn from(quantity: Quantity) -> Self {
        Self(quantity.to_string())
    }
}

impl QuantityText {
    /// A word in the place of a quantity.
    pub(crate) fn word(word: &str) -> Self {
        Self(word.to_owned())
    }

    /// Whether it is this word.
    pub(crate) fn is(&self, word: &str) -> bool {
        self.0 == word
    }

    /// The quantity.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub(crate) fn read(&self) -> Result<Quantity, String> {
        Quantity::parse(&self.0).map_err(|error| error.to_string())
    }
}

impl<'de> Deserialize<'de> for QuantityText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <Box<RawValue>>::deserialize(deserializer)?;
        let text = raw.get();
        let first = text.bytes().next().unwrap_or_default();
        match first {
            b'"' => serde_json::from_str(text)
                .map(Self)
                .map_err(D::Error::custom),
            b'-' | b'0'..=b'9' => Ok(Self(text.to_owned())),
            _ => {
                let found = Unexpected::Other("something else");
                Err(D::Error::invalid_type(found, &"a number or a string"))
            }
        }
    }
}

/// A quantity in an answer.
pub(crate) fn quantity(quantity: Quantity) -> String {
    quantity.to_string()
}

/// A moment in an answer: RFC 3339 in UTC, without a fraction where there is none.
pub(crate) fn time(at: EventTime) -> String {
    let text = at.to_string();
    text.strip_suffix(".000000Z")
        .map_or_else(|| text.clone(), |whole| format!("{whole}Z"))
}

/// Whole milliseconds of a length of time.
pub(crate) fn millis(length: Duration) -> u64 {
    u64::try_from(length.as_millis()).unwrap_or(u64::MAX)
}

/// A moment of a request: RFC 3339, or a date, which is its first moment in UTC.
pub(crate) fn read_time(text: &str) -> Option<EventTime> {
    if text.len() == "2026-01-31".len() {
        return parse_rfc3339(&format!("{text}T00:00:00Z"));
    }
    parse_rfc3339(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_strings_are_read_as_their_text() {
        let check = |text: &str, expected: Option<&str>| {
            let read = serde_json::from_str::<QuantityText>(text).ok();
            let read = read.and_then(|text| text.read().ok());
            assert_eq!(read.map(quantity).as_deref(), expected, "{text}");
        };
        check("1", Some("1"));
        check("\"1.50\"", Some("1.5"));
        check("0.123456789", Some("0.123456789"));
        check(
            "12345678901234567890123456789",
            Some("12345678901234567890123456789"),
        );
        check("1e3", Some("1000"));
        check("0.1234567891", None);
        check("\"one\"", None);
        check("true", None);
        check("[1]", None);
    }

    #[test]
    fn times_are_read_and_written_in_utc() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(read_time(text).map(time).as_deref(), expected, "{text}");
        };
        check("2026-11-21", Some("2026-11-21T00:00:00Z"));
        check("2026-11-21T01:00:00+01:00", Some("2026-11-21T00:00:00Z"));
        check(
            "2026-11-21T00:00:00.5Z",
            Some("2026-11-21T00:00:00.500000Z"),
        );
        check("2026-11-31", None);
        check("today", None);
    }
}
