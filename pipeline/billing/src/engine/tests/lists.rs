//! Lists of invoices: there are as many as customers, so what cannot have changed is not listed.

use super::*;

#[test]
fn lists_go_as_far_back_as_drafts_and_else_far_only_now_and_then() {
    let mut play = Play::new();
    play.until(24);
    assert_eq!(play.listed.first(), Some(&(75 * 24)));
    // One in ten minutes; those of the first minutes apart, each sixth hour one of four days.
    let far = play.listed.iter().filter(|back| **back >= 4 * 24).count();
    assert!((4..=5).contains(&far), "{:?}", play.listed);
    let near = play.listed.iter().filter(|back| **back <= 1).count();
    assert_eq!(near + far, play.listed.len());
    assert!(near > 100, "{near}");
    // A draft is listed until it is final, however old it is.
    play.loses = true;
    play.uses(hour(23), "1");
    play.draft("in_1", hour(0)..hour(24));
    play.listed.clear();
    play.until(24 + 40);
    assert_eq!(play.invoice("in_1").status, Status::Draft);
    assert!(play.listed.last() >= Some(&39), "{:?}", play.listed);
}

#[test]
fn who_becomes_a_customer_while_a_list_is_awaited_has_all_invoices_listed() {
    let mut play = Play::new();
    play.until(1);
    let asked = loop {
        play.at += 60_000;
        let mut actions = play.engine.run(play.now()).into_iter();
        if let Some(Action::List(listing)) = actions.find(|a| matches!(a, Action::List(_))) {
            break listing;
        }
    };
    assert!(asked.created_from > LogTime(BEGIN - HOUR));
    let now = play.now();
    play.engine.customer("beta", Some("cus_9"), now);
    let listed = Listed {
        listed: Some(Vec::new()),
        weather: Weather::Fine,
    };
    play.engine.listed(listed, now);
    play.listed.clear();
    play.until(3);
    assert_eq!(play.listed.first(), Some(&(75 * 24)));
}
