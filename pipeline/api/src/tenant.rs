//! One tenant as the quota check sees it: terms by the accounts here, use by the standings here.

use crate::view::Standings;
use meterline_core::account::AccountStatus;
use meterline_core::catalog::Catalog;
use meterline_core::catalog::plans::{Derived, Terms};
use meterline_core::limits::measure::components;
use meterline_core::limits::{Held, Limit, Measure, Tenant};
use meterline_core::period::Period;
use std::borrow::Cow;
use std::iter;

pub(crate) use meterline_core::limits::TermsSource;

/// What is known of one tenant at a moment.
pub(crate) struct KnownTenant<'a> {
    name: &'a str,
    catalog: &'a Catalog,
    standings: &'a Standings,
    status: AccountStatus,
    /// Terms and period by meter or derived quantity; as many as one check needs.
    limits: Vec<(&'a str, Cow<'a, Terms>, Period)>,
}

impl<'a> KnownTenant<'a> {
    /// What a check of `meters` needs.
    pub(crate) fn new(
        name: &'a str,
        catalog: &'a Catalog,
        standings: &'a Standings,
        source: TermsSource<'a>,
        meters: impl Iterator<Item = &'a str>,
    ) -> Self {
        let mut limits: Vec<(&'a str, Cow<'a, Terms>, Period)> = Vec::new();
        let plans = &catalog.plans;
        for meter in meters {
            let bears_on =
                |d: &&Derived| d.name == meter || components(d).any(|component| component == meter);
            let derived = plans.derived.iter().filter(bears_on);
            // A derived quantity is judged by all that it is made of, not by the meter alone.
            let involved = derived.flat_map(|d| iter::once(d.name.as_str()).chain(components(d)));
            for name in iter::once(meter).chain(involved) {
                if limits.iter().any(|(known, ..)| *known == name) {
                    continue;
                }
                if let Some((terms, period)) = source.limit(name) {
                    limits.push((name, terms, period));
                }
            }
        }
        Self {
            name,
            catalog,
            standings,
            status: source.status(),
            limits,
        }
    }
}

impl Tenant for KnownTenant<'_> {
    fn status(&self) -> AccountStatus {
        self.status
    }

    fn limit(&self, name: &str) -> Option<Limit<'_>> {
        let found = self.limits.iter().find(|(known, ..)| *known == name);
        found.map(|(_, terms, period)| Limit {
            terms,
            period: *period,
        })
    }

    fn held(&self, name: &str) -> Option<Held> {
        self.standings.held(self.name, name)
    }

    fn measure(&self, name: &str) -> Measure {
        // What cannot be limited has no terms, and is not asked for.
        Measure::named(self.catalog, name).unwrap_or(Measure::Flow)
    }
}

#[cfg(test)]
mod tests;
