//! Every refusal of an account.

use super::*;
use crate::account::{AccountStatus, AccountTerms};
use crate::catalog::tests::{catalog, meter};
use crate::catalog::{Aggregation, Catalog, Problem};
use crate::period::Zone;

fn account() -> AccountTerms {
    AccountTerms {
        name: "Acme".to_owned(),
        plan: "free".to_owned(),
        status: AccountStatus::Active,
        start: "2024-02-29".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        overrides: BTreeMap::new(),
        contacts: vec!["billing@acme.example".to_owned()],
        stripe_customer: None,
    }
}

fn newest() -> Catalog {
    let names = ["calls", "messages", "seats", "latency"];
    let mut catalog = catalog(names.map(|name| meter(name, name)).into());
    catalog.meters[3].aggregation = Aggregation::Avg;
    catalog.plans = plans();
    catalog
}

/// Compares the problems of an account with one thing changed.
fn check(change: impl FnOnce(&mut AccountTerms), expected: &[&str]) {
    let mut changed = account();
    change(&mut changed);
    let problems = check_account(&changed, &newest());
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, expected);
}

/// The same with one override.
fn check_override(meter: &str, overrides: Override, expected: &[&str]) {
    let meter = meter.to_owned();
    check(|a| _ = a.overrides.insert(meter, overrides), expected);
}

#[test]
fn a_plain_account_has_no_problem() {
    check(|_| (), &[]);
    let full = Override {
        included: Some(quantity("10")),
        limit: at("10"),
        cap: Some(Cap::Soft),
        grace: Some(Grace::default()),
        thresholds: Some(vec![threshold("50"), threshold("99.999")]),
    };
    for meter in ["calls", "messages", "seats", "credit"] {
        check_override(meter, full.clone(), &[]);
    }
}

#[test]
fn unknown_plans_and_meters_are_named_with_the_nearest() {
    check(
        |a| a.plan = "fre".to_owned(),
        &["plan: `fre` is no plan of the catalog: did you mean `free`?"],
    );
    check_override(
        "call",
        Override::default(),
        &["overrides.call: `call` is no meter: did you mean `calls`?"],
    );
    check_override(
        "latency",
        Override::default(),
        &[
            "overrides.latency: `latency` cannot be limited: a mean does not say how much was \
             used; limit a `sum`, `count`, `max` or `latest`",
        ],
    );
}

#[test]
fn overrides_have_their_form() {
    let none = Override::default;
    let path = "overrides.calls";
    let below_zero = Override {
        included: Some(quantity("-0.000000001")),
        limit: at("0"),
        ..none()
    };
    check_override(
        "calls",
        below_zero,
        &[&format!("{path}.included: is below zero")],
    );
    let below_zero = Override {
        limit: at("-1"),
        ..none()
    };
    check_override(
        "calls",
        below_zero,
        &[&format!("{path}.limit: is below zero")],
    );
    let grace = Grace {
        seconds: 0,
        percent: quantity("100"),
    };
    check_override(
        "calls",
        Override {
            grace: Some(grace),
            ..none()
        },
        &[
            &format!(
                "{path}.grace.seconds: is 0 seconds, not within 1 second to 31 days: every period \
                 starts clean"
            ),
            &format!(
                "{path}.grace.percent: is 100, but must be above 100: up to the limit no grace is \
                 needed"
            ),
        ],
    );
    check_override(
        "calls",
        Override {
            thresholds: Some(vec![threshold("90"), threshold("80")]),
            ..none()
        },
        &[&format!(
            "{path}.thresholds[1].percent: 80 % follows 90 %: the shares must rise, \"at\" before \
             \"above\""
        )],
    );
}

