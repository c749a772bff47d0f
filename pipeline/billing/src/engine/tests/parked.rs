//! Values of more digits than Stripe takes: parked, told, and carried in parts.

use super::*;

/// Sixteen digits.
const LONG: &str = "1234567.123456789";

#[test]
fn a_value_of_too_many_digits_holds_no_draft_and_is_carried_in_parts_when_it_cannot_be_pushed() {
    let mut play = Play::new();
    // What is too old when the ledger begins is not ours, so it has begun before.
    play.until(1);
    play.uses(hour(0), "1");
    play.until(2);
    play.uses(hour(1), LONG);
    play.until(24);
    assert_eq!(play.engine.counts().too_many_digits, 1);
    play.draft("in_1", hour(0)..hour(24));
    play.until(26);
    assert_eq!(play.invoice("in_1").status, Status::Final);
    assert_eq!(play.shown, BTreeMap::from([(hour(0), quantity("1"))]));
    // Alarms speak of it while it waits.
    let open = play.engine.alarms(play.now()).oldest_open_millis;
    assert_eq!(open, 25 * HOUR);
    play.until(36 * 24);
    let parts = ["1234567.12345678", "0.000000009"].map(quantity);
    assert_eq!(play.carries, parts);
    let billed = play.shown.values();
    let billed = billed.fold(Quantity::ZERO, |a, b| a.plus(*b).expect("small"));
    assert_eq!(billed, quantity("1234568.123456789"));
    assert_eq!(play.engine.counts().too_many_digits, 0);
}

#[test]
fn a_value_that_gets_fewer_digits_is_pushed_for_its_own_window_and_not_carried() {
    let mut play = Play::new();
    play.until(2);
    play.uses(hour(1), LONG);
    play.until(5);
    play.uses(hour(1), "1234567.5");
    play.until(40 * 24);
    assert_eq!(play.engine.counts().too_many_digits, 0);
    assert_eq!(
        play.shown,
        BTreeMap::from([(hour(1), quantity("1234567.5"))])
    );
    assert_eq!(play.carries, []);
}

#[test]
fn a_window_that_grows_too_many_digits_after_its_invoice_is_carried_in_parts() {
    let mut play = Play::new();
    play.until(2);
    play.uses(hour(1), "1");
    play.until(24);
    play.draft("in_1", hour(0)..hour(24));
    play.until(26);
    play.uses(hour(1), LONG);
    play.until(30);
    let sum = play.carries.iter();
    let sum = sum.fold(quantity("1"), |a, b| a.plus(*b).expect("small"));
    assert_eq!(sum, quantity(LONG), "{:?}", play.carries);
}
