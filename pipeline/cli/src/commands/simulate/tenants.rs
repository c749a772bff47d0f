//! Tenants of made-up usage: heavy-tailed, as in production.
//!
//! The tenant of rank n gets a share of 1/n (Zipf, exponent 1), so a few keys carry most of the
//! load. Shares are whole numbers: the same seed chooses the same tenants on every machine.

use crate::load::random::Random;
use std::sync::Arc;

/// Parts in which the share of the busiest tenant is counted.
const WEIGHT: u64 = 1 << 32;

/// Tenants by rank, the busiest first.
#[derive(Clone, Debug)]
pub(crate) struct Tenants {
    names: Vec<Arc<str>>,
    /// Running sums of the tenants' weights.
    weights: Vec<u64>,
}

impl Tenants {
    /// That many tenants, at least one.
    pub(crate) fn new(count: u32) -> Self {
        let weights = (1..=u64::from(count)).scan(0, |sum, rank| {
            *sum += (WEIGHT / rank).max(1);
            Some(*sum)
        });
        Self {
            names: (1..=count)
                .map(|n| Arc::from(format!("tenant-{n:05}")))
                .collect(),
            weights: weights.collect(),
        }
    }

    /// The rank of some tenant, from 0; busy ones more often.
    pub(crate) fn pick(&self, random: &mut Random) -> usize {
        let draw = random.below(self.weights.last().copied().unwrap_or(1));
        self.weights.partition_point(|sum| *sum <= draw)
    }

    /// The name of the tenant of a rank that [`Tenants::pick`] gave.
    pub(crate) fn name(&self, rank: usize) -> &Arc<str> {
        &self.names[rank]
    }
}