#[test]
fn overrides_fit_the_plan() {
    let none = Override::default;
    let too_much = "is above the limit: it could never be used up";
    check_override(
        "calls",
        Override {
            included: Some(quantity("100.000000001")),
            ..none()
        },
        &[&format!("overrides.calls.included: {too_much}")],
    );
    check_override(
        "messages",
        Override {
            limit: at("9.999999999"),
            ..none()
        },
        &[&format!("overrides.messages.limit: {too_much}")],
    );
    check_override(
        "messages",
        Override {
            cap: Some(Cap::Hard),
            ..none()
        },
        &[
            "overrides.messages.cap: has no limit to hold to: write one, or drop the cap; beyond \
           what is included, use costs",
        ],
    );
    let grace = || Override {
        grace: Some(Grace::default()),
        ..none()
    };
    let needs_cap = "is of a soft cap only: write `cap: soft` and a limit, or drop the grace";
    check_override("calls", grace(), &[]);
    check_override(
        "messages",
        grace(),
        &[&format!("overrides.messages.grace: {needs_cap}")],
    );
    let hard = Override {
        cap: Some(Cap::Hard),
        ..grace()
    };
    check_override(
        "calls",
        hard,
        &[&format!("overrides.calls.grace: {needs_cap}")],
    );
}

#[test]
fn names_dates_and_zones_have_their_form() {
    check(
        |a| a.name = "x".repeat(257),
        &["name: has 257 bytes, more than 256"],
    );
    check(
        |a| a.name = "a\r\nb".to_owned(),
        &["name: holds a control character"],
    );
    for wrong in [
        "",
        "2023-02-29",
        "2024-2-29",
        "24-02-29",
        "2024-02-29T00:00:00Z",
        "2024-13-01",
    ] {
        let reason = format!("start: `{wrong}` is no date: write YYYY-MM-DD");
        check(|a| a.start = wrong.to_owned(), &[&reason]);
    }
    for wrong in ["Europe/Berln", "Asia/Kolkata", ""] {
        let mut changed = account();
        changed.time_zone = wrong.to_owned();
        let reason = Zone::parse(wrong)
            .expect_err("no zone of whole hours")
            .to_string();
        let expected = Problem::new("time_zone", reason);
        assert_eq!(check_account(&changed, &newest()), [expected], "{wrong}");
    }
}

#[test]
fn lists_are_bounded() {
    let contacts = |count: usize| (0..count).map(|n| format!("a{n}@b.example")).collect();
    check(|a| a.contacts = contacts(32), &[]);
    check(
        |a| a.contacts = contacts(33),
        &["contacts: are 33, more than 32"],
    );
    let overrides = |count: usize| (0..count).map(|n| (format!("m{n}"), Override::default()));
    check(
        |a| a.overrides = overrides(1_001).collect(),
        &["overrides: are 1001, more than 1000"],
    );
}

#[test]
fn contacts_are_addresses() {
    let mail = "@b.example";
    for right in [
        "a@b.example",
        "first.last+tag@mail.example.org",
        "root@localhost",
        "o'neil@x.y",
    ] {
        check(|a| a.contacts = vec![right.to_owned()], &[]);
    }
    let wrong = [
        "",
        "a",
        "a@",
        "@b",
        "a b@c.d",
        "a@b@c.d",
        "a@b..c",
        ".a@b.c",
        "a.@b.c",
        "a@-b.c",
        "a@b-.c",
        "a@b.c\n",
        "a@b.c, d@e.f",
        "<a@b.c>",
        "A <a@b.c>",
        "ä@b.c",
        "a@ä.c",
        &format!("{}{mail}", "a".repeat(65)),
        &format!("a@{}", "b".repeat(253)),
    ];
    for wrong in wrong {
        check(
            |a| a.contacts = vec![wrong.to_owned()],
            &["contacts[0]: is no e-mail address: write one such as `name@example.org`"],
        );
    }
    check(
        |a| a.contacts = vec!["a@b.c".to_owned(), "d@e.f".to_owned(), "a@b.c".to_owned()],
        &["contacts[2]: is contacts[0] already"],
    );
}
