//! What cannot be done is said by name, and nothing is lost by it.

use crate::site::{KEY, PARTITIONS, Site, last_hour, until};
use meterline_core::hash::partition_of;
use meterline_fake_stripe::Key;

#[test]
fn a_refused_key_is_named_and_a_mended_one_is_noticed() {
    let site = Site::new();
    let customer = site.link("acme");
    let denied = Key {
        denied: vec!["billing/meter_events".to_owned()],
        ..Key::full(KEY)
    };
    site.stripe.change(|settings| settings.keys = vec![denied]);
    let stage = site.start("one");
    stage.until_ready();
    let hour = last_hour();
    site.calls("acme", hour, 7);
    stage.until_problem("key refused for meter events");
    assert_eq!(site.counted(&customer, hour), None);
    let problems = stage.problems().join(" ");
    assert!(!problems.contains(KEY), "{problems}");
    let full = Key::full(KEY);
    site.stripe.change(|settings| settings.keys = vec![full]);
    until("Stripe counts it", || {
        (site.counted(&customer, hour).as_deref() == Some("7")).then_some(())
    });
    stage.until_ready();
}

#[test]
fn a_record_that_cannot_be_read_is_named_and_stops_the_stage() {
    let site = Site::new();
    site.link("acme");
    let stage = site.start("one");
    stage.until_ready();
    let pushes = site.kafka.topics().pushes();
    let other = (partition_of(b"acme", PARTITIONS) + 1) % PARTITIONS;
    site.publish(&pushes, other, b"{}");
    stage.until_problem(&format!("topic {pushes} partition {other} at offset 0"));
    site.calls("acme", last_hour(), 7);
    // Totals are read on; nothing follows from them any more.
    until("the window is counted", || {
        (stage.status().windows == 1).then_some(())
    });
    assert!(site.steps("acme").is_empty());
    assert_eq!(site.events_sent(), 0);
}
