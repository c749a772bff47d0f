//! Events: what happened, as it is told to webhooks and can be asked for.
//!
//! Those of the first API version carry a snapshot of their object
//! (<https://docs.stripe.com/api/events>). Those about meters are thin: "The payload of thin events
//! is unversioned. During processing, you must fetch the versioned event from the API"
//! (<https://docs.stripe.com/api/v2/core/events/event-types>); only then they have their `data`.

use crate::account::Account;
use crate::form::Form;
use crate::lists::{self, PAGE};
use crate::refusal::Refusal;
use crate::reports;
use crate::request::Call;
use crate::settings::{DAY, SECOND};
use crate::webhooks::{self, Deliveries};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// "List events, going back up to 30 days." (<https://docs.stripe.com/api/events/list>)
const MEMORY: i64 = 30 * DAY;

/// The version whose shapes snapshots have.
const API_VERSION: &str = "2026-04-22.dahlia";

#[derive(Debug)]
struct Event {
    at: i64,
    kind: String,
    document: Value,
    /// Of a thin event: what its webhook lacks.
    data: Option<Value>,
}

/// Events by their ids, which rise, and their deliveries.
#[derive(Debug, Default)]
pub(crate) struct Events {
    events: BTreeMap<String, Event>,
    pub(crate) deliveries: Deliveries,
}

impl Events {
    pub(crate) fn forget(&mut self, now: i64) {
        while let Some(entry) = self.events.first_entry()
            && entry.get().at + MEMORY <= now
        {
            entry.remove();
        }
    }

    /// The ids and the types of the events that are kept, in their order.
    pub(crate) fn published(&self) -> impl Iterator<Item = (&str, &str)> {
        let events = self.events.iter();
        events.map(|(id, event)| (id.as_str(), event.kind.as_str()))
    }
}

/// Publishes an event with a snapshot of its object.
pub(crate) fn publish(account: &mut Account, kind: &str, object: Value) {
    let id = account.new_id("evt");
    let document = json!({
        "id": id,
        "object": "event",
        "api_version": API_VERSION,
        "created": account.seconds(),
        "data": { "object": object },
        "livemode": false,
        "pending_webhooks": 1,
        "request": { "id": null, "idempotency_key": null },
        "type": kind,
    });
    keep(account, id, kind, document, None);
}

/// Publishes a thin event.
pub(crate) fn publish_thin(account: &mut Account, kind: &str, related: Option<Value>, data: Value) {
    let id = account.new_id("evt");
    let mut document = json!({
        "id": id,
        "object": "v2.core.event",
        "context": null,
        "created": reports::timestamp(account.now()),
        "livemode": false,
        "reason": null,
        "type": kind,
    });
    if let Some(related) = related {
        document["related_object"] = related;
    }
    keep(account, id, kind, document, Some(data));
}

fn keep(account: &mut Account, id: String, kind: &str, document: Value, data: Option<Value>) {
    webhooks::schedule(account, document.to_string());
    let event = Event {
        at: account.now(),
        kind: kind.to_owned(),
        document,
        data,
    };
    account.events.events.insert(id, event);
}

/// `/v1/events…`
pub(crate) fn call(account: &mut Account, call: &Call<'_>) -> Result<Value, Refusal> {
    match (call.method, call.rest) {
        ("GET", []) => list(account, &call.form, "/v1/events", false),
        ("GET", [id]) => found(account, id, false),
        _ => Err(call.no_such_route()),
    }
}

/// `/v2/core/events…`
pub(crate) fn call_thin(account: &mut Account, call: &Call<'_>) -> Result<Value, Refusal> {
    match (call.method, call.rest) {
        ("GET", []) => list(account, &call.form, "/v2/core/events", true),
        ("GET", [id]) => found(account, id, true),
        _ => Err(call.no_such_route()),
    }
}

fn shown(event: &Event) -> Value {
    let mut document = event.document.clone();
    if let Some(data) = &event.data {
        document["data"] = data.clone();
    }
    document
}

fn found(account: &Account, id: &str, thin: bool) -> Result<Value, Refusal> {
    let event = account.events.events.get(id);
    let event = event.filter(|event| event.data.is_some() == thin);
    event
        .map(shown)
        .ok_or_else(|| Refusal::no_such("event", id))
}

/// "`types`: An array of up to 20 strings containing specific event names. The list will be filtered
/// to include only events with a matching event property." (<https://docs.stripe.com/api/events/list>)
fn list(account: &Account, form: &Form, url: &str, thin: bool) -> Result<Value, Refusal> {
    form.only(&[&PAGE[..], &["created", "type", "types"]].concat())?;
    let mut kinds: Vec<_> = form.inside("types").map(|(_, kind)| kind).collect();
    kinds.extend(form.get("type"));
    let from = form.integer("created[gte]")?.unwrap_or_default() * SECOND;
    let events = account.events.events.iter().rev().filter(|(_, event)| {
        event.data.is_some() == thin
            && (kinds.is_empty() || kinds.contains(&event.kind.as_str()))
            && event.at >= from
    });
    let events = events.map(|(id, event)| (id.clone(), shown(event)));
    lists::page(form, url, events)
}
