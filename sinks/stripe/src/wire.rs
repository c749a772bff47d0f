//! What all answers share: pages and numbers.
//!
//! Refuses numbers that are none. Invariant: a number is kept as the text that Stripe wrote.

use meterline_core::quantity::{NotAQuantity, Quantity};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Most objects of a page: "Limit can range between 1 and 100"
/// (<https://docs.stripe.com/api/pagination>). Every list asks for so many.
pub const PAGE_MAX: u32 = 100;

/// An object that lists hold.
pub trait Listed {
    /// Its id, which is a place in its list.
    fn id(&self) -> &str;
}

/// A page of a list.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Page<T> {
    /// The objects, newest first where not said otherwise.
    pub data: Vec<T>,
    /// Whether objects come after these.
    pub has_more: bool,
}

impl<T: Listed> Page<T> {
    /// What to ask for the next page with (`starting_after`); `None` after the last one.
    #[must_use]
    pub fn next(&self) -> Option<&str> {
        let last = self.data.last().filter(|_| self.has_more)?;
        Some(last.id())
    }
}

/// A decimal number as the text that Stripe wrote, which JSON has as a number or as a string.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decimal(String);

impl Decimal {
    /// The text: digits, perhaps a sign, a point, an exponent.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Its value, if that is a quantity of ours.
    ///
    /// # Errors
    /// If it has more than nine decimals or is too large.
    pub fn quantity(&self) -> Result<Quantity, NotAQuantity> {
        Quantity::parse(&self.0)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = match raw.get() {
            string if string.starts_with('"') => {
                serde_json::from_str(string).map_err(D::Error::custom)?
            }
            number => number.to_owned(),
        };
        let is_number = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
        if text.bytes().any(|byte| byte.is_ascii_digit()) && text.bytes().all(is_number) {
            Ok(Self(text))
        } else {
            Err(D::Error::custom("not a decimal number"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_text() {
        let check = |json: &str, expected: Option<&str>| {
            let read = serde_json::from_str::<Decimal>(json).ok();
            assert_eq!(read.as_ref().map(Decimal::text), expected, "{json}");
        };
        check("0.1", Some("0.1"));
        check(
            "123456789012345.12345678901",
            Some("123456789012345.12345678901"),
        );
        check("1e21", Some("1e21"));
        check("-3", Some("-3"));
        check("\"7.50\"", Some("7.50"));
        for json in ["\"inf\"", "\"\"", "\"e\"", "true", "null", "{}"] {
            check(json, None);
        }
        let value: Decimal = serde_json::from_str("1.5e2").expect("a number");
        assert_eq!(value.quantity(), Quantity::parse("150"));
    }

    #[derive(Deserialize)]
    struct Object(String);

    impl Listed for Object {
        fn id(&self) -> &str {
            &self.0
        }
    }

    #[test]
    fn the_next_page_begins_after_the_last_object() {
        let check = |json: &str, expected: Option<&str>| {
            let page: Page<Object> = serde_json::from_str(json).expect("a page");
            assert_eq!(page.next(), expected, "{json}");
        };
        check(r#"{"data":["a","b"],"has_more":true}"#, Some("b"));
        check(r#"{"data":["a","b"],"has_more":false}"#, None);
        check(r#"{"data":[],"has_more":true}"#, None);
    }
}
