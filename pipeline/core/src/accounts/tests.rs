//! The fold over accounts: what is in force and in effect, and what is refused.

use super::*;
use crate::account::{
    AccountChange, AccountStatus, AccountTerms, Role, RunningPeriod, Target, TenantScope,
};
use crate::catalog::plans::{PeriodZone, Reset, Severity};
use crate::control::TopicCreated;
use crate::period::Zone;
use crate::position::TopicId;

mod chains;
mod customers;
mod refusals;
mod snapshots;

const DAY: i64 = 86_400_000;

fn terms(plan: &str) -> AccountTerms {
    AccountTerms {
        name: "Example Ltd".to_owned(),
        plan: plan.to_owned(),
        status: AccountStatus::Active,
        start: "2026-01-31".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        overrides: BTreeMap::new(),
        contacts: vec!["billing@example.com".to_owned()],
        stripe_customer: None,
    }
}

fn account(id: &str, plan: &str, effective: Option<i64>) -> Decision {
    Decision::Account(Box::new(AccountChange {
        account: id.to_owned(),
        effective: effective.map(LogTime),
        running: RunningPeriod::Keep,
        origin: "192.0.2.1".to_owned(),
        terms: terms(plan),
    }))
}

fn account_with(change: impl FnOnce(&mut AccountChange)) -> Decision {
    let Decision::Account(mut decision) = account("acme", "free", None) else {
        unreachable!("an account was asked for")
    };
    change(&mut decision);
    Decision::Account(decision)
}

fn api_key(id: &str, name: &str, revoked: bool) -> Decision {
    Decision::ApiKey(Box::new(ApiKey {
        id: id.to_owned(),
        name: name.to_owned(),
        hash: "0123456789abcdef".repeat(4),
        previous: None,
        roles: vec![Role::Read],
        tenants: TenantScope::These(vec!["acme".to_owned()]),
        rate: None,
        revoked,
        expires: None,
    }))
}

fn route(id: &str, enabled: bool) -> Decision {
    Decision::Route(Box::new(Route {
        id: id.to_owned(),
        account: None,
        meters: vec!["calls".to_owned()],
        severity: Severity::Warning,
        target: Target::Email { to: Vec::new() },
        enabled,
    }))
}

fn other() -> Decision {
    Decision::Topic(TopicCreated {
        topic: "usage.events".to_owned(),
        topic_id: TopicId(7),
        partitions: 1,
    })
}

fn record(actor: &str, head: Option<Offset>, decision: Decision) -> ControlRecord {
    ControlRecord {
        write_id: 1,
        actor: actor.to_owned(),
        note: String::new(),
        head,
        decision,
    }
}

/// Appends a record that names its chain's head, and says whether it is in force.
fn append(accounts: &mut Accounts, day: i64, decision: Decision) -> bool {
    let head = accounts.head_of(&ChainKey::of(&decision));
    let ruling = apply(accounts, day, record("admin", head, decision));
    ruling.expect("readable") == Ruling::InForce
}

fn apply(accounts: &mut Accounts, day: i64, record: ControlRecord) -> Result<Ruling, Halt> {
    accounts.apply(accounts.position(), LogTime(day * DAY), &record)
}

/// Plan of the version in effect on a day.
fn plan(accounts: &Accounts, id: &str, day: i64) -> Option<String> {
    let version = accounts.account(id)?.at(LogTime(day * DAY))?;
    Some(version.terms.plan.clone())
}

#[test]
fn of_two_admins_at_once_the_first_wins() {
    let mut accounts = Accounts::default();
    assert!(append(&mut accounts, 1, account("acme", "free", None)));
    for (actor, plan) in [("first", "pro"), ("second", "team")] {
        let record = record(actor, Some(0), account("acme", plan, None));
        let ruling = apply(&mut accounts, 2, record).expect("readable");
        let expected = match actor {
            "first" => Ruling::InForce,
            _ => Ruling::Ignored { head: Some(1) },
        };
        assert_eq!(ruling, expected);
    }
    let newest = accounts.account("acme").expect("there").newest();
    assert_eq!((newest.offset, &*newest.actor), (1, "first"));
    assert_eq!(newest.terms.plan, "pro");
    let chain = ChainKey::Account("acme".to_owned());
    assert_eq!(accounts.head_of(&chain), Some(1));
    assert_eq!(accounts.position(), 3);
}

