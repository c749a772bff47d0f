//! Billing meters.
//!
//! Source: <https://docs.stripe.com/api/billing/meter>. "Meters are immutable, with the exception of
//! the display name." Refuses to make meters other than sums of values given for whole hours, and
//! never deactivates one.

use crate::form::{Form, path_part};
use crate::request::{Read, Write};
use crate::requests::page;
use crate::wire::{Listed, Page};
use serde::Deserialize;

/// A meter, as far as it decides whether it can be pushed to.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Meter {
    /// Its id.
    pub id: String,
    /// What events name it by.
    pub event_name: String,
    /// For people.
    pub display_name: String,
    /// `active` or `inactive`.
    pub status: String,
    /// How events become a quantity.
    pub default_aggregation: Aggregation,
    /// `hour` or `day` where events are values of whole windows, of which the last received counts.
    pub event_time_window: Option<String>,
    /// Which key of an event's payload names the customer.
    pub customer_mapping: CustomerMapping,
    /// Which key has the value.
    pub value_settings: ValueSettings,
    /// When it was made, in seconds.
    pub created: i64,
}

impl Meter {
    /// Whether events are taken.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == "active"
    }
}

impl Listed for Meter {
    fn id(&self) -> &str {
        &self.id
    }
}

/// How events become a quantity.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Aggregation {
    /// `sum`, `count` or `last`.
    pub formula: String,
}

/// How an event names its customer.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct CustomerMapping {
    /// The key of the payload.
    pub event_payload_key: String,
    /// `by_id`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// How an event has its value.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct ValueSettings {
    /// The key of the payload.
    pub event_payload_key: String,
}

/// A meter to make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewMeter<'a> {
    /// For people, at most 250 characters.
    pub display_name: &'a str,
    /// At most 100 characters, and of no other active meter.
    pub event_name: &'a str,
    /// The key of the payload that names the customer.
    pub customer_key: &'a str,
    /// The key of the payload that has the value.
    pub value_key: &'a str,
}

/// Makes a meter that sums the last received value of each hour.
#[must_use]
pub fn create(meter: &NewMeter<'_>) -> Write<Meter> {
    let mut form = Form::default();
    form.put("display_name", meter.display_name);
    form.put("event_name", meter.event_name);
    form.put("default_aggregation[formula]", "sum");
    form.put("event_time_window", "hour");
    form.put("customer_mapping[type]", "by_id");
    form.put("customer_mapping[event_payload_key]", meter.customer_key);
    form.put("value_settings[event_payload_key]", meter.value_key);
    Write::post("/v1/billing/meters", &form)
}

/// Asks for one meter.
#[must_use]
pub fn get(id: &str) -> Read<Meter> {
    Read::new(
        format!("/v1/billing/meters/{}", path_part(id)),
        Form::default(),
    )
}

/// Asks for a page of all meters, inactive ones too.
#[must_use]
pub fn list(after: Option<&str>) -> Read<Page<Meter>> {
    Read::new("/v1/billing/meters", page(after))
}
