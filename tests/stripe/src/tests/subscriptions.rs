//! Subscriptions: periods, changes, ends; and customers.

use super::{DAY, Fake, HOUR, START, id, listed, text};
use crate::form::Form;
use crate::periods::Interval;
use chrono::DateTime;

fn quantities(fake: &mut Fake, subscription: &str) -> Vec<(String, i64)> {
    let list = fake
        .get("/v1/invoices", &[("subscription", subscription)])
        .ok();
    let lines = listed(&listed(&list)[0]["lines"]).iter();
    lines
        .map(|line| {
            (
                text(&line["quantity_decimal"]),
                line["amount"].as_i64().expect("cents"),
            )
        })
        .collect()
}

#[test]
fn cuts_are_counted_from_the_anchor() {
    let time = |text: &str| {
        DateTime::parse_from_rfc3339(text)
            .expect("a time")
            .timestamp()
    };
    let check = |interval: &str, anchor: &str, after: &str, expected: &str| {
        let interval = Interval::requested(&Form::parse(interval)).expect("an interval");
        assert_eq!(
            interval.next_cut(time(anchor), time(after)),
            time(expected),
            "{anchor} {after}"
        );
    };
    let monthly = "recurring[interval]=month";
    check(
        monthly,
        "2026-01-31T00:00:00Z",
        "2026-01-31T00:00:00Z",
        "2026-02-28T00:00:00Z",
    );
    check(
        monthly,
        "2026-01-31T00:00:00Z",
        "2026-02-28T00:00:00Z",
        "2026-03-31T00:00:00Z",
    );
    check(
        monthly,
        "2026-10-15T10:30:00Z",
        "2026-10-01T00:00:00Z",
        "2026-10-15T10:30:00Z",
    );
    let quarterly = "recurring[interval]=month&recurring[interval_count]=3";
    check(
        quarterly,
        "2026-01-01T00:00:00Z",
        "2026-03-31T23:59:59Z",
        "2026-04-01T00:00:00Z",
    );
    let yearly = "recurring[interval]=year";
    check(
        yearly,
        "2024-02-29T00:00:00Z",
        "2024-02-29T00:00:00Z",
        "2025-02-28T00:00:00Z",
    );
}

#[test]
fn an_anchor_ahead_makes_the_first_period_short() {
    let mut fake = Fake::new();
    let meter = fake.meter("tokens", "sum", Some("hour"));
    let (customer, price) = (fake.customer(), fake.price(&meter, "1"));
    let subscribe = |fake: &mut Fake, anchor: i64| {
        let anchor = anchor.to_string();
        let parameters = [
            ("customer", customer.as_str()),
            ("items[0][price]", price.as_str()),
            ("billing_cycle_anchor", anchor.as_str()),
        ];
        fake.post("/v1/subscriptions", &parameters)
    };
    let anchor = START + 10 * DAY;
    let subscription = subscribe(&mut fake, anchor).ok();
    let item = &listed(&subscription["items"])[0];
    assert_eq!(
        (&item["current_period_start"], &item["current_period_end"]),
        (&START.into(), &anchor.into())
    );
    fake.wait_until(anchor);
    let subscription = fake
        .get(&format!("/v1/subscriptions/{}", id(&subscription)), &[])
        .ok();
    let item = &listed(&subscription["items"])[0];
    assert_eq!(item["current_period_end"], anchor + 31 * DAY);
    subscribe(&mut fake, START).refused(400);
    subscribe(&mut fake, anchor + 40 * DAY).refused(400);
}

/// A subscription with usage, and the same with a dearer price an hour later; returns the lines of
/// the first period.
fn changed(mode: &str, more: &[(&str, &str)]) -> Vec<(String, i64)> {
    let mut fake = Fake::new();
    let meter = fake.meter("tokens", "sum", Some("hour"));
    let (customer, cheap) = (fake.customer(), fake.price(&meter, "1"));
    let dear = fake.price(&meter, "10");
    let create = [
        ("customer", customer.as_str()),
        ("items[0][price]", cheap.as_str()),
        ("billing_mode[type]", mode),
    ];
    let subscription = fake.post("/v1/subscriptions", &create).ok();
    let item = id(&listed(&subscription["items"])[0]);
    let subscription = id(&subscription);
    fake.send("tokens", (&customer, "3", START), "before").ok();
    fake.wait(HOUR);
    let mut change = vec![
        ("items[0][id]", item.as_str()),
        ("items[0][price]", dear.as_str()),
    ];
    change.extend(more);
    let path = format!("/v1/subscriptions/{subscription}");
    fake.post(&path, &change).ok();
    fake.send("tokens", (&customer, "4", START), "late").ok();
    fake.send("tokens", (&customer, "5", START + HOUR), "after")
        .ok();
    fake.wait_until(START + 31 * DAY);
    let first = quantities(&mut fake, &subscription);
    fake.wait_until(START + 61 * DAY);
    assert_eq!(
        quantities(&mut fake, &subscription),
        [("0".to_owned(), 0)],
        "the next period has nothing of it"
    );
    first
}

