//! Money: whole minor units, and the decimal texts that people write and read.
//!
//! Stripe takes amounts in a currency's minor unit, by the exponent of ISO 4217 with exceptions of
//! its own (<https://docs.stripe.com/currencies>). Refuses amounts that the currency cannot have,
//! rather than rounding them, and codes that are none. Invariant: text to units and back is the same
//! amount, and nothing passes through a float.

use std::fmt;

/// "Zero-decimal currencies": an amount is the number of whole units.
const WITHOUT_DECIMALS: [&str; 15] = [
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf",
    "xof", "xpf",
];
/// "Three-decimal currencies … the least-significant (last) digit must be 0".
const WITH_THREE: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];
/// "ISK transitioned to a zero-decimal currency, but backwards compatibility requires you to
/// represent it as a two-decimal value, where the decimal amount is always 00. For example, to
/// charge 5 ISK, provide an amount value of 500." The same is said of UGX.
const WHOLE_IN_HUNDREDTHS: [&str; 2] = ["isk", "ugx"];
/// Codes of ISO 4217 with another exponent than two that Stripe does not bill in: taken for
/// two-decimal ones, their amounts would be wrong by a power of ten.
const NOT_BILLED: [&str; 5] = ["clf", "iqd", "lyd", "uyi", "uyw"];

/// Most decimals of a unit's price, in the minor unit: "with at most 12 decimal places"
/// (<https://docs.stripe.com/api/prices/create>).
const UNIT_DECIMALS_MAX: usize = 12;

/// A currency as Stripe counts it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Currency {
    code: [u8; 3],
    exponent: u8,
    /// Amounts are multiples of this.
    step: u8,
}

/// What is no currency, or no amount of one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotMoney {
    /// Not three letters, or a currency that Stripe does not bill in.
    #[error("`{code}` is no currency that Stripe bills in; write a code of ISO 4217 such as usd")]
    Currency {
        /// What was written, at most 16 characters of it.
        code: String,
    },
    /// Not a decimal number.
    #[error(
        "the amount in {currency} is no decimal number; write digits, and a point before cents"
    )]
    Number {
        /// The code.
        currency: String,
    },
    /// A part of what cannot be divided, or more than fits.
    #[error("the amount does not fit {currency}, which is billed in steps of {step}")]
    Amount {
        /// The code.
        currency: String,
        /// The smallest amount.
        step: String,
    },
}

impl Currency {
    /// Takes a code of ISO 4217, in letters of either case.
    ///
    /// # Errors
    /// [`NotMoney::Currency`].
    pub fn parse(code: &str) -> Result<Self, NotMoney> {
        let lower = code.to_ascii_lowercase();
        let letters: Result<[u8; 3], _> = lower.as_bytes().try_into();
        let is_code = |letters: &[u8; 3]| letters.iter().all(u8::is_ascii_lowercase);
        let known = letters.ok().filter(is_code);
        let known = known.filter(|_| !NOT_BILLED.contains(&lower.as_str()));
        let Some(letters) = known else {
            return Err(NotMoney::Currency {
                code: code.chars().take(16).collect(),
            });
        };
        let among = |list: &[&str]| list.contains(&lower.as_str());
        let (exponent, step) = if among(&WITHOUT_DECIMALS) {
            (0, 1)
        } else if among(&WITH_THREE) {
            (3, 10)
        } else if among(&WHOLE_IN_HUNDREDTHS) {
            (2, 100)
        } else {
            (2, 1)
        };
        Ok(Self {
            code: letters,
            exponent,
            step,
        })
    }

    /// The code in lower case, as Stripe writes it.
    #[must_use]
    pub fn code(&self) -> &str {
        std::str::from_utf8(&self.code).expect("ASCII letters")
    }

    /// So many decimals a whole unit has in minor units.
    #[must_use]
    pub const fn exponent(&self) -> u8 {
        self.exponent
    }

    /// Minor units of an amount such as `12.5` or `-3`.
    ///
    /// # Errors
    /// [`NotMoney::Number`]; [`NotMoney::Amount`] where it is not a multiple of the smallest amount.
    pub fn minor_units(&self, text: &str) -> Result<i64, NotMoney> {
        let shifted = self.shifted(text)?;
        let is_whole = shifted.decimals.is_empty();
        let units = shifted.to_string().parse::<i64>();
        match units {
            Ok(units) if is_whole && units % i64::from(self.step) == 0 => Ok(units),
            _ => Err(self.amount()),
        }
    }

    /// What a unit of usage costs in minor units (`unit_amount_decimal`), of an amount such as
    /// `0.00025`: exact, with at most 12 decimals.
    ///
    /// # Errors
    /// [`NotMoney::Number`]; [`NotMoney::Amount`] where it has more decimals.
    pub fn unit_amount(&self, text: &str) -> Result<String, NotMoney> {
        let shifted = self.shifted(text)?;
        if shifted.decimals.len() > UNIT_DECIMALS_MAX {
            return Err(self.amount());
        }
        Ok(shifted.to_string())
    }

