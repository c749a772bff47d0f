//! What the reader makes of plans.

use super::{read, refused};
use meterline_core::catalog::plans::{
    Cap, Derived, Grace, HealthBounds, PeriodZone, PlanUnit, Plans, Price, Reset, Severity, Term,
    Terms, Threshold,
};
use meterline_core::quantity::Quantity;
use std::path::Path;

mod products;
mod refusals;

/// A file with the meters `calls`, `size` (a level) and `mean`; what follows begins on line 7.
fn with_plans(lines: &str) -> String {
    let meter = |name: &str, aggregation: &str| {
        format!("  {name}: {{unit: x, event_type: {name}, aggregation: {aggregation}}}\n")
    };
    let meters = [
        meter("calls", "sum"),
        meter("size", "latest"),
        meter("mean", "avg"),
    ];
    format!(
        "catalog: test\nfold: 1\nmeters:\n{}{lines}",
        meters.concat()
    )
}

/// The plans of a file with these lines from line 7 on.
fn plans(lines: &str) -> Plans {
    let text = with_plans(lines);
    read("c.yaml", &text)
        .unwrap_or_else(|errors| panic!("{errors}\n{text}"))
        .plans
}

/// Terms of `calls` on the plan `one`.
fn terms(plan: &str) -> Terms {
    let read = plans(&format!("currency: USD\nplans:\n  one:\n{plan}"));
    read.plans[0].meters["calls"].clone()
}

fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).expect("a quantity")
}

fn threshold(percent: &str, above: bool, severity: Severity, kind: &str) -> Threshold {
    Threshold {
        percent: quantity(percent),
        above,
        severity,
        kind: kind.to_owned(),
    }
}

#[test]
fn a_catalog_without_plans_has_none() {
    assert!(plans("").is_empty());
}

#[test]
fn every_key_of_plans_is_read() {
    let plans = plans(
        "currency: EUR
default_plan: one
units: {calls: {name: K, ratio: 1000}}
derived:
  kept:
    description: What is kept
    unit: byte
    constant: 0.5
    terms: {size: 1024}
    unless: size
health: {caution: 50, warning: 60.5, critical: 70}
plans:
  one:
    title: The first
    base: 9.99
    meters:
      calls:
        included: 1.5
        limit: 2
        cap: soft
        grace: {for: 90m, up_to: 110.5}
        alerts:
          - {at: 80, severity: info}
          - {above: 100, severity: medium, kind: billing.over_limit}
        reset: day
        zone: utc
        price: {amount: 0.01, per: 0.5}
  two: {meters: {}}
",
    );
    let derived = Derived {
        name: "kept".to_owned(),
        description: "What is kept".to_owned(),
        unit: "byte".to_owned(),
        constant: quantity("0.5"),
        terms: vec![Term {
            meter: "size".to_owned(),
            weight: quantity("1024"),
        }],
        unless: Some("size".to_owned()),
    };
    let [caution, warning, critical] = ["50", "60.5", "70"].map(quantity);
    let unit = PlanUnit {
        name: "K".to_owned(),
        ratio: quantity("1000"),
    };
    assert_eq!(plans.currency, "EUR");
    assert_eq!(plans.default_plan.as_deref(), Some("one"));
    assert_eq!(plans.units, [("calls".to_owned(), unit)].into());
    assert_eq!(plans.derived, [derived]);
    assert_eq!(
        plans.health,
        HealthBounds {
            caution,
            warning,
            critical
        }
    );
    let [one, two] = &plans.plans[..] else {
        panic!("two plans");
    };
    assert_eq!(
        (one.name.as_str(), one.title.as_str()),
        ("one", "The first")
    );
    assert_eq!(one.base, Some(quantity("9.99")));
    let terms = Terms {
        included: Some(quantity("1500")),
        limit: Some(quantity("2000")),
        cap: Cap::Soft,
        grace: Some(Grace {
            seconds: 5_400,
            percent: quantity("110.5"),
        }),
        thresholds: vec![
            threshold("80", false, Severity::Info, "usage.threshold"),
            threshold("100", true, Severity::Medium, "billing.over_limit"),
        ],
        reset: Reset::Day,
        zone: PeriodZone::Utc,
        price: Some(Price {
            amount: quantity("0.01"),
            per: quantity("500"),
        }),
    };
    assert_eq!(one.meters, [("calls".to_owned(), terms)].into());
    assert_eq!((two.name.as_str(), two.title.as_str()), ("two", "two"));
    assert!(two.base.is_none() && two.meters.is_empty());
}

#[test]
fn what_is_left_out_of_a_plan_has_its_default() {
    let expected = Terms {
        included: None,
        limit: Some(quantity("5")),
        cap: Cap::None,
        grace: None,
        thresholds: Vec::new(),
        reset: Reset::Month,
        zone: PeriodZone::Utc,
        price: None,
    };
    assert_eq!(terms("    meters: {calls: {limit: 5}}\n"), expected);
    let priced = terms("    meters: {calls: {price: {amount: 3}}}\n");
    let price = Some(Price {
        amount: quantity("3"),
        per: Quantity::ONE,
    });
    assert_eq!(
        priced,
        Terms {
            limit: None,
            price,
            ..expected
        }
    );
    let grace = terms("    meters: {calls: {limit: 5, cap: soft, grace: {}}}\n").grace;
    let (seconds, percent) = (7 * 86_400, quantity("120"));
    assert_eq!(grace, Some(Grace { seconds, percent }));
}

