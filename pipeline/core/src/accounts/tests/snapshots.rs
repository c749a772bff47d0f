//! Snapshots: the same state again, or a refusal.

use super::*;
use crate::account::{LimitOverride, Override};
use crate::quantity::Quantity;

/// Accounts with several versions, an override, keys and routes.
fn full() -> Accounts {
    let mut accounts = Accounts::default();
    append(&mut accounts, 1, account("acme", "free", None));
    append(&mut accounts, 2, account("zeta", "pro", Some(90 * DAY)));
    append(&mut accounts, 3, account("acme", "pro", Some(40 * DAY)));
    let limit = Override {
        limit: Some(LimitOverride::At(Quantity::ONE)),
        ..Override::default()
    };
    let special = account_with(|change| {
        change.account = "mid".to_owned();
        change.running = RunningPeriod::Restart;
        change.terms.status = AccountStatus::Suspended;
        change.terms.contacts.clear();
        change.terms.stripe_customer = Some("cus_mid".to_owned());
        change.terms.overrides.insert("calls".to_owned(), limit);
    });
    append(&mut accounts, 4, special);
    append(&mut accounts, 5, api_key("k00000000001", "reader", true));
    append(&mut accounts, 6, route("ops", true));
    append(&mut accounts, 7, other());
    accounts
}

fn check_refused(bytes: &[u8], reason: &str) {
    let halt = Accounts::restore(bytes).expect_err(reason);
    assert_eq!(halt.name(), "unknown_format");
    assert!(halt.to_string().contains(reason), "{halt}, not {reason}");
}

#[test]
fn a_snapshot_is_the_same_state_again() {
    for accounts in [Accounts::default(), full()] {
        let bytes = accounts.snapshot();
        let restored = Accounts::restore(&bytes).expect("its own format");
        assert_eq!(restored.snapshot(), bytes);
        assert_eq!(restored.position(), accounts.position());
        assert_eq!(restored.log_time(), accounts.log_time());
        assert!(restored.accounts().eq(accounts.accounts()));
        assert!(restored.keys().eq(accounts.keys()));
        assert!(restored.routes().eq(accounts.routes()));
        let key = ChainKey::ApiKey("k00000000001".to_owned());
        assert_eq!(restored.head_of(&key), accounts.head_of(&key));
    }
}

#[test]
fn bytes_that_are_no_snapshot_are_refused() {
    let bytes = full().snapshot();
    for end in 0..bytes.len() {
        check_refused(&bytes[..end], "a snapshot of accounts ");
    }
    let longer = [&bytes[..], &[0]].concat();
    check_refused(&longer, "goes on for 1 bytes after its end");
    let mut other_format = bytes.clone();
    other_format[0] += 1;
    check_refused(&other_format, "has format 3, this binary reads 2");
    // A position below its heads.
    let mut early = bytes.clone();
    early[2..10].copy_from_slice(&3u64.to_le_bytes());
    check_refused(&early, "has accounts that cannot be");
    early[2..10].copy_from_slice(&5u64.to_le_bytes());
    check_refused(&early, "has heads that cannot be");
    let replaced = |from: &str, to: &str| {
        let at = bytes
            .windows(from.len())
            .position(|part| part == from.as_bytes());
        let at = at.expect("it is in there");
        let mut replaced = bytes.clone();
        replaced[at..at + to.len()].copy_from_slice(to.as_bytes());
        replaced
    };
    check_refused(&replaced("acme", "zzzz"), "has accounts that cannot be");
    check_refused(&replaced("Europe/Berlin", "Europe/Berlim"), "Europe/Berlim");
    check_refused(&replaced("cus_mid", "cus_mad"), "has customers that cannot");
    check_refused(
        &replaced("\"reader\"", "\"reader\\"),
        "holds what cannot be read",
    );
}

#[test]
fn damage_never_panics() {
    let bytes = full().snapshot();
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            if let Ok(accounts) = Accounts::restore(&damaged) {
                assert!(accounts.len() <= 3);
            }
        }
    }
}
