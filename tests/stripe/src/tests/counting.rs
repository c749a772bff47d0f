//! What events come to: the last received wins a window, raw events add up.

use super::{Fake, HOUR, START};
use crate::settings::{SECOND, Settings};

#[test]
fn the_event_received_last_wins_its_utc_window() {
    let mut fake = Fake::new();
    fake.meter("tokens", "sum", Some("hour"));
    let customer = fake.customer();
    fake.wait(2 * HOUR);
    // The later timestamp is received first: only the reception decides.
    fake.send("tokens", (&customer, "10", START + HOUR - 1), "a")
        .ok();
    fake.wait(60);
    fake.send("tokens", (&customer, "4", START), "b").ok();
    fake.send("tokens", (&customer, "6", START + HOUR), "c")
        .ok();
    fake.wait(60);
    let expected = [(START, "4".to_owned()), (START + HOUR, "6".to_owned())];
    assert_eq!(fake.counted(), expected);
}

#[test]
fn events_that_are_sent_within_the_delay_overtake_each_other() {
    let mut winners = std::collections::BTreeSet::new();
    for seed in 0..20 {
        let mut fake = Fake::with(Settings {
            seed,
            limits: None,
            ..Settings::default()
        });
        fake.meter("tokens", "sum", Some("hour"));
        let customer = fake.customer();
        fake.send("tokens", (&customer, "1", START), "first").ok();
        fake.send("tokens", (&customer, "2", START), "second").ok();
        fake.wait(60);
        winners.insert(fake.counted());
    }
    assert_eq!(winners.len(), 2, "either may be received last: {winners:?}");
}

#[test]
fn without_a_delay_events_count_in_their_order() {
    let mut fake = Fake::with(Settings {
        arrival_delay_max: 0,
        limits: None,
        ..Settings::default()
    });
    fake.meter("tokens", "sum", Some("hour"));
    let customer = fake.customer();
    for number in 1..=50 {
        let value = number.to_string();
        fake.send("tokens", (&customer, &value, START), &value).ok();
    }
    fake.wait(0);
    assert_eq!(fake.counted(), [(START, "50".to_owned())]);
}

#[test]
fn raw_events_sum_count_or_leave_the_last() {
    let check = |formula: &str, window: Option<&str>, expected: &str| {
        let mut fake = Fake::new();
        fake.meter("tokens", formula, window);
        let customer = fake.customer();
        for (identifier, value, shift) in [("a", "1.1", 0), ("b", "2.2", 120), ("c", "-0.3", 60)] {
            fake.send("tokens", (&customer, value, START + shift), identifier)
                .ok();
            fake.wait(60);
        }
        assert_eq!(
            fake.counted(),
            [(START, expected.to_owned())],
            "{formula} {window:?}"
        );
    };
    check("sum", None, "3");
    check("count", None, "3");
    check("last", None, "2.2");
    check("sum", Some("hour"), "-0.3");
    check("count", Some("day"), "1");
    check("last", Some("hour"), "-0.3");
}

#[test]
fn a_day_is_one_window() {
    let mut fake = Fake::new();
    fake.meter("tokens", "sum", Some("day"));
    let customer = fake.customer();
    fake.wait(30 * HOUR);
    for (identifier, shift) in [("1", 0), ("2", 23 * HOUR), ("3", 24 * HOUR)] {
        fake.send("tokens", (&customer, identifier, START + shift), identifier)
            .ok();
        fake.wait(60);
    }
    let expected = [(START, "2".to_owned()), (START + 24 * HOUR, "3".to_owned())];
    assert_eq!(fake.counted(), expected);
}

#[test]
fn keys_of_the_payload_follow_the_meter() {
    let mut fake = Fake::new();
    let parameters = [
        ("display_name", "Bytes"),
        ("event_name", "bytes"),
        ("default_aggregation[formula]", "sum"),
        ("customer_mapping[type]", "by_id"),
        ("customer_mapping[event_payload_key]", "who"),
        ("value_settings[event_payload_key]", "bytes_used"),
    ];
    fake.post("/v1/billing/meters", &parameters).ok();
    let customer = fake.customer();
    let event = [
        ("event_name", "bytes"),
        ("payload[who]", customer.as_str()),
        ("payload[bytes_used]", "512"),
    ];
    fake.post("/v1/billing/meter_events", &event).ok();
    fake.wait(60);
    assert_eq!(fake.counted(), [(START, "512".to_owned())]);
}

#[test]
fn the_clock_does_not_go_back() {
    let mut fake = Fake::new();
    fake.account.advance((START - HOUR) * SECOND);
    assert_eq!(fake.account.seconds(), START);
}
