//! One tenant as the quota check sees it: terms by the accounts here, use by the standings here.

use crate::view::Standings;
use meterline_core::account::AccountStatus;
use meterline_core::accounts::{Account, Version};
use meterline_core::catalog::Catalog;
use meterline_core::catalog::plans::{Plans, Terms};
use meterline_core::limits::terms::effective;
use meterline_core::limits::{Held, Limit, Measure, Tenant};
use meterline_core::period::{Period, PeriodRule, Zone};
use meterline_core::time::LogTime;
use std::borrow::Cow;

/// First day of the billing months of tenants without an account.
const DEFAULT_ANCHOR_DAY: u8 = 1;

/// What is known of one tenant at a moment.
pub(crate) struct KnownTenant<'a> {
    name: &'a str,
    catalog: &'a Catalog,
    standings: &'a Standings,
    status: AccountStatus,
    /// Terms and period by meter or derived quantity; as many as one check needs.
    limits: Vec<(&'a str, Cow<'a, Terms>, Period)>,
}

/// Where a tenant's terms come from.
#[derive(Clone, Copy)]
pub(crate) struct TermsSource<'a> {
    plans: &'a Plans,
    account: Option<&'a Account>,
    version: Option<&'a Version>,
    now: LogTime,
}

impl<'a> TermsSource<'a> {
    /// Of an account, or of the plan for tenants without one.
    pub(crate) fn new(plans: &'a Plans, account: Option<&'a Account>, now: LogTime) -> Self {
        let version = account.and_then(|account| account.at(now));
        Self {
            plans,
            account,
            version,
            now,
        }
    }

    /// The plan in effect; empty where there is none.
    pub(crate) fn plan(&self) -> &'a str {
        match self.version {
            Some(version) => &version.terms.plan,
            None => self.plans.default_plan.as_deref().unwrap_or_default(),
        }
    }

    /// Whether the account is served; active where there is none.
    pub(crate) fn status(&self) -> AccountStatus {
        let status = self.version.map(|version| version.terms.status);
        status.unwrap_or_default()
    }

    /// The terms of a meter in effect, and the period that runs by them.
    pub(crate) fn limit(&self, meter: &str) -> Option<(Cow<'a, Terms>, Period)> {
        let at = self.now.as_event_time();
        let Some(version) = self.version else {
            let terms = effective(self.plans, self.plan(), meter, None)?;
            let rule = PeriodRule::new(terms.reset, Zone::utc(), DEFAULT_ANCHOR_DAY);
            return Some((terms, rule.period_at(at)));
        };
        let terms = terms_of(self.plans, version, meter)?;
        let rule = |version: &Version| {
            let terms = terms_of(self.plans, version, meter)?;
            Some(version.rule(terms.reset, terms.zone))
        };
        let account = self.account?;
        // The usual account was changed once: its only version says it all.
        let period = match account.versions() {
            [_] => version.rule(terms.reset, terms.zone).period_at(at),
            _ => account.timeline(rule)?.period_at(at),
        };
        Some((terms, period))
    }
}

fn terms_of<'a>(plans: &'a Plans, version: &'a Version, meter: &str) -> Option<Cow<'a, Terms>> {
    let overrides = version.terms.overrides.get(meter);
    effective(plans, &version.terms.plan, meter, overrides)
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
            let bears_on = |d: &&meterline_core::catalog::plans::Derived| {
                d.terms.iter().any(|term| term.meter == meter) || d.unless.as_deref() == Some(meter)
            };
            let derived = plans.derived.iter().filter(bears_on);
            for name in std::iter::once(meter).chain(derived.map(|d| d.name.as_str())) {
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
