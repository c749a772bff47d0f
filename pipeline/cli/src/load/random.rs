//! Pseudo-random choices that are the same for a seed on every machine and in every version.
//!
//! General-purpose generators may change their output between versions; recordings and failing
//! seeds must not. Not for secrets. Source: Steele, Lea, Flood, "Fast splittable pseudorandom
//! number generators" (SplitMix64); bounded choice by multiplication after Lemire, without his
//! rejection step: a bias of 2⁻³² or less does not matter here.

use crate::units::Share;

/// A seeded sequence of choices.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The sequence of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is above zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.bits()) * u128::from(bound);
        u64::try_from(product >> 64).expect("the high half of a 128-bit product has 64 bits")
    }

    /// An index of a list of that length, which is above zero.
    pub(crate) fn index(&mut self, length: usize) -> usize {
        let index = self.below(u64::try_from(length).expect("lengths fit 64 bits"));
        usize::try_from(index).expect("an index below a length fits like the length")
    }

    /// One of the items.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.index(items.len())]
    }

    /// A distance in microseconds from `least` up to and without `end`, which is larger.
    pub(crate) fn micros(&mut self, least: i64, end: i64) -> i64 {
        let width = u64::try_from(end - least).expect("the caller passes an end above the least");
        least + i64::try_from(self.below(width)).expect("below a width that came from an i64")
    }

    /// Whether something that happens to this share of all happens now.
    pub(crate) fn happens(&mut self, share: Share) -> bool {
        share.0 > 0 && self.below(u64::from(Share::WHOLE)) < u64::from(share.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_published_sequence() {
        // First outputs of SplitMix64 for the seed 1234567, as the reference C code gives them.
        let mut random = Random::new(1_234_567);
        assert_eq!(random.bits(), 6_457_827_717_110_365_317);
        assert_eq!(random.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn shares_happen_about_as_often_as_they_say() {
        let mut random = Random::new(7);
        let hits = (0..100_000)
            .filter(|_| random.happens(Share(20_000)))
            .count();
        assert!((1_800..2_200).contains(&hits), "{hits}");
        assert!(!random.happens(Share(0)) && random.happens(Share(Share::WHOLE)));
    }
}
