//! The rules for what holds of one meter, in a plan or in an account's overrides.

use super::super::super::plans::{Cap, Grace, Price, Terms, Threshold};
use super::{NAME_BYTES_MAX, Problem, too_many};
use crate::quantity::Quantity;

/// Most thresholds of one meter: each is a chain of decisions per tenant and period.
const THRESHOLDS_MAX: usize = 16;
/// Highest share of a limit: a hundred times of it.
const PERCENT_MAX: i128 = 10_000;
/// 10⁻³ in raw units: shares have at most three decimals, so that they can be read.
const PERCENT_STEP: i128 = 1_000_000;
/// Longest grace. A period is no longer than a month, and each starts clean.
const GRACE_SECONDS_MAX: u32 = 31 * 86_400;

/// Adds what is wrong with the terms.
pub(super) fn check(terms: &Terms, path: &str, problems: &mut Vec<Problem>) {
    let at = |field: &str| format!("{path}.{field}");
    let quantities = [("included", terms.included), ("limit", terms.limit)];
    for (field, quantity) in quantities {
        problems.extend(quantity.and_then(|quantity| below_zero(at(field), quantity)));
    }
    if included_above_limit(terms) {
        problems.push(Problem::new(at("included"), INCLUDED_ABOVE_LIMIT));
    }
    // A cap without both is of an unlimited meter: it holds where an account's override limits it.
    if terms.cap != Cap::None && terms.limit.is_none() && terms.included.is_some() {
        problems.push(Problem::new(at("cap"), CAP_WITHOUT_LIMIT));
    }
    if let Some(of) = &terms.grace {
        grace(&at("grace"), of, problems);
        if terms.cap != Cap::Soft {
            problems.push(Problem::new(at("grace"), GRACE_WITHOUT_CAP));
        }
    }
    thresholds(&at("thresholds"), &terms.thresholds, problems);
    if let Some(of) = &terms.price {
        price(&at("price"), of, problems);
    }
}

/// Why a cap of a meter without a limit is refused.
pub(crate) const CAP_WITHOUT_LIMIT: &str =
    "has no limit to hold to: write one, or drop the cap; beyond what is included, use costs";
/// Why a grace is refused that no soft cap uses.
pub(crate) const GRACE_WITHOUT_CAP: &str =
    "is of a soft cap only: write `cap: soft` and a limit, or drop the grace";
/// Why more is not included than allowed.
pub(crate) const INCLUDED_ABOVE_LIMIT: &str = "is above the limit: it could never be used up";

/// Whether more is included than the limit lets anybody use.
pub(crate) fn included_above_limit(terms: &Terms) -> bool {
    matches!((terms.included, terms.limit), (Some(included), Some(limit)) if included > limit)
}

/// What is wrong with an included quantity or a limit.
pub(crate) fn below_zero(path: String, quantity: Quantity) -> Option<Problem> {
    quantity
        .is_negative()
        .then(|| Problem::new(path, "is below zero"))
}

/// Adds what is wrong with a grace by itself.
pub(crate) fn grace(path: &str, grace: &Grace, problems: &mut Vec<Problem>) {
    if !(1..=GRACE_SECONDS_MAX).contains(&grace.seconds) {
        let reason = format!(
            "is {} seconds, not within 1 second to 31 days: every period starts clean",
            grace.seconds
        );
        problems.push(Problem::new(format!("{path}.seconds"), reason));
    }
    let at_percent = format!("{path}.percent");
    let hundred = Quantity::from_unscaled(100, 0).expect("small numbers fit");
    if let Some(problem) = percent(&at_percent, grace.percent) {
        problems.push(problem);
    } else if grace.percent <= hundred {
        let reason = format!(
            "is {}, but must be above 100: up to the limit no grace is needed",
            grace.percent
        );
        problems.push(Problem::new(at_percent, reason));
    }
}

/// Adds what is wrong with a list of thresholds: each by itself, and their order.
pub(crate) fn thresholds(path: &str, list: &[Threshold], problems: &mut Vec<Problem>) {
    problems.extend(too_many(path, list.len(), THRESHOLDS_MAX));
    for (index, threshold) in list.iter().enumerate() {
        let at = |field: &str| format!("{path}[{index}].{field}");
        problems.extend(percent(&at("percent"), threshold.percent));
        problems.extend(kind(at("kind"), &threshold.kind));
        let before = index.checked_sub(1).map(|before| &list[before]);
        let Some(before) = before else {
            continue;
        };
        let order = |t: &Threshold| (t.percent, t.above);
        let reason = match order(before).cmp(&order(threshold)) {
            std::cmp::Ordering::Less => continue,
            std::cmp::Ordering::Equal => format!("{} % is there twice", threshold.name()),
            std::cmp::Ordering::Greater => format!(
                "{} % follows {} %: the shares must rise, \"at\" before \"above\"",
                threshold.name(),
                before.name()
            ),
        };
        problems.push(Problem::new(at("percent"), reason));
    }
}

/// What is wrong with a share in percent.
pub(crate) fn percent(path: &str, percent: Quantity) -> Option<Problem> {
    let most = Quantity::from_unscaled(PERCENT_MAX, 0).expect("small numbers fit");
    if percent <= Quantity::ZERO || percent > most {
        let reason = format!("is {percent}, not above 0 and at most {most}");
        return Some(Problem::new(path, reason));
    }
    let reason = || format!("is {percent}, with more than three decimals");
    (percent.raw() % PERCENT_STEP != 0).then(|| Problem::new(path, reason()))
}

/// What is wrong with the name that receivers know an alert by.
fn kind(path: String, kind: &str) -> Option<Problem> {
    let in_alphabet = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._".contains(&b);
    let well_formed = kind.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && kind.bytes().all(in_alphabet)
        && kind.len() <= NAME_BYTES_MAX;
    let reason = || {
        format!(
            "`{kind}` is no kind of alert: a lowercase letter, then lowercase letters, digits, \
             dots and underscores, {NAME_BYTES_MAX} bytes at most"
        )
    };
    (!well_formed).then(|| Problem::new(path, reason()))
}

fn price(path: &str, price: &Price, problems: &mut Vec<Problem>) {
    problems.extend(below_zero(format!("{path}.amount"), price.amount));
    if price.per <= Quantity::ZERO {
        let reason = format!("is {}, but must be above 0", price.per);
        problems.push(Problem::new(format!("{path}.per"), reason));
    }
}
