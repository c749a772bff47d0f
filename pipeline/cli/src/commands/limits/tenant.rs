//! One tenant as the quota check sees it, from its standings in the table.

use meterline_core::account::AccountStatus;
use meterline_core::catalog::Catalog;
use meterline_core::catalog::plans::Terms;
use meterline_core::limits::{Held, Limit, Measure, Tenant, TermsSource};
use meterline_core::period::Period;
use meterline_core::standing::Standing;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What is known of one tenant.
pub(super) struct StoredTenant<'a> {
    catalog: &'a Catalog,
    status: AccountStatus,
    limits: BTreeMap<&'a str, (Cow<'a, Terms>, Period)>,
    held: BTreeMap<&'a str, Held>,
}

impl<'a> StoredTenant<'a> {
    pub(super) fn new(
        catalog: &'a Catalog,
        source: TermsSource<'a>,
        standings: &'a [Standing],
    ) -> Self {
        let meters = catalog.meters.iter().map(|meter| meter.name.as_str());
        let derived = catalog.plans.derived.iter();
        let names = meters.chain(derived.map(|derived| derived.name.as_str()));
        let limits = names.filter_map(|name| Some((name, source.limit(name)?)));
        let held = standings.iter();
        Self {
            catalog,
            status: source.status(),
            limits: limits.collect(),
            held: held.map(|s| (s.meter.as_str(), Held::from(s))).collect(),
        }
    }
}

impl Tenant for StoredTenant<'_> {
    fn status(&self) -> AccountStatus {
        self.status
    }

    fn limit(&self, name: &str) -> Option<Limit<'_>> {
        let (terms, period) = self.limits.get(name)?;
        Some(Limit {
            terms,
            period: *period,
        })
    }

    fn held(&self, name: &str) -> Option<Held> {
        self.held.get(name).copied()
    }

    fn measure(&self, name: &str) -> Measure {
        // What cannot be limited has no terms, and is not asked for.
        Measure::named(self.catalog, name).unwrap_or(Measure::Flow)
    }
}
