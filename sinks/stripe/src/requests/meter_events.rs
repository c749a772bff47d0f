//! Meter events, which are usage, and their cancellation.
//!
//! Source: <https://docs.stripe.com/api/billing/meter-event/create>,
//! <https://docs.stripe.com/api/billing/meter-event-adjustment/create>. Refuses nothing. An answer
//! says that an event was received, not that it counts.

use crate::form::Form;
use crate::request::Write;
use serde::Deserialize;

/// An event: what a customer used of a meter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MeterEvent<'a> {
    /// Of the meter, at most 100 characters.
    pub event_name: &'a str,
    /// The key that the meter's customer mapping names, mostly `stripe_customer_id`.
    pub customer_key: &'a str,
    /// The customer's id.
    pub customer: &'a str,
    /// The key that the meter's value settings name, mostly `value`.
    pub value_key: &'a str,
    /// A decimal of at most 15 significant digits.
    pub value: &'a str,
    /// At most 100 characters. "We will enforce uniqueness within a rolling period of at least 24
    /// hours."
    pub identifier: &'a str,
    /// "Must be within the past 35 calendar days or up to 5 minutes in the future."
    pub timestamp: i64,
}

/// Stripe received an event, or its cancellation.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Received {
    /// Whose meter it is for.
    pub event_name: String,
}

/// Sends an event. It needs no idempotency key: its identifier is one, of another kind, and an
/// answer that is repeated would hide what became of the first call.
#[must_use]
pub fn create(event: &MeterEvent<'_>) -> Write<Received> {
    let mut form = Form::default();
    form.put("event_name", event.event_name);
    form.put("identifier", event.identifier);
    form.put("timestamp", event.timestamp);
    form.put(format!("payload[{}]", event.customer_key), event.customer);
    form.put(format!("payload[{}]", event.value_key), event.value);
    Write::post("/v1/billing/meter_events", &form)
}

/// Cancels an event by its identifier. "You can only cancel events within 24 hours of Stripe
/// receiving them."
#[must_use]
pub fn cancel(event_name: &str, identifier: &str) -> Write<Received> {
    let mut form = Form::default();
    form.put("event_name", event_name);
    form.put("type", "cancel");
    form.put("cancel[identifier]", identifier);
    Write::post("/v1/billing/meter_event_adjustments", &form)
}
