//! Meter events and their cancellation: what is refused at once, what is found later.
//!
//! A 200 says that an event was received. Whether it counts is decided when it arrives, a random
//! while later; what is wrong with it then is reported as an event ([`crate::reports`]).

use crate::account::{Account, Due};
use crate::decimal::Decimal;
use crate::form::Form;
use crate::meters::{self, Formula, limited};
use crate::refusal::Refusal;
use crate::reports::{self, Fault};
use crate::request::Call;
use crate::settings::{DAY, MINUTE, SECOND};
use crate::usage::{Arrived, Place};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// "We will enforce uniqueness within a rolling period of at least 24 hours."
/// (<https://docs.stripe.com/api/billing/meter-event/create>) Exactly 24 here, so that whoever
/// relies on more is found out. It is also how long an event can be cancelled: "You can only
/// cancel events within 24 hours of Stripe receiving them."
/// (<https://docs.stripe.com/api/billing/meter-event-adjustment/create>)
pub(crate) const IDENTIFIER_MEMORY: i64 = DAY;

/// "Must be within the past 35 calendar days or up to 5 minutes in the future." (same page)
const PAST_MAX: i64 = 35 * DAY;
const FUTURE_MAX: i64 = 5 * MINUTE;

/// "Introduces validation that rejects billing meter event values with more than 15 significant
/// digits. For the synchronous API, requests with such values now return a 400 error."
/// (<https://docs.stripe.com/changelog/dahlia/2026-04-22/billing-meter-event-values-validation>)
const DIGITS_MAX: usize = 15;

/// An event on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct MeterEvent {
    pub(crate) event_name: String,
    pub(crate) identifier: String,
    pub(crate) payload: BTreeMap<String, String>,
    /// In seconds.
    pub(crate) timestamp: i64,
}

/// How far a received event has come.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Progress {
    Travelling,
    Counted(Place),
    Refused,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Received {
    event_name: String,
    progress: Progress,
    /// A cancellation was received.
    cancelled: bool,
}

/// The identifiers that are remembered.
#[derive(Debug, Default)]
pub(crate) struct Reception {
    received: HashMap<String, Received>,
    /// When each is forgotten, in the order of their reception.
    forgotten_at: VecDeque<(i64, String)>,
}

impl Reception {
    pub(crate) fn forget(&mut self, now: i64) {
        while let Some((at, _)) = self.forgotten_at.front()
            && *at <= now
        {
            if let Some((_, identifier)) = self.forgotten_at.pop_front() {
                self.received.remove(&identifier);
            }
        }
    }

    fn remember(&mut self, now: i64, event: &MeterEvent) {
        let received = Received {
            event_name: event.event_name.clone(),
            progress: Progress::Travelling,
            cancelled: false,
        };
        self.received.insert(event.identifier.clone(), received);
        let forgotten_at = now + IDENTIFIER_MEMORY;
        self.forgotten_at
            .push_back((forgotten_at, event.identifier.clone()));
    }

    fn moved(&mut self, identifier: &str, progress: Progress) {
        if let Some(received) = self.received.get_mut(identifier) {
            received.progress = progress;
        }
    }
}

/// `/v1/billing/meter_events`
pub(crate) fn call(account: &mut Account, call: &Call<'_>) -> Result<Value, Refusal> {
    match (call.method, call.rest) {
        ("POST", []) => receive(account, &call.form),
        _ => Err(call.no_such_route()),
    }
}

/// `/v1/billing/meter_event_adjustments`
pub(crate) fn call_adjustments(account: &mut Account, call: &Call<'_>) -> Result<Value, Refusal> {
    match (call.method, call.rest) {
        ("POST", []) => adjust(account, &call.form),
        _ => Err(call.no_such_route()),
    }
}

/// The customer and the event name that a call for a meter event is about: "one concurrent call
/// per customer per meter".
pub(crate) fn subject(account: &Account, form: &Form) -> Option<(String, String)> {
    let event_name = form.get("event_name")?;
    let meter = meters::of_event(account, event_name);
    let key = meter.map_or("stripe_customer_id", |meter| meter.customer_key.as_str());
    let customer = form.get(&format!("payload[{key}]"))?;
    Some((customer.to_owned(), event_name.to_owned()))
}

fn receive(account: &mut Account, form: &Form) -> Result<Value, Refusal> {
    let event = requested(account, form)?;
    if account.reception.received.contains_key(&event.identifier) {
        // Seen by an integration: "400 invalid_request_error … An event already exists with
        // identifier …", without a code (<https://github.com/langfuse/langfuse/pull/16292>).
        let message = format!(
            "An event already exists with identifier {}.",
            event.identifier
        );
        return Err(Refusal::bad(&message));
    }
    let now = account.now();
    account.reception.remember(now, &event);
    let payload: Map<_, _> = event
        .payload
        .iter()
        .map(|(key, value)| (key.clone(), json!(value)))
        .collect();
    let answer = json!({
        "object": "billing.meter_event",
        "created": account.seconds(),
        "event_name": event.event_name,
        "identifier": event.identifier,
        "livemode": false,
        "payload": payload,
        "timestamp": event.timestamp,
    });
    let delay = account.delay(account.settings.arrival_delay_max);
    account.at(now + delay, Due::Arrive(Box::new(event)));
    Ok(answer)
}