#[test]
fn a_price_that_is_taken_away_bills_what_counted_by_then_or_nothing() {
    let (before, after) = (("3".to_owned(), 3), ("5".to_owned(), 50));
    assert_eq!(changed("flexible", &[]), [after.clone(), before]);
    let none = [("proration_behavior", "none")];
    assert_eq!(changed("flexible", &none), std::slice::from_ref(&after));
    assert_eq!(changed("classic", &[]), [after]);
}

#[test]
fn the_billing_mode_follows_the_version() {
    let mode = |version: Option<&str>| {
        let mut fake = Fake::new();
        let meter = fake.meter("tokens", "sum", Some("hour"));
        let (customer, price) = (fake.customer(), fake.price(&meter, "1"));
        fake.version = version.map(str::to_owned);
        text(&fake.subscribe(&customer, &price)["billing_mode"]["type"])
    };
    assert_eq!(mode(None), "flexible");
    assert_eq!(mode(Some("2025-09-30.clover")), "flexible");
    assert_eq!(mode(Some("2025-08-27.basil")), "classic");
}

#[test]
fn a_preview_shows_a_change_and_changes_nothing() {
    let mut fake = Fake::new();
    let meter = fake.meter("tokens", "sum", Some("hour"));
    let (customer, cheap) = (fake.customer(), fake.price(&meter, "1"));
    let dear = fake.price(&meter, "10");
    let subscription = fake.subscribe(&customer, &cheap);
    let item = id(&listed(&subscription["items"])[0]);
    let subscription = id(&subscription);
    fake.send("tokens", (&customer, "3", START), "one").ok();
    fake.wait(HOUR);
    let total = |fake: &mut Fake, item: &str, price: &str| {
        let parameters = [
            ("subscription", subscription.as_str()),
            ("subscription_details[items][0][id]", item),
            ("subscription_details[items][0][price]", price),
        ];
        fake.post("/v1/invoices/create_preview", &parameters).ok()["total"].clone()
    };
    assert_eq!(total(&mut fake, &item, &dear), 3);
    assert_eq!(total(&mut fake, &item, &cheap), 3);
    fake.send("tokens", (&customer, "2", START + HOUR), "two")
        .ok();
    fake.wait_until(START + 31 * DAY);
    assert_eq!(quantities(&mut fake, &subscription), [("5".to_owned(), 5)]);
}

#[test]
fn an_item_that_is_added_bills_from_then_on_and_one_that_is_removed_to_then() {
    let mut fake = Fake::new();
    let meter = fake.meter("tokens", "sum", Some("hour"));
    let (customer, price) = (fake.customer(), fake.price(&meter, "1"));
    let second = fake.price(&meter, "2");
    let subscription = fake.subscribe(&customer, &price);
    let item = id(&listed(&subscription["items"])[0]);
    let subscription = id(&subscription);
    let path = format!("/v1/subscriptions/{subscription}");
    let only = [
        ("items[0][id]", item.as_str()),
        ("items[0][deleted]", "true"),
    ];
    fake.post(&path, &only).refused(400);
    fake.send("tokens", (&customer, "3", START), "one").ok();
    fake.wait(HOUR);
    let swap = [
        ("items[0][id]", item.as_str()),
        ("items[0][deleted]", "true"),
        ("items[1][price]", second.as_str()),
    ];
    fake.post(&path, &swap).ok();
    fake.send("tokens", (&customer, "4", START + HOUR), "two")
        .ok();
    fake.wait_until(START + 31 * DAY);
    let expected = [("4".to_owned(), 8), ("3".to_owned(), 3)];
    assert_eq!(quantities(&mut fake, &subscription), expected);
}

