//! What a tenant may still use of a meter before any hard cap refuses, its own or that of a derived
//! quantity that it is a term of.
//!
//! For callers that go on without asking: in the unit of the meter that they asked for, and never
//! above what a check would allow.

use meterline_core::catalog::plans::{Cap, Plans};
use meterline_core::limits::{Measure, Tenant, check, weight};
use meterline_core::quantity::{ONE, Quantity};
use meterline_core::time::LogTime;

/// `None`: no hard cap concerns it. Of a peak: how high it may be.
pub(crate) fn room(
    tenant: &impl Tenant,
    plans: &Plans,
    meter: &str,
    now: LogTime,
) -> Option<Quantity> {
    let of_derived = plans.derived.iter().filter_map(|derived| {
        let weight = weight(tenant, derived, meter)?;
        let left = left(tenant, plans, &derived.name, now)?;
        shared(left, weight)
    });
    let own = left(tenant, plans, meter, now);
    own.into_iter().chain(of_derived).min()
}

/// What is left before a quantity's own hard cap, in its own unit.
fn left(tenant: &impl Tenant, plans: &Plans, name: &str, now: LogTime) -> Option<Quantity> {
    let terms = tenant.limit(name)?.terms;
    let limit = terms.limit.filter(|_| terms.cap == Cap::Hard)?;
    if tenant.measure(name) == Measure::Peak {
        return Some(limit);
    }
    // Of a meter by its own terms only: those of derived quantities have other units.
    let alone = Plans::default();
    let plans = match plans.derived(name) {
        Some(_) => plans,
        None => &alone,
    };
    check(tenant, plans, name, Quantity::ZERO, now).remaining
}

/// How much of a meter fits into what is left, rounded down; `None` where all of it does.
fn shared(left: Quantity, weight: Quantity) -> Option<Quantity> {
    if weight == Quantity::ZERO {
        return None;
    }
    let raw = match left.raw().checked_mul(ONE) {
        Some(product) => product.div_euclid(weight.raw()),
        // Far too much to matter: less of it is precise enough.
        None => left.raw().div_euclid(weight.raw()).saturating_mul(ONE),
    };
    // Beyond every quantity there is no cap that it could pass.
    Quantity::from_raw(raw).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_shared_by_weight_and_rounded_down() {
        let q = |text: &str| Quantity::parse(text).expect("a quantity");
        let check = |left: &str, weight: &str, expected: Option<&str>| {
            assert_eq!(
                shared(q(left), q(weight)),
                expected.map(q),
                "{left} by {weight}"
            );
        };
        check("10", "3", Some("3.333333333"));
        check("0.0225", "0.0075", Some("3"));
        check("0", "5", Some("0"));
        check("10", "0", None);
        check(
            "99999999999999999999999999999",
            "1000000000",
            Some("99999999999999999999"),
        );
        check("99999999999999999999999999999", "0.000000001", None);
    }
}
