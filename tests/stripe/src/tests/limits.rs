//! Rate limits and concurrency.

use super::{Fake, START, id};
use crate::gate;
use crate::settings::Settings;

#[test]
fn meter_events_have_a_limit_of_their_own() {
    let mut fake = Fake::with(Settings::default());
    let customer = fake.customer();
    fake.meter("tokens", "sum", Some("hour"));
    fake.wait(1);
    for number in 0..1_000 {
        fake.send("tokens", (&customer, "1", START), &number.to_string())
            .ok();
    }
    let reply = fake.send("tokens", (&customer, "1", START), "more");
    assert_eq!(
        reply.header("stripe-rate-limited-reason"),
        Some("endpoint-rate")
    );
    assert_eq!(reply.header("retry-after"), None);
    reply.refused(429);
    fake.get("/v1/customers", &[]).ok();
    fake.wait(1);
    fake.send("tokens", (&customer, "1", START), "more").ok();
}

#[test]
fn an_operation_has_25_a_second_and_all_together_100() {
    let mut fake = Fake::with(Settings::default());
    let customer = id(&fake.post("/v1/customers", &[]).ok());
    fake.wait(1);
    let paths = [
        "/v1/customers".to_owned(),
        format!("/v1/customers/{customer}"),
        "/v1/products".to_owned(),
        "/v1/prices".to_owned(),
        "/v1/invoices".to_owned(),
    ];
    let mut reasons = Vec::new();
    for path in &paths {
        for _ in 0..25 {
            let reply = fake.get(path, &[]);
            reasons.extend(
                reply
                    .header("stripe-rate-limited-reason")
                    .map(str::to_owned),
            );
        }
        if reasons.is_empty() {
            let over = fake.get(path, &[]);
            assert_eq!(
                over.header("stripe-rate-limited-reason"),
                Some("endpoint-rate")
            );
        }
    }
    assert_eq!(reasons, vec!["global-rate"; 25]);
    fake.wait(1);
    fake.get("/v1/invoices", &[]).ok();
}

#[test]
fn a_customer_at_a_meter_has_one_call_at_a_time() {
    let mut fake = Fake::with(Settings::default());
    fake.meter("tokens", "sum", Some("hour"));
    let (one, other) = (fake.customer(), fake.customer());
    let event = [
        ("event_name", "tokens"),
        ("payload[stripe_customer_id]", one.as_str()),
        ("payload[value]", "1"),
    ];
    let ticket = fake
        .enter("/v1/billing/meter_events", &event)
        .expect("it is let in");
    let reply = fake.send("tokens", (&one, "1", START), "a");
    assert_eq!(
        reply.header("stripe-rate-limited-reason"),
        Some("resource-specific")
    );
    reply.refused(429);
    fake.send("tokens", (&other, "1", START), "b").ok();
    gate::finish(&mut fake.account, &ticket);
    fake.send("tokens", (&one, "1", START), "c").ok();
}

#[test]
fn limits_can_be_off() {
    let mut fake = Fake::new();
    for _ in 0..200 {
        fake.get("/v1/customers", &[]).ok();
    }
}
