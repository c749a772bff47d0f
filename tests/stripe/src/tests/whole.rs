//! The parts and the whole: whatever the cuts, every window that counts is billed once, and the
//! same seed and requests give the same truth.

use super::{DAY, Fake, HOUR, START};
use crate::decimal::Decimal;
use crate::settings::{Faults, Settings, Side};
use crate::truth::Truth;
use std::collections::BTreeMap;

/// Quantities by customer and event name.
type Totals = BTreeMap<(String, String), Decimal>;

fn add(totals: &mut Totals, customer: String, event_name: String, quantity: Decimal) {
    let total = totals
        .entry((customer, event_name))
        .or_insert(Decimal::ZERO);
    *total = total.plus(quantity);
}

/// Three customers at two meters for 70 days, pushed every seven hours and again a minute later
/// with another value, with subscriptions that are cut at a second of the hour.
fn run(settings: Settings, second: i64) -> Fake {
    let mut fake = Fake::with(Settings {
        limits: None,
        ..settings
    });
    let prices = ["calls", "tokens"].map(|name| {
        let meter = fake.meter(name, "sum", Some("hour"));
        fake.price(&meter, "0.7")
    });
    fake.wait(second);
    let customers: Vec<_> = (0..3).map(|_| fake.customer()).collect();
    for customer in &customers {
        let parameters = [
            ("customer", customer.as_str()),
            ("items[0][price]", prices[0].as_str()),
            ("items[1][price]", prices[1].as_str()),
        ];
        fake.post("/v1/subscriptions", &parameters).ok();
    }
    for step in 0..240 {
        fake.wait_until(START + HOUR + step * 7 * HOUR);
        for attempt in 0..2 {
            for (number, customer) in (1..).zip(&customers) {
                for event_name in ["calls", "tokens"] {
                    let value = format!("{number}.{}", step * 10 + attempt);
                    let identifier = format!("{customer} {event_name} {step} {attempt}");
                    let window = START + HOUR + step * 7 * HOUR;
                    push(
                        &mut fake,
                        event_name,
                        (customer, &value, window),
                        &identifier,
                    );
                }
            }
            fake.wait(61);
        }
    }
    fake.wait_until(START + 100 * DAY);
    fake
}

/// Sends an event until it is known to have been received.
fn push(fake: &mut Fake, event_name: &str, event: (&str, &str, i64), identifier: &str) {
    loop {
        let reply = fake.send(event_name, event, identifier);
        let message = reply.body["error"]["message"].as_str();
        if reply.status == 200 || message.is_some_and(|text| text.contains("already exists")) {
            return;
        }
    }
}

fn billed(fake: &Fake) -> Totals {
    let mut totals = Totals::new();
    for line in Truth(&fake.account).lines() {
        let event_name = line.event_name.expect("every line is for usage");
        add(&mut totals, line.customer, event_name, line.quantity);
    }
    totals
}

fn counted(fake: &Fake) -> Totals {
    let mut totals = Totals::new();
    for one in Truth(&fake.account).counted() {
        add(&mut totals, one.customer, one.event_name, one.quantity);
    }
    totals
}

#[test]
fn every_window_that_counts_is_billed_once() {
    for (side, second) in [
        (Side::Later, 0),
        (Side::Later, 1_801),
        (Side::Earlier, 0),
        (Side::Earlier, 1_801),
    ] {
        let fake = run(
            Settings {
                divided_window: side,
                ..Settings::default()
            },
            second,
        );
        assert_eq!(counted(&fake).len(), 6);
        assert_eq!(billed(&fake), counted(&fake), "{side:?} {second}");
    }
}

#[test]
fn a_client_that_asks_until_it_is_answered_loses_and_doubles_nothing() {
    let mut fake = Fake::new();
    let customer = fake.customer();
    fake.meter("tokens", "sum", None);
    fake.account.settings.faults = Faults {
        timeout_after: 0.1,
        timeout_before: 0.1,
        too_many: 0.1,
        server_error: 0.1,
        ..Faults::default()
    };
    for number in 0..500 {
        let identifier = number.to_string();
        push(&mut fake, "tokens", (&customer, "1", START), &identifier);
    }
    fake.wait(60);
    assert_eq!(fake.counted(), [(START, "500".to_owned())]);
}

#[test]
fn the_same_seed_and_requests_give_the_same_truth() {
    let truth = |seed| {
        let fake = run(
            Settings {
                seed,
                ..Settings::default()
            },
            7,
        );
        let truth = Truth(&fake.account);
        (truth.counted(), truth.lines(), truth.call_count())
    };
    assert_eq!(truth(3), truth(3));
}
