//! What the prices bill is what the plan says.

use crate::site::{BEGIN, CATALOG, Site, at};
use meterline_billing::setup::Kind;
use meterline_fake_stripe::{DAY, HOUR};

/// Hours that a month's price of seats is spread over.
const HOURS: i64 = 730;

/// Subscribes a new customer to the plan `basic`; its id.
fn subscribed(site: &Site) -> String {
    let done = site.apply(CATALOG).expect("set up");
    let price = |key| at(&done, Kind::Price, key).id.clone().expect("an id");
    let customer = site.post("/v1/customers", &[("name", "acme")]);
    let customer = customer["id"].as_str().expect("an id").to_owned();
    let keys = [
        "meterline:basic",
        "meterline:basic:calls",
        "meterline:basic:seats",
    ];
    let prices = keys.map(price);
    let [fee, calls, seats] = prices.each_ref().map(String::as_str);
    let subscription = [
        ("customer", customer.as_str()),
        ("items[0][price]", fee),
        ("items[1][price]", calls),
        ("items[2][price]", seats),
    ];
    site.post("/v1/subscriptions", &subscription);
    customer
}

fn push(site: &Site, customer: &str, name: &str, hour: i64, value: &str) {
    let at = ((BEGIN + hour * HOUR) / 1_000).to_string();
    let event = [
        ("event_name", name),
        ("payload[stripe_customer_id]", customer),
        ("payload[value]", value),
        ("timestamp", &at),
        ("identifier", &format!("{name}-{hour}")),
    ];
    site.post("/v1/billing/meter_events", &event);
}

#[test]
fn a_month_is_billed_as_the_plan_says() {
    let site = Site::new();
    let customer = subscribed(&site);
    push(&site, &customer, "acme_calls", 0, "2001000");
    site.fake.advance_blocking(30 * DAY + 12 * HOUR);
    for hour in 0..HOURS {
        push(&site, &customer, "acme_seats", hour, "8");
    }
    site.fake.advance_blocking(2 * DAY);
    let lines = site.fake.truth(|truth| truth.lines());
    let cents = |name: Option<&str>| -> Vec<i64> {
        let of_it = lines
            .iter()
            .filter(|line| line.event_name.as_deref() == name);
        let amounts = of_it.map(|line| line.amount);
        amounts.filter(|amount| *amount != 0).collect()
    };
    // 2,000,000 beyond the included, at 0.01 USD for a thousand.
    assert_eq!(cents(Some("acme_calls")), [2_000]);
    // Three seats beyond the five, at 7.30 USD.
    assert_eq!(cents(Some("acme_seats")), [2_190]);
    // The fees of two months, in advance.
    assert_eq!(cents(None), [9_900, 9_900]);
}
