//! Every rule for what a plan says of one meter.

use super::*;

#[test]
fn quantities_are_not_negative_and_fit_each_other() {
    check_terms(|t| t.limit = some("0"), &[]);
    check_terms(
        |t| t.limit = some("-0.000000001"),
        &["limit: is below zero"],
    );
    check_terms(|t| t.included = some("-1"), &["included: is below zero"]);
    check_terms(
        |t| t.included = some("100.000000001"),
        &["included: is above the limit: it could never be used up"],
    );
    check_terms(
        |t| (t.included, t.limit, t.cap) = (some("5"), None, Cap::Soft),
        &[
            "cap: has no limit to hold to: write one, or drop the cap; beyond what is included, use \
           costs",
        ],
    );
}

#[test]
fn a_grace_has_a_soft_cap_and_a_length() {
    let needs_cap = "grace: is of a soft cap only: write `cap: soft` and a limit, or drop the \
                     grace";
    for cap in [Cap::None, Cap::Hard] {
        check_terms(
            |t| (t.cap, t.grace) = (cap, Some(Grace::default())),
            &[needs_cap],
        );
    }
    let with = |seconds, percent: &str, expected: &[&str]| {
        let grace = Grace {
            seconds,
            percent: quantity(percent),
        };
        check_terms(|t| (t.cap, t.grace) = (Cap::Soft, Some(grace)), expected);
    };
    with(1, "100.001", &[]);
    with(31 * 86_400, "10000", &[]);
    for wrong in [0, 31 * 86_400 + 1] {
        let reason = format!(
            "grace.seconds: is {wrong} seconds, not within 1 second to 31 days: every period \
             starts clean"
        );
        with(wrong, "120", &[&reason]);
    }
    with(
        1,
        "100",
        &["grace.percent: is 100, but must be above 100: up to the limit no grace is needed"],
    );
    with(
        1,
        "100.0001",
        &["grace.percent: is 100.0001, with more than three decimals"],
    );
    with(
        1,
        "10001",
        &["grace.percent: is 10001, not above 0 and at most 10000"],
    );
}

#[test]
fn thresholds_rise() {
    let order = "the shares must rise, \"at\" before \"above\"";
    let list = |list: &[(&str, bool)], expected: &[&str]| {
        let list = list
            .iter()
            .map(|(percent, above)| threshold(percent, *above));
        check_terms(|t| t.thresholds = list.collect(), expected);
    };
    list(
        &[("90", false), ("80", false), ("85", false)],
        &[&format!(
            "thresholds[1].percent: 80 % follows 90 %: {order}"
        )],
    );
    list(
        &[("100", true), ("100", false)],
        &[&format!(
            "thresholds[1].percent: 100 % follows >100 %: {order}"
        )],
    );
    list(
        &[("80", false), ("80.0", false)],
        &["thresholds[1].percent: 80 % is there twice"],
    );
    for wrong in ["0", "-80", "10000.001"] {
        let reason = format!("thresholds[0].percent: is {wrong}, not above 0 and at most 10000");
        list(&[(wrong, false)], &[&reason]);
    }
    list(
        &[("80.0001", true)],
        &["thresholds[0].percent: is 80.0001, with more than three decimals"],
    );
    let many: Vec<_> = (1..=17).map(|n| threshold(&n.to_string(), false)).collect();
    check_terms(|t| t.thresholds = many[..16].to_vec(), &[]);
    check_terms(
        |t| t.thresholds = many,
        &["thresholds: are 17, more than 16"],
    );
}

#[test]
fn kinds_of_alerts_are_names() {
    let with = |kind: &str, expected: &[&str]| {
        let kind = kind.to_owned();
        let of = Threshold {
            kind,
            ..threshold("80", false)
        };
        check_terms(|t| t.thresholds = vec![of], expected);
    };
    with("billing.over_limit", &[]);
    with(&"a".repeat(64), &[]);
    for wrong in ["", ".a", "A", "a-b", "a b", "a\n", &"a".repeat(65)] {
        let reason = format!(
            "thresholds[0].kind: `{wrong}` is no kind of alert: a lowercase letter, then \
             lowercase letters, digits, dots and underscores, 64 bytes at most"
        );
        with(wrong, &[&reason]);
    }
}

