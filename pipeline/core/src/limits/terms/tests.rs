//! Terms with overrides, and the plans that these tests use.

use super::*;
use crate::catalog::plans::{Derived, Grace, Plan, Severity, Term, Threshold};
use crate::quantity::Quantity;

mod accounts;

fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).expect("a quantity")
}

fn threshold(percent: &str) -> Threshold {
    Threshold {
        percent: quantity(percent),
        above: false,
        severity: Severity::Warning,
        kind: Threshold::KIND.to_owned(),
    }
}

/// The plan `free`: 100 calls softly, 10 messages included, seats unlimited.
fn plan() -> Plan {
    let calls = Terms {
        limit: Some(quantity("100")),
        cap: Cap::Soft,
        grace: Some(Grace::default()),
        thresholds: vec![threshold("80")],
        reset: Reset::BillingMonth,
        ..unlimited()
    };
    let messages = Terms {
        included: Some(quantity("10")),
        ..unlimited()
    };
    let meters = [
        ("calls", calls),
        ("messages", messages),
        ("seats", unlimited()),
    ];
    Plan {
        name: "free".to_owned(),
        title: "Free".to_owned(),
        base: None,
        meters: meters.map(|(name, terms)| (name.to_owned(), terms)).into(),
    }
}

fn plans() -> Plans {
    Plans {
        derived: vec![Derived {
            name: "credit".to_owned(),
            description: String::new(),
            unit: "USD".to_owned(),
            constant: Quantity::ZERO,
            terms: vec![Term {
                meter: "calls".to_owned(),
                weight: quantity("0.01"),
            }],
            unless: None,
        }],
        plans: vec![plan()],
        ..Plans::default()
    }
}

/// Compares the terms of `calls` on the plan `free`, with what the override changes of the plan's.
fn terms_of(overrides: Override, change: impl FnOnce(&mut Terms)) {
    let plans = plans();
    let mut expected = plans.plans[0].meters["calls"].clone();
    change(&mut expected);
    let terms = effective(&plans, "free", "calls", Some(&overrides));
    assert_eq!(terms.as_deref(), Some(&expected), "{overrides:?}");
}

fn at(limit: &str) -> Option<LimitOverride> {
    Some(LimitOverride::At(quantity(limit)))
}

#[test]
fn an_override_changes_what_it_says_and_nothing_else() {
    let none = Override::default;
    terms_of(none(), |_| ());
    terms_of(
        Override {
            included: Some(quantity("5")),
            ..none()
        },
        |t| t.included = Some(quantity("5")),
    );
    terms_of(
        Override {
            limit: at("0"),
            ..none()
        },
        |t| t.limit = Some(Quantity::ZERO),
    );
    terms_of(
        Override {
            limit: Some(LimitOverride::Unlimited),
            ..none()
        },
        |t| t.limit = None,
    );
    let grace = Grace {
        seconds: 60,
        ..Grace::default()
    };
    terms_of(
        Override {
            grace: Some(grace.clone()),
            ..none()
        },
        |t| t.grace = Some(grace),
    );
    terms_of(
        Override {
            thresholds: Some(Vec::new()),
            ..none()
        },
        |t| t.thresholds.clear(),
    );
}

#[test]
fn another_cap_drops_the_grace() {
    for cap in [Cap::Hard, Cap::None] {
        let overrides = Override {
            cap: Some(cap),
            ..Override::default()
        };
        terms_of(overrides, |t| (t.cap, t.grace) = (cap, None));
    }
}

#[test]
fn what_nobody_speaks_of_has_no_terms() {
    let plans = plans();
    assert_eq!(effective(&plans, "free", "latency", None), None);
    assert_eq!(effective(&plans, "gone", "calls", None), None);
    let limited = Override {
        limit: at("3"),
        ..Override::default()
    };
    let expected = Terms {
        limit: Some(quantity("3")),
        ..unlimited()
    };
    for (plan, meter) in [("gone", "calls"), ("free", "credit")] {
        let terms = effective(&plans, plan, meter, Some(&limited));
        assert_eq!(terms.as_deref(), Some(&expected), "{plan} {meter}");
    }
}

#[test]
fn all_are_those_of_the_plan_and_of_the_overrides() {
    let plans = plans();
    let overrides = ["credit", "calls"].map(|meter| (meter.to_owned(), Override::default()));
    let overrides = BTreeMap::from(overrides);
    let named = |plan: &str, overrides: &BTreeMap<String, Override>| -> Vec<String> {
        let terms = all(&plans, plan, overrides).into_iter();
        terms.map(|(name, _)| name.to_owned()).collect()
    };
    assert_eq!(
        named("free", &BTreeMap::new()),
        ["calls", "messages", "seats"]
    );
    assert_eq!(
        named("free", &overrides),
        ["calls", "credit", "messages", "seats"]
    );
    assert_eq!(named("gone", &overrides), ["calls", "credit"]);
}
