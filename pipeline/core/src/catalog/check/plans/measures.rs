//! What plans can speak of: the catalog's meters, and what is derived of them.

use super::super::super::plans::{PeriodZone, Reset};
use super::super::super::{Aggregation, Catalog};
use super::Problem;
use crate::nearest::hint;
use std::collections::BTreeMap;

/// The names that a plan may limit, and how their use comes about.
pub(crate) struct Measures<'a> {
    meters: BTreeMap<&'a str, Aggregation>,
    /// The aggregations of the meters that each derived quantity reads.
    derived: BTreeMap<&'a str, Vec<Aggregation>>,
}

impl<'a> Measures<'a> {
    /// Those of a catalog, which may be wrong: unknown meters of derived quantities are left out.
    pub(crate) fn of(catalog: &'a Catalog) -> Self {
        let meters = catalog.meters.iter();
        let meters: BTreeMap<_, _> = meters.map(|m| (m.name.as_str(), m.aggregation)).collect();
        let derived = catalog.plans.derived.iter().map(|derived| {
            let read = derived.terms.iter().map(|term| &term.meter);
            let read = read.chain(&derived.unless);
            let read = read.filter_map(|meter| meters.get(meter.as_str()).copied());
            (derived.name.as_str(), read.collect())
        });
        let derived = derived.collect();
        Self { meters, derived }
    }

    /// How a meter's quantities become its value; `None`: there is no such meter.
    pub(super) fn aggregation(&self, meter: &str) -> Option<Aggregation> {
        self.meters.get(meter).copied()
    }

    /// Whether it is the name of a derived quantity.
    pub(super) fn is_derived(&self, name: &str) -> bool {
        self.derived.contains_key(name)
    }

    /// The names of all meters.
    pub(super) fn meters(&self) -> impl Iterator<Item = &'a str> + Clone {
        self.meters.keys().copied()
    }

    /// Why the name means nothing; `None` where it is a meter's or a derived quantity's.
    pub(crate) fn unknown(&self, name: &str) -> Option<String> {
        let known = self.meters().chain(self.derived.keys().copied());
        let is_known = self.meters.contains_key(name) || self.is_derived(name);
        (!is_known).then(|| format!("`{name}` is no meter: {}", hint(name, known)))
    }

    /// Why nothing can be included or limited of it; `None` where it can.
    pub(crate) fn cannot_be_limited(&self, name: &str) -> Option<String> {
        let what = match self.aggregation(name) {
            Some(Aggregation::Min) => "a smallest quantity does not say how much was used",
            Some(Aggregation::Avg) => "a mean does not say how much was used",
            _ => return self.unknown(name),
        };
        Some(format!(
            "`{name}` cannot be limited: {what}; limit a `sum`, `count`, `max` or `latest`"
        ))
    }

    /// What is wrong with such periods for the use of it.
    ///
    /// Hours of sums add up to any period of whole hours. A distinct value of two hours must not
    /// count twice, and who counts it first is known for UTC hours, days and months only.
    pub(crate) fn period(
        &self,
        name: &str,
        reset: Reset,
        zone: PeriodZone,
        path: &str,
    ) -> Option<Problem> {
        let unique = |a: &Aggregation| *a == Aggregation::UniqueCount;
        let of_meter = self.aggregation(name);
        let is_unique = of_meter.iter().any(unique)
            || self
                .derived
                .get(name)
                .is_some_and(|read| read.iter().any(unique));
        let field = match (reset, zone) {
            (Reset::BillingMonth, _) => "reset",
            (Reset::Day | Reset::Month, PeriodZone::Account) => "zone",
            _ => return None,
        };
        let reason = "`unique_count` is exact in UTC hours, days and calendar months only: a \
                      value that is seen in two of another period's hours would count twice";
        is_unique.then(|| Problem::new(format!("{path}.{field}"), reason))
    }
}