#[test]
fn a_licensed_price_is_billed_in_advance() {
    let mut fake = Fake::new();
    let customer = fake.customer();
    let product = id(&fake.post("/v1/products", &[("name", "Base")]).ok());
    let base = [
        ("product", product.as_str()),
        ("currency", "usd"),
        ("recurring[interval]", "month"),
        ("unit_amount", "9900"),
    ];
    let base = id(&fake.post("/v1/prices", &base).ok());
    let subscription = id(&fake.subscribe(&customer, &base));
    assert_eq!(
        quantities(&mut fake, &subscription),
        [("1".to_owned(), 9_900)]
    );
    fake.wait_until(START + 31 * DAY);
    let list = fake.get("/v1/invoices", &[("customer", &customer)]).ok();
    assert_eq!(listed(&list).len(), 2);
}

#[test]
fn a_subscription_that_is_cancelled_now_bills_usage_only_if_asked() {
    let check = |parameters: &[(&str, &str)], expected: usize| {
        let mut fake = Fake::new();
        let meter = fake.meter("tokens", "sum", Some("hour"));
        let (customer, price) = (fake.customer(), fake.price(&meter, "1"));
        let subscription = id(&fake.subscribe(&customer, &price));
        fake.send("tokens", (&customer, "3", START), "one").ok();
        fake.wait(5 * DAY);
        let path = format!("/v1/subscriptions/{subscription}");
        assert_eq!(fake.delete(&path, parameters).ok()["status"], "canceled");
        fake.delete(&path, &[]).refused(404);
        fake.wait_until(START + 40 * DAY);
        let list = fake
            .get("/v1/invoices", &[("subscription", &subscription)])
            .ok();
        let billed = listed(&list)
            .iter()
            .filter(|invoice| invoice["total"] == 3)
            .count();
        assert_eq!((listed(&list).len(), billed), (expected + 1, expected));
        assert!(listed(&fake.get("/v1/subscriptions", &[]).ok()).is_empty());
        let all = fake.get("/v1/subscriptions", &[("status", "all")]).ok();
        assert_eq!(listed(&all).len(), 1);
    };
    check(&[("invoice_now", "true")], 1);
    check(&[], 0);
}

#[test]
fn a_subscription_can_end_with_its_period_and_begin_a_new_one_now() {
    let mut fake = Fake::new();
    let meter = fake.meter("tokens", "sum", Some("hour"));
    let (customer, price) = (fake.customer(), fake.price(&meter, "1"));
    let subscription = id(&fake.subscribe(&customer, &price));
    let path = format!("/v1/subscriptions/{subscription}");
    fake.send("tokens", (&customer, "3", START), "one").ok();
    fake.wait_until(START + 5 * DAY);
    let restarted = fake.post(&path, &[("billing_cycle_anchor", "now")]).ok();
    assert_eq!(restarted["billing_cycle_anchor"], START + 5 * DAY);
    assert_eq!(quantities(&mut fake, &subscription), [("3".to_owned(), 3)]);
    let ending = fake.post(&path, &[("cancel_at_period_end", "true")]).ok();
    assert_eq!(
        (&ending["status"], &ending["cancel_at"]),
        (&"active".into(), &(START + 36 * DAY).into())
    );
    fake.wait_until(START + 31 * DAY);
    assert_eq!(
        fake.get(&path, &[]).ok()["status"],
        "active",
        "the old cut is none any more"
    );
    fake.wait_until(START + 36 * DAY);
    assert_eq!(fake.get(&path, &[]).ok()["status"], "canceled");
    let list = fake
        .get("/v1/invoices", &[("subscription", &subscription)])
        .ok();
    assert_eq!(listed(&list).len(), 3);
}

#[test]
fn customers_keep_metadata_and_are_found_by_email() {
    let mut fake = Fake::new();
    let parameters = [
        ("email", "a@example.com"),
        ("metadata[tenant]", "t1"),
        ("metadata[x]", "y"),
    ];
    let customer = id(&fake.post("/v1/customers", &parameters).ok());
    fake.customer();
    let path = format!("/v1/customers/{customer}");
    let changed = fake.post(&path, &[("metadata[x]", ""), ("name", "A")]).ok();
    assert_eq!(changed["metadata"], serde_json::json!({ "tenant": "t1" }));
    let list = fake
        .get("/v1/customers", &[("email", "a@example.com")])
        .ok();
    assert_eq!(listed(&list), [fake.get(&path, &[]).ok()]);
    fake.post(&path, &[("nmae", "A")]).refused(400);
}
