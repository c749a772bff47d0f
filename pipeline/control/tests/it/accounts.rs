//! Accounts, keys and routes: changed by several at once, followed in order, restored.

use crate::snapshots::{restored, write_snapshot};
use crate::support::*;
use meterline_control::{
    AccountLog, AccountsOptions, Changed, ControlError, ControlEvent, ControlLog, Decided,
    Expected, propose_after,
};
use meterline_core::account::{AccountChange, AccountStatus, AccountTerms, RunningPeriod};
use meterline_core::account::{ApiKey, Role, TenantScope};
use meterline_core::catalog::plans::{Plan, Plans};
use meterline_core::control::{ChainKey, Decision};
use meterline_core::time::LogTime;
use meterline_kafka::Settings;
use std::collections::BTreeMap;
use std::thread;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

fn plan(name: &str) -> Plan {
    Plan {
        name: name.to_owned(),
        title: String::new(),
        base: None,
        meters: BTreeMap::new(),
    }
}

/// A deployment with the plans `free` and `pro` in force, and a reader of its accounts.
pub(crate) fn with_plans() -> (Settings, AccountLog) {
    let (settings, _, log) = deployment(1);
    let mut catalog = catalog(&["a"]);
    catalog.plans = Plans {
        plans: vec![plan("free"), plan("pro")],
        ..Plans::default()
    };
    let applied = log.apply_catalog(catalog, "", &author("admin"), TIMEOUT);
    applied.expect("in force");
    let accounts = follow(&settings);
    (settings, accounts)
}

pub(crate) fn follow(settings: &Settings) -> AccountLog {
    let options = AccountsOptions::default();
    ControlLog::connect_with_accounts(settings, options).expect("a client")
}

pub(crate) fn change(id: &str, plan: &str) -> AccountChange {
    AccountChange {
        account: id.to_owned(),
        effective: None,
        running: RunningPeriod::Keep,
        origin: "a test".to_owned(),
        terms: AccountTerms {
            name: String::new(),
            plan: plan.to_owned(),
            status: AccountStatus::Active,
            start: "2026-01-31".to_owned(),
            time_zone: "UTC".to_owned(),
            overrides: BTreeMap::new(),
            contacts: Vec::new(),
            stripe_customer: None,
        },
    }
}

pub(crate) fn account(id: &str, plan: &str) -> Decision {
    Decision::Account(Box::new(change(id, plan)))
}

fn key(id: &str, revoked: bool) -> Decision {
    Decision::ApiKey(Box::new(ApiKey {
        id: id.to_owned(),
        name: "a test".to_owned(),
        hash: "0".repeat(64),
        previous: None,
        roles: vec![Role::Read],
        tenants: TenantScope::All,
        rate: None,
        revoked,
        expires: None,
    }))
}

/// Changes an account, whatever is there.
pub(crate) fn set(log: &AccountLog, id: &str, plan: &str) -> Result<Changed, ControlError> {
    let decision = account(id, plan);
    log.change(decision, Expected::Any, &author("admin"), TIMEOUT)
}

pub(crate) fn offset(changed: Result<Changed, ControlError>) -> u64 {
    match changed {
        Ok(Changed::InForce(offset)) => offset,
        other => panic!("not a new version: {other:?}"),
    }
}

/// The plan of an account's newest version, once all is read.
fn plan_of(log: &AccountLog, id: &str) -> Option<String> {
    log.control().read_to_end(TIMEOUT).expect("readable");
    let accounts = log.accounts();
    let account = accounts.account(id)?;
    Some(account.newest().terms.plan.clone())
}

#[test]
fn of_two_admins_at_once_one_wins_and_the_other_can_show_both_versions() {
    let (settings, first) = with_plans();
    let second = follow(&settings);
    let seen = offset(set(&first, "acme", "free"));
    let expected = Expected::Head(Some(seen));
    let attempt = |log: &AccountLog, plan, actor: &str| {
        let mut change = change("acme", plan);
        change.terms.name = actor.to_owned();
        let decision = Decision::Account(Box::new(change));
        log.change(decision, expected, &author(actor), TIMEOUT)
    };
    let (left, right) = thread::scope(|scope| {
        let left = scope.spawn(|| attempt(&first, "pro", "alice"));
        let right = scope.spawn(|| attempt(&second, "free", "bob"));
        (
            left.join().expect("no panic"),
            right.join().expect("no panic"),
        )
    });
    let (winner, won, lost) = match (left, right) {
        (Ok(won), Err(lost)) => ("alice", won, lost),
        (Err(lost), Ok(won)) => ("bob", won, lost),
        (left, right) => panic!("{left:?} {right:?}"),
    };
    let ControlError::Raced {
        offset: at, actor, ..
    } = lost
    else {
        panic!("{lost}");
    };
    assert_eq!((won, actor.as_str()), (Changed::InForce(at), winner));
    let plan = plan_of(&second, "acme");
    assert_eq!(plan_of(&first, "acme"), plan);
    let late = attempt(&second, "free", "carol").expect_err("the head moved on");
    let ControlError::Raced { offset, actor, .. } = late else {
        panic!("{late}");
    };
    let theirs = second.control().record_at(offset, TIMEOUT).expect("read");
    let Decision::Account(change) = theirs.record.decision else {
        panic!("of another kind");
    };
    assert_eq!(
        (actor.as_str(), change.terms.name.as_str()),
        (winner, winner)
    );
    assert_eq!(Some(change.terms.plan), plan);
    assert_eq!((offset, theirs.record.head), (at, Some(seen)));
}

