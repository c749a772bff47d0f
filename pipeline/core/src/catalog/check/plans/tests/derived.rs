//! Every rule for derived quantities.

use super::*;

/// [`check`] of one derived quantity `sum`.
fn check_derived(terms: &[(&str, &str)], change: impl FnOnce(&mut Derived), expected: &[&str]) {
    let mut of = derived("sum", terms);
    change(&mut of);
    check(|p| p.derived = vec![of], expected);
}

#[test]
fn derived_quantities_are_sums_of_one_kind() {
    check_derived(&[("calls", "0"), ("a_count", "0.00025")], |_| (), &[]);
    check_derived(
        &[("seats", "1024")],
        |d| (d.constant, d.unless) = (quantity("5"), Some("size".to_owned())),
        &[],
    );
    check_derived(
        &[("calls", "1"), ("seats", "1"), ("size", "1")],
        |_| (),
        &[
            "derived[0].terms[1].meter: mixes flows and levels: what adds up over a period and what \
           holds until it changes have no common sum",
        ],
    );
    for name in ["a_min", "a_max", "a_avg"] {
        let aggregation = &name[2..];
        let reason = format!(
            "derived[0].terms[0].meter: `{name}` is a `{aggregation}`, which does not add up with \
             others"
        );
        check_derived(&[(name, "1")], |_| (), &[&reason]);
    }
    check_derived(
        &[("calls", "1")],
        |d| d.constant = Quantity::ONE,
        &[
            "derived[0].constant: is of a flow, which begins every period at 0; only levels have one",
        ],
    );
    check_derived(
        &[("seats", "1")],
        |d| d.constant = quantity("-1"),
        &["derived[0].constant: is below zero"],
    );
    for (summand, unless) in [("calls", "size"), ("seats", "calls")] {
        let reason = format!(
            "derived[0].unless: `{unless}` takes the place of levels, so all must be `latest`"
        );
        check_derived(
            &[(summand, "1")],
            |d| d.unless = Some(unless.to_owned()),
            &[&reason],
        );
    }
}

#[test]
fn derived_quantities_name_meters_once() {
    check_derived(&[], |_| (), &["derived[0].terms: are none: name a meter"]);
    check_derived(
        &[("call", "1"), ("tokens", "-0.5"), ("tokens", "1")],
        |_| (),
        &[
            "derived[0].terms[0].meter: `call` is no meter: did you mean `calls`?",
            "derived[0].terms[1].weight: is -0.5, below zero",
            "derived[0].terms[2].meter: `tokens` is terms[1] already",
        ],
    );
    check_derived(
        &[("seats", "1")],
        |d| d.unless = Some("sizes".to_owned()),
        &["derived[0].unless: `sizes` is no meter: did you mean `size`?"],
    );
    let of_itself = "is derived itself: a sum is of meters only, so write its meters";
    check_derived(
        &[("sum", "1")],
        |_| (),
        &[&format!("derived[0].terms[0].meter: `sum` {of_itself}")],
    );
    check(
        |p| {
            p.derived = vec![
                derived("one", &[("calls", "1")]),
                derived("two", &[("one", "1")]),
            ]
        },
        &[&format!("derived[1].terms[0].meter: `one` {of_itself}")],
    );
}

#[test]
fn derived_quantities_have_names_of_their_own() {
    check_derived(
        &[("calls", "1")],
        |d| d.name = "tokens".to_owned(),
        &["derived[0].name: `tokens` is the name of a meter already"],
    );
    check(
        |p| p.derived = vec![derived("sum", &[("calls", "1")]); 2],
        &["derived[1].name: `sum` is the name of derived[0] already"],
    );
    check_derived(
        &[("calls", "1")],
        |d| (d.description, d.unit) = ("x".repeat(1_025), "x".repeat(65)),
        &[
            "derived[0].description: has 1025 bytes, more than 1024",
            "derived[0].unit: has 65 bytes, more than 64",
        ],
    );
    let many = |count: usize| {
        let named = |n| derived(&format!("d{n}"), &[("calls", "1")]);
        (0..count).map(named).collect::<Vec<_>>()
    };
    check(
        |p| p.derived = many(101),
        &["derived: are 101, more than 100"],
    );
}

#[test]
fn a_meter_without_terms_is_kept_in_the_periods_of_all_that_follow_from_it() {
    let reason = "plans[0].meters.two.reset: has other periods than `one`, and both follow from \
                  `tokens`, which has no terms of its own: write the same `reset` and `zone`, or \
                  terms of `tokens`";
    let daily = |terms: &mut Terms| terms.reset = Reset::Day;
    let in_zone = |terms: &mut Terms| terms.zone = PeriodZone::Account;
    type Change = fn(&mut Terms);
    let cases: [(&str, Change, &[&str]); 4] = [
        ("tokens", |_| (), &[]),
        ("tokens", daily, &[reason]),
        ("tokens", in_zone, &[reason]),
        // `calls` has terms of its own.
        ("calls", daily, &[]),
    ];
    for (meter, change, expected) in cases {
        let two = |plans: &mut Plans| {
            plans.derived = ["one", "two"].map(|n| derived(n, &[(meter, "1")])).into();
            let mut other = terms();
            change(&mut other);
            let meters = &mut plans.plans[0].meters;
            meters.extend([("one".to_owned(), terms()), ("two".to_owned(), other)]);
        };
        check(two, expected);
    }
}

#[test]
fn the_number_of_summands_is_bounded() {
    let names: Vec<_> = (0..33).map(|n| format!("m{n}")).collect();
    let mut changed = valid();
    changed
        .meters
        .extend(names.iter().map(|name| meter(name, "event")));
    let summands: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
    changed.plans.derived = vec![derived("sum", &summands)];
    let expected = Problem::new("derived[0].terms", "are 33, more than 32");
    assert_eq!(validate(&changed), [expected]);
    changed.plans.derived[0].terms.pop();
    assert_eq!(validate(&changed), []);
}
