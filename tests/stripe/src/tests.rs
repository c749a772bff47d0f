//! Tests by behaviour. Those of the edge talk HTTP; all others drive the account through the gate,
//! at times of their own.

mod billing;
mod counting;
mod edge;
mod faults;
mod idempotency;
mod limits;
mod meter_events;
mod meters;
mod pricing;
mod subscriptions;
mod summaries;
mod webhooks;
mod whole;

use crate::account::Account;
use crate::gate::{self, Outcome, Ticket};
use crate::request::Request;
use crate::settings::{SECOND, Settings};
use crate::truth::Truth;
use serde_json::Value;

/// 2026-10-01 00:00:00 UTC, when every test begins.
pub(crate) const START: i64 = 1_790_812_800;

/// Seconds in an hour and in a day.
pub(crate) const HOUR: i64 = 3_600;
pub(crate) const DAY: i64 = 24 * HOUR;

/// Parameters.
pub(crate) type Parameters<'a> = &'a [(&'a str, &'a str)];

/// An account, and a client that never waits.
pub(crate) struct Fake {
    pub(crate) account: Account,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) version: Option<String>,
}

/// What a client gets.
#[derive(Debug)]
pub(crate) struct Reply {
    /// 0: nothing.
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Value,
}

impl Reply {
    /// The body of an answer that must be a success.
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// The message of an answer that must be a refusal.
    pub(crate) fn refused(self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        text(&self.body["error"]["message"])
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(header, _)| *header == name);
        header.map(|(_, value)| value.as_str())
    }
}

impl Fake {
    /// Without limits, faults and webhooks.
    pub(crate) fn new() -> Self {
        Self::with(Settings {
            limits: None,
            ..Settings::default()
        })
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self {
            account: Account::new(settings, START * SECOND),
            idempotency_key: None,
            key: Some("sk_test".to_owned()),
            version: None,
        }
    }

    pub(crate) fn request(&self, method: &str, path: &str, parameters: Parameters<'_>) -> Request {
        let mut encoded = url::form_urlencoded::Serializer::new(String::new());
        let encoded = encoded.extend_pairs(parameters).finish();
        let (query, body) = match method {
            "GET" => (encoded, String::new()),
            _ => (String::new(), encoded),
        };
        Request {
            method: method.to_owned(),
            path: path.to_owned(),
            query,
            body,
            key: self.key.clone(),
            idempotency_key: self.idempotency_key.clone(),
            version: self.version.clone(),
        }
    }

    /// Lets a request in without doing it.
    pub(crate) fn enter(
        &mut self,
        path: &str,
        parameters: Parameters<'_>,
    ) -> Result<Ticket, Reply> {
        let request = self.request("POST", path, parameters);
        gate::enter(&mut self.account, request).map_err(reply)
    }

    fn call(&mut self, method: &str, path: &str, parameters: Parameters<'_>) -> Reply {
        let request = self.request(method, path, parameters);
        reply(match gate::enter(&mut self.account, request) {
            Ok(ticket) => gate::finish(&mut self.account, &ticket),
            Err(outcome) => outcome,
        })
    }

    pub(crate) fn post(&mut self, path: &str, parameters: Parameters<'_>) -> Reply {
        self.call("POST", path, parameters)
    }

    pub(crate) fn get(&mut self, path: &str, parameters: Parameters<'_>) -> Reply {
        self.call("GET", path, parameters)
    }

    pub(crate) fn delete(&mut self, path: &str, parameters: Parameters<'_>) -> Reply {
        self.call("DELETE", path, parameters)
    }

    /// Lets seconds go by.
    pub(crate) fn wait(&mut self, seconds: i64) {
        self.account.advance(self.account.now() + seconds * SECOND);
    }

    pub(crate) fn wait_until(&mut self, seconds: i64) {
        self.account.advance(seconds * SECOND);
    }

    pub(crate) fn customer(&mut self) -> String {
        id(&self.post("/v1/customers", &[]).ok())
    }

    pub(crate) fn meter(
        &mut self,
        event_name: &str,
        formula: &str,
        window: Option<&str>,
    ) -> String {
        let mut parameters = vec![
            ("display_name", "A meter"),
            ("event_name", event_name),
            ("default_aggregation[formula]", formula),
        ];
        parameters.extend(window.map(|window| ("event_time_window", window)));
        id(&self.post("/v1/billing/meters", &parameters).ok())
    }

    /// Sends a meter event.
    pub(crate) fn send(
        &mut self,
        event_name: &str,
        (customer, value, timestamp): (&str, &str, i64),
        identifier: &str,
    ) -> Reply {
        let timestamp = timestamp.to_string();
        self.post(
            "/v1/billing/meter_events",
            &[
                ("event_name", event_name),
                ("payload[stripe_customer_id]", customer),
                ("payload[value]", value),
                ("identifier", identifier),
                ("timestamp", &timestamp),
            ],
        )
    }

    /// What counts, as `(window, quantity)`.
    pub(crate) fn counted(&self) -> Vec<(i64, String)> {
        let counted = Truth(&self.account).counted();
        counted
            .into_iter()
            .map(|one| (one.window, one.quantity.to_string()))
            .collect()
    }

    /// A metered price, in cents a unit.
    pub(crate) fn price(&mut self, meter: &str, cents: &str) -> String {
        let product = id(&self.post("/v1/products", &[("name", "A product")]).ok());
        let parameters = [
            ("product", product.as_str()),
            ("currency", "usd"),
            ("recurring[interval]", "month"),
            ("recurring[usage_type]", "metered"),
            ("recurring[meter]", meter),
            ("unit_amount_decimal", cents),
        ];
        id(&self.post("/v1/prices", &parameters).ok())
    }

    pub(crate) fn subscribe(&mut self, customer: &str, price: &str) -> Value {
        let parameters = [("customer", customer), ("items[0][price]", price)];
        self.post("/v1/subscriptions", &parameters).ok()
    }
}

fn reply(outcome: Outcome) -> Reply {
    match outcome {
        Outcome::Answer(answer) => Reply {
            status: answer.status,
            headers: answer.headers,
            body: serde_json::from_slice(&answer.body).expect("answers are JSON"),
        },
        Outcome::Silence | Outcome::Reset => Reply {
            status: 0,
            headers: Vec::new(),
            body: Value::Null,
        },
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().map(str::to_owned).unwrap_or_default()
}

pub(crate) fn id(object: &Value) -> String {
    text(&object["id"])
}

/// The objects of a list.
pub(crate) fn listed(list: &Value) -> &[Value] {
    list["data"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}
