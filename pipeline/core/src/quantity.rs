//! Exact quantities: 128-bit fixed point with nine decimals.
//!
//! Nothing here rounds, saturates or goes through a float: what does not fit is refused, at the
//! edges too (INV-EXACT). The range is that of ClickHouse's `Decimal(38, 9)`: |value| < 10²⁹.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Number of decimals every quantity keeps.
pub const DECIMALS: u32 = 9;

/// 10⁹: the integer that stands for the quantity 1.
pub const ONE: i128 = 1_000_000_000;

/// Exclusive bound of the raw integer: 10³⁸, that is |value| < 10²⁹.
const RAW_BOUND: i128 = 10i128.pow(38);

/// An exact decimal with nine decimals and |value| < 10²⁹.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quantity(i128);

/// Why a text or product is no [`Quantity`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotAQuantity {
    /// The text is not a decimal number.
    #[error("is not a decimal number")]
    Malformed,
    /// More than nine significant decimals.
    #[error("has more than {DECIMALS} decimals")]
    TooPrecise,
    /// At or beyond 10²⁹.
    #[error("is beyond the range of 29 integer digits")]
    OutOfRange,
}

impl Quantity {
    /// The quantity 0.
    pub const ZERO: Self = Self(0);
    /// The quantity 1.
    pub const ONE: Self = Self(ONE);

    /// Takes the raw integer, in units of 10⁻⁹.
    ///
    /// # Errors
    /// [`NotAQuantity::OutOfRange`] at or beyond 10³⁸.
    pub fn from_raw(raw: i128) -> Result<Self, NotAQuantity> {
        if -RAW_BOUND < raw && raw < RAW_BOUND {
            Ok(Self(raw))
        } else {
            Err(NotAQuantity::OutOfRange)
        }
    }

    /// The raw integer, in units of 10⁻⁹: what a `Decimal(38, 9)` column stores.
    #[must_use]
    pub const fn raw(self) -> i128 {
        self.0
    }

    /// Whether the quantity is below zero.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Adds exactly.
    ///
    /// # Errors
    /// [`NotAQuantity::OutOfRange`] when the sum leaves the range.
    pub fn plus(self, other: Self) -> Result<Self, NotAQuantity> {
        self.0
            .checked_add(other.0)
            .ok_or(NotAQuantity::OutOfRange)
            .and_then(Self::from_raw)
    }

    /// Multiplies exactly.
    ///
    /// # Errors
    /// [`NotAQuantity::TooPrecise`] when the product needs a tenth decimal,
    /// [`NotAQuantity::OutOfRange`] when it leaves the range.
    pub fn times(self, scale: Self) -> Result<Self, NotAQuantity> {
        if scale == Self::ONE {
            return Ok(self);
        }
        // The raw product has 18 decimals. It may need 256 bits, so take the factors apart first:
        // a = ah·10⁹ + al, b = bh·10⁹ + bl, and a·b/10⁹ = ah·b + al·bh + al·bl/10⁹.
        let (high, low) = (self.0 / ONE, self.0 % ONE);
        let (scale_high, scale_low) = (scale.0 / ONE, scale.0 % ONE);
        let smallest = low * scale_low;
        if smallest % ONE != 0 {
            return Err(NotAQuantity::TooPrecise);
        }
        high.checked_mul(scale.0)
            .and_then(|sum| sum.checked_add(low.checked_mul(scale_high)?))
            .and_then(|sum| sum.checked_add(smallest / ONE))
            .ok_or(NotAQuantity::OutOfRange)
            .and_then(Self::from_raw)
    }

    /// Reads a decimal number as JSON and people write it: sign, digits, fraction, exponent.
    ///
    /// Trailing zeros and exponents are fine if the value fits; `NaN`, `inf`, blanks and
    /// underscores are not numbers. A leading `+` and leading zeros are accepted.
    ///
    /// # Errors
    /// Any [`NotAQuantity`].
    pub fn parse(text: &str) -> Result<Self, NotAQuantity> {
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = split_exponent(unsigned)?;
        let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let well_formed = !integer.is_empty()
            && mantissa.bytes().all(|b| b.is_ascii_digit() || b == b'.')
            && integer
                .bytes()
                .chain(fraction.bytes())
                .all(|b| b.is_ascii_digit())
            && (mantissa.len() == integer.len() || !fraction.is_empty());
        if !well_formed {
            return Err(NotAQuantity::Malformed);
        }
        let raw = digits_to_raw(integer, fraction, exponent)?;
        Self::from_raw(if negative { -raw } else { raw })
    }

    /// Takes an unscaled integer with `scale` decimals, as Avro's decimal carries it.
    ///
    /// # Errors
    /// [`NotAQuantity::TooPrecise`] or [`NotAQuantity::OutOfRange`].
    pub fn from_unscaled(unscaled: i128, scale: u32) -> Result<Self, NotAQuantity> {
        let raw = if scale <= DECIMALS {
            let factor = 10i128.pow(DECIMALS - scale);
            unscaled
                .checked_mul(factor)
                .ok_or(NotAQuantity::OutOfRange)?
        } else {
            let divisor = 10i128.checked_pow(scale - DECIMALS);
            match divisor {
                Some(divisor) if unscaled % divisor == 0 => unscaled / divisor,
                None if unscaled == 0 => 0,
                _ => return Err(NotAQuantity::TooPrecise),
            }
        };
        Self::from_raw(raw)
    }
}

