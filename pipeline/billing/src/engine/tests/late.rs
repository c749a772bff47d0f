//! Use that comes late, into a draft that knows of none yet.

use super::*;

#[test]
fn a_draft_waits_until_its_period_is_sealed_where_nothing_was_used_yet() {
    let mut play = Play::new();
    play.lateness = HOUR / 2;
    play.until(24);
    play.draft("in_1", hour(0)..hour(24));
    play.until_at(BEGIN + 24 * HOUR + HOUR / 3);
    let seen = play.invoice("in_1");
    assert_eq!((seen.status, seen.auto_advance), (Status::Draft, false));
    // The first use of all, minutes before the cut, reported after it.
    play.uses(hour(23), "7");
    play.until(26);
    assert_eq!(play.invoice("in_1").status, Status::Final);
    assert_eq!(play.invoice("in_1").lines[0].quantity, quantity("7"));
    assert_eq!(play.carries, []);
}

#[test]
fn a_draft_of_nobody_s_use_is_final_when_its_period_is_sealed() {
    let mut play = Play::new();
    play.lateness = HOUR / 2;
    play.until(24);
    play.draft("in_1", hour(0)..hour(24));
    play.until(26);
    assert_eq!(play.invoice("in_1").status, Status::Final);
}