#[test]
fn a_limit_may_be_unlimited_in_two_ways() {
    for unlimited in ["unlimited", "-1"] {
        let terms = terms(&format!("    meters: {{calls: {{limit: {unlimited}}}}}\n"));
        assert_eq!(terms.limit, None, "{unlimited}");
    }
}

#[test]
fn a_meter_takes_from_its_plan_what_it_does_not_write() {
    let shared = "    reset: billing_month\n    zone: account\n    cap: soft\n    grace: {for: 1d}\n    \
                  alerts: [{at: 90, severity: warning}]\n    meters:\n";
    let grace = |seconds| {
        Some(Grace {
            seconds,
            ..Grace::default()
        })
    };
    let alerts = vec![threshold("90", false, Severity::Warning, "usage.threshold")];
    let taken = Terms {
        included: None,
        limit: Some(quantity("5")),
        cap: Cap::Soft,
        grace: grace(86_400),
        thresholds: alerts,
        reset: Reset::BillingMonth,
        zone: PeriodZone::Account,
        price: None,
    };
    // `size` takes cap and grace in the cases where `calls` does not.
    let of = |calls: &str| {
        let size = "      size: {limit: 1}\n";
        terms(&format!("{shared}      calls: {{{calls}}}\n{size}"))
    };
    assert_eq!(of("limit: 5"), taken);
    let unlimited = Terms {
        limit: None,
        ..taken.clone()
    };
    assert_eq!(of("limit: unlimited"), unlimited);
    let hard = Terms {
        cap: Cap::Hard,
        grace: None,
        ..taken.clone()
    };
    assert_eq!(of("limit: 5, cap: hard"), hard);
    let longer = Terms {
        grace: grace(60),
        ..taken.clone()
    };
    assert_eq!(of("limit: 5, grace: {for: 60s}"), longer);
    let silent = Terms {
        thresholds: Vec::new(),
        ..taken.clone()
    };
    assert_eq!(of("limit: 5, alerts: []"), silent);
    let daily = Terms {
        reset: Reset::Day,
        zone: PeriodZone::Utc,
        ..taken.clone()
    };
    assert_eq!(of("limit: 5, reset: day, zone: utc"), daily);
    // A cap is of a limit, so it leaves alone what is only included.
    let included = Terms {
        included: Some(quantity("5")),
        limit: None,
        cap: Cap::None,
        grace: None,
        ..taken
    };
    assert_eq!(of("included: 5"), included);
}

#[test]
fn quantities_become_base_units_or_are_refused() {
    let units = "units:\n  calls: {name: T, ratio: 1000000000000000000000}\n";
    let plan = |limit: &str| {
        format!("{units}plans:\n  one:\n    meters:\n      calls: {{limit: {limit}}}\n")
    };
    let read = plans(&plan("1.000000001"));
    let limit = read.plans[0].meters["calls"].limit;
    assert_eq!(limit, Some(quantity("1000000001000000000000")));
    refused(
        &with_plans(&plan("1e9")),
        &[
            "c.yaml:12: plans.one.meters.calls.limit: `1e9` times 1000000000000000000000, in base \
           units, is beyond the range of 29 integer digits",
        ],
    );
    let fine = plan("0.0000001").replace("1000000000000000000000", "0.001");
    refused(
        &with_plans(&fine),
        &[
            "c.yaml:12: plans.one.meters.calls.limit: `0.0000001` times 0.001, in base units, has \
           more than 9 decimals",
        ],
    );
}

#[test]
fn the_manual_s_examples_of_sections_are_right() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogs/README.md");
    let manual = std::fs::read_to_string(manual).expect("the manual");
    let examples: Vec<_> = manual.split("```yaml\n").skip(2).collect();
    let meters = [
        "llm_tokens",
        "user_seats",
        "api_calls",
        "sales",
        "tickets",
        "storage",
    ];
    let meters = meters.map(|name| {
        let aggregation = if name.ends_with('s') && name.contains('_') {
            "sum"
        } else {
            "latest"
        };
        format!("  {name}: {{unit: x, event_type: {name}, aggregation: {aggregation}}}\n")
    });
    assert_eq!(examples.len(), 3);
    for example in examples {
        let (example, _) = example.split_once("```").expect("its end");
        let head = "catalog: test\nfold: 1\ncurrency: USD\nmeters:\n";
        let text = format!("{head}{}{example}", meters.concat());
        let catalog = read("README.md", &text).unwrap_or_else(|errors| panic!("{errors}"));
        let plans = &catalog.plans;
        let says_something = !plans.plans.is_empty() || !plans.derived.is_empty();
        assert!(says_something || !catalog.stripe.is_empty(), "{example}");
    }
}