#[test]
fn prices_have_a_form_and_a_currency() {
    let price = |amount: &str, per: &str| {
        let (amount, per) = (quantity(amount), quantity(per));
        move |plans: &mut Plans| {
            plans.currency = "USD".to_owned();
            let calls = plans.plans[0].meters.get_mut("calls");
            calls.expect("the plan has it").price = Some(Price { amount, per });
        }
    };
    check(price("0", "0.000000001"), &[]);
    check(
        price("-0.01", "0"),
        &[
            "plans[0].meters.calls.price.amount: is below zero",
            "plans[0].meters.calls.price.per: is 0, but must be above 0",
        ],
    );
    check(
        |p| (p.currency, p.plans[0].base) = ("EUR".to_owned(), some("-1")),
        &["plans[0].base: is below zero"],
    );
    let missing = "currency: is missing, but there are prices: write an ISO 4217 code, such as USD";
    check(|p| p.plans[0].base = some("0"), &[missing]);
    check(
        |p| {
            price("1", "1")(p);
            p.currency.clear();
        },
        &[missing],
    );
    for wrong in ["usd", "US", "USDT", "U$D", "€"] {
        let reason =
            format!("currency: `{wrong}` is no ISO 4217 code: three capital letters, such as USD");
        check(|p| p.currency = wrong.to_owned(), &[&reason]);
    }
}

#[test]
fn distinct_values_are_limited_in_utc_windows_only() {
    let reason = "`unique_count` is exact in UTC hours, days and calendar months only: a value \
                  that is seen in two of another period's hours would count twice";
    let cases = [
        (Reset::Hour, PeriodZone::Utc, None),
        (Reset::Hour, PeriodZone::Account, None),
        (Reset::Day, PeriodZone::Utc, None),
        (Reset::Day, PeriodZone::Account, Some("zone")),
        (Reset::Month, PeriodZone::Utc, None),
        (Reset::Month, PeriodZone::Account, Some("zone")),
        (Reset::BillingMonth, PeriodZone::Utc, Some("reset")),
        (Reset::BillingMonth, PeriodZone::Account, Some("reset")),
    ];
    for (reset, zone, wrong) in cases {
        for name in ["users", "sum"] {
            let mut changed = valid();
            changed.meters.push(meter("users", "users"));
            changed.meters.last_mut().expect("one").aggregation = Aggregation::UniqueCount;
            changed.plans.derived = vec![derived("sum", &[("calls", "1"), ("users", "1")])];
            let of = Terms {
                reset,
                zone,
                ..terms()
            };
            changed.plans.plans[0].meters = [(name.to_owned(), of)].into();
            let expected = wrong.map(|field| {
                let path = format!("plans[0].meters.{name}.{field}");
                Problem::new(path, reason)
            });
            let problems = validate(&changed).into_iter();
            let problems = problems.filter(|p| !p.reason.ends_with("is not built yet"));
            let problems: Vec<_> = problems.collect();
            assert_eq!(
                problems,
                Vec::from_iter(expected),
                "{name} {reset:?} {zone:?}"
            );
        }
    }
}

#[test]
fn only_what_adds_up_or_holds_is_limited() {
    let limit = |name: &'static str, expected: &[&str]| {
        check(
            |p| _ = p.plans[0].meters.insert(name.to_owned(), terms()),
            expected,
        );
    };
    for right in ["tokens", "seats", "a_count", "a_max", "a_latest"] {
        limit(right, &[]);
    }
    limit(
        "token",
        &["plans[0].meters.token: `token` is no meter: did you mean `tokens`?"],
    );
    limit(
        "a_min",
        &[
            "plans[0].meters.a_min: `a_min` cannot be limited: a smallest quantity does not say how \
           much was used; limit a `sum`, `count`, `max` or `latest`",
        ],
    );
    limit(
        "a_avg",
        &[
            "plans[0].meters.a_avg: `a_avg` cannot be limited: a mean does not say how much was \
           used; limit a `sum`, `count`, `max` or `latest`",
        ],
    );
}
