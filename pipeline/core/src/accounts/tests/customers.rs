//! Customers at Stripe: whose they are, and that they stay so.

use super::*;

/// An account that is linked to a customer, from a day on where one is given.
fn linked(id: &str, customer: Option<&str>, from: Option<i64>) -> Decision {
    account_with(|change| {
        change.account = id.to_owned();
        change.effective = from.map(|day| LogTime(day * DAY));
        change.terms.stripe_customer = customer.map(str::to_owned);
    })
}

/// The customer of an account on a day.
fn customer<'a>(accounts: &'a Accounts, id: &str, day: i64) -> Option<&'a str> {
    accounts.stripe_customer(id, LogTime(day * DAY))
}

fn taken(customer: &str, account: &str) -> Result<(), Refused> {
    Err(Refused::CustomerTaken {
        customer: customer.to_owned(),
        account: account.to_owned(),
    })
}

#[test]
fn a_customer_is_that_of_the_version_in_effect() {
    let mut accounts = Accounts::default();
    append(&mut accounts, 1, linked("acme", None, None));
    append(&mut accounts, 2, linked("acme", Some("cus_1"), None));
    append(&mut accounts, 3, linked("acme", Some("cus_2"), Some(10)));
    let expected = [(1, None), (2, Some("cus_1")), (9, Some("cus_1"))];
    for (day, expected) in expected.into_iter().chain([(10, Some("cus_2"))]) {
        assert_eq!(customer(&accounts, "acme", day), expected, "day {day}");
    }
    assert_eq!(customer(&accounts, "other", 10), None);
}

#[test]
fn a_customer_that_was_linked_is_never_another_account_s() {
    let mut accounts = Accounts::default();
    append(&mut accounts, 1, linked("acme", Some("cus_1"), None));
    append(&mut accounts, 2, linked("acme", Some("cus_2"), None));
    append(&mut accounts, 3, linked("acme", None, None));
    for other in ["cus_1", "cus_2"] {
        let decision = linked("other", Some(other), None);
        let refused = accounts.check(&decision, LogTime(4 * DAY));
        assert_eq!(refused, taken(other, "acme"));
        // Where it is in the log all the same, every reader ignores it.
        assert!(!append(&mut accounts, 4, decision));
        assert!(accounts.account("other").is_none());
    }
    assert!(append(
        &mut accounts,
        5,
        linked("other", Some("cus_3"), None)
    ));
    // The same account may take up any of its own again.
    assert!(append(
        &mut accounts,
        6,
        linked("acme", Some("cus_1"), None)
    ));
    assert_eq!(customer(&accounts, "acme", 6), Some("cus_1"));
    // An ignored record leaves the head as it was.
    assert!(!append(
        &mut accounts,
        7,
        linked("other", Some("cus_1"), None)
    ));
    assert!(append(
        &mut accounts,
        8,
        linked("other", Some("cus_4"), None)
    ));
}

#[test]
fn a_link_counts_from_its_record_even_where_it_never_takes_effect() {
    let mut accounts = Accounts::default();
    append(&mut accounts, 1, linked("acme", Some("cus_1"), Some(100)));
    append(&mut accounts, 2, linked("acme", None, None));
    assert_eq!(customer(&accounts, "acme", 200), None);
    let decision = linked("other", Some("cus_1"), None);
    assert_eq!(
        accounts.check(&decision, LogTime(3 * DAY)),
        taken("cus_1", "acme")
    );
}

#[test]
fn a_record_that_is_ignored_links_nothing() {
    let mut accounts = Accounts::default();
    append(&mut accounts, 1, linked("acme", None, None));
    let late = record("second", None, linked("acme", Some("cus_1"), None));
    let ruling = apply(&mut accounts, 2, late);
    assert_eq!(ruling, Ok(Ruling::Ignored { head: Some(0) }));
    assert!(append(
        &mut accounts,
        3,
        linked("other", Some("cus_1"), None)
    ));
}

#[test]
fn links_outlive_their_versions_and_snapshots() {
    let mut accounts = Accounts::default();
    append(&mut accounts, 1, linked("acme", Some("cus_1"), None));
    append(&mut accounts, 2, linked("acme", None, None));
    append(&mut accounts, 400, linked("acme", None, None));
    append(&mut accounts, 800, linked("acme", Some("cus_2"), None));
    let versions = accounts.account("acme").expect("there").versions();
    let kept = versions
        .iter()
        .map(|version| &version.terms.stripe_customer);
    assert!(!kept.flatten().any(|customer| customer == "cus_1"));
    let mut restored = Accounts::restore(&accounts.snapshot()).expect("its own format");
    assert_eq!(restored.snapshot(), accounts.snapshot());
    for reader in [&mut accounts, &mut restored] {
        assert_eq!(customer(reader, "acme", 800), Some("cus_2"));
        assert!(!append(reader, 801, linked("other", Some("cus_1"), None)));
    }
}

#[test]
fn ids_of_customers_have_stripe_s_form() {
    let longest = format!("cus_{}", "x".repeat(251));
    for good in ["cus_1", "cus_aZ_9", &longest] {
        let decision = linked("acme", Some(good), None);
        let accounts = Accounts::default();
        assert_eq!(accounts.check(&decision, LogTime(0)), Ok(()), "{good}");
    }
    let longer = format!("{longest}x");
    for bad in ["", "cus_", "cus_a-b", "cus_ü", "acct_1", "CUS_1", &longer] {
        let decision = linked("acme", Some(bad), None);
        let mut accounts = Accounts::default();
        let refused = accounts.check(&decision, LogTime(0)).expect_err(bad);
        assert!(
            refused.to_string().starts_with("terms.stripe_customer: `"),
            "{refused}"
        );
        let halt = apply(&mut accounts, 1, record("admin", None, decision));
        assert_eq!(halt.map_err(|halt| halt.name()), Err("unknown_format"));
    }
}
