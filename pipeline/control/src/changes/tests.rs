//! What is written and what is not.

use super::*;
use meterline_core::account::{AccountStatus, AccountTerms};
use meterline_core::catalog::plans::Severity;
use std::collections::BTreeMap;

/// 2026-11-21T12:00:00Z.
const NOON: i64 = 1_795_262_400_000;
const MINUTE: i64 = 60_000;

fn author() -> Author {
    Author {
        actor: "test".to_owned(),
        note: String::new(),
    }
}

fn account(running: RunningPeriod) -> AccountChange {
    AccountChange {
        account: "acme".to_owned(),
        effective: None,
        running,
        origin: String::new(),
        terms: AccountTerms {
            name: String::new(),
            plan: "free".to_owned(),
            status: AccountStatus::Active,
            start: "2026-01-01".to_owned(),
            time_zone: "UTC".to_owned(),
            overrides: BTreeMap::new(),
            contacts: Vec::new(),
            stripe_customer: None,
        },
    }
}

/// Appends it to its chain.
fn append(accounts: &mut Accounts, at: i64, decision: Decision) {
    let record = ControlRecord {
        write_id: 1,
        actor: "test".to_owned(),
        note: String::new(),
        head: accounts.head_of(&ChainKey::of(&decision)),
        decision,
    };
    let offset = accounts.position();
    let applied = accounts.apply(offset, LogTime(at), &record);
    applied.expect("applies");
}

#[test]
fn a_new_period_is_the_same_only_within_its_hour() {
    use RunningPeriod::{Keep, Restart};
    let check = |newest: RunningPeriod, change: RunningPeriod, minutes: i64, expected: bool| {
        let mut accounts = Accounts::default();
        let first = Decision::Account(Box::new(account(newest)));
        append(&mut accounts, NOON, first);
        let now = LogTime(NOON + minutes * MINUTE);
        let same = is_same_account(&account(change), &accounts, now);
        assert_eq!(
            same, expected,
            "{newest:?}, {change:?} {minutes} minutes later"
        );
    };
    check(Keep, Keep, 10, true);
    check(Keep, Keep, 90, true);
    check(Restart, Keep, 90, true);
    check(Keep, Restart, 10, false);
    check(Restart, Restart, 59, true);
    check(Restart, Restart, 60, false);
}

#[test]
fn a_route_keeps_the_way_in_which_it_tells() {
    let route = |target: &Target| {
        Decision::Route(Box::new(Route {
            id: "ops".to_owned(),
            account: None,
            meters: Vec::new(),
            severity: Severity::Info,
            target: target.clone(),
            enabled: true,
        }))
    };
    let webhook = |path: &str| Target::Webhook {
        url: format!("https://hooks.example/{path}"),
        generation: 2,
        previous_until: None,
    };
    let email = Target::Email {
        to: vec!["ops@example.com".to_owned()],
    };
    let kafka = Target::Kafka {
        topic: "alerts".to_owned(),
    };
    let check = |known: &Target, new: &Target, is_refused: bool| {
        let mut accounts = Accounts::default();
        append(&mut accounts, NOON, route(known));
        let view = View::default();
        let prepared = prepare(route(new), Expected::Any, &author(), &accounts, &view);
        match prepared {
            Ok(_) => assert!(!is_refused, "{new:?} after {known:?}"),
            Err(error) => {
                assert!(is_refused, "{error}");
                assert!(error.to_string().contains("make a new route"), "{error}");
            }
        }
    };
    check(&webhook("a"), &webhook("b"), false);
    check(&webhook("a"), &email, true);
    check(&email, &webhook("a"), true);
    check(&email, &kafka, true);
    check(&kafka, &kafka, false);
}