#[test]
fn a_writer_that_lost_is_told_so_however_far_the_chain_has_moved_on() {
    let (settings, log) = with_plans();
    let record = log.propose(account("acme", "free"), &author("alice"));
    let written = write_raw(&settings, Some(&encoded(&record)));
    let lost = propose_after(None, account("acme", "pro"), &author("bob"));
    write_raw(&settings, Some(&encoded(&lost)));
    for plan in ["pro", "free", "pro"] {
        offset(set(&log, "acme", plan));
    }
    let end = end_of(&settings);
    // One reader knows the links, another starts from a snapshot and must ask the log for them.
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = Runtime::new().expect("a runtime");
    write_snapshot(&settings, folder.path(), &runtime);
    let restored = restored(&settings, folder.path(), &runtime);
    for log in [&log, &follow(&settings), &restored] {
        let again = log.control().decide(&record, TIMEOUT).expect("an answer");
        let Decided::InForce { offset, .. } = again else {
            panic!("{again:?}");
        };
        assert_eq!(offset, written.offset);
        let again = log.control().decide(&lost, TIMEOUT).expect("an answer");
        let Decided::Lost { offset, actor, .. } = again else {
            panic!("{again:?}");
        };
        assert_eq!((offset, actor.as_str()), (written.offset, "alice"));
        let never = propose_after(Some(1), account("acme", "pro"), &author("carol"));
        let error = log.control().decide(&never, TIMEOUT).expect_err("no head");
        assert!(
            matches!(error, ControlError::NoSuchHead { head: 1, .. }),
            "{error}"
        );
    }
    assert_eq!(end_of(&settings), end, "nothing more was written");
    let history = log
        .control()
        .history(&ChainKey::Account("acme".to_owned()), 3, TIMEOUT);
    let history = history.expect("readable");
    let offsets: Vec<_> = history.iter().map(|past| past.offset).collect();
    assert_eq!(offsets, [end - 1, end - 2, end - 3]);
}

#[test]
fn a_history_goes_on_behind_a_version_of_the_same_chain_alone() {
    let (settings, log) = with_plans();
    let mut versions: Vec<_> = ["free", "pro", "free"]
        .map(|plan| offset(set(&log, "acme", plan)))
        .into();
    let lost = propose_after(None, account("acme", "pro"), &author("bob"));
    let lost = write_raw(&settings, Some(&encoded(&lost))).offset;
    let of_another = offset(set(&log, "globex", "free"));
    versions.push(offset(set(&log, "acme", "pro")));
    versions.reverse();
    let chain = ChainKey::Account("acme".to_owned());
    // One reader knows the links, another starts from a snapshot and must ask the log for them.
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = Runtime::new().expect("a runtime");
    write_snapshot(&settings, folder.path(), &runtime);
    let restored = restored(&settings, folder.path(), &runtime);
    for log in [&log, &restored] {
        let read = |before, limit| {
            let control = log.control();
            control.history_before(&chain, before, limit, TIMEOUT)
        };
        let check = |before: Option<u64>, limit, expected: &[u64]| {
            let found = read(before, limit).expect("readable");
            let found: Vec<_> = found.iter().map(|past| past.offset).collect();
            assert_eq!(found, expected, "{before:?} {limit}");
        };
        check(None, 9, &versions);
        check(Some(versions[0]), 2, &versions[1..3]);
        check(Some(versions[2]), 2, &versions[3..]);
        check(Some(versions[3]), 2, &[]);
        for foreign in [lost, of_another, 0, versions[0] + 1] {
            let error = read(Some(foreign), 9).expect_err("not of this chain");
            let is_foreign =
                matches!(error, ControlError::NoSuchHead { head, .. } if head == foreign);
            assert!(is_foreign, "{foreign}: {error}");
        }
    }
}

#[test]
fn what_changes_nothing_is_not_written_and_what_is_wrong_is_refused() {
    let (settings, log) = with_plans();
    let first = offset(set(&log, "acme", "free"));
    let end = end_of(&settings);
    assert_eq!(
        set(&log, "acme", "free").expect("there"),
        Changed::Unchanged(first)
    );
    let error = set(&log, "acme", "pros").expect_err("no such plan");
    assert!(error.to_string().contains("`pro`"), "{error}");
    let error = log
        .change(
            account("acme", "pro"),
            Expected::Head(None),
            &author("bob"),
            TIMEOUT,
        )
        .expect_err("it is there");
    assert!(
        matches!(error, ControlError::Raced { offset, .. } if offset == first),
        "{error}"
    );
    assert_eq!(end_of(&settings), end, "nothing was written");

    let revoke = |revoked| {
        let decision = key("abcdefghijkl", revoked);
        log.change(decision, Expected::Any, &author("admin"), TIMEOUT)
    };
    offset(revoke(false));
    offset(revoke(true));
    let end = end_of(&settings);
    let error = revoke(false).expect_err("it was revoked");
    assert!(error.to_string().contains("was revoked"), "{error}");
    let record = log.propose(key("abcdefghijkl", false), &author("admin"));
    let error = log.control().decide(&record, TIMEOUT).expect_err("ignored");
    assert!(matches!(error, ControlError::Unfit(_)), "{error}");
    assert_eq!(end_of(&settings), end, "nothing was written");
}

