//! What becomes of accounts, and what is shown of them.

use super::*;

fn wanting(tenant: &str, pending: Option<LogTime>) -> Wanting {
    let terms = AccountTerms {
        name: "Acme".to_owned(),
        plan: "basic".to_owned(),
        status: AccountStatus::Active,
        start: "2026-01-01".to_owned(),
        time_zone: "UTC".to_owned(),
        overrides: BTreeMap::new(),
        contacts: vec!["bills@acme.example".to_owned()],
        stripe_customer: None,
    };
    Wanting {
        of: Unlinked {
            tenant: tenant.to_owned(),
            name: terms.name.clone(),
            email: terms.contacts.first().cloned(),
        },
        terms,
        head: 7,
        pending,
    }
}

#[test]
fn what_becomes_of_an_account_is_decided_only_where_it_is_clear() {
    let found = Link::Found("cus_1".to_owned());
    let none = wanting("acme", None);
    assert_eq!(row(&none, found.clone()), Row::Link("cus_1".to_owned()));
    assert_eq!(row(&none, Link::Make), Row::Make);
    let both = Link::Ambiguous(vec!["cus_1".to_owned(), "cus_2".to_owned()]);
    let Row::Refused(why) = row(&none, both) else {
        panic!("one was chosen");
    };
    assert!(why.contains("(cus_1, cus_2)"), "{why}");
    let later = wanting("acme", Some(LogTime(1_790_812_800_000)));
    let Row::Refused(why) = row(&later, found) else {
        panic!("a change would be replaced");
    };
    assert!(why.contains("at 2026-10-01T00:00:00Z"), "{why}");
}

#[test]
fn a_link_changes_nothing_else_of_the_account() {
    let wanting = wanting("acme", None);
    let Decision::Account(change) = link(&wanting, "cus_1") else {
        panic!("another decision");
    };
    assert_eq!(change.terms.stripe_customer.as_deref(), Some("cus_1"));
    assert_eq!(
        (change.effective, change.running),
        (None, RunningPeriod::Keep)
    );
    let without = AccountTerms {
        stripe_customer: None,
        ..change.terms
    };
    assert_eq!(without, wanting.terms);
}

#[test]
fn accounts_and_odd_anchors_are_shown() {
    let accounts = Accounts {
        unlinked: vec![wanting("acme", None), wanting("beta", None)],
        linked: BTreeMap::new(),
    };
    let rows = [Row::Done("cus_1".to_owned()), Row::Make];
    let linked = BTreeMap::from([("cus_1".to_owned(), "acme".to_owned())]);
    let off = [OffHour {
        customer: "cus_1".to_owned(),
        subscription: "sub_1".to_owned(),
        anchor: 1_790_812_805,
    }];
    let text = shown(&accounts, &rows, &linked, &off, Output::Table).expect("renders");
    let expected = "\
ACTION  ACCOUNT  CUSTOMER  WHY
done    acme     cus_1     -
make    beta     -         -

subscriptions whose periods do not begin on a whole UTC hour: the hour that is divided is billed with the later period
SUBSCRIPTION  ACCOUNT  CUSTOMER  ANCHOR
sub_1         acme     cus_1     2026-10-01T00:00:05Z
";
    assert_eq!(text, expected);
    let text = shown(&accounts, &rows, &linked, &off, Output::Json).expect("renders");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["accounts"][0]["customer"], "cus_1");
    assert_eq!(json["anchors"][0]["account"], "acme");
}
