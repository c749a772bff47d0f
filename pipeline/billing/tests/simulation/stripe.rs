//! The Stripe that is played against, and what is set up there.

use crate::usage::{BEGIN, CUT, HOUR, METERS, Scenario};
use meterline_billing::stripe::{Pace, Stripe};
use meterline_clickhouse::Secret;
use meterline_fake_stripe::{Clock, FakeStripe, Faults, Limits, Outage, Settings};
use meterline_stripe::Client;

/// Starts it, a minute before usage begins.
pub(crate) fn start(scenario: &Scenario) -> FakeStripe {
    let settings = Settings {
        seed: scenario.seed,
        // Other endpoints are paced in wall time, which does not pass here.
        limits: Some(Limits {
            endpoint: 100_000,
            all: 1_000_000,
            ..Limits::default()
        }),
        calls_kept: 0,
        ..Settings::default()
    };
    FakeStripe::start(settings, Clock::Manual(BEGIN - 60_000)).expect("a port")
}

/// From now on everything goes wrong that can.
pub(crate) fn go_wrong(fake: &FakeStripe, scenario: &Scenario) {
    let half = scenario.outage_hours * HOUR / 2;
    fake.change(|settings| {
        settings.faults.outages = vec![Outage {
            from: CUT - half,
            until: CUT + half,
        }];
        if scenario.faults {
            settings.faults = Faults {
                timeout_after: 0.10,
                too_many: 0.04,
                server_error: 0.04,
                lock_timeout: 0.02,
                ..settings.faults.clone()
            };
        }
    });
}

/// Our side of it.
pub(crate) fn connect(fake: &FakeStripe) -> Stripe {
    let mut settings = meterline_stripe::Settings::new(Secret::new("sk_test_simulated"));
    settings.api_base = fake.url();
    let client = Client::new(settings).expect("settings");
    Stripe::new(client, "stripe_customer_id".to_owned(), Pace::unlimited())
}

/// Meters and prices; the prices' ids.
pub(crate) async fn set_up(fake: &FakeStripe) -> Vec<String> {
    let mut prices = Vec::new();
    for name in METERS {
        let form = [
            ("display_name", name),
            ("event_name", name),
            ("default_aggregation[formula]", "sum"),
            ("event_time_window", "hour"),
            ("customer_mapping[type]", "by_id"),
            ("customer_mapping[event_payload_key]", "stripe_customer_id"),
            ("value_settings[event_payload_key]", "value"),
        ];
        let meter = post(fake, "billing/meters", &form).await;
        let product = post(fake, "products", &[("name", name)]).await;
        let form = [
            ("currency", "usd"),
            ("product", product.as_str()),
            ("unit_amount_decimal", "0.7"),
            ("recurring[interval]", "week"),
            ("recurring[usage_type]", "metered"),
            ("recurring[meter]", meter.as_str()),
        ];
        prices.push(post(fake, "prices", &form).await);
    }
    prices
}

/// A customer with a subscription that is cut at [`CUT`].
pub(crate) async fn customer(fake: &FakeStripe, prices: &[String], name: &str) -> String {
    let customer = post(fake, "customers", &[("name", name)]).await;
    let anchor = (CUT / 1_000).to_string();
    let mut form = vec![
        ("customer", customer.as_str()),
        ("billing_cycle_anchor", anchor.as_str()),
    ];
    let keys = ["items[0][price]", "items[1][price]", "items[2][price]"];
    form.extend(keys.into_iter().zip(prices.iter().map(String::as_str)));
    post(fake, "subscriptions", &form).await;
    customer
}

/// Posts a form; the id of what was made.
async fn post(fake: &FakeStripe, path: &str, form: &[(&str, &str)]) -> String {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    let body = body.extend_pairs(form).finish();
    let request = reqwest::Client::new()
        .post(format!("{}/v1/{path}", fake.url()))
        .bearer_auth("sk_test_simulated")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body);
    let answer = request.send().await.expect("an answer");
    let answer: serde_json::Value = answer.json().await.expect("JSON");
    let id = answer["id"].as_str();
    id.unwrap_or_else(|| panic!("{path}: {answer}")).to_owned()
}