#[test]
fn a_version_to_come_is_unchanged_only_at_its_moment() {
    let (_, log) = with_plans();
    let at = LogTime(4_000_000_000_000);
    let later = |effective| {
        let mut change = change("acme", "pro");
        change.effective = Some(effective);
        let decision = Decision::Account(Box::new(change));
        log.change(decision, Expected::Any, &author("admin"), TIMEOUT)
    };
    offset(set(&log, "acme", "free"));
    let first = offset(later(at));
    assert_eq!(later(at).expect("there"), Changed::Unchanged(first));
    assert!(offset(later(LogTime(at.0 + 1))) > first);
    // At once, and so in the place of both.
    offset(set(&log, "acme", "pro"));
    assert_eq!(
        log.accounts()
            .account("acme")
            .expect("there")
            .versions()
            .len(),
        2
    );
}

#[test]
fn many_changes_are_on_their_way_together_and_each_is_answered() {
    let (settings, log) = with_plans();
    let ids: Vec<String> = (0..2_000).map(|number| format!("t{number}")).collect();
    let seen = offset(set(&log, "t7", "pro"));
    let all = |expected| {
        let changes = ids.iter().map(|id| (account(id, "free"), expected));
        let changed = log.change_all(changes.collect(), &author("import"), TIMEOUT);
        changed.expect("an answer")
    };
    for (id, changed) in ids.iter().zip(all(Expected::Head(None))) {
        match (id.as_str(), changed) {
            ("t7", Err(ControlError::Raced { offset, .. })) => assert_eq!(offset, seen),
            (_, Ok(Changed::InForce(_))) => {}
            (_, other) => panic!("{id}: {other:?}"),
        }
    }
    let end = end_of(&settings);
    assert_eq!(log.accounts().len(), ids.len());
    let again = all(Expected::Any);
    let written = again
        .iter()
        .filter(|changed| matches!(changed, Ok(Changed::InForce(_))));
    assert_eq!(written.count(), 1, "t7 was of another plan");
    assert_eq!(end_of(&settings), end + 1);
}

#[test]
fn the_feed_has_every_record_in_order_and_says_which_are_in_force() {
    let (settings, log) = with_plans();
    offset(set(&log, "acme", "free"));
    let late = propose_after(None, account("acme", "pro"), &author("bob"));
    write_raw(&settings, Some(&encoded(&late)));
    offset(set(&log, "globex", "pro"));
    let end = end_of(&settings);
    // Smaller than the log: the reader waits for its receiver.
    let (sender, mut events) = mpsc::channel(1);
    let options = AccountsOptions {
        snapshots: None,
        feed: Some(sender),
    };
    let fed = ControlLog::connect_with_accounts(&settings, options).expect("a client");
    let mut seen = Vec::new();
    for at in 0..end {
        let Some(ControlEvent::Record(entry)) = events.blocking_recv() else {
            panic!("it began at a snapshot");
        };
        assert_eq!(entry.offset, at);
        assert!(entry.append_time > LogTime(0));
        seen.push((entry.record().decision.kind(), entry.in_force));
    }
    let expected = [
        ("topic", true),
        ("catalog", true),
        ("account", true),
        ("account", false),
        ("account", true),
    ];
    assert_eq!(seen, expected);
    // A receiver that went away holds nobody back.
    drop(events);
    offset(set(&log, "initech", "pro"));
    assert_eq!(plan_of(&fed, "initech").as_deref(), Some("pro"));
}

#[test]
fn a_reader_without_accounts_passes_what_it_could_not_read() {
    let (settings, _, log) = deployment(1);
    publish(&log, &["a"]);
    let record = propose_after(None, account("acme", "free"), &author("later release"));
    let bytes = encoded(&record);
    // A field of a later release, in the place of one that this binary knows.
    let place = bytes
        .windows(6)
        .position(|part| part == b"origin")
        .expect("a field");
    let mut strange = bytes.clone();
    strange[place..place + 6].copy_from_slice(b"region");
    write_raw(&settings, Some(&strange));
    let view = log.read_to_end(TIMEOUT).expect("passed");
    assert_eq!(view.position(), end_of(&settings));
    let error = follow(&settings)
        .control()
        .read_to_end(TIMEOUT)
        .expect_err("halted");
    assert!(matches!(error, ControlError::Halted { .. }), "{error}");
    let error = log
        .decide(&record, TIMEOUT)
        .expect_err("it knows no accounts");
    assert!(matches!(error, ControlError::NotFollowed { .. }), "{error}");
}
