//! Every rule for plans as a whole, and the plans that all of these tests change.

use super::super::{Problem, succeeds, validate};
use crate::catalog::plans::{
    Cap, Derived, Grace, PeriodZone, Plan, PlanUnit, Plans, Price, Reset, Severity, Term, Terms,
    Threshold,
};
use crate::catalog::tests::{catalog, meter};
use crate::catalog::{Aggregation, Catalog};
use crate::quantity::Quantity;

mod derived;
mod terms;

fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).expect("a quantity")
}

fn some(text: &str) -> Option<Quantity> {
    Some(quantity(text))
}

fn terms() -> Terms {
    Terms {
        included: None,
        limit: some("100"),
        cap: Cap::None,
        grace: None,
        thresholds: Vec::new(),
        reset: Reset::Month,
        zone: PeriodZone::Utc,
        price: None,
    }
}

fn threshold(percent: &str, above: bool) -> Threshold {
    Threshold {
        percent: quantity(percent),
        above,
        severity: Severity::Critical,
        kind: Threshold::KIND.to_owned(),
    }
}

fn term(meter: &str, weight: &str) -> Term {
    Term {
        meter: meter.to_owned(),
        weight: quantity(weight),
    }
}

fn derived(name: &str, terms: &[(&str, &str)]) -> Derived {
    Derived {
        name: name.to_owned(),
        description: String::new(),
        unit: String::new(),
        constant: Quantity::ZERO,
        terms: terms.iter().map(|(m, w)| term(m, w)).collect(),
        unless: None,
    }
}

/// Meters of every aggregation, named for it, `calls` and `tokens` (sums), `seats` and `size`
/// (levels), and the plan `free` with a limit of 100 calls.
fn valid() -> Catalog {
    let aggregations = [
        Aggregation::Count,
        Aggregation::Min,
        Aggregation::Max,
        Aggregation::Avg,
        Aggregation::Latest,
    ];
    let mut meters: Vec<_> = ["calls", "tokens", "seats", "size"]
        .map(|n| meter(n, n))
        .into();
    for level in &mut meters[2..] {
        level.aggregation = Aggregation::Latest;
    }
    meters.extend(aggregations.map(|aggregation| {
        let mut of = meter(&format!("a_{}", aggregation.name()), "event");
        of.aggregation = aggregation;
        of
    }));
    let mut catalog = catalog(meters);
    catalog.plans = Plans {
        plans: vec![Plan {
            name: "free".to_owned(),
            title: "Free".to_owned(),
            base: None,
            meters: [("calls".to_owned(), terms())].into(),
        }],
        ..Plans::default()
    };
    catalog
}

/// Changes one thing of valid plans and compares the problems' texts.
fn check(change: impl FnOnce(&mut Plans), expected: &[&str]) {
    let mut changed = valid();
    change(&mut changed.plans);
    let problems: Vec<_> = validate(&changed).iter().map(Problem::to_string).collect();
    assert_eq!(problems, expected);
}

/// The same of the terms of `calls`; the path of each expected problem is below them.
fn check_terms(change: impl FnOnce(&mut Terms), expected: &[&str]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|e| format!("plans[0].meters.calls.{e}"))
        .collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    let calls = |plans: &mut Plans| {
        let terms = plans.plans[0].meters.get_mut("calls");
        change(terms.expect("the plan has it"));
    };
    check(calls, &expected);
}

#[test]
fn plain_plans_have_no_problem() {
    check(|_| (), &[]);
    check(|p| *p = Plans::default(), &[]);
    check(|p| p.default_plan = Some("free".to_owned()), &[]);
    check_terms(
        |t| {
            t.cap = Cap::Soft;
            t.grace = Some(Grace::default());
            t.included = some("100");
            t.thresholds = vec![
                threshold("0.001", false),
                threshold("100", false),
                threshold("100", true),
                threshold("10000", true),
            ];
            t.reset = Reset::BillingMonth;
            t.zone = PeriodZone::Account;
        },
        &[],
    );
    // A cap of an unlimited meter is for the overrides that limit it.
    check_terms(|t| (t.limit, t.cap) = (None, Cap::Hard), &[]);
}

