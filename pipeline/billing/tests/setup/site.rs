//! A Stripe of its own for a test, and a catalog.

use meterline_billing::setup::{Change, Found, Kind, SetupError, Wanted, apply, plan};
use meterline_billing::stripe::{Pace, Stripe};
use meterline_clickhouse::Secret;
use meterline_fake_stripe::{Clock, FakeStripe, Settings};
use meterline_schemas::catalog_yaml;
use meterline_stripe::Client;
use serde_json::Value;

/// 2026-10-01 00:00:00 UTC, in milliseconds.
pub(crate) const BEGIN: i64 = 1_790_812_800_000;

/// The key of everybody.
pub(crate) const KEY: &str = "sk_test_hunter2";

/// Two plans, a flow and a level.
pub(crate) const CATALOG: &str = "catalog: acme
fold: 1
meters:
  calls: {unit: call, event_type: call, aggregation: count}
  seats: {unit: seat, event_type: seats, aggregation: max}
currency: USD
plans:
  basic:
    title: Basic
    base: 99
    reset: billing_month
    meters:
      calls: {included: 1000, price: {amount: 0.01, per: 1000}}
      seats: {included: 5, price: {amount: 7.30}}
  large:
    title: Large
    base: 499
    reset: billing_month
    meters:
      calls: {price: {amount: 0.005, per: 1000}}
stripe:
  meters:
    calls: {event_name: acme_calls, display_name: Calls}
    seats: {event_name: acme_seats, display_name: Seat-hours, hours: 730}
";

/// What a catalog wants.
pub(crate) fn catalog(text: &str) -> Wanted {
    let catalog = catalog_yaml::read("c.yaml", text);
    Wanted::of(&catalog.unwrap_or_else(|errors| panic!("{errors}")))
}

/// What becomes of one thing.
pub(crate) fn at<'a>(changes: &'a [Change], kind: Kind, name: &str) -> &'a Change {
    let mut changes = changes.iter();
    let change = changes.find(|change| change.kind == kind && change.name == name);
    change.unwrap_or_else(|| panic!("{name} is not in the plan"))
}

/// A Stripe, and a client of it.
pub(crate) struct Site {
    pub(crate) fake: FakeStripe,
    pub(crate) runtime: tokio::runtime::Runtime,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(1)
    }

    pub(crate) fn with(seed: u64) -> Self {
        let settings = Settings {
            seed,
            limits: None,
            ..Settings::default()
        };
        Self {
            fake: FakeStripe::start(settings, Clock::Manual(BEGIN)).expect("a port"),
            runtime: tokio::runtime::Runtime::new().expect("a runtime"),
        }
    }

    pub(crate) fn stripe(&self, key: &str) -> Stripe {
        let settings = meterline_stripe::Settings {
            api_base: self.fake.url(),
            ..meterline_stripe::Settings::new(Secret::new(key))
        };
        let client = Client::new(settings).expect("settings");
        Stripe::new(client, String::new(), Pace::unlimited())
    }

    /// What `setup` shows.
    pub(crate) fn plan(&self, text: &str) -> Vec<Change> {
        let wanted = catalog(text);
        let stripe = self.stripe(KEY);
        let found = self.runtime.block_on(Found::read(&stripe, &wanted));
        plan(&wanted, &found.expect("read"))
    }

    /// What `setup --apply` does.
    pub(crate) fn apply(&self, text: &str) -> Result<Vec<Change>, SetupError> {
        let stripe = self.stripe(KEY);
        self.runtime.block_on(apply(&stripe, &catalog(text)))
    }

    /// How many meters, products and prices there are.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let count = |path: &str| self.list(path).len();
        (
            count("/v1/billing/meters"),
            count("/v1/products"),
            count("/v1/prices"),
        )
    }

    /// All objects of a list, at most a page.
    pub(crate) fn list(&self, path: &str) -> Vec<Value> {
        let url = format!("{}{path}?limit=100&expand[]=data.tiers", self.fake.url());
        let page = self.runtime.block_on(async {
            let request = reqwest::Client::new().get(url).bearer_auth(KEY);
            let answer = request.send().await.expect("an answer");
            answer.json::<Value>().await.expect("JSON")
        });
        page["data"].as_array().expect("a page").clone()
    }

    /// A request by hand; its answer.
    pub(crate) fn post(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let url = format!("{}{path}", self.fake.url());
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        let body = body.extend_pairs(parameters).finish();
        self.runtime.block_on(async {
            let request = reqwest::Client::new().post(url).bearer_auth(KEY);
            let answer = request.body(body).send().await.expect("an answer");
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
            answer.json().await.expect("JSON")
        })
    }

    /// Deletes an object by hand.
    pub(crate) fn delete(&self, path: &str) {
        let url = format!("{}{path}", self.fake.url());
        self.runtime.block_on(async {
            let request = reqwest::Client::new().delete(url).bearer_auth(KEY);
            let answer = request.send().await.expect("an answer");
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
        });
    }

    /// Makes a meter by hand; its id.
    pub(crate) fn meter(&self, event_name: &str, formula: &str, window: Option<&str>) -> String {
        let mut parameters = vec![
            ("display_name", "By hand"),
            ("event_name", event_name),
            ("default_aggregation[formula]", formula),
        ];
        parameters.extend(window.map(|window| ("event_time_window", window)));
        let made = self.post("/v1/billing/meters", &parameters);
        made["id"].as_str().expect("an id").to_owned()
    }
}
