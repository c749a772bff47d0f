//! What becomes of use: Stripe counts it, once, and a summary proves it.

use crate::site::{Site, last_hour, until};
use meterline_core::pushes::State;

#[test]
fn a_sealed_hour_is_pushed_and_confirmed_and_a_restart_repeats_nothing() {
    let site = Site::new();
    let customer = site.link("acme");
    let stage = site.start("one");
    stage.until_ready();
    let hour = last_hour();
    site.calls("acme", hour, 120);
    until("Stripe counts it", || {
        (site.counted(&customer, hour).as_deref() == Some("120")).then_some(())
    });
    let received = ["intent 120", "received"];
    until("the ledger has it", || {
        (site.steps("acme") == received).then_some(())
    });
    until("the table has it", || {
        let rows = site.pushes_in_table();
        let steps: Vec<_> = rows.iter().map(|row| row.step).collect();
        (steps == [State::Called, State::Received]).then_some(())
    });
    drop(stage);
    let stage = site.start("two");
    stage.until_ready();
    let confirmed = ["intent 120", "received", "confirmed"];
    until("a summary proves it", || {
        (site.steps("acme") == confirmed).then_some(())
    });
    assert_eq!(site.events_sent(), 1);
    // A late event: the window's new value, whole.
    site.calls("acme", hour, 121);
    until("Stripe counts the new value", || {
        (site.counted(&customer, hour).as_deref() == Some("121")).then_some(())
    });
    assert_eq!(site.events_sent(), 2);
}

#[test]
fn a_window_waits_for_its_accounts_customer() {
    let site = Site::new();
    let stage = site.start("one");
    stage.until_ready();
    let hour = last_hour();
    site.calls("acme", hour, 7);
    until("its window waits", || {
        (stage.status().unlinked == 1).then_some(())
    });
    assert_eq!(site.events_sent(), 0);
    let customer = site.link("acme");
    until("Stripe counts it", || {
        (site.counted(&customer, hour).as_deref() == Some("7")).then_some(())
    });
}

#[test]
fn two_instances_push_a_window_once() {
    let site = Site::new();
    let customers: Vec<_> = (0..10).map(|n| site.link(&format!("t{n}"))).collect();
    let one = site.start("one");
    let two = site.start("two");
    one.until_ready();
    two.until_ready();
    let hour = last_hour();
    for n in 0..10 {
        site.calls(&format!("t{n}"), hour, 100 + n);
    }
    for (customer, count) in customers.iter().zip(100..) {
        let count: u64 = count;
        until("Stripe counts it", || {
            (site.counted(customer, hour) == Some(count.to_string())).then_some(())
        });
    }
    for n in 0..10 {
        let tenant = format!("t{n}");
        until("one instance's push is in force", || {
            let expected = [format!("intent {}", 100 + n), "received".to_owned()];
            (site.steps(&tenant) == expected).then_some(())
        });
    }
    assert_eq!(site.events_sent(), 10);
}

#[test]
fn shadow_mode_decides_and_calls_nothing() {
    let site = Site::new();
    site.link("acme");
    let stage = site.start_with("one", |settings| settings.shadow = true);
    stage.until_ready();
    site.calls("acme", last_hour(), 7);
    until("the ledger has it", || {
        (site.steps("acme") == ["intent 7", "not taken"]).then_some(())
    });
    assert_eq!(site.events_sent(), 0);
}