#[test]
fn a_version_takes_effect_at_its_moment_but_not_before_its_record() {
    let mut accounts = Accounts::default();
    append(&mut accounts, 10, account("acme", "free", Some(5 * DAY)));
    append(&mut accounts, 20, account("acme", "pro", Some(30 * DAY)));
    for (day, expected) in [
        (9, None),
        (10, Some("free")),
        (29, Some("free")),
        (30, Some("pro")),
        (1_000, Some("pro")),
    ] {
        assert_eq!(
            plan(&accounts, "acme", day).as_deref(),
            expected,
            "day {day}"
        );
    }
    let acme = accounts.account("acme").expect("there");
    let pending = |day| acme.pending(LogTime(day * DAY)).len();
    assert_eq!((pending(20), pending(30)), (1, 0));
    // Log time never goes back, whatever a record's own append time.
    append(&mut accounts, 1, account("other", "free", None));
    assert_eq!(plan(&accounts, "other", 19), None);
    assert_eq!(plan(&accounts, "other", 20).as_deref(), Some("free"));
}

#[test]
fn a_later_record_drops_versions_that_would_take_effect_with_or_after_it() {
    let mut accounts = Accounts::default();
    append(&mut accounts, 10, account("acme", "free", None));
    for (plan, day) in [("pro", 30), ("team", 40), ("max", 50)] {
        append(&mut accounts, 20, account("acme", plan, Some(day * DAY)));
    }
    append(&mut accounts, 21, account("acme", "pro2", Some(40 * DAY)));
    let account = accounts.account("acme").expect("there");
    let plans = account.versions().iter().map(|v| v.terms.plan.as_str());
    assert_eq!(plans.collect::<Vec<_>>(), ["free", "pro", "pro2"]);
    // A change at once replaces all that was to come.
    append(&mut accounts, 22, self::account("acme", "now", None));
    let account = accounts.account("acme").expect("there");
    let plans = account.versions().iter().map(|v| v.terms.plan.as_str());
    assert_eq!(plans.collect::<Vec<_>>(), ["free", "now"]);
}

#[test]
fn a_timeline_follows_the_versions() {
    let mut accounts = Accounts::default();
    append(&mut accounts, 20_000, account("acme", "free", None));
    let restart = account_with(|change| {
        change.running = RunningPeriod::Restart;
        change.terms.time_zone = "UTC".to_owned();
    });
    append(&mut accounts, 20_010, restart);
    let account = accounts.account("acme").expect("there");
    let [first, second] = account.versions() else {
        panic!("two versions: {account:?}")
    };
    assert_eq!((first.anchor_day, first.zone.name()), (31, "Europe/Berlin"));
    assert_eq!(second.zone, Zone::utc());
    let rule = |version: &Version| Some(version.rule(Reset::BillingMonth, PeriodZone::Account));
    let timeline = account.timeline(rule).expect("two rules");
    let start = timeline
        .period_at(LogTime(20_011 * DAY).as_event_time())
        .start;
    assert_eq!(start, LogTime(20_010 * DAY).as_event_time());
    // A version whose plan says nothing of the meter goes on with the rule before it.
    let by_first = |version: &Version| rule(version).filter(|_| version.offset == 0);
    let timeline = account.timeline(by_first).expect("one rule");
    let expected = first.rule(Reset::BillingMonth, PeriodZone::Account);
    assert_eq!(timeline, crate::period::Timeline::new(expected));
    assert_eq!(account.timeline(|_| None), None);
}