fn requested(account: &mut Account, form: &Form) -> Result<MeterEvent, Refusal> {
    form.only(&["event_name", "identifier", "payload", "timestamp"])?;
    let event_name = limited(form.required("event_name")?, "event_name", 100)?;
    let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
    let payload: BTreeMap<_, _> = form.inside("payload").map(owned).collect();
    if payload.is_empty() {
        return Err(Refusal::missing("payload"));
    }
    let timestamp = form.integer("timestamp")?.unwrap_or(account.seconds());
    check_timestamp(timestamp, account.now())?;
    let value_key =
        meters::of_event(account, &event_name).map_or("value", |meter| meter.value_key.as_str());
    if let Some(value) = payload.get(value_key)
        && Decimal::significant_digits(value) > DIGITS_MAX
    {
        let message = format!(
            "The value in the event payload can have at most {DIGITS_MAX} digits. Received {value}."
        );
        return Err(Refusal::parameter("payload", &message));
    }
    // "If not provided, one is generated."
    let identifier = match form.get("identifier") {
        Some(identifier) if !identifier.is_empty() => limited(identifier, "identifier", 100)?,
        _ => account.new_id("generated"),
    };
    Ok(MeterEvent {
        event_name,
        identifier,
        payload,
        timestamp,
    })
}

fn check_timestamp(timestamp: i64, now: i64) -> Result<(), Refusal> {
    let at = timestamp.saturating_mul(SECOND);
    let wrong = if at < now - PAST_MAX {
        "The timestamp must be within the past 35 calendar days."
    } else if at > now + FUTURE_MAX {
        "The timestamp must be no more than 5 minutes in the future."
    } else {
        return Ok(());
    };
    Err(Refusal::parameter("timestamp", wrong))
}

/// A received event is validated, and counts if it is right.
///
/// What is wrong is told later, by `v1.billing.meter.error_report_triggered` ("there are invalid
/// async usage events for a given meter") and `v1.billing.meter.no_meter_found`
/// (<https://docs.stripe.com/api/v2/core/events/event-types>).
pub(crate) fn arrive(account: &mut Account, event: MeterEvent) {
    let now = account.now();
    let identifier = event.identifier.clone();
    match counted(account, &event) {
        Ok((meter, customer, value)) => {
            let arrived = Arrived {
                timestamp: event.timestamp,
                value,
                at: now,
                cancelled_at: None,
            };
            if let Some(meter) = account.meters.get(&meter) {
                let place = account.usage.add(meter, &customer, arrived);
                account
                    .reception
                    .moved(&identifier, Progress::Counted(place));
            }
        }
        Err((meter, fault)) => {
            account.reception.moved(&identifier, Progress::Refused);
            reports::note(account, meter, fault, &identifier);
        }
    }
}

/// The meter, the customer and the value of an event, or the meter and what is wrong.
type Validated = Result<(String, String, Decimal), (Option<String>, Fault)>;

fn counted(account: &Account, event: &MeterEvent) -> Validated {
    let Some(meter) = meters::of_event(account, &event.event_name) else {
        return Err((None, Fault::NoMeter));
    };
    let wrong = |fault| Err((Some(meter.id.clone()), fault));
    if !meter.is_active() {
        return wrong(Fault::ArchivedMeter);
    }
    let Some(customer) = event.payload.get(&meter.customer_key) else {
        return wrong(Fault::NoCustomerDefined);
    };
    if !account.customers.contains_key(customer) {
        return wrong(Fault::CustomerNotFound);
    }
    let value = match (meter.formula, event.payload.get(&meter.value_key)) {
        (Formula::Count, _) => Decimal::whole(1),
        (_, None) => return wrong(Fault::ValueNotFound),
        (_, Some(text)) => match Decimal::parse(text) {
            Some(value) => value,
            None => return wrong(Fault::InvalidValue),
        },
    };
    Ok((meter.id.clone(), customer.clone(), value))
}

fn adjust(account: &mut Account, form: &Form) -> Result<Value, Refusal> {
    form.only(&["event_name", "type", "cancel"])?;
    let event_name = limited(form.required("event_name")?, "event_name", 100)?;
    form.required("type")?;
    form.one_of("type", &["cancel"])?;
    let identifier = form.required("cancel[identifier]")?.to_owned();
    let received = account.reception.received.get_mut(&identifier);
    let Some(received) = received.filter(|received| received.event_name == event_name) else {
        let message = format!("No event of the past 24 hours has the identifier {identifier}.");
        return Err(Refusal::parameter("cancel[identifier]", &message));
    };
    if received.cancelled {
        let message = format!("The event {identifier} was cancelled before.");
        return Err(Refusal::parameter("cancel[identifier]", &message));
    }
    received.cancelled = true;
    // Processed like events: asynchronously.
    let delay = account.delay(account.settings.arrival_delay_max);
    account.at(account.now() + delay, Due::Cancel(identifier.clone()));
    Ok(json!({
        "object": "billing.meter_event_adjustment",
        "cancel": { "identifier": identifier },
        "event_name": event_name,
        "livemode": false,
        "status": "pending",
        "type": "cancel",
    }))
}

/// A cancellation takes effect; one that overtook its event waits for it.
pub(crate) fn cancel(account: &mut Account, identifier: &str) {
    let now = account.now();
    let received = account.reception.received.get(identifier);
    match received.map(|received| received.progress.clone()) {
        Some(Progress::Counted(place)) => account.usage.cancel(&place, now),
        Some(Progress::Travelling) => {
            account.at(now + SECOND, Due::Cancel(identifier.to_owned()));
        }
        Some(Progress::Refused) | None => {}
    }
}
