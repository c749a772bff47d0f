//! The rules for plans: what they may say, and of which meters.
//!
//! Paths begin at the plans: `currency`, `derived[0].terms[1].meter`,
//! `plans[2].meters.storage.thresholds[1].percent`. Refused is what cannot be meant (a threshold
//! after a higher one, a grace that no soft cap uses) and what hour totals cannot give exactly.

mod derived;
mod measures;
mod shared;
pub(crate) mod terms;
#[cfg(test)]
mod tests;

pub(crate) use measures::Measures;

use super::super::Catalog;
use super::super::plans::{HealthBounds, Plan, Plans, Reset};
use super::{NAME_BYTES_MAX, Problem, name, too_many};
use crate::catalog::plans::PeriodZone;
use crate::nearest::hint;
use crate::quantity::Quantity;
use std::collections::BTreeMap;

/// Most plans; all are held by everything that judges.
const PLANS_MAX: usize = 1_000;
/// Longest title of a plan and name of a unit: both are shown, never computed with.
const TITLE_BYTES_MAX: usize = 256;
const UNIT_BYTES_MAX: usize = 64;

/// Adds what is wrong with the catalog's plans.
pub(super) fn check(catalog: &Catalog, problems: &mut Vec<Problem>) {
    let plans = &catalog.plans;
    let measures = Measures::of(catalog);
    currency(plans, problems);
    default_plan(plans, problems);
    units(plans, &measures, problems);
    derived::check(plans, &measures, problems);
    health(&plans.health, problems);
    problems.extend(too_many("plans", plans.plans.len(), PLANS_MAX));
    let mut names = BTreeMap::new();
    for (index, plan) in plans.plans.iter().enumerate() {
        let path = format!("plans[{index}]");
        problems.extend(name(format!("{path}.name"), &plan.name));
        if let Some(first) = names.insert(plan.name.as_str(), index) {
            let reason = format!("`{}` is the name of plans[{first}] already", plan.name);
            problems.push(Problem::new(format!("{path}.name"), reason));
        }
        one(plan, &path, &measures, problems);
        shared::check(plans, plan, &path, problems);
    }
}

/// The rules for one plan, but for its name.
fn one(plan: &Plan, path: &str, measures: &Measures<'_>, problems: &mut Vec<Problem>) {
    problems.extend(too_long(
        format!("{path}.title"),
        &plan.title,
        TITLE_BYTES_MAX,
    ));
    if plan.base.is_some_and(Quantity::is_negative) {
        problems.push(Problem::new(format!("{path}.base"), "is below zero"));
    }
    for (meter, of) in &plan.meters {
        let path = format!("{path}.meters.{meter}");
        match measures.cannot_be_limited(meter) {
            Some(reason) => problems.push(Problem::new(path, reason)),
            None => {
                terms::check(of, &path, problems);
                problems.extend(measures.period(meter, of.reset, of.zone, &path));
            }
        }
    }
}

fn currency(plans: &Plans, problems: &mut Vec<Problem>) {
    let code = &plans.currency;
    let well_formed = code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase());
    if !code.is_empty() && !well_formed {
        let reason = format!("`{code}` is no ISO 4217 code: three capital letters, such as USD");
        problems.push(Problem::new("currency", reason));
    }
    let priced = |plan: &Plan| {
        plan.base.is_some() || plan.meters.values().any(|terms| terms.price.is_some())
    };
    if code.is_empty() && plans.plans.iter().any(priced) {
        let reason = "is missing, but there are prices: write an ISO 4217 code, such as USD";
        problems.push(Problem::new("currency", reason));
    }
}

fn default_plan(plans: &Plans, problems: &mut Vec<Problem>) {
    let Some(default) = &plans.default_plan else {
        return;
    };
    let Some(plan) = plans.plan(default) else {
        let known = plans.plans.iter().map(|plan| plan.name.as_str());
        let reason = format!("`{default}` is no plan: {}", hint(default, known));
        problems.push(Problem::new("default_plan", reason));
        return;
    };
    for (meter, terms) in &plan.meters {
        let lacking = match (terms.reset, terms.zone) {
            (Reset::BillingMonth, _) => "a start day, which billing months begin on",
            (_, PeriodZone::Account) => "a time zone",
            _ => continue,
        };
        let reason = format!(
            "`{default}` cannot be the plan of tenants without an account: its `{meter}` asks the \
             account for {lacking}"
        );
        problems.push(Problem::new("default_plan", reason));
        return;
    }
}

fn units(plans: &Plans, measures: &Measures<'_>, problems: &mut Vec<Problem>) {
    for (meter, unit) in &plans.units {
        let path = format!("units.{meter}");
        problems.extend(
            measures
                .unknown(meter)
                .map(|reason| Problem::new(&*path, reason)),
        );
        if unit.name.is_empty() {
            problems.push(Problem::new(format!("{path}.name"), "is empty"));
        }
        problems.extend(too_long(format!("{path}.name"), &unit.name, UNIT_BYTES_MAX));
        if unit.ratio <= Quantity::ZERO {
            let reason = format!("is {}, but must be above 0", unit.ratio);
            problems.push(Problem::new(format!("{path}.ratio"), reason));
        }
    }
}

fn health(bounds: &HealthBounds, problems: &mut Vec<Problem>) {
    let rising = [
        ("health.caution", bounds.caution),
        ("health.warning", bounds.warning),
        ("health.critical", bounds.critical),
    ];
    for (path, percent) in rising {
        problems.extend(terms::percent(path, percent));
    }
    for pair in rising.windows(2) {
        let ((before, lower), (path, percent)) = (pair[0], pair[1]);
        if percent < lower {
            let reason = format!("is {percent}, below the {lower} of `{before}`");
            problems.push(Problem::new(path, reason));
        }
    }
}

/// What is wrong with the length of a text that is shown.
pub(crate) fn too_long(path: impl Into<String>, text: &str, most: usize) -> Option<Problem> {
    let reason = || format!("has {} bytes, more than {most}", text.len());
    (text.len() > most).then(|| Problem::new(path, reason()))
}
