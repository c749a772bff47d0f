//! Events and their deliveries, without a network.

use super::{Fake, HOUR, id, listed, text};
use crate::settings::{SECOND, Settings, Webhooks};
use crate::truth::Truth;
use crate::webhooks::{self, Ready};
use aws_lc_rs::hmac;
use serde_json::Value;
use std::collections::BTreeSet;

fn sending(webhooks: Webhooks) -> Fake {
    Fake::with(Settings {
        limits: None,
        webhooks: Webhooks {
            url: Some("http://127.0.0.1:1/".to_owned()),
            ..webhooks
        },
        ..Settings::default()
    })
}

fn ready(fake: &mut Fake) -> Vec<Ready> {
    std::iter::from_fn(|| webhooks::next(&mut fake.account)).collect()
}

fn ids(ready: &[Ready]) -> Vec<String> {
    let document = |ready: &Ready| serde_json::from_str::<Value>(&ready.body).expect("JSON");
    ready.iter().map(|ready| id(&document(ready))).collect()
}

#[test]
fn every_secret_signs_time_and_body() {
    let mut fake = sending(Webhooks {
        secrets: vec!["old".to_owned(), "new".to_owned()],
        ..Webhooks::default()
    });
    fake.customer();
    fake.wait(10);
    let ready = ready(&mut fake);
    let sent = &ready[0];
    let parts: Vec<_> = sent.signature.split(',').collect();
    assert_eq!(parts.len(), 3);
    let time = parts[0].strip_prefix("t=").expect("a time");
    assert_eq!(time, fake.account.seconds().to_string());
    for (part, secret) in parts[1..].iter().zip(["old", "new"]) {
        let digits = part.strip_prefix("v1=").expect("a signature");
        let bytes: Vec<u8> = (0..digits.len() / 2)
            .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("digits"))
            .collect();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let signed = format!("{time}.{}", sent.body);
        assert!(hmac::verify(&key, signed.as_bytes(), &bytes).is_ok());
    }
}

#[test]
fn events_come_repeated_and_out_of_order() {
    let mut fake = sending(Webhooks {
        repeated: 0.3,
        ..Webhooks::default()
    });
    for _ in 0..50 {
        fake.customer();
    }
    fake.wait(10);
    let ids = ids(&ready(&mut fake));
    let sorted = {
        let mut sorted = ids.clone();
        sorted.sort();
        sorted
    };
    assert_ne!(ids, sorted);
    let distinct: BTreeSet<_> = ids.iter().map(String::as_str).collect();
    let truth = Truth(&fake.account);
    let published: BTreeSet<_> = truth.events().map(|(id, _)| id).collect();
    assert_eq!((distinct.len(), &distinct), (50, &published));
    assert!(ids.len() > 55, "{} deliveries", ids.len());
}

#[test]
fn a_delivery_that_fails_is_tried_for_three_days() {
    let mut fake = sending(Webhooks::default());
    fake.customer();
    let mut attempts = 0;
    for _ in 0..(4 * 24) {
        fake.wait(HOUR);
        for ready in ready(&mut fake) {
            attempts += 1;
            webhooks::again(&mut fake.account, ready);
        }
    }
    assert!((6..15).contains(&attempts), "{attempts}");
    assert!(ready(&mut fake).is_empty());
}

#[test]
fn a_thin_event_has_its_data_only_when_it_is_fetched() {
    let mut fake = sending(Webhooks::default());
    fake.send("nothing", ("cus", "1", super::START), "a").ok();
    fake.wait(HOUR);
    let ready = ready(&mut fake);
    let sent: Value = serde_json::from_str(&ready[0].body).expect("JSON");
    assert_eq!(sent["type"], "v1.billing.meter.no_meter_found");
    assert!(sent.get("data").is_none());
    let fetched = fake
        .get(&format!("/v2/core/events/{}", id(&sent)), &[])
        .ok();
    assert_eq!(fetched["data"]["reason"]["error_count"], 1);
}

#[test]
fn an_event_has_a_snapshot_of_its_object_and_is_kept_for_30_days() {
    let mut fake = Fake::new();
    let customer = fake.customer();
    fake.post(&format!("/v1/customers/{customer}"), &[("name", "A")])
        .ok();
    let list = fake.get("/v1/events", &[("type", "customer.created")]).ok();
    let event = &listed(&list)[0];
    assert_eq!(event["data"]["object"]["name"], Value::Null);
    assert_eq!(text(&event["data"]["object"]["id"]), customer);
    let path = format!("/v1/events/{}", id(event));
    fake.get(&path, &[]).ok();
    fake.account
        .advance(fake.account.now() + 30 * 86_400 * SECOND);
    fake.get(&path, &[]).refused(404);
}
