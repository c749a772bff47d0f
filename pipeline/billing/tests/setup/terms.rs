//! Changed terms: another price, the same lookup key.

use crate::site::{CATALOG, Site, at};
use meterline_billing::setup::{Action, Kind};
use serde_json::Value;

const KEY: &str = "meterline:basic:calls";

/// The price that has the lookup key.
fn holder(site: &Site) -> Value {
    let prices = site.list("/v1/prices");
    let mut with_key = prices.iter().filter(|price| price["lookup_key"] == KEY);
    let holder = with_key.next().expect("a price has it").clone();
    assert!(with_key.next().is_none(), "one price has it");
    holder
}

#[test]
fn changed_terms_make_a_price_that_takes_the_lookup_key_and_old_ones_are_used_again() {
    let site = Site::new();
    site.apply(CATALOG).expect("set up");
    let first = holder(&site);
    assert_eq!(first["tiers"][0]["up_to"], 1_000);
    assert_eq!(first["tiers"][1]["unit_amount_decimal"], "0.001");
    assert_eq!(first["metadata"]["meterline_plan"], "basic");
    let dearer = CATALOG.replace(
        "{included: 1000, price: {amount: 0.01",
        "{price: {amount: 0.02",
    );
    let shown = site.plan(&dearer);
    let change = at(&shown, Kind::Price, KEY);
    assert_eq!(change.action, Action::Make);
    let moves = format!(
        "the lookup key moves from {}",
        first["id"].as_str().expect("an id")
    );
    assert!(change.why.contains(&moves), "{}", change.why);
    site.apply(&dearer).expect("set up");
    let second = holder(&site);
    assert_ne!(first["id"], second["id"]);
    assert_eq!(second["unit_amount_decimal"], "0.002");
    assert_eq!(site.counts(), (2, 4, 6));
    // Nothing was put away: subscriptions keep what they have.
    assert!(
        site.list("/v1/prices")
            .iter()
            .all(|price| price["active"] == true)
    );
    for (text, expected) in [(CATALOG, &first), (&dearer, &second), (CATALOG, &first)] {
        assert_eq!(at(&site.plan(text), Kind::Price, KEY).action, Action::Move);
        let done = site.apply(text).expect("set up");
        assert_eq!(at(&done, Kind::Price, KEY).action, Action::Done);
        assert_eq!(holder(&site)["id"], expected["id"]);
        assert_eq!(site.counts(), (2, 4, 6));
    }
}

#[test]
fn a_price_that_was_archived_is_made_again_as_another() {
    let site = Site::new();
    site.apply(CATALOG).expect("set up");
    let first = holder(&site)["id"].as_str().expect("an id").to_owned();
    site.post(&format!("/v1/prices/{first}"), &[("active", "false")]);
    let done = site.apply(CATALOG).expect("set up");
    assert_eq!(at(&done, Kind::Price, KEY).action, Action::Done);
    assert_ne!(holder(&site)["id"], first.as_str());
    assert_eq!(site.counts(), (2, 4, 6));
    let kept = site.apply(CATALOG).expect("nothing to do");
    assert_eq!(at(&kept, Kind::Price, KEY).action, Action::Keep);
}

#[test]
fn what_cannot_be_billed_exactly_is_refused_and_the_rest_is_made() {
    let check = |from: &str, to: &str, name: &str, words: &str| {
        let text = CATALOG.replace(from, to);
        assert_ne!(text, CATALOG);
        let site = Site::new();
        let done = site.apply(&text).expect("the rest");
        let change = at(&done, Kind::Price, name);
        assert_eq!(change.action, Action::Refuse, "{change:?}");
        assert!(change.why.contains(words), "{}", change.why);
        assert_eq!(site.counts(), (2, 4, 4), "{words}");
    };
    check(
        ", hours: 730",
        "",
        "meterline:basic:seats",
        "write `hours: 730` under `stripe.meters.seats`",
    );
    check(
        "per: 1000}}\n      seats",
        "per: 3}}\n      seats",
        KEY,
        "Stripe takes 12 decimals",
    );
    check(
        "included: 1000",
        "included: 0.5",
        KEY,
        "tiers end at whole numbers",
    );
    check(
        "base: 99\n",
        "base: 0.001\n",
        "meterline:basic",
        "does not fit usd",
    );
    let by_the_day = "{reset: day, included: 1000";
    check(
        "{included: 1000",
        by_the_day,
        KEY,
        "it includes 1000 by the day",
    );
}

#[test]
fn a_meter_that_is_not_mapped_is_left_out_and_said() {
    let text = CATALOG.replace("    seats: {event_name: acme_seats", "    # {");
    let text = text.replace(", display_name: Seat-hours, hours: 730}", "");
    let site = Site::new();
    let done = site.apply(&text).expect("set up");
    assert_eq!(
        at(&done, Kind::Price, "meterline:basic:seats").action,
        Action::LeaveOut
    );
    assert_eq!(site.counts(), (1, 3, 4));
}
