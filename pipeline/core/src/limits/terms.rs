//! Terms of an account: its plan's, with what its overrides change.
//!
//! Plans are those of the newest catalog, whatever was in force when the account was written. So
//! a plan may be gone, and overrides may contradict a plan that changed after them: [`effective`]
//! answers all the same, by rules that need no judgement, and [`check_account`] refuses such an
//! account when it is written.

mod check;
#[cfg(test)]
mod tests;

pub use check::check_account;

use crate::account::{LimitOverride, Override};
use crate::catalog::plans::{Cap, PeriodZone, Plans, Reset, Terms};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// What holds for one meter or derived quantity; `None`: nothing is said of it, so it is neither
/// limited nor reported.
///
/// A plan that the catalog does not have says nothing; what the overrides say still holds. A
/// meter that only overrides speak of is otherwise unlimited, by UTC calendar months. A grace
/// without a soft cap is dropped, so an override may harden a soft cap in one word.
#[must_use]
pub fn effective<'p>(
    plans: &'p Plans,
    plan: &str,
    meter: &str,
    overrides: Option<&Override>,
) -> Option<Cow<'p, Terms>> {
    let of_plan = plans.plan(plan).and_then(|plan| plan.meters.get(meter));
    let Some(overrides) = overrides else {
        return of_plan.map(Cow::Borrowed);
    };
    let mut terms = of_plan.cloned().unwrap_or_else(unlimited);
    if let Some(included) = overrides.included {
        terms.included = Some(included);
    }
    match overrides.limit {
        Some(LimitOverride::At(limit)) => terms.limit = Some(limit),
        Some(LimitOverride::Unlimited) => terms.limit = None,
        None => {}
    }
    if let Some(cap) = overrides.cap {
        terms.cap = cap;
    }
    if let Some(grace) = &overrides.grace {
        terms.grace = Some(grace.clone());
    }
    if terms.cap != Cap::Soft {
        terms.grace = None;
    }
    if let Some(thresholds) = &overrides.thresholds {
        terms.thresholds.clone_from(thresholds);
    }
    Some(Cow::Owned(terms))
}

/// How the periods of a meter are made: the reset and zone of [`effective`], which no override
/// changes.
#[must_use]
pub(super) fn periods(
    plans: &Plans,
    plan: &str,
    meter: &str,
    overrides: Option<&Override>,
) -> Option<(Reset, PeriodZone)> {
    let of_plan = plans.plan(plan).and_then(|plan| plan.meters.get(meter));
    let of_plan = of_plan.map(|terms| (terms.reset, terms.zone));
    of_plan.or_else(|| overrides.map(|_| UNSAID))
}

/// [`effective`] of every meter and derived quantity that the plan or an override speaks of, by
/// their names.
#[must_use]
pub fn all<'p>(
    plans: &'p Plans,
    plan: &str,
    overrides: &'p BTreeMap<String, Override>,
) -> Vec<(&'p str, Cow<'p, Terms>)> {
    let of_plan = plans.plan(plan).into_iter();
    let of_plan = of_plan.flat_map(|plan| plan.meters.keys());
    let names: BTreeSet<&str> = of_plan
        .chain(overrides.keys())
        .map(String::as_str)
        .collect();
    let terms = |name: &'p str| {
        let terms = effective(plans, plan, name, overrides.get(name))?;
        Some((name, terms))
    };
    names.into_iter().filter_map(terms).collect()
}

/// The periods of a meter that only overrides speak of.
const UNSAID: (Reset, PeriodZone) = (Reset::Month, PeriodZone::Utc);

/// The terms of a meter that nothing is said of.
fn unlimited() -> Terms {
    let (reset, zone) = UNSAID;
    Terms {
        included: None,
        limit: None,
        cap: Cap::None,
        grace: None,
        thresholds: Vec::new(),
        reset,
        zone,
        price: None,
    }
}
