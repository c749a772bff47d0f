//! Where a tenant's terms come from at a moment: its account, or the plan of those without one.
//!
//! For whoever answers about the present: the quota check and `limits explain`. Past periods are
//! the engine's.

use super::terms::effective;
use crate::account::AccountStatus;
use crate::accounts::{Account, Version};
use crate::catalog::plans::{Plans, Terms};
use crate::period::{Period, PeriodRule, Zone};
use crate::time::LogTime;
use std::borrow::Cow;

/// First day of the billing months of tenants without an account.
const DEFAULT_ANCHOR_DAY: u8 = 1;

/// The terms of one tenant at one moment.
#[derive(Clone, Copy, Debug)]
pub struct TermsSource<'a> {
    plans: &'a Plans,
    account: Option<&'a Account>,
    version: Option<&'a Version>,
    now: LogTime,
}

impl<'a> TermsSource<'a> {
    /// Of an account, or of the plan for tenants without one.
    #[must_use]
    pub fn new(plans: &'a Plans, account: Option<&'a Account>, now: LogTime) -> Self {
        let version = account.and_then(|account| account.at(now));
        Self {
            plans,
            account,
            version,
            now,
        }
    }

    /// The account's version in effect; `None`: there is no account, or not yet.
    #[must_use]
    pub fn version(&self) -> Option<&'a Version> {
        self.version
    }

    /// The plan in effect; empty where there is none.
    #[must_use]
    pub fn plan(&self) -> &'a str {
        match self.version {
            Some(version) => &version.terms.plan,
            None => self.plans.default_plan.as_deref().unwrap_or_default(),
        }
    }

    /// Whether the account is served; active where there is none.
    #[must_use]
    pub fn status(&self) -> AccountStatus {
        let status = self.version.map(|version| version.terms.status);
        status.unwrap_or_default()
    }

    /// The terms of a meter in effect, and the period that runs by them.
    #[must_use]
    pub fn limit(&self, meter: &str) -> Option<(Cow<'a, Terms>, Period)> {
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
