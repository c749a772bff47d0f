//! What is refused at once, and what only later.

use super::{DAY, Fake, HOUR, Reply, START, listed};

fn setup() -> (Fake, String) {
    let mut fake = Fake::new();
    fake.meter("tokens", "sum", Some("hour"));
    let customer = fake.customer();
    (fake, customer)
}

#[test]
fn an_event_is_received_before_it_counts() {
    let (mut fake, customer) = setup();
    let event = fake.send("tokens", (&customer, "12.5", START), "one").ok();
    assert_eq!(event["object"], "billing.meter_event");
    assert_eq!(event["payload"]["value"], "12.5");
    assert_eq!(event["timestamp"], START);
    assert_eq!(fake.counted(), []);
    fake.wait(60);
    assert_eq!(fake.counted(), [(START, "12.5".to_owned())]);
}

#[test]
fn bounds_are_where_the_documentation_has_them() {
    let name = |length| "n".repeat(length);
    let check = |expected: u16, event_name: &str, value: &str, shift: i64, identifier: &str| {
        let (mut fake, customer) = setup();
        let reply: Reply = fake.send(event_name, (&customer, value, START + shift), identifier);
        assert_eq!(
            reply.status, expected,
            "{event_name} {value} {shift} {identifier}"
        );
    };
    check(200, &name(100), "1", 0, "a");
    check(400, &name(101), "1", 0, "a");
    check(200, "tokens", "1", 0, &name(100));
    check(400, "tokens", "1", 0, &name(101));
    check(200, "tokens", "1", -35 * DAY, "a");
    check(400, "tokens", "1", -35 * DAY - 1, "a");
    check(200, "tokens", "1", 300, "a");
    check(400, "tokens", "1", 301, "a");
    check(200, "tokens", "123456.789012345", 0, "a");
    check(400, "tokens", "123456.7890123456", 0, "a");
    check(200, "tokens", "0.000000000000001", 0, "a");
    check(200, "tokens", "-5", 0, "a");
}

#[test]
fn an_identifier_is_remembered_for_exactly_24_hours() {
    let (mut fake, customer) = setup();
    fake.send("tokens", (&customer, "1", START), "one").ok();
    fake.wait(DAY - 1);
    let reply = fake.send("tokens", (&customer, "2", START), "one");
    assert!(reply.body["error"]["code"].is_null(), "{}", reply.body);
    assert_eq!(
        reply.refused(400),
        "An event already exists with identifier one."
    );
    fake.wait(1);
    fake.send("tokens", (&customer, "3", START), "one").ok();
    fake.wait(60);
    assert_eq!(fake.counted(), [(START, "3".to_owned())]);
}

#[test]
fn an_event_without_identifier_gets_one() {
    let (mut fake, customer) = setup();
    let parameters = [
        ("event_name", "tokens"),
        ("payload[stripe_customer_id]", customer.as_str()),
        ("payload[value]", "1"),
    ];
    let first = fake.post("/v1/billing/meter_events", &parameters).ok();
    let second = fake.post("/v1/billing/meter_events", &parameters).ok();
    assert_ne!(first["identifier"], second["identifier"]);
}

#[test]
fn a_cancelled_event_counts_no_more_for_24_hours_after_its_reception() {
    let (mut fake, customer) = setup();
    let cancel = |fake: &mut Fake, identifier| {
        let parameters = [
            ("event_name", "tokens"),
            ("type", "cancel"),
            ("cancel[identifier]", identifier),
        ];
        fake.post("/v1/billing/meter_event_adjustments", &parameters)
    };
    fake.send("tokens", (&customer, "7", START), "old").ok();
    fake.wait(60);
    fake.send("tokens", (&customer, "9", START), "new").ok();
    // The cancellation may overtake its event.
    assert_eq!(cancel(&mut fake, "new").ok()["status"], "pending");
    fake.wait(200);
    assert_eq!(fake.counted(), [(START, "7".to_owned())]);
    cancel(&mut fake, "new").refused(400);
    cancel(&mut fake, "never").refused(400);
    fake.wait(DAY);
    cancel(&mut fake, "old").refused(400);
    assert_eq!(fake.counted(), [(START, "7".to_owned())]);
}

#[test]
fn what_is_wrong_later_is_reported_with_counts_and_samples_only() {
    let (mut fake, customer) = setup();
    let archived = fake.meter("archived", "sum", None);
    fake.post(&format!("/v1/billing/meters/{archived}/deactivate"), &[])
        .ok();
    for number in 0..5 {
        fake.send("tokens", ("cus_none", "1", START), &format!("u{number}"))
            .ok();
    }
    fake.send("tokens", (&customer, "many", START), "x").ok();
    fake.send("archived", (&customer, "1", START), "y").ok();
    fake.send("nothing", (&customer, "1", START), "z").ok();
    fake.wait(HOUR);
    assert_eq!(fake.counted(), []);

    let list = fake.get("/v2/core/events", &[("limit", "100")]).ok();
    let mut counts = std::collections::BTreeMap::new();
    for event in listed(&list) {
        for kind in event["data"]["reason"]["error_types"]
            .as_array()
            .expect("types")
        {
            let code = kind["code"].as_str().expect("a code").to_owned();
            *counts.entry((event["type"].to_string(), code)).or_insert(0) +=
                kind["error_count"].as_u64().expect("a count");
            assert!(kind["sample_errors"].as_array().expect("samples").len() <= 3);
        }
    }
    let report = "\"v1.billing.meter.error_report_triggered\"".to_owned();
    let no_meter = "\"v1.billing.meter.no_meter_found\"".to_owned();
    let expected = [
        ((report.clone(), "archived_meter".to_owned()), 1),
        (
            (report.clone(), "meter_event_customer_not_found".to_owned()),
            5,
        ),
        ((report, "meter_event_invalid_value".to_owned()), 1),
        ((no_meter, "no_meter".to_owned()), 1),
    ];
    assert_eq!(counts, expected.into());
}
