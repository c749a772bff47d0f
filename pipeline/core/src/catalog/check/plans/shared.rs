//! The rule for meters that several derived quantities are made of.
//!
//! A meter without terms of its own is kept for checks in the periods of the derived quantity that
//! it is a term of. Two derived quantities with other periods each would need two values of it, and
//! one is kept: so their periods must be the same, or the meter must have terms of its own.

use super::super::super::plans::{Plan, Plans};
use super::super::Problem;
use crate::limits::measure::components;
use std::collections::BTreeMap;

/// Adds what is wrong with the periods of a plan's derived quantities.
pub(super) fn check(plans: &Plans, plan: &Plan, path: &str, problems: &mut Vec<Problem>) {
    let mut firsts = BTreeMap::new();
    for derived in &plans.derived {
        let Some(terms) = plan.meters.get(&derived.name) else {
            continue;
        };
        let without_terms = components(derived).filter(|meter| !plan.meters.contains_key(*meter));
        for meter in without_terms {
            let period = (terms.reset, terms.zone);
            let (first, of_first) = firsts.entry(meter).or_insert((&derived.name, period));
            if *of_first != period {
                let reason = format!(
                    "has other periods than `{first}`, and both follow from `{meter}`, which has \
                     no terms of its own: write the same `reset` and `zone`, or terms of `{meter}`"
                );
                let path = format!("{path}.meters.{}.reset", derived.name);
                problems.push(Problem::new(path, reason));
                break;
            }
        }
    }
}