#[test]
fn a_revoked_key_stays_revoked() {
    let mut accounts = Accounts::default();
    let id = "k00000000001";
    assert!(append(&mut accounts, 1, api_key(id, "reader", false)));
    assert!(append(&mut accounts, 2, api_key(id, "reader", true)));
    let again = api_key(id, "back", false);
    let refused = accounts.check(&again, LogTime(3 * DAY));
    assert_eq!(refused, Err(Refused::Revoked(id.to_owned())));
    let ruling = apply(&mut accounts, 3, record("admin", Some(1), again));
    assert_eq!(ruling, Ok(Ruling::Ignored { head: Some(1) }));
    assert!(accounts.key(id).expect("there").revoked);
    // It can still be renamed, and the chain goes on from the same head.
    assert!(append(&mut accounts, 4, api_key(id, "old reader", true)));
    assert_eq!(accounts.key(id).expect("there").name, "old reader");
    assert_eq!(accounts.keys().count(), 1);
}

#[test]
fn routes_are_replaced_by_their_ids() {
    let mut accounts = Accounts::default();
    for (id, enabled) in [("ops", true), ("sales", true), ("ops", false)] {
        assert!(append(&mut accounts, 1, route(id, enabled)));
    }
    let routes: Vec<_> = accounts
        .routes()
        .map(|r| (r.id.as_str(), r.enabled))
        .collect();
    assert_eq!(routes, [("ops", false), ("sales", true)]);
    assert!(accounts.route("sales").is_some() && accounts.route("none").is_none());
    let head = |id: &str| accounts.head_of(&ChainKey::Route(id.to_owned()));
    assert_eq!(
        (head("ops"), head("sales"), head("none")),
        (Some(2), Some(1), None)
    );
}

#[test]
fn versions_that_wait_are_bounded() {
    let mut accounts = Accounts::default();
    append(&mut accounts, 1, account("acme", "free", None));
    for day in 0..i64::try_from(PENDING_MAX).expect("small") {
        assert!(append(
            &mut accounts,
            2,
            account("acme", "pro", Some((10 + day) * DAY))
        ));
    }
    let one_more = account("acme", "pro", Some(1_000 * DAY));
    let refused = accounts.check(&one_more, LogTime(2 * DAY));
    assert_eq!(refused, Err(Refused::TooManyPending("acme".to_owned())));
    assert!(!append(&mut accounts, 2, one_more.clone()));
    // One that replaces some of them is taken, and so is one more once some are in effect.
    assert_eq!(
        accounts.check(&account("acme", "pro", None), LogTime(2 * DAY)),
        Ok(())
    );
    assert!(append(&mut accounts, 10, one_more));
    assert_eq!(plan(&accounts, "acme", 9).as_deref(), Some("free"));
}

#[test]
fn versions_that_were_in_effect_are_bounded() {
    let mut accounts = Accounts::default();
    for _ in 0..VERSIONS_MAX + 10 {
        let minutes = LogTime(i64::try_from(accounts.position()).expect("small") * 60_000);
        let head = accounts.head_of(&ChainKey::Account("acme".to_owned()));
        let record = record("admin", head, account("acme", "free", None));
        let ruling = accounts.apply(accounts.position(), minutes, &record);
        assert_eq!(ruling, Ok(Ruling::InForce));
    }
    let account = accounts.account("acme").expect("there");
    assert_eq!(account.versions().len(), VERSIONS_MAX);
    assert_eq!(account.newest().offset, accounts.position() - 1);
}

#[test]
fn accounts_are_listed_by_id_in_pages() {
    let mut accounts = Accounts::default();
    for id in ["delta", "alpha", "charlie", "bravo"] {
        append(&mut accounts, 1, account(id, "free", None));
    }
    let page = |after: Option<&str>, limit| -> Vec<_> {
        let page = accounts.accounts_after(after, limit);
        page.map(|(id, _)| id.to_owned()).collect()
    };
    assert_eq!(page(None, 2), ["alpha", "bravo"]);
    assert_eq!(page(Some("bravo"), 10), ["charlie", "delta"]);
    assert_eq!(page(Some("c"), 1), ["charlie"]);
    assert_eq!(page(Some("delta"), 1), Vec::<String>::new());
    assert_eq!((accounts.len(), accounts.accounts().count()), (4, 4));
    for (unknown, near) in [
        ("charly", Some("charlie")),
        ("bravo1", Some("bravo")),
        ("x", None),
    ] {
        assert_eq!(accounts.nearest_account(unknown), near, "{unknown}");
    }
}
