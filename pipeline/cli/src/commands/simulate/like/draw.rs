//! Draws from shapes that real usage has: long tails, recorded quantiles, weighted choices.

use crate::load::random::Random;

/// A number with a long tail: every doubling is half as likely (Pareto, exponent 1).
///
/// At least `least`, which is above zero, and at most `most`.
pub(super) fn long_tailed(random: &mut Random, least: u64, most: u64) -> u64 {
    let doublings = random.bits().trailing_zeros().min(40);
    let low = least.saturating_mul(1 << doublings).min(most);
    (low + random.below(low)).min(most)
}

/// A number by the recorded deciles of a distribution: its least, nine deciles, and its most.
pub(super) fn by_deciles(random: &mut Random, deciles: &[u64; 11]) -> u64 {
    let place = random.index(10);
    let (low, high) = (deciles[place], deciles[place + 1]);
    low + random.below(high - low + 1)
}

/// One of the items, by its weight. There is an item, and the weights' sum is above zero.
pub(super) fn weighted<'a, T>(random: &mut Random, items: &'a [(u64, T)]) -> &'a T {
    let sum = items.iter().map(|(weight, _)| weight).sum();
    let mut draw = random.below(sum);
    for (weight, item) in items {
        match draw.checked_sub(*weight) {
            Some(rest) => draw = rest,
            None => return item,
        }
    }
    unreachable!("a draw below the sum of the weights falls to an item")
}

/// Whether something happens that happens so often in a hundred times.
pub(super) fn percent(random: &mut Random, often: u64) -> bool {
    random.below(100) < often
}

/// A size that grew or shrank by up to a twentieth, and is never below `least`.
pub(super) fn drifted(random: &mut Random, size: u64, least: u64) -> u64 {
    let step = size / 20 + 1;
    (size + random.below(2 * step + 1))
        .saturating_sub(step)
        .max(least)
}

/// Milliseconds with a decimal, as a timer of microseconds gives them after rounding.
pub(super) fn millis(random: &mut Random, deciles: &[u64; 11]) -> String {
    format!("{}.{}", by_deciles(random, deciles), random.below(10))
}
