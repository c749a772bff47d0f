//! What holds for one tenant: its periods, the terms of each, and the use in them.

use super::super::health::thresholds;
use super::super::measure::{components, derive};
use super::super::terms::{self, effective};
use super::super::usage::{TenantId, Usage};
use super::super::{Exact, fires};
use crate::account::AccountStatus;
use crate::accounts::{Account, Version};
use crate::alert::Judged;
use crate::catalog::plans::{Derived, PeriodZone, Plans, Reset, Terms, Threshold};
use crate::control::CatalogDecision;
use crate::period::{Period, PeriodRule, Timeline, Zone};
use crate::time::{EventTime, Hour, LogTime};
use std::borrow::Cow;

/// One tenant at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) name: &'a str,
    pub(super) now: LogTime,
    /// Periods that end after this are judged.
    pub(super) from: EventTime,
    /// Periods that begin before this hour are not judged: their use is not known.
    pub(super) edge: Hour,
    pub(super) catalog: &'a CatalogDecision,
    pub(super) account: Option<&'a Account>,
}

/// Use of a meter in one period, and the terms of it.
#[derive(Clone, Debug)]
pub(super) struct Fact<'a> {
    /// The meter or derived quantity.
    pub(super) meter: &'a str,
    pub(super) period: Period,
    /// `None`: a meter that nothing is said of, and that a derived quantity follows from.
    pub(super) terms: Option<Cow<'a, Terms>>,
    /// The plan in force; empty: none.
    pub(super) plan: &'a str,
    pub(super) used: Exact,
    /// Whether the tenant has a value of it in the period.
    pub(super) has_value: bool,
    /// Whether alerts of it may be open: the account is not closed.
    pub(super) told: bool,
    pub(super) judged: Judged,
}

impl Fact<'_> {
    /// The thresholds that should be open.
    pub(super) fn reached(&self) -> impl Iterator<Item = Cow<'_, Threshold>> {
        let terms = self.terms.as_deref().filter(|_| self.told);
        let basis = terms.and_then(Terms::basis);
        let all = terms.into_iter().flat_map(thresholds);
        all.filter(move |threshold| basis.is_some_and(|basis| fires(threshold, self.used, basis)))
    }
}

