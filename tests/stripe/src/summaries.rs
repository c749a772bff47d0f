//! Meter event summaries.
//!
//! "A billing meter event summary represents an aggregated view of a customer's billing meter
//! events within a specified timeframe." "Meters events are aggregated asynchronously so the meter
//! event summaries provide an eventually consistent view of the reported usage."
//! (<https://docs.stripe.com/api/billing/meter-event-summary>) `aggregated_value` is a float.
//!
//! Windows come newest first, as in the documentation's example
//! (<https://docs.stripe.com/api/billing/meter-event-summary/list>). Those without events are left
//! out, which is not documented.

use crate::account::Account;
use crate::decimal::Decimal;
use crate::form::Form;
use crate::lists::{self, PAGE};
use crate::meters::{Meter, Window};
use crate::refusal::Refusal;
use crate::usage::{self, Series};
use serde_json::{Value, json};
use std::ops::Range;

/// "Must be aligned with minute boundaries."
const ALIGNMENT: i64 = 60;

/// `GET /v1/billing/meters/{id}/event_summaries`
pub(crate) fn list(account: &Account, meter: &Meter, form: &Form) -> Result<Value, Refusal> {
    let known = [
        "customer",
        "start_time",
        "end_time",
        "value_grouping_window",
    ];
    form.only(&[&PAGE[..], &known[..]].concat())?;
    let customer = form.required("customer")?;
    if !account.customers.contains_key(customer) {
        return Err(Refusal::names_no("customer", "customer", customer));
    }
    let window = form
        .one_of("value_grouping_window", &["hour", "day"])?
        .and_then(Window::named);
    let span = span(form, window)?;
    let as_of = account.now() - account.settings.summary_lag;
    let empty = Series::new();
    let series = account.usage.series(&meter.id, customer).unwrap_or(&empty);
    let length = window.map_or(span.end - span.start, Window::seconds);
    let windows = starts(series, &span, window).into_iter().rev();
    let summaries = windows.filter_map(|start| {
        let value = usage::quantity(meter, series, start..start + length, as_of)?;
        Some(summary(meter, customer, start..start + length, value))
    });
    let url = format!("/v1/billing/meters/{}/event_summaries", meter.id);
    lists::page(form, &url, summaries)
}

/// "The timestamp from when to start aggregating meter events (inclusive). Must be aligned with
/// minute boundaries." With `value_grouping_window`: "For hourly granularity, start and end times
/// must align with hour boundaries … For daily granularity, start and end times must align with
/// UTC day boundaries."
/// (<https://docs.stripe.com/api/billing/meter-event-summary/list>)
fn span(form: &Form, window: Option<Window>) -> Result<Range<i64>, Refusal> {
    let alignment = window.map_or(ALIGNMENT, Window::seconds);
    let aligned = |name: &str| {
        form.required(name)?;
        let time = form.integer(name)?.unwrap_or_default();
        if time.rem_euclid(alignment) == 0 {
            Ok(time)
        } else {
            let message = format!("{name} must be aligned with {alignment} seconds");
            Err(Refusal::parameter(name, &message))
        }
    };
    let span = aligned("start_time")?..aligned("end_time")?;
    if span.is_empty() {
        let message = "end_time must be after start_time";
        return Err(Refusal::parameter("end_time", message));
    }
    Ok(span)
}

/// Where the summaries that may have events start.
fn starts(series: &Series, span: &Range<i64>, window: Option<Window>) -> Vec<i64> {
    let Some(window) = window else {
        return vec![span.start];
    };
    let starts = series.range(span.clone());
    let mut starts: Vec<_> = starts
        .map(|(start, _)| start - start.rem_euclid(window.seconds()))
        .collect();
    starts.dedup();
    starts
}

fn summary(meter: &Meter, customer: &str, span: Range<i64>, value: Decimal) -> (String, Value) {
    let id = format!("mtrusg_{}_{customer}_{}", meter.id, span.start);
    let summary = json!({
        "id": id,
        "object": "billing.meter_event_summary",
        "aggregated_value": value.nearest_float(),
        "end_time": span.end,
        "livemode": false,
        "meter": meter.id,
        "start_time": span.start,
    });
    (id, summary)
}