/// Splits `1.5e3` into its mantissa and exponent; the exponent is 0 where none is written.
///
/// An exponent of more digits than an `i64` holds is clamped: whatever its mantissa, the value is
/// zero, too precise or out of range, which [`digits_to_raw`] decides the same way.
fn split_exponent(text: &str) -> Result<(&str, i64), NotAQuantity> {
    let Some(at) = text.bytes().position(|b| b == b'e' || b == b'E') else {
        return Ok((text, 0));
    };
    let written = &text[at + 1..];
    let (negative, digits) = match written.as_bytes().first() {
        Some(b'-') => (true, &written[1..]),
        Some(b'+') => (false, &written[1..]),
        _ => (false, written),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NotAQuantity::Malformed);
    }
    let size = digits
        .bytes()
        .fold(0i64, |n, b| (n * 10 + i64::from(b - b'0')).min(1 << 40));
    Ok((&text[..at], if negative { -size } else { size }))
}

/// The value of `integer.fraction × 10^exponent` in units of 10⁻⁹, without its sign.
fn digits_to_raw(integer: &str, fraction: &str, exponent: i64) -> Result<i128, NotAQuantity> {
    let mut raw: i128 = 0;
    // The first integer digit stands at 10^(integer.len() - 1); in raw units it is 9 higher.
    let length = i64::try_from(integer.len()).map_err(|_| NotAQuantity::OutOfRange)?;
    let mut place = length - 1 + exponent + i64::from(DECIMALS);
    for digit in integer
        .bytes()
        .chain(fraction.bytes())
        .map(|b| i128::from(b - b'0'))
    {
        if digit != 0 {
            if place < 0 {
                return Err(NotAQuantity::TooPrecise);
            }
            let weight = u32::try_from(place)
                .ok()
                .filter(|p| *p < 38)
                .map(|p| 10i128.pow(p));
            let weight = weight.ok_or(NotAQuantity::OutOfRange)?;
            raw = raw
                .checked_add(digit * weight)
                .ok_or(NotAQuantity::OutOfRange)?;
        }
        place -= 1;
    }
    Ok(raw)
}

impl fmt::Display for Quantity {
    /// Writes the shortest exact decimal: no trailing zeros, no exponent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (integer, fraction) = (self.0.unsigned_abs() / ONE.unsigned_abs(), self.0 % ONE);
        let sign = if self.0 < 0 { "-" } else { "" };
        if fraction == 0 {
            return write!(f, "{sign}{integer}");
        }
        let digits = format!("{:09}", fraction.unsigned_abs());
        write!(f, "{sign}{integer}.{}", digits.trim_end_matches('0'))
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Quantity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|e| serde::de::Error::custom(format!("`{text}` {e}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, NotAQuantity>) {
        let shown = Quantity::parse(text).map(|q| q.to_string());
        assert_eq!(shown, expected.map(str::to_owned), "{text}");
    }

    #[test]
    fn reads_what_people_and_json_write() {
        check("0", Ok("0"));
        check("-0", Ok("0"));
        check("1.50", Ok("1.5"));
        check("-0.000000001", Ok("-0.000000001"));
        check("1e3", Ok("1000"));
        check("1.5E-2", Ok("0.015"));
        check("1000e-12", Ok("0.000000001"));
        check("0e999999999999999999999", Ok("0"));
        check("0.0000000010000", Ok("0.000000001"));
        check(
            "99999999999999999999999999999.999999999",
            Ok("99999999999999999999999999999.999999999"),
        );
    }

    #[test]
    fn refuses_what_does_not_fit() {
        check("0.0000000001", Err(NotAQuantity::TooPrecise));
        check("1e-10", Err(NotAQuantity::TooPrecise));
        check("1e29", Err(NotAQuantity::OutOfRange));
        check("1e999999999999999999999", Err(NotAQuantity::OutOfRange));
        check(
            "-100000000000000000000000000000",
            Err(NotAQuantity::OutOfRange),
        );
        for text in [
            "", "-", ".", "1.", ".5", "NaN", "inf", "1e", "1e+", "1_000", " 1", "1,5", "0x1",
            "1.2.3", "--1", "１",
        ] {
            check(text, Err(NotAQuantity::Malformed));
        }
    }

    #[test]
    fn multiplies_exactly_or_not_at_all() {
        let q = |text: &str| Quantity::parse(text).expect("a quantity");
        assert_eq!(q("315").times(q("0.001")), Ok(q("0.315")));
        assert_eq!(q("-2.5").times(q("0.4")), Ok(q("-1")));
        assert_eq!(
            q("0.000000001").times(q("0.1")),
            Err(NotAQuantity::TooPrecise)
        );
        assert_eq!(
            q("10000000000000000000000000000").times(q("10")),
            Err(NotAQuantity::OutOfRange)
        );
        assert_eq!(
            q("99999999999999999999").times(q("999999999.5")),
            Ok(q("99999999949999999999000000000.5"))
        );
    }

    #[test]
    fn reads_unscaled_integers() {
        assert_eq!(
            Quantity::from_unscaled(15, 1).map(|q| q.to_string()),
            Ok("1.5".into())
        );
        assert_eq!(
            Quantity::from_unscaled(1_500, 12),
            Err(NotAQuantity::TooPrecise)
        );
        assert_eq!(Quantity::from_unscaled(0, 60), Ok(Quantity::ZERO));
        assert_eq!(
            Quantity::from_unscaled(i128::MAX, 0),
            Err(NotAQuantity::OutOfRange)
        );
    }
}
