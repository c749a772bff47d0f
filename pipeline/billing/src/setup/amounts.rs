//! Amounts: from a plan's price to what one base unit costs in the currency's minor unit.
//!
//! Stripe gets quantities in base units and takes amounts of at most 12 decimals
//! (<https://docs.stripe.com/api/prices/create>). Refuses what does not fit, with the figures. Only
//! a price that the catalog spreads over hours may be rounded, to the nearest 12th decimal, where
//! that is no more than a millionth of it, and then the figures are told. Invariant: no float.

use meterline_core::catalog::plans::Price;
use meterline_core::quantity::{DECIMALS, Quantity};
use meterline_stripe::money::Currency;

/// Most decimals of a unit's amount, in the minor unit.
const AMOUNT_DECIMALS: u32 = 12;
/// Decimals of a quotient that people are shown.
const SHOWN_DECIMALS: u32 = 20;
/// The part of a price that rounding may change: one in so many.
const ROUNDED_MOST: i128 = 1_000_000;

/// What one base unit costs, and what was rounded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Each {
    /// A decimal in the minor unit.
    pub(super) amount: String,
    /// What people should know of it.
    pub(super) rounded: Option<String>,
}

/// What one base unit costs, or one in one hour where the price is spread over hours.
///
/// # Errors
/// Why it cannot be billed so.
pub(super) fn each(price: &Price, hours: Option<u32>, currency: Currency) -> Result<Each, String> {
    let quotient = Quotient::new(price, hours, currency);
    let quotient = quotient.ok_or_else(|| {
        format!(
            "{} per {} has too many digits to be divided exactly",
            price.amount, price.per
        )
    })?;
    let (whole, rest) = (
        quotient.dividend / quotient.by,
        quotient.dividend % quotient.by,
    );
    if rest == 0 {
        return Ok(Each {
            amount: decimal(whole, AMOUNT_DECIMALS),
            rounded: None,
        });
    }
    let figures = quotient.figures(price, hours, currency);
    let nearest = whole + i128::from(rest >= quotient.by - rest);
    // At most the divisor itself, so this fits wherever the quotient does.
    let error = nearest * quotient.by - quotient.dividend;
    let small = error.abs().checked_mul(ROUNDED_MOST);
    let is_small = small.is_some_and(|small| small <= quotient.dividend);
    let Some(hours) = hours.filter(|_| is_small) else {
        return Err(format!(
            "{figures}, and Stripe takes {AMOUNT_DECIMALS} decimals: change the price, or let a meter \
             count in a larger unit (`scale`)"
        ));
    };
    // The error of `per` units over all hours, in minor units: their product is the divisor.
    let error = decimal(error, AMOUNT_DECIMALS + DECIMALS);
    Ok(Each {
        amount: decimal(nearest, AMOUNT_DECIMALS),
        rounded: Some(format!(
            "{figures}, rounded to {AMOUNT_DECIMALS} decimals: {hours} hours of {} differ by {error}",
            price.per
        )),
    })
}

/// How many base units a period includes, times the hours where a price is spread over them.
///
/// # Errors
/// Why Stripe's tiers cannot have it: they end at whole numbers.
pub(super) fn included(included: Quantity, hours: Option<u32>) -> Result<u64, String> {
    let product = included.raw().checked_mul(i128::from(hours.unwrap_or(1)));
    let one = Quantity::ONE.raw();
    let whole = product.filter(|product| product % one == 0);
    let whole = whole.and_then(|product| i64::try_from(product / one).ok());
    whole.and_then(|whole| u64::try_from(whole).ok()).ok_or_else(|| {
        let hours = hours.map(|hours| format!(" times {hours} hours"));
        format!(
            "it includes {included}{}, and Stripe's tiers end at whole numbers below 2^63: change \
             what is included",
            hours.unwrap_or_default()
        )
    })
}

/// A unit's amount in units of 10⁻¹², as a fraction.
struct Quotient {
    dividend: i128,
    by: i128,
}

impl Quotient {
    /// `None` where the numbers do not fit.
    fn new(price: &Price, hours: Option<u32>, currency: Currency) -> Option<Self> {
        let power = u32::from(currency.exponent()) + AMOUNT_DECIMALS;
        let dividend = price.amount.raw().checked_mul(10_i128.pow(power))?;
        let by = price.per.raw().checked_mul(hours.unwrap_or(1).into())?;
        // Room for the error, which is at most twice the divisor.
        (by < i128::MAX / 4).then_some(Self { dividend, by })
    }

