//! Quantiles of what was measured: exact, of all values, by the nearest-rank method.

use std::fmt::Write;

/// Shares that are told, in thousandths.
const TOLD: [(&str, usize); 4] = [("p50", 500), ("p90", 900), ("p99", 990), ("p999", 999)];

/// Lengths of time in any unit.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Latencies(Vec<u64>);

impl Latencies {
    /// Of these values.
    #[must_use]
    pub fn of(mut values: Vec<u64>) -> Self {
        values.sort_unstable();
        Self(values)
    }

    /// The smallest value that this share (in thousandths) of all does not exceed; 0 of none.
    #[must_use]
    pub fn at(&self, thousandths: usize) -> u64 {
        let rank = (self.0.len() * thousandths).div_ceil(1_000).max(1);
        self.0.get(rank - 1).copied().unwrap_or(0)
    }

    /// How many values are above a bound.
    #[must_use]
    pub fn above(&self, bound: u64) -> usize {
        self.0.len() - self.0.partition_point(|value| *value <= bound)
    }

    /// Members of a JSON object: `"p50_<unit>":…` and so on, `"max_<unit>":…`.
    #[must_use]
    pub fn json(&self, unit: &str) -> String {
        let mut text = String::new();
        for (name, thousandths) in TOLD {
            let value = self.at(thousandths);
            write!(text, "\"{name}_{unit}\":{value},").expect("memory takes everything");
        }
        let max = self.0.last().copied().unwrap_or(0);
        write!(text, "\"max_{unit}\":{max}").expect("memory takes everything");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let all = Latencies::of((1..=1_000).rev().collect());
        assert_eq!([500, 990, 999].map(|share| all.at(share)), [500, 990, 999]);
        assert_eq!((all.above(990), all.above(1_000)), (10, 0));
        let one = Latencies::of(vec![7]);
        assert_eq!([0, 500, 1_000].map(|share| one.at(share)), [7, 7, 7]);
        assert_eq!(Latencies::default().at(990), 0);
        assert_eq!(
            one.json("ms"),
            r#""p50_ms":7,"p90_ms":7,"p99_ms":7,"p999_ms":7,"max_ms":7"#
        );
    }
}