    /// An amount of minor units as a decimal text: `1250` of usd is `12.50`.
    #[must_use]
    pub fn text(&self, minor_units: i64) -> String {
        let scale = 10_u64.pow(u32::from(self.exponent));
        let sign = if minor_units < 0 { "-" } else { "" };
        let (whole, rest) = (
            minor_units.unsigned_abs() / scale,
            minor_units.unsigned_abs() % scale,
        );
        match usize::from(self.exponent) {
            0 => format!("{sign}{whole}"),
            width => format!("{sign}{whole}.{rest:0width$}"),
        }
    }

    /// The number with its point moved to the right by the exponent.
    fn shifted<'a>(&self, text: &'a str) -> Result<Shifted<'a>, NotMoney> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let is_number = !whole.is_empty() && is_digits(whole) && is_digits(decimals);
        let pointless = digits.contains('.') && decimals.is_empty();
        if !is_number || pointless {
            return Err(NotMoney::Number {
                currency: self.code().to_owned(),
            });
        }
        let width = usize::from(self.exponent);
        let (moved, rest) = decimals.split_at(width.min(decimals.len()));
        let whole = format!("{whole}{moved:0<width$}");
        let trimmed = whole.trim_start_matches('0');
        Ok(Shifted {
            negative,
            whole: if trimmed.is_empty() { "0" } else { trimmed }.to_owned(),
            decimals: rest.trim_end_matches('0'),
        })
    }

    fn amount(&self) -> NotMoney {
        NotMoney::Amount {
            currency: self.code().to_owned(),
            step: self.text(i64::from(self.step)),
        }
    }
}

/// A number in minor units.
struct Shifted<'a> {
    negative: bool,
    whole: String,
    decimals: &'a str,
}

impl fmt::Display for Shifted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_zero = self.whole == "0" && self.decimals.is_empty();
        let sign = if self.negative && !is_zero { "-" } else { "" };
        write!(f, "{sign}{}", self.whole)?;
        if !self.decimals.is_empty() {
            write!(f, ".{}", self.decimals)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Currency {
        Currency::parse(code).expect("a currency")
    }

    #[test]
    fn amounts_follow_the_currencys_exponent() {
        let check = |code: &str, text: &str, units: i64, back: &str| {
            let currency = currency(code);
            assert_eq!(currency.minor_units(text), Ok(units), "{text} {code}");
            assert_eq!(currency.text(units), back, "{units} {code}");
            assert_eq!(currency.minor_units(back), Ok(units), "{back} {code}");
        };
        check("usd", "12.5", 1_250, "12.50");
        check("USD", "-0.01", -1, "-0.01");
        check("eur", "7", 700, "7.00");
        check("eur", "7.00000", 700, "7.00");
        check("usd", "-0", 0, "0.00");
        check("jpy", "500", 500, "500");
        check("jpy", "500.0", 500, "500");
        check("kwd", "1.23", 1_230, "1.230");
        check("isk", "5", 500, "5.00");
        check("ugx", "5.00", 500, "5.00");
        check(
            "usd",
            "92233720368547758.07",
            i64::MAX,
            "92233720368547758.07",
        );
        check(
            "usd",
            "-92233720368547758.08",
            i64::MIN,
            "-92233720368547758.08",
        );
    }

    #[test]
    fn amounts_that_a_currency_cannot_have_are_not_rounded() {
        for (code, text) in [
            ("usd", "0.001"),
            ("jpy", "1.5"),
            ("kwd", "1.2345"),
            ("kwd", "1.234"),
            ("isk", "5.01"),
            ("usd", "92233720368547758.08"),
        ] {
            let refused = currency(code).minor_units(text);
            assert!(
                matches!(refused, Err(NotMoney::Amount { .. })),
                "{text} {code}"
            );
        }
        for text in [
            "", ".5", "5.", "1e3", "1,5", "+1", "--1", "-", "1.2.3", " 1", "٣",
        ] {
            let refused = currency("usd").minor_units(text);
            assert!(matches!(refused, Err(NotMoney::Number { .. })), "{text}");
        }
        let text = currency("kwd").minor_units("1.234").expect_err("refused");
        assert!(text.to_string().ends_with("steps of 0.010"), "{text}");
    }

    #[test]
    fn prices_of_units_keep_their_decimals() {
        let check = |code: &str, text: &str, expected: &str| {
            let amount = currency(code).unit_amount(text);
            assert_eq!(amount.as_deref(), Ok(expected), "{text} {code}");
        };
        check("usd", "0.00025", "0.025");
        check("usd", "1.5", "150");
        check("usd", "0.00000000000001", "0.000000000001");
        check("jpy", "0.25", "0.25");
        check("kwd", "0.0001", "0.1");
        check("usd", "0", "0");
        check("usd", "-0.001", "-0.1");
        let refused = currency("usd").unit_amount("0.000000000000001");
        assert!(matches!(refused, Err(NotMoney::Amount { .. })));
    }

    #[test]
    fn codes_that_would_be_counted_wrongly_are_refused() {
        for code in ["", "us", "usdt", "u$d", "clf", "IQD", "ÄÖ"] {
            assert!(Currency::parse(code).is_err(), "{code}");
        }
        assert_eq!(currency("KWD").code(), "kwd");
        assert_eq!(currency("KWD").exponent(), 3);
    }
}