    /// The division as people would write it.
    fn figures(&self, price: &Price, hours: Option<u32>, currency: Currency) -> String {
        let more = 10_i128.pow(SHOWN_DECIMALS - AMOUNT_DECIMALS);
        let shown = self.dividend.checked_mul(more);
        let shown = shown.map(|shown| decimal(shown / self.by, SHOWN_DECIMALS));
        let shown = shown.unwrap_or_else(|| decimal(self.dividend / self.by, AMOUNT_DECIMALS));
        let hours = hours.map(|hours| format!(" over {hours} hours"));
        format!(
            "{} {} per {}{} is {shown}… of the minor unit each",
            price.amount,
            currency.code(),
            price.per,
            hours.unwrap_or_default()
        )
    }
}

/// A number of units of 10^-`scale`, without zeros at its end.
fn decimal(units: i128, scale: u32) -> String {
    let (sign, digits) = (if units < 0 { "-" } else { "" }, units.unsigned_abs());
    let one = 10_u128.pow(scale);
    let width = usize::try_from(scale).unwrap_or(usize::MAX);
    let fraction = format!("{:0width$}", digits % one);
    match fraction.trim_end_matches('0') {
        "" => format!("{sign}{}", digits / one),
        fraction => format!("{sign}{}.{fraction}", digits / one),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).expect("a quantity")
    }

    fn of(amount: &str, per: &str, hours: Option<u32>, code: &str) -> Result<Each, String> {
        let price = Price {
            amount: quantity(amount),
            per: quantity(per),
        };
        each(&price, hours, Currency::parse(code).expect("a currency"))
    }

    #[test]
    fn an_amount_that_fits_is_exact() {
        let check = |amount, per, hours, code, expected: &str| {
            let each = of(amount, per, hours, code).expect("it fits");
            assert_eq!((&*each.amount, each.rounded), (expected, None), "{amount}");
        };
        check("0.01", "1000", None, "usd", "0.001");
        check("0.10", "1", None, "usd", "10");
        check("0.5", "1000000000", None, "usd", "0.00000005");
        check("0.5", "1000000000", Some(500), "usd", "0.0000000001");
        check("72", "1", Some(720), "jpy", "0.1");
        check("12", "1", None, "jpy", "12");
        check("0.25", "1", None, "kwd", "250");
        check("0", "7", None, "usd", "0");
    }

    #[test]
    fn an_amount_that_does_not_fit_is_refused_with_its_figures() {
        let check = |amount, per, hours, expected: &str| {
            let refused = of(amount, per, hours, "usd").expect_err("it does not fit");
            assert!(refused.starts_with(expected), "{refused}");
        };
        check(
            "1",
            "3",
            None,
            "1 usd per 3 is 33.33333333333333333333… of the minor unit each, and Stripe takes 12 decimals",
        );
        // A hundredth of what Stripe can hold would be lost: the price is not made.
        check(
            "0.5",
            "1000000000",
            Some(730),
            "0.5 usd per 1000000000 over 730 hours is 0.00000000006849315068… of the minor unit each",
        );
        check(
            "99999999999999999999",
            "1",
            None,
            "99999999999999999999 per 1 has too many digits",
        );
    }

    #[test]
    fn only_a_price_that_is_spread_is_rounded_and_that_is_told() {
        let each = of("5", "1", Some(730), "usd").expect("it is rounded");
        assert_eq!(each.amount, "0.684931506849");
        assert_eq!(
            each.rounded.as_deref(),
            Some(
                "5 usd per 1 over 730 hours is 0.68493150684931506849… of the minor unit each, \
                 rounded to 12 decimals: 730 hours of 1 differ by -0.00000000023"
            )
        );
    }

    #[test]
    fn what_is_included_is_a_whole_number() {
        let check = |text, hours, expected: Option<u64>| {
            assert_eq!(included(quantity(text), hours).ok(), expected, "{text}");
        };
        check("1000000", None, Some(1_000_000));
        check("25", Some(730), Some(18_250));
        check("0.5", Some(730), Some(365));
        check("0.5", None, None);
        check("9223372036854775807", None, Some(9_223_372_036_854_775_807));
        check("9223372036854775808", None, None);
        let refused = included(quantity("0.3"), Some(7)).expect_err("no whole number");
        assert!(
            refused.starts_with("it includes 0.3 times 7 hours"),
            "{refused}"
        );
    }
}
