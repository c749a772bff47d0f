//! Webhooks as the stand-in sends them, and the events behind them.

use crate::stripe;
use crate::usage::customer;
use crate::wire::{Wire, answer};
use meterline_clickhouse::Secret;
use meterline_fake_stripe::{HOUR, MINUTE};
use meterline_stripe::requests::events::{self, Content};
use meterline_stripe::requests::meter_events;
use meterline_stripe::webhook::{Refused, verified};

#[tokio::test]
async fn a_delivery_is_verified_and_its_event_can_be_asked_for() {
    let (fake, client) = stripe(|_| ());
    let receiver = Wire::new(vec![answer("200 OK", "", "")]);
    fake.change(|behaviour| {
        behaviour.webhooks.url = Some(receiver.url.clone());
        behaviour.webhooks.secrets = vec!["whsec_old".to_owned(), "whsec_new".to_owned()];
    });
    let made = customer(&client).await;
    fake.advance(MINUTE).await;
    let delivery = receiver.request();
    let (head, body) = delivery.split_once("\r\n\r\n").expect("head and body");
    let mut lines = head.lines();
    let signature = lines.find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("stripe-signature")
            .then_some(value)
    });
    let signature = signature.expect("it is signed");
    let now = fake.now() / 1_000;
    let check = |secret: &str| verified(&[Secret::new(secret)], signature, body.as_bytes(), now);
    let event = check("whsec_old").expect("it fits");
    assert_eq!(check("whsec_new").as_ref(), Ok(&event));
    assert_eq!(check("whsec_other"), Err(Refused::Signature));
    assert_eq!(event.kind, "customer.created");
    let Content::Snapshot(object) = &event.content else {
        panic!("{event:?}");
    };
    assert!(object.contains(&made), "{object}");
    assert_eq!(
        client.read(&events::get(&event.id)).await,
        Ok(event.clone())
    );
    let listed = client
        .read(&events::list(&["customer.created"], None, None))
        .await;
    assert_eq!(listed.expect("a page").data, [event]);
}

#[tokio::test]
async fn a_thin_event_says_more_when_it_is_asked_for() {
    let (fake, client) = stripe(|_| ());
    let event = crate::wire::event();
    client
        .write(&meter_events::create(&event))
        .await
        .expect("received");
    fake.advance(HOUR).await;
    let id = fake.truth(|truth| {
        let mut events = truth.events();
        let found = events.find(|(_, kind)| *kind == "v1.billing.meter.no_meter_found");
        found.map(|(id, _)| id.to_owned())
    });
    let got = client
        .read(&events::get_thin(&id.expect("it was published")))
        .await;
    match got.expect("it is there").content {
        Content::Thin {
            data: Some(data), ..
        } => assert!(data.contains("ml_1"), "{data}"),
        other => panic!("{other:?}"),
    }
}
