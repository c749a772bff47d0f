//! Content that the fold cannot use.

use super::*;
use crate::account::PreviousHash;

fn key_with(change: impl FnOnce(&mut ApiKey)) -> Decision {
    let Decision::ApiKey(mut decision) = api_key("k00000000001", "reader", false) else {
        unreachable!("a key was asked for")
    };
    change(&mut decision);
    Decision::ApiKey(decision)
}

fn route_with(change: impl FnOnce(&mut Route)) -> Decision {
    let Decision::Route(mut decision) = route("ops", true) else {
        unreachable!("a route was asked for")
    };
    change(&mut decision);
    Decision::Route(decision)
}

/// Content that the fold cannot use is refused to writers, halts readers, and changes nothing.
fn check_refused(decision: &Decision, field: &str) {
    let mut accounts = Accounts::default();
    append(&mut accounts, 1, account("before", "free", None));
    let refused = accounts
        .check(decision, LogTime(DAY))
        .map_err(|r| r.to_string());
    let reason = refused.expect_err(field);
    assert!(reason.starts_with(&format!("{field}: ")), "{reason}");
    let before = accounts.snapshot();
    let halt = apply(&mut accounts, 2, record("admin", None, decision.clone()));
    let halt = halt.expect_err(field);
    assert_eq!(halt.name(), "unknown_format");
    assert!(halt.to_string().contains(&reason), "{halt}");
    assert_eq!(accounts.snapshot(), before);
    // Where it is not in force, its content does not matter.
    let ignored = apply(&mut accounts, 2, record("admin", Some(0), decision.clone()));
    assert_eq!(ignored, Ok(Ruling::Ignored { head: None }));
}

#[test]
fn nonsense_in_force_halts_and_writers_are_told_before() {
    let long = "x".repeat(5_000);
    let unsorted = || vec!["b".to_owned(), "a".to_owned()];
    let many = |count| vec!["a@example.com".to_owned(); count];
    let previous = PreviousHash {
        hash: "abc".to_owned(),
        until: LogTime(1),
    };
    let webhook = Target::Webhook {
        url: "https://example.com".to_owned(),
        generation: 0,
        previous_until: None,
    };
    let email = Target::Email { to: many(65) };
    for (decision, field) in [
        (account_with(|c| c.account.clear()), "account"),
        (account_with(|c| c.account.clone_from(&long)), "account"),
        (
            account_with(|c| c.terms.name.clone_from(&long)),
            "terms.name",
        ),
        (
            account_with(|c| c.terms.plan.clone_from(&long)),
            "terms.plan",
        ),
        (
            account_with(|c| c.terms.contacts = many(65)),
            "terms.contacts",
        ),
        (
            account_with(|c| c.terms.time_zone = "Mars/Olympus".to_owned()),
            "terms.time_zone",
        ),
        (
            account_with(|c| c.terms.time_zone = "Asia/Kolkata".to_owned()),
            "terms.time_zone",
        ),
        (
            account_with(|c| c.terms.start = "2026-02-30".to_owned()),
            "terms.start",
        ),
        (
            account_with(|c| c.terms.start = "31.01.2026".to_owned()),
            "terms.start",
        ),
        (
            account_with(|c| c.terms.start = "2026-1-031".to_owned()),
            "terms.start",
        ),
        (key_with(|k| k.id = "Short".to_owned()), "id"),
        (key_with(|k| k.hash = "ABCDEF0123456789".repeat(4)), "hash"),
        (key_with(|k| k.previous = Some(previous)), "previous.hash"),
        (
            key_with(|k| k.tenants = TenantScope::These(unsorted())),
            "tenants",
        ),
        (route_with(|r| r.id = "-ops".to_owned()), "id"),
        (route_with(|r| r.id = "o".repeat(65)), "id"),
        (route_with(|r| r.meters = unsorted()), "meters"),
        (
            route_with(|r| r.target = webhook),
            "target.webhook.generation",
        ),
        (route_with(|r| r.target = email), "target.email.to"),
    ] {
        check_refused(&decision, field);
    }
}
