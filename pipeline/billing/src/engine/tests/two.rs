//! What another instance does at the edge of what may be pushed.

use super::*;
use meterline_core::push::{Intent, PushKey, PushRecord, Stamps, Step};

/// The first intent of a window that another instance begins just before it is too old, and whose
/// record reaches the log hours later.
fn delayed_intent(play: &Play, hour: Hour, value: &str) -> PushRecord {
    let stamp = Stamp {
        epoch: 0,
        offset: play.usage,
    };
    PushRecord {
        write_id: 77,
        head: None,
        key: PushKey {
            tenant: "acme".to_owned(),
            meter: "calls".to_owned(),
            window: hour.start(),
        },
        step: Step::Intent(Intent {
            customer: "cus_1".to_owned(),
            event_name: "calls".to_owned(),
            quantity: quantity(value),
            stamps: Stamps::new(vec![(USAGE, stamp)]),
            attempt: 1,
            call_within: Millis(30_000),
        }),
        instance: "b".to_owned(),
    }
}

#[test]
fn a_window_that_was_carried_alone_is_not_carried_with_its_invoice_too() {
    let mut play = Play::new();
    play.until(1);
    play.uses(hour(0), "1");
    play.until(24);
    play.draft("in_1", hour(0)..hour(24));
    play.until(30);
    assert_eq!(play.invoice("in_1").status, Status::Final);
    // So late that it is never pushed: it is carried.
    play.until(34 * 24 + 3);
    play.uses(hour(1), "7");
    play.until(34 * 24 + 5);
    assert_eq!(play.carries, [quantity("7")]);
    let record = delayed_intent(&play, hour(1), "7");
    play.append(&Append::Push(Box::new(record)), play.now());
    play.until(34 * 24 + 12);
    assert_eq!(play.carries, [quantity("7")]);
    // And what changes then is carried once.
    play.uses(hour(1), "9");
    play.until(34 * 24 + 24);
    assert_eq!(play.carries, [quantity("7"), quantity("2")]);
}
