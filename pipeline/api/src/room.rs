//! What a tenant may still use of a meter before any cap refuses, its own or that of a derived
//! quantity that it is a term of.
//!
//! For callers that go on without asking: in the unit of the meter that they asked for, and never
//! above what a check would allow. Of a soft cap it ends where its grace does; what the grace's
//! time ends meanwhile, they hear when they ask again.

use meterline_core::catalog::plans::{Cap, Plans, Terms};
use meterline_core::limits::{Measure, Reason, Tenant, check, weight};
use meterline_core::quantity::{ONE, Quantity};
use meterline_core::time::LogTime;

/// `None`: no cap concerns it that would refuse. Of a peak: how high it may be.
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

/// What is left before a quantity's own cap refuses, in its own unit.
fn left(tenant: &impl Tenant, plans: &Plans, name: &str, now: LogTime) -> Option<Quantity> {
    let terms = tenant.limit(name)?.terms;
    terms.limit.filter(|_| terms.cap != Cap::None)?;
    // Of a meter by its own terms only: those of derived quantities have other units.
    let alone = Plans::default();
    let plans = match plans.derived(name) {
        Some(_) => plans,
        None => &alone,
    };
    let verdict = check(tenant, plans, name, Quantity::ZERO, now);
    let is_over = verdict.grace_until.is_some_and(|until| until <= now);
    let most = most(terms, is_over)?;
    if tenant.measure(name) == Measure::Peak {
        return Some(most);
    }
    if terms.limit == Some(most) {
        return verdict.remaining;
    }
    let left = most.raw().saturating_sub(verdict.used.raw()).max(0);
    let left = Quantity::from_raw(left).ok()?;
    // What is used of a derived quantity was rounded, by less than one of the last decimal.
    let passes = check(tenant, plans, name, left, now).reason == Reason::GraceOver;
    let less = left.raw() - i128::from(passes && left > Quantity::ZERO);
    Quantity::from_raw(less).ok()
}

/// The use up to which a cap allows: the limit, or of a soft cap the share of its grace while that
/// lasts, rounded down; `None`: it does not refuse.
fn most(terms: &Terms, grace_is_over: bool) -> Option<Quantity> {
    let limit = terms.limit?;
    match (terms.cap, &terms.grace) {
        (Cap::None, _) => None,
        (Cap::Hard, _) => Some(limit),
        (Cap::Soft, Some(grace)) if terms.price.is_none() => {
            if grace_is_over {
                return Some(limit);
            }
            let hundred = 100 * ONE;
            let raw = match limit.raw().checked_mul(grace.percent.raw()) {
                Some(product) => product.div_euclid(hundred),
                // Far too much to matter: less of it is precise enough.
                None => limit
                    .raw()
                    .div_euclid(hundred)
                    .saturating_mul(grace.percent.raw()),
            };
            // Beyond every quantity there is no cap that it could pass.
            Quantity::from_raw(raw).ok()
        }
        (Cap::Soft, _) => None,
    }
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
    use meterline_core::catalog::plans::{Grace, PeriodZone, Reset};

    #[test]
    fn a_cap_allows_up_to_its_limit_or_the_share_of_its_grace() {
        let q = |text: &str| Quantity::parse(text).expect("a quantity");
        let check =
            |limit: Option<&str>, cap, up_to: Option<&str>, is_over, expected: Option<&str>| {
                let grace = up_to.map(|percent| Grace {
                    percent: q(percent),
                    ..Grace::default()
                });
                let terms = Terms {
                    included: None,
                    limit: limit.map(q),
                    cap,
                    grace,
                    thresholds: Vec::new(),
                    reset: Reset::Month,
                    zone: PeriodZone::Utc,
                    price: None,
                };
                let found = most(&terms, is_over);
                assert_eq!(
                    found,
                    expected.map(q),
                    "{limit:?} {cap:?} {up_to:?} {is_over}"
                );
            };
        check(Some("100"), Cap::Hard, None, false, Some("100"));
        check(Some("100"), Cap::Soft, Some("120"), false, Some("120"));
        check(Some("100"), Cap::Soft, Some("120"), true, Some("100"));
        check(
            Some("0.000000001"),
            Cap::Soft,
            Some("150"),
            false,
            Some("0.000000001"),
        );
        check(
            Some("3"),
            Cap::Soft,
            Some("133.333333333"),
            false,
            Some("3.999999999"),
        );
        check(Some("100"), Cap::Soft, None, false, None);
        check(Some("100"), Cap::None, None, false, None);
        check(None, Cap::Hard, None, false, None);
        let largest = "99999999999999999999999999999";
        check(Some(largest), Cap::Hard, None, false, Some(largest));
        check(Some(largest), Cap::Soft, Some("120"), false, None);
    }

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
