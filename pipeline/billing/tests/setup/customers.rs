//! Customers: found by their metadata, made once, and their periods looked at.

use crate::site::{BEGIN, KEY, Site};
use meterline_billing::customers::{Link, Named, OffHour, Unlinked, make, off_hours};
use meterline_fake_stripe::{Call, Faults};
use std::collections::BTreeSet;

fn unlinked(tenant: &str) -> Unlinked {
    Unlinked {
        tenant: tenant.to_owned(),
        name: String::new(),
        email: Some("bills@acme.example".to_owned()),
    }
}

fn link(site: &Site, tenant: &str) -> Link {
    let stripe = site.stripe(KEY);
    let named = Named::read(&stripe, [tenant].into_iter());
    site.runtime.block_on(named).expect("read").link(tenant)
}

fn customer(site: &Site, tenant: &str) -> String {
    let parameters = [("name", tenant), ("metadata[meterline_tenant]", tenant)];
    let made = site.post("/v1/customers", &parameters);
    made["id"].as_str().expect("an id").to_owned()
}

#[test]
fn a_customer_is_found_by_its_metadata_over_many_pages() {
    let site = Site::new();
    let acme = customer(&site, "acme");
    for number in 0..250 {
        customer(&site, &format!("other-{number}"));
    }
    assert_eq!(link(&site, "acme"), Link::Found(acme.clone()));
    assert_eq!(link(&site, "nobody"), Link::Make);
    let second = customer(&site, "acme");
    let Link::Ambiguous(both) = link(&site, "acme") else {
        panic!("one was chosen");
    };
    assert_eq!(BTreeSet::from_iter(both), BTreeSet::from([acme, second]));
}

#[test]
fn a_customer_is_made_once_whatever_is_lost_on_the_way() {
    let mut calls = 0;
    for seed in 0..20 {
        let site = Site::with(seed);
        site.fake.change(|settings| {
            settings.faults = Faults {
                timeout_after: 0.4,
                server_error: 0.3,
                too_many: 0.1,
                ..Faults::default()
            };
        });
        let stripe = site.stripe(KEY);
        let mut made = (0..50).map(|_| site.runtime.block_on(make(&stripe, &unlinked("acme"))));
        let id = made.find_map(Result::ok);
        let is_write = |call: &&Call| call.method == "POST" && call.path == "/v1/customers";
        calls += site
            .fake
            .truth(|truth| truth.calls().filter(is_write).count());
        site.fake
            .change(|settings| settings.faults = Faults::default());
        assert_eq!(
            link(&site, "acme"),
            Link::Found(id.expect("made")),
            "seed {seed}"
        );
        let all = site.list("/v1/customers");
        assert_eq!(
            (&all[0]["name"], all.len()),
            (&"acme".into(), 1),
            "seed {seed}"
        );
        assert_eq!(all[0]["email"], "bills@acme.example");
    }
    // Else no call was ever made again.
    assert!(calls > 20, "{calls}");
}

#[test]
fn a_customer_that_was_deleted_is_not_the_answer_of_yesterday() {
    let site = Site::new();
    let stripe = site.stripe(KEY);
    let made = || site.runtime.block_on(make(&stripe, &unlinked("acme")));
    let first = made().expect("made");
    assert_eq!(made().expect("the same again"), first);
    site.delete(&format!("/v1/customers/{first}"));
    let second = made().expect("made");
    assert_ne!(second, first);
    assert_eq!(link(&site, "acme"), Link::Found(second));
}

#[test]
fn subscriptions_that_begin_within_an_hour_are_told() {
    let site = Site::new();
    let product = site.post("/v1/products", &[("name", "Fee")]);
    let price = [
        ("product", product["id"].as_str().expect("an id")),
        ("currency", "usd"),
        ("recurring[interval]", "month"),
        ("unit_amount", "900"),
    ];
    let price = site.post("/v1/prices", &price);
    let price = price["id"].as_str().expect("an id").to_owned();
    let customers = ["on", "off", "other"].map(|name| customer(&site, name));
    let subscribe = |customer: &str| {
        let items = [("customer", customer), ("items[0][price]", &price)];
        let made = site.post("/v1/subscriptions", &items);
        made["id"].as_str().expect("an id").to_owned()
    };
    let [on, off, other] = &customers;
    subscribe(on);
    site.fake.advance_blocking(90_000);
    let subscription = subscribe(off);
    subscribe(other);
    let stripe = site.stripe(KEY);
    let told = |customers: &[&String]| {
        let customers = customers.iter().map(|id| (*id).clone()).collect();
        let told = off_hours(&stripe, &customers);
        site.runtime.block_on(told).expect("read")
    };
    let expected = OffHour {
        customer: off.clone(),
        subscription,
        anchor: BEGIN / 1_000 + 90,
    };
    assert_eq!(told(&[on, off]), std::slice::from_ref(&expected));
    assert_eq!(told(&[off]), [expected]);
    assert_eq!(told(&[on]), []);
    assert_eq!(told(&[]), []);
}
