//! Reports of meter events that did not count.
//!
//! `v1.billing.meter.error_report_triggered`: "This event occurs when there are invalid async usage
//! events for a given meter." `v1.billing.meter.no_meter_found`: "… when async usage events have
//! missing or invalid meter ids." (<https://docs.stripe.com/api/v2/core/events/event-types>) A
//! report has counts and samples only, of a window of validation; ten seconds in the
//! documentation's example (<https://docs.stripe.com/api/v2/core/events/object>).

use crate::account::{Account, Due};
use crate::events;
use crate::settings::SECOND;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How long errors are gathered for one report.
const VALIDATION_WINDOW: i64 = 10 * SECOND;

/// Samples of each kind of error in a report. How many Stripe gives is not documented; few, so
/// that nobody takes them for all.
const SAMPLES_MAX: usize = 3;

/// What is wrong with an event.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Fault {
    NoMeter,
    ArchivedMeter,
    NoCustomerDefined,
    CustomerNotFound,
    ValueNotFound,
    InvalidValue,
}

impl Fault {
    /// The open enum of `reason.error_types.code`.
    const fn code(self) -> &'static str {
        match self {
            Self::NoMeter => "no_meter",
            Self::ArchivedMeter => "archived_meter",
            Self::NoCustomerDefined => "meter_event_no_customer_defined",
            Self::CustomerNotFound => "meter_event_customer_not_found",
            Self::ValueNotFound => "meter_event_value_not_found",
            Self::InvalidValue => "meter_event_invalid_value",
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::NoMeter => "No meter was found for the event name.",
            Self::ArchivedMeter => "The meter of the event name is archived.",
            Self::NoCustomerDefined => "Customer mapping key not found in payload.",
            Self::CustomerNotFound => "The customer in the payload was not found.",
            Self::ValueNotFound => "Value key not found in payload.",
            Self::InvalidValue => "The value in the payload is not a number.",
        }
    }
}

#[derive(Debug, Default)]
struct Kind {
    count: u64,
    samples: Vec<String>,
}

#[derive(Debug)]
struct Report {
    since: i64,
    kinds: BTreeMap<Fault, Kind>,
}

/// Errors that are not reported yet, by meter.
#[derive(Debug, Default)]
pub(crate) struct Reports(BTreeMap<Option<String>, Report>);

/// Notes an event that does not count.
pub(crate) fn note(account: &mut Account, meter: Option<String>, fault: Fault, identifier: &str) {
    let now = account.now();
    if !account.reports.0.contains_key(&meter) {
        account.at(now + VALIDATION_WINDOW, Due::Report(meter.clone()));
    }
    let report = account.reports.0.entry(meter).or_insert_with(|| Report {
        since: now,
        kinds: BTreeMap::new(),
    });
    let kind = report.kinds.entry(fault).or_default();
    kind.count += 1;
    if kind.samples.len() < SAMPLES_MAX {
        kind.samples.push(identifier.to_owned());
    }
}

/// Publishes what was noted about a meter, or about none.
pub(crate) fn publish(account: &mut Account, meter: Option<&str>) {
    let Some(report) = account.reports.0.remove(&meter.map(str::to_owned)) else {
        return;
    };
    let details = details(&report, account.now());
    match meter {
        Some(id) => {
            let related = json!({
                "id": id,
                "type": "billing.meter",
                "url": format!("/v1/billing/meters/{id}"),
            });
            let kind = "v1.billing.meter.error_report_triggered";
            events::publish_thin(account, kind, Some(related), details);
        }
        None => events::publish_thin(account, "v1.billing.meter.no_meter_found", None, details),
    }
}

fn details(report: &Report, now: i64) -> Value {
    let count: u64 = report.kinds.values().map(|kind| kind.count).sum();
    let kinds = report.kinds.iter().map(|(fault, kind)| {
        let sample = |identifier: &String| {
            json!({ "error_message": fault.message(), "request": { "identifier": identifier } })
        };
        json!({
            "code": fault.code(),
            "error_count": kind.count,
            "sample_errors": kind.samples.iter().map(sample).collect::<Vec<_>>(),
        })
    });
    json!({
        "developer_message_summary": format!("There are {count} invalid events"),
        "reason": { "error_count": count, "error_types": kinds.collect::<Vec<_>>() },
        "validation_start": timestamp(report.since),
        "validation_end": timestamp(now),
    })
}

/// A time as the second API version writes it.
pub(crate) fn timestamp(milliseconds: i64) -> String {
    DateTime::from_timestamp_millis(milliseconds)
        .expect("a time of a test is a year of four digits")
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}
