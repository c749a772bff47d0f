//! What people are told ahead of deadlines, and of what was done without proof.

use super::super::Alarms;
use super::*;

fn alarms(play: &Play) -> Alarms {
    play.engine.alarms(play.now())
}

/// Three calls in the second hour, and a draft for the day at its end.
fn with_a_draft() -> Play {
    let mut play = Play::new();
    play.until(2);
    play.uses(hour(1), "3");
    play.until(24);
    play.draft("in_1", hour(0)..hour(24));
    play
}

#[test]
fn a_draft_that_is_proved_is_made_final_and_nobody_is_told() {
    let mut play = with_a_draft();
    play.until(26);
    assert_eq!(play.invoice("in_1").status, Status::Final);
    assert_eq!(play.invoice("in_1").lines[0].quantity, quantity("3"));
    assert_eq!(play.notices, []);
    assert_eq!(alarms(&play), Alarms::default());
}

#[test]
fn a_draft_that_cannot_be_proved_is_late_and_then_final_and_told_once() {
    let mut play = with_a_draft();
    play.loses = true;
    play.uses(hour(1), "5");
    play.until(24 + 35);
    assert_eq!(
        (alarms(&play).drafts_held, alarms(&play).drafts_late),
        (1, 0)
    );
    assert_eq!(alarms(&play).oldest_open_millis, (24 + 35 - 1) * HOUR);
    play.until(24 + 37);
    assert_eq!(
        (alarms(&play).drafts_held, alarms(&play).drafts_late),
        (1, 1)
    );
    assert_eq!(play.notices, []);
    play.until(24 + 50);
    let invoice = "in_1".into();
    assert_eq!(play.notices, [Notice::Unproved { invoice }]);
    assert_eq!(play.invoice("in_1").status, Status::Final);
    assert_eq!(
        (alarms(&play).drafts_held, alarms(&play).drafts_late),
        (0, 0)
    );
}

#[test]
fn use_that_somebody_else_pushed_is_told_once_and_counted() {
    let mut play = with_a_draft();
    play.shown.insert(hour(5), quantity("7"));
    play.until(30);
    let (invoice, event_name) = ("in_1".into(), "calls".into());
    assert_eq!(
        play.notices,
        [Notice::Foreign {
            invoice,
            event_name
        }]
    );
    assert_eq!(alarms(&play).foreign_lines, 1);
}

#[test]
fn a_difference_waits_until_somebody_is_billed_and_is_counted_meanwhile() {
    let mut play = with_a_draft();
    play.until(26);
    let now = play.now();
    play.engine.customer("acme", None, now);
    play.uses(hour(1), "5");
    play.until(27);
    assert_eq!((alarms(&play).waiting_carries, play.carries.len()), (1, 0));
    let now = play.now();
    play.engine.customer("acme", Some("cus_1"), now);
    play.until(28);
    assert_eq!(alarms(&play).waiting_carries, 0);
    assert_eq!(play.carries, [quantity("2")]);
}

#[test]
fn a_carry_without_an_invoice_is_counted_when_its_month_is_over() {
    let mut play = with_a_draft();
    play.until(26);
    play.uses(hour(1), "5");
    play.until(35 * 24);
    assert_eq!((alarms(&play).unbilled_carries, play.carries.len()), (0, 1));
    play.until(38 * 24);
    assert_eq!(alarms(&play).unbilled_carries, 1);
    // Its subscription only billed late.
    play.draft("in_2", hour(24)..hour(31 * 24));
    play.until(39 * 24);
    assert_eq!(alarms(&play).unbilled_carries, 0);
}