#[test]
fn plans_have_names_of_their_own() {
    check(
        |p| p.plans[0].name = "Free".to_owned(),
        &[
            "plans[0].name: `Free` is no name: a lowercase letter, then lowercase letters, digits \
           and underscores, 64 bytes at most",
        ],
    );
    check(
        |p| p.plans.push(p.plans[0].clone()),
        &["plans[1].name: `free` is the name of plans[0] already"],
    );
    check(
        |p| p.plans[0].title = "x".repeat(257),
        &["plans[0].title: has 257 bytes, more than 256"],
    );
    let many = |count: usize| {
        let named = |n| Plan {
            name: format!("p{n}"),
            ..valid().plans.plans[0].clone()
        };
        (0..count).map(named).collect::<Vec<_>>()
    };
    check(|p| p.plans = many(1_000), &[]);
    check(
        |p| p.plans = many(1_001),
        &["plans: are 1001, more than 1000"],
    );
}

#[test]
fn the_default_plan_asks_nothing_of_an_account() {
    check(
        |p| p.default_plan = Some("fre".to_owned()),
        &["default_plan: `fre` is no plan: did you mean `free`?"],
    );
    check(
        |p| {
            *p = Plans {
                default_plan: Some("free".to_owned()),
                ..Plans::default()
            }
        },
        &["default_plan: `free` is no plan: there are none"],
    );
    let cases = [
        (
            Reset::BillingMonth,
            PeriodZone::Utc,
            "a start day, which billing months begin on",
        ),
        (Reset::Day, PeriodZone::Account, "a time zone"),
    ];
    for (reset, zone, lacking) in cases {
        let reason = format!(
            "default_plan: `free` cannot be the plan of tenants without an account: its `calls` \
             asks the account for {lacking}"
        );
        check(
            |p| {
                p.default_plan = Some("free".to_owned());
                let calls = p.plans[0].meters.get_mut("calls");
                let calls = calls.expect("the plan has it");
                (calls.reset, calls.zone) = (reset, zone);
            },
            &[&reason],
        );
    }
}

#[test]
fn units_are_of_known_meters_and_above_zero() {
    let unit = |meter: &str, name: &str, ratio: &str| {
        let (name, ratio) = (name.to_owned(), quantity(ratio));
        let unit = (meter.to_owned(), PlanUnit { name, ratio });
        move |plans: &mut Plans| {
            plans.derived = vec![derived("sum", &[("calls", "1")])];
            plans.units = [unit].into();
        }
    };
    check(unit("size", "GB", "1000000000"), &[]);
    check(unit("sum", "K", "1000"), &[]);
    check(
        unit("sizes", "GB", "1"),
        &["units.sizes: `sizes` is no meter: did you mean `size`?"],
    );
    check(
        unit("size", "", "0"),
        &[
            "units.size.name: is empty",
            "units.size.ratio: is 0, but must be above 0",
        ],
    );
    check(
        unit("size", &"x".repeat(65), "1"),
        &["units.size.name: has 65 bytes, more than 64"],
    );
}

#[test]
fn health_rises() {
    let health = |caution: &str, warning: &str, critical: &str| {
        let bounds = [caution, warning, critical].map(quantity);
        move |plans: &mut Plans| {
            let health = &mut plans.health;
            [health.caution, health.warning, health.critical] = bounds;
        }
    };
    check(health("80", "80", "80"), &[]);
    check(
        health("75", "74.999", "100"),
        &["health.warning: is 74.999, below the 75 of `health.caution`"],
    );
    check(
        health("75", "90", "80"),
        &["health.critical: is 80, below the 90 of `health.warning`"],
    );
    check(
        health("0", "1.0001", "10001"),
        &[
            "health.caution: is 0, not above 0 and at most 10000",
            "health.warning: is 1.0001, with more than three decimals",
            "health.critical: is 10001, not above 0 and at most 10000",
        ],
    );
}

#[test]
fn plans_change_freely_from_version_to_version() {
    let before = valid();
    let mut next = valid();
    next.plans = Plans {
        derived: vec![derived("sum", &[("calls", "2")])],
        ..Plans::default()
    };
    for (next, before) in [(&next, &before), (&before, &next)] {
        assert_eq!(succeeds(next, std::iter::once(before)), []);
    }
}
