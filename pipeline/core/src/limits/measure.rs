//! What a meter measures: flows add up over a period, levels hold until changed.
//!
//! A derived quantity is a weighted sum of meters, exact to 18 decimals, and of their kind.

use super::exact::Exact;
use crate::catalog::plans::Derived;
use crate::catalog::{Aggregation, Catalog};

/// How the hours of a period become its use.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Measure {
    /// They add up; the next period starts at zero (count, sum).
    Flow,
    /// The latest value before the period's end, also from before its start (latest).
    Level,
    /// The highest value in the period (max).
    Peak,
}

impl Measure {
    /// Of meters of an aggregation; `None` where use of them cannot be limited.
    #[must_use]
    pub const fn of(aggregation: Aggregation) -> Option<Self> {
        match aggregation {
            Aggregation::Count | Aggregation::Sum => Some(Self::Flow),
            Aggregation::Latest => Some(Self::Level),
            Aggregation::Max => Some(Self::Peak),
            Aggregation::Min | Aggregation::Avg | Aggregation::UniqueCount => None,
        }
    }

    /// Of a meter or derived quantity by its name; `None` where there is none that can be limited.
    #[must_use]
    pub fn named(catalog: &Catalog, name: &str) -> Option<Self> {
        let derived = catalog.plans.derived(name);
        let name = derived.map_or(name, |derived| derived.terms[0].meter.as_str());
        let meter = catalog.meters.iter().find(|meter| meter.name == name)?;
        Self::of(meter.aggregation)
    }
}

/// The meters that a derived quantity follows from.
pub fn components(derived: &Derived) -> impl Iterator<Item = &str> {
    let terms = derived.terms.iter().map(|term| term.meter.as_str());
    terms.chain(derived.unless.as_deref())
}

/// A derived quantity, from its meters; `None` of a meter that the tenant has no value of.
pub fn derive(derived: &Derived, meter: impl Fn(&str) -> Option<Exact>) -> Exact {
    if let Some(stated) = derived.unless.as_deref().and_then(&meter) {
        return stated;
    }
    let summands = derived.terms.iter();
    let summands = summands.filter_map(|term| Some(meter(&term.meter)?.times(term.weight)));
    summands.fold(Exact::from(derived.constant), Exact::plus)
}