impl<'a> Case<'a> {
    /// Of every meter that is spoken of, all periods to judge, by meter and time. The last of a
    /// meter runs at this moment.
    pub(super) fn facts(&self, usage: &mut Usage, tenant: TenantId) -> Vec<Fact<'a>> {
        let mut facts = Vec::new();
        let names = self.names();
        for name in &names {
            let Some(timeline) = self.timeline(name) else {
                continue;
            };
            for period in self.periods(&timeline) {
                let fact = self.fact(usage, tenant, name, period);
                if fact.terms.is_some() {
                    facts.push(fact);
                }
            }
        }
        for derived in &self.plans().derived {
            if names.binary_search(&derived.name.as_str()).is_ok() {
                self.add_components(derived, usage, tenant, &mut facts);
            }
        }
        facts
    }

    /// Use of meters that a derived quantity follows from and nothing else is said of, in the
    /// period that runs by the derived quantity's terms: checks compute it from their standings.
    fn add_components(
        &self,
        derived: &'a Derived,
        usage: &mut Usage,
        tenant: TenantId,
        facts: &mut Vec<Fact<'a>>,
    ) {
        let running = facts.iter().rev().find(|fact| fact.meter == derived.name);
        let running = running.map(|fact| fact.period);
        let Some(period) = running.filter(|p| p.contains(self.now.as_event_time())) else {
            return;
        };
        for meter in components(derived) {
            if facts
                .iter()
                .any(|fact| fact.meter == meter && self.runs(fact.period))
            {
                continue;
            }
            facts.push(self.fact(usage, tenant, meter, period));
        }
    }

    fn fact(
        &self,
        usage: &mut Usage,
        tenant: TenantId,
        meter: &'a str,
        period: Period,
    ) -> Fact<'a> {
        let version = self.version(period);
        let plan = self.plan(version);
        let used = self.used(usage, tenant, meter, period);
        let constant = self.plans().derived(meter).map(|derived| derived.constant);
        Fact {
            meter,
            period,
            terms: self.terms(version, meter),
            plan: plan.unwrap_or_default(),
            used: used.unwrap_or_else(|| constant.map_or(Exact::ZERO, Exact::from)),
            has_value: used.is_some(),
            told: version.is_none_or(|version| version.terms.status != AccountStatus::Closed),
            judged: self.judged(usage, tenant, meter),
        }
    }

    /// Use in a period; `None` where the tenant has no value there.
    pub(super) fn used(
        &self,
        usage: &mut Usage,
        tenant: TenantId,
        meter: &str,
        period: Period,
    ) -> Option<Exact> {
        let Some(derived) = self.plans().derived(meter) else {
            return usage.used(tenant, meter, period);
        };
        let mut values = Vec::new();
        for meter in components(derived) {
            if let Some(value) = usage.used(tenant, meter, period) {
                values.push((meter, value));
            }
        }
        let value = |name: &str| values.iter().find(|(own, _)| *own == name).map(|(_, v)| *v);
        (!values.is_empty()).then(|| derive(derived, value))
    }

    /// What a judgement of the meter knows now.
    ///
    /// It never falls, whatever a catalog changes: of a meter it is its own last change; of a
    /// derived quantity, whose meters may be others tomorrow, the last of all of the tenant's.
    pub(super) fn judged(&self, usage: &Usage, tenant: TenantId, meter: &str) -> Judged {
        let is_derived = self.plans().derived(meter).is_some();
        let effective = self.account.and_then(|account| account.at(self.now));
        Judged {
            usage: usage.stamps(tenant, (!is_derived).then_some(meter)),
            catalog: self.catalog.offset,
            account: self.account.map(|account| account.newest().offset),
            effective: effective.map(|version| version.offset),
        }
    }

    /// The periods of a timeline that are judged, by time; the last runs now.
    fn periods<'t>(&self, timeline: &'t Timeline) -> impl Iterator<Item = Period> + use<'t> {
        // The span's end is open: a millisecond later, so that the running period shares in it.
        let end = LogTime(self.now.0.saturating_add(1)).as_event_time();
        let periods = timeline.periods_between(self.from, end);
        let edge = self.edge;
        periods.filter(move |period| period.start.hour() >= edge)
    }

    /// The meters and derived quantities that any version speaks of, sorted.
    fn names(&self) -> Vec<&'a str> {
        let versions = self.account.map_or(&[][..], Account::versions);
        let is_later = |first: &Version| first.effective.as_event_time() > self.from;
        let default = self.plans().default_plan.as_deref();
        let default = default.filter(|_| versions.first().is_none_or(is_later));
        let of_versions = versions.iter().map(|version| version.terms.plan.as_str());
        let mut names = Vec::new();
        for plan in of_versions.chain(default) {
            let plan = self.plans().plan(plan);
            names.extend(plan.into_iter().flat_map(|plan| plan.meters.keys()));
        }
        for version in versions {
            names.extend(version.terms.overrides.keys());
        }
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(String::as_str).collect()
    }

    /// The periods of a meter; `None` where nothing is said of it.
    pub(super) fn timeline(&self, meter: &str) -> Option<Timeline> {
        // Before the first version is in effect nothing of it is.
        let account = self
            .account
            .filter(|account| account.at(self.now).is_some());
        let of_account = account.and_then(|account| {
            account.timeline(|version| {
                let (reset, zone) = self.rule(Some(version), meter)?;
                Some(version.rule(reset, zone))
            })
        });
        of_account.or_else(|| {
            // Without an account there is no time zone and no first day.
            let (reset, _) = self.rule(None, meter)?;
            Some(Timeline::new(PeriodRule::new(reset, Zone::utc(), 1)))
        })
    }

    /// The account's version whose terms a period is judged by.
    pub(super) fn version(&self, period: Period) -> Option<&'a Version> {
        self.account?.at(period.judged_at(self.now))
    }

    /// The plan of a version, or the default plan.
    pub(super) fn plan(&self, version: Option<&'a Version>) -> Option<&'a str> {
        match version {
            Some(version) => Some(&version.terms.plan),
            None => self.plans().default_plan.as_deref(),
        }
    }

    fn terms(&self, version: Option<&'a Version>, meter: &str) -> Option<Cow<'a, Terms>> {
        let overrides = version.and_then(|version| version.terms.overrides.get(meter));
        match self.plan(version) {
            Some(plan) => effective(self.plans(), plan, meter, overrides),
            None => None,
        }
    }

    fn rule(&self, version: Option<&Version>, meter: &str) -> Option<(Reset, PeriodZone)> {
        let overrides = version.and_then(|version| version.terms.overrides.get(meter));
        let plan = match version {
            Some(version) => Some(version.terms.plan.as_str()),
            None => self.plans().default_plan.as_deref(),
        };
        terms::periods(self.plans(), plan?, meter, overrides)
    }

    pub(super) fn plans(&self) -> &'a Plans {
        &self.catalog.compiled.catalog.plans
    }

    /// When time alone changes something: the account's next version, or the end of a period with
    /// use, or with use beyond it: events may be ahead of the clock.
    pub(super) fn next_moment(
        &self,
        facts: &[Fact<'_>],
        usage: &Usage,
        tenant: TenantId,
    ) -> Option<LogTime> {
        let pending = self
            .account
            .and_then(|account| account.pending(self.now).first());
        let pending = pending.map(|version| version.effective);
        let last = usage.last_hour(tenant);
        let goes_on = |fact: &Fact<'_>| {
            let ahead = last.is_some_and(|last| last >= fact.period.end.hour());
            fact.has_value || ahead
        };
        let running = facts.iter().filter(|fact| self.runs(fact.period));
        let ends = running.filter(|fact| goes_on(fact));
        let ends = ends.map(|fact| LogTime(fact.period.end.0.div_euclid(1_000)));
        pending.into_iter().chain(ends).min()
    }

    pub(super) fn runs(&self, period: Period) -> bool {
        period.contains(self.now.as_event_time())
    }
}
