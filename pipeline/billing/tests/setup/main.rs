//! Set-up against the stateful fake: shown, done, done again, and done with everything that goes
//! wrong with calls. The clock stands still, and nobody waits.
//!
//! What is looked at is what the fake has in the end, never what we say of it.

mod bills;
mod customers;
mod faults;
mod site;
mod terms;

use meterline_billing::setup::{Action, Kind, plan};
use site::{CATALOG, Site, at, catalog};

#[test]
fn a_catalog_is_shown_then_set_up_then_kept() {
    let site = Site::new();
    let shown = site.plan(CATALOG);
    assert!(
        shown.iter().all(|change| change.action == Action::Make),
        "{shown:#?}"
    );
    assert_eq!(site.counts(), (0, 0, 0));
    let done = site.apply(CATALOG).expect("set up");
    assert!(
        done.iter().all(|change| change.action == Action::Done),
        "{done:#?}"
    );
    assert!(done.iter().all(|change| change.id.is_some()), "{done:#?}");
    // Meters: calls, seats. Products: two meters, two plans. Prices: two fees, calls twice, seats.
    assert_eq!(site.counts(), (2, 4, 5));
    for _ in 0..2 {
        let again = site.apply(CATALOG).expect("nothing to do");
        assert!(
            again.iter().all(|change| change.action == Action::Keep),
            "{again:#?}"
        );
    }
    assert_eq!(site.counts(), (2, 4, 5));
}

#[test]
fn a_meter_that_was_there_is_adopted_where_it_counts_by_hours() {
    let site = Site::new();
    let id = site.meter("acme_calls", "sum", Some("hour"));
    let shown = site.plan(CATALOG);
    let meter = at(&shown, Kind::Meter, "acme_calls");
    assert_eq!(
        (meter.action, meter.id.as_ref()),
        (Action::Adopt, Some(&id))
    );
    site.apply(CATALOG).expect("set up");
    assert_eq!(site.counts(), (2, 4, 5));
    let kept = site.plan(CATALOG);
    assert_eq!(at(&kept, Kind::Meter, "acme_calls").action, Action::Keep);
}

#[test]
fn a_meter_that_cannot_count_by_hours_is_refused_with_what_to_do() {
    let site = Site::new();
    let id = site.meter("acme_calls", "count", None);
    site.meter("acme_calls_hourly", "sum", Some("day"));
    let done = site.apply(CATALOG).expect("the rest is set up");
    let meter = at(&done, Kind::Meter, "acme_calls");
    assert_eq!(
        (meter.action, meter.id.as_ref()),
        (Action::Refuse, Some(&id))
    );
    for words in [
        "default_aggregation.formula is count, not sum",
        "event_time_window is none, not hour",
        "write `event_name: acme_calls_hourly_2` under `stripe.meters.calls`",
    ] {
        assert!(meter.why.contains(words), "{}", meter.why);
    }
    let price = at(&done, Kind::Price, "meterline:basic:calls");
    assert_eq!(
        (price.action, &*price.why),
        (Action::Refuse, "its meter is refused")
    );
    assert_eq!(
        at(&done, Kind::Price, "meterline:basic:seats").action,
        Action::Done
    );
    // Whoever knows that nothing else uses it deactivates it; the name is free then.
    site.post(&format!("/v1/billing/meters/{id}/deactivate"), &[]);
    let done = site.apply(CATALOG).expect("set up");
    assert_eq!(at(&done, Kind::Meter, "acme_calls").action, Action::Done);
    assert_eq!(
        at(&done, Kind::Price, "meterline:basic:calls").action,
        Action::Done
    );
}

#[test]
fn what_was_put_away_at_stripe_is_not_made_again_behind_its_back() {
    let site = Site::new();
    let done = site.apply(CATALOG).expect("set up");
    let id = at(&done, Kind::Meter, "acme_calls")
        .id
        .clone()
        .expect("an id");
    site.post(&format!("/v1/billing/meters/{id}/deactivate"), &[]);
    site.post("/v1/products/meterline_plan_basic", &[("active", "false")]);
    let shown = site.plan(CATALOG);
    let why = |kind, name: &str| {
        let change = at(&shown, kind, name);
        assert_eq!(change.action, Action::Refuse, "{change:?}");
        change.why.clone()
    };
    assert!(why(Kind::Meter, "acme_calls").contains("reactivate it"));
    assert!(why(Kind::Product, "meterline_plan_basic").contains("unarchive it"));
    assert_eq!(
        why(Kind::Price, "meterline:basic"),
        "its product is refused"
    );
    assert_eq!(
        why(Kind::Price, "meterline:basic:calls"),
        "its meter is refused"
    );
}

#[test]
fn what_stripe_refuses_is_told_and_the_rest_is_done() {
    let site = Site::new();
    let product = site.post("/v1/products", &[("name", "Somebody else's")]);
    let price = [
        ("product", product["id"].as_str().expect("an id")),
        ("currency", "usd"),
        ("recurring[interval]", "month"),
        ("unit_amount", "900"),
        ("lookup_key", "meterline:basic"),
    ];
    site.post("/v1/prices", &price);
    let done = site.apply(CATALOG).expect("the rest is set up");
    let refused = at(&done, Kind::Price, "meterline:basic");
    assert_eq!(refused.action, Action::Refuse);
    assert!(refused.why.contains("lookup"), "{}", refused.why);
    let others = done
        .iter()
        .filter(|change| change.name != "meterline:basic");
    let mut left = others.filter(|change| change.action != Action::Done);
    assert_eq!(left.next(), None);
}

#[test]
fn the_catalogs_that_bill_by_stripe_are_set_up_but_for_what_stripe_cannot_hold() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/catalogs/");
    for (name, refused) in [
        (
            "stack",
            &[
                "meterline:standard:storage_gb",
                "meterline:enterprise:storage_gb",
            ][..],
        ),
        ("operate", &[]),
    ] {
        let text = std::fs::read_to_string(format!("{folder}{name}.yaml")).expect("a catalog");
        let wanted = catalog(&text);
        let changes = plan(&wanted, &meterline_billing::setup::Found::default());
        let of = changes
            .iter()
            .filter(|change| change.action == Action::Refuse);
        let of: Vec<_> = of.map(|change| change.name.as_str()).collect();
        assert_eq!(of, refused, "{name}");
        let made = changes
            .iter()
            .filter(|change| change.action == Action::Make);
        assert!(made.count() > 10, "{name}");
    }
}
