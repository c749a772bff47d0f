//! Exact amounts of use: 256-bit integers with 18 decimals.
//!
//! A weight and a quantity have nine decimals each, so a derived quantity has eighteen. Shares are
//! compared as products, without division and without floats, so that a boundary is a boundary
//! (INV-EXACT). What would leave even this range is beyond every basis and every share: sums stop
//! at the edge, which changes no comparison. Only what is shown is rounded, half up.

use crate::quantity::{ONE, Quantity};
use ethnum::I256;
use std::cmp::Ordering;

/// 10⁹: from nine decimals to eighteen.
const STEP: I256 = I256::new(ONE);

/// The largest raw quantity, 10³⁸ − 1: what is shown stops there.
const SHOWN_MAX: I256 = I256::new(10i128.pow(38) - 1);

/// An exact amount with eighteen decimals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Exact(I256);

impl Exact {
    /// Nothing.
    pub const ZERO: Self = Self(I256::ZERO);

    /// The amount of a sum of raw quantities, in units of 10⁻⁹.
    pub(super) fn of_raw(raw: I256) -> Self {
        Self(raw.saturating_mul(STEP))
    }

    /// Adds; stops at the edge of the range, far beyond every basis.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The amount times a weight. The amount must be a sum of quantities, with nine decimals.
    #[must_use]
    pub fn times(self, weight: Quantity) -> Self {
        debug_assert!(self.0 % STEP == I256::ZERO, "only meters are weighted");
        Self((self.0 / STEP).saturating_mul(I256::new(weight.raw())))
    }

    /// How the amount compares with `percent` of `basis`.
    #[must_use]
    pub fn compare_share(self, percent: Quantity, basis: Quantity) -> Ordering {
        // |percent · basis| < 10⁷⁶ < 2²⁵⁵: this product always fits. Where the other does not, it
        // is beyond 2²⁵⁵, and saturating says so.
        let share = I256::new(percent.raw()) * I256::new(basis.raw());
        self.0.saturating_mul(I256::new(100)).cmp(&share)
    }

    /// The nearest quantity with nine decimals, half up; the largest quantity where it is beyond.
    #[must_use]
    pub fn shown(self) -> Quantity {
        Self::clamped(self.0.saturating_add(STEP / 2).div_euclid(STEP))
    }

    /// The highest quantity that is not above it.
    #[must_use]
    pub fn floor(self) -> Quantity {
        Self::clamped(self.0.div_euclid(STEP))
    }

    /// The amount without what `other` has; never below zero.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0).max(I256::ZERO))
    }

    /// The share of `basis` in tenths of a percent, half up: 805 for 80.5 %.
    ///
    /// Of a basis of 0 it is 100 % at the first use. Zero for an amount below zero.
    #[must_use]
    pub fn tenths_of_percent(self, basis: Quantity) -> u64 {
        if self <= Self::ZERO {
            return 0;
        }
        let basis = Self::from(basis).0;
        if basis <= I256::ZERO {
            return 1_000;
        }
        let doubled = self.0.saturating_mul(I256::new(2_000));
        let tenths = doubled.saturating_add(basis) / (basis * 2);
        u64::try_from(tenths).unwrap_or(u64::MAX)
    }

    fn clamped(raw: I256) -> Quantity {
        let raw = raw.clamp(-SHOWN_MAX, SHOWN_MAX).as_i128();
        Quantity::from_raw(raw).expect("it was clamped to the range of quantities")
    }
}

impl From<Quantity> for Exact {
    fn from(quantity: Quantity) -> Self {
        Self(I256::new(quantity.raw()) * STEP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn q(text: &str) -> Quantity {
        Quantity::parse(text).expect("a quantity")
    }

    const MOST: &str = "99999999999999999999999999999.999999999";

    #[test]
    fn shares_are_compared_at_their_exact_boundary() {
        let cases = [
            ("80", "80", "100", Ordering::Equal),
            ("79.999999999", "80", "100", Ordering::Less),
            ("80.000000001", "80", "100", Ordering::Greater),
            ("0.000000001", "33.333", "0.000000003", Ordering::Greater),
            ("0.000000001", "33.334", "0.000000003", Ordering::Less),
            ("0", "80", "0", Ordering::Equal),
            ("-1", "80", "0", Ordering::Less),
            (MOST, "100", MOST, Ordering::Equal),
            (MOST, MOST, MOST, Ordering::Less),
            (MOST, "100.001", MOST, Ordering::Less),
            (MOST, "99.999", MOST, Ordering::Greater),
        ];
        for (used, percent, basis, expected) in cases {
            let order = Exact::from(q(used)).compare_share(q(percent), q(basis));
            assert_eq!(order, expected, "{used} of {basis} against {percent} %");
        }
    }

    #[test]
    fn weights_keep_all_decimals_and_are_shown_half_up() {
        let cases = [
            ("0.000000001", "0.5", "0.000000001", "0"),
            ("0.000000001", "0.499999999", "0", "0"),
            ("0.000000001", "1.5", "0.000000002", "0.000000001"),
            ("3", "0.0075", "0.0225", "0.0225"),
            ("-0.000000001", "0.5", "0", "-0.000000001"),
            (MOST, MOST, MOST, MOST),
        ];
        for (amount, weight, shown, floor) in cases {
            let sum = Exact::from(q(amount)).times(q(weight));
            assert_eq!(sum.shown(), q(shown), "{amount} × {weight}");
            assert_eq!(sum.floor(), q(floor), "{amount} × {weight}");
        }
    }

    #[test]
    fn what_leaves_the_range_is_beyond_every_share() {
        let most = Exact::from(q(MOST)).times(q(MOST));
        let sum = (0..20).fold(Exact::ZERO, |sum, _| sum.plus(most));
        assert_eq!(sum.compare_share(q(MOST), q(MOST)), Ordering::Greater);
        assert_eq!(sum.tenths_of_percent(q("0.000000001")), u64::MAX);
        assert_eq!(most.less(sum), Exact::ZERO);
    }

    #[test]
    fn percentages_are_half_up_and_may_pass_a_hundred() {
        let cases = [
            ("80.45", "100", 805),
            ("80.449999999", "100", 804),
            ("1", "3", 333),
            ("2", "3", 667),
            ("250", "100", 2_500),
            ("1", "0", 1_000),
            ("0", "0", 0),
            ("-1", "100", 0),
        ];
        for (used, basis, tenths) in cases {
            let share = Exact::from(q(used)).tenths_of_percent(q(basis));
            assert_eq!(share, tenths, "{used} of {basis}");
        }
    }

    proptest! {
        #[test]
        fn small_shares_agree_with_plain_integers(
            used in 0i128..1_000_000, percent in 1i128..200_000, basis in 0i128..1_000_000,
        ) {
            let whole = |n, scale| Quantity::from_unscaled(n, scale).expect("small numbers fit");
            let order = Exact::from(whole(used, 0)).compare_share(whole(percent, 3), whole(basis, 0));
            prop_assert_eq!(order, (used * 100_000).cmp(&(percent * basis)));
        }
    }
}
