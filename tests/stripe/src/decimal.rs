//! Exact decimal numbers: meter values, prices and what they come to.
//!
//! No float is ever between a value that was received and a line that is billed; only event
//! summaries become floats, because Stripe's are. It refuses exponents, and digits past the 15th
//! behind the point.

use std::cmp::Ordering;
use std::fmt;

/// Digits behind the point that a text may have.
const SCALE_MAX: u32 = 15;

/// `mantissa` / 10^`scale`, without trailing zeros behind the point.
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    mantissa: i128,
    scale: u32,
}

impl Decimal {
    /// Nothing.
    pub const ZERO: Self = Self {
        mantissa: 0,
        scale: 0,
    };

    /// A whole number.
    #[must_use]
    pub fn whole(number: i64) -> Self {
        Self {
            mantissa: i128::from(number),
            scale: 0,
        }
    }

    /// Reads a text such as `-12.50`; `None` if it is no such number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || digits.ends_with('.') || !all_digits(whole) || !all_digits(fraction)
        {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        let scale = u32::try_from(fraction.len()).ok()?;
        if scale > SCALE_MAX {
            return None;
        }
        let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
        let mantissa = if text.starts_with('-') {
            -mantissa
        } else {
            mantissa
        };
        Some(Self { mantissa, scale })
    }

    /// How many digits a text has from its first that is not zero on. Zeros at the end count:
    /// whether Stripe counts them is not documented, and the stricter reading costs nobody.
    #[must_use]
    pub fn significant_digits(text: &str) -> usize {
        let digits = text.bytes().filter(u8::is_ascii_digit);
        digits.skip_while(|digit| *digit == b'0').count()
    }

    /// The sum.
    ///
    /// # Panics
    /// Past 38 digits, which no sum of 15-digit values reaches.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let (ours, theirs, scale) = self.aligned(other);
        let mantissa = ours.checked_add(theirs).expect("sums stay in 38 digits");
        Self { mantissa, scale }.normal()
    }

    /// The difference.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.plus(Self {
            mantissa: -other.mantissa,
            ..other
        })
    }

    /// The product.
    ///
    /// # Panics
    /// Past 38 digits, which a quantity times a price does not reach.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        let product = self.mantissa.checked_mul(other.mantissa);
        Self {
            mantissa: product.expect("products stay in 38 digits"),
            scale: self.scale + other.scale,
        }
        .normal()
    }

    /// The whole number towards zero.
    ///
    /// # Panics
    /// Past 64 bits.
    #[must_use]
    pub fn truncated(self) -> i64 {
        let whole = self.mantissa / power_of_ten(self.scale);
        i64::try_from(whole).expect("quantities fit 64 bits")
    }

    /// The nearest whole number; halves go away from zero.
    ///
    /// # Panics
    /// Past 64 bits, which no amount of money in cents reaches.
    #[must_use]
    pub fn rounded(self) -> i64 {
        let divisor = power_of_ten(self.scale);
        let half = divisor / 2;
        let towards = if self.mantissa < 0 { -half } else { half };
        i64::try_from((self.mantissa + towards) / divisor).expect("amounts fit 64 bits")
    }

    /// The nearest float, as Stripe's summaries have.
    ///
    /// # Panics
    /// Never: the text of a decimal is the text of a float.
    #[must_use]
    pub fn nearest_float(self) -> f64 {
        self.to_string().parse().expect("digits and a point")
    }

    fn aligned(self, other: Self) -> (i128, i128, u32) {
        let scale = self.scale.max(other.scale);
        let at = |number: Self| {
            let lifted = number
                .mantissa
                .checked_mul(power_of_ten(scale - number.scale));
            lifted.expect("numbers of two scales stay in 38 digits")
        };
        (at(self), at(other), scale)
    }

    fn normal(mut self) -> Self {
        while self.scale > 0 && self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.scale -= 1;
        }
        self
    }
}

fn power_of_ten(exponent: u32) -> i128 {
    10_i128
        .checked_pow(exponent)
        .expect("scales stay far below 38")
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let (ours, theirs, _) = self.aligned(*other);
        ours.cmp(&theirs)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let divisor = power_of_ten(self.scale);
        let (whole, fraction) = (
            (self.mantissa / divisor).abs(),
            (self.mantissa % divisor).abs(),
        );
        write!(f, "{sign}{whole}")?;
        if self.scale > 0 {
            let width = usize::try_from(self.scale).expect("a scale is small");
            write!(f, ".{fraction:0width$}")?;
        }
        Ok(())
    }
}
