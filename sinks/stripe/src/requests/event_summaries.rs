//! Summaries of meter events: what Stripe counts of a customer's use.
//!
//! Source: <https://docs.stripe.com/api/billing/meter-event-summary/list>. "The meter event
//! summaries provide an eventually consistent view of the reported usage." They come newest first;
//! windows without events may lack one. Refuses nothing; values are kept as text.

use crate::form::path_part;
use crate::request::Read;
use crate::requests::{Period, page};
use crate::wire::{Decimal, Listed, Page};
use serde::Deserialize;

/// The aggregate of one window.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct EventSummary {
    /// A place in the list.
    pub id: String,
    /// A float at Stripe; here its text.
    pub aggregated_value: Decimal,
    /// Start of the window, in seconds.
    pub start_time: i64,
    /// Its end, in seconds; open.
    pub end_time: i64,
    /// The meter's id.
    pub meter: String,
}

impl Listed for EventSummary {
    fn id(&self) -> &str {
        &self.id
    }
}

/// Asks for a page of the hours of a customer at a meter. Both ends of the span must be whole
/// hours: "start and end times must align with hour boundaries".
#[must_use]
pub fn list_hours(
    meter: &str,
    customer: &str,
    span: Period,
    after: Option<&str>,
) -> Read<Page<EventSummary>> {
    list(meter, customer, span, "hour", after)
}

/// Asks for a page of the days (UTC) of a customer at a meter. Both ends of the span must be whole
/// days: "start and end times must align with UTC day boundaries".
#[must_use]
pub fn list_days(
    meter: &str,
    customer: &str,
    span: Period,
    after: Option<&str>,
) -> Read<Page<EventSummary>> {
    list(meter, customer, span, "day", after)
}

fn list(
    meter: &str,
    customer: &str,
    span: Period,
    window: &str,
    after: Option<&str>,
) -> Read<Page<EventSummary>> {
    let mut form = page(after);
    form.put("customer", customer);
    form.put("start_time", span.start);
    form.put("end_time", span.end);
    form.put("value_grouping_window", window);
    let meter = path_part(meter);
    Read::new(format!("/v1/billing/meters/{meter}/event_summaries"), form)
}
