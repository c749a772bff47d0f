//! Billing meters.
//!
//! "Meters are immutable, with the exception of the display name." "You can only use an event name
//! with a single meter." (<https://docs.stripe.com/billing/subscriptions/usage-based/recording-usage>)
//! "When a meter is deactivated, no more meter events will be accepted for this meter. You can't
//! attach a deactivated meter to a price."
//! (<https://docs.stripe.com/api/billing/meter/deactivate>)

use crate::account::Account;
use crate::form::Form;
use crate::lists::{self, PAGE};
use crate::refusal::Refusal;
use crate::request::Call;
use crate::summaries;
use serde_json::{Value, json};

/// How a period's events become a quantity: "Allowed values are `count` to count the number of
/// events, `sum` to sum each event's value and `last` to take the last event's value in the
/// window." (<https://docs.stripe.com/api/billing/meter/create>)
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Formula {
    Sum,
    Count,
    Last,
}

/// "The time window which meter events have been pre-aggregated for, if any." (same page)
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Window {
    Hour,
    Day,
}

impl Window {
    pub(crate) const fn seconds(self) -> i64 {
        match self {
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Hour, Self::Day]
            .into_iter()
            .find(|window| window.name() == name)
    }
}

impl Formula {
    const fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Count => "count",
            Self::Last => "last",
        }
    }
}

/// A meter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Meter {
    pub(crate) id: String,
    pub(crate) event_name: String,
    pub(crate) formula: Formula,
    pub(crate) window: Option<Window>,
    /// Which key of the payload names the customer.
    pub(crate) customer_key: String,
    /// Which key of the payload has the value.
    pub(crate) value_key: String,
    display_name: String,
    created: i64,
    updated: i64,
    deactivated_at: Option<i64>,
}

impl Meter {
    pub(crate) const fn is_active(&self) -> bool {
        self.deactivated_at.is_none()
    }

    fn json(&self) -> Value {
        json!({
            "id": self.id,
            "object": "billing.meter",
            "created": self.created,
            "customer_mapping": { "event_payload_key": self.customer_key, "type": "by_id" },
            "default_aggregation": { "formula": self.formula.name() },
            "display_name": self.display_name,
            "event_name": self.event_name,
            "event_time_window": self.window.map(Window::name),
            "livemode": false,
            "status": if self.is_active() { "active" } else { "inactive" },
            "status_transitions": { "deactivated_at": self.deactivated_at },
            "updated": self.updated,
            "value_settings": { "event_payload_key": self.value_key },
        })
    }
}

/// `/v1/billing/meters…`
pub(crate) fn call(account: &mut Account, call: &Call<'_>) -> Result<Value, Refusal> {
    match (call.method, call.rest) {
        ("POST", []) => create(account, &call.form),
        ("GET", []) => list(account, &call.form),
        ("GET", [id]) => Ok(found(account, id)?.json()),
        ("POST", [id]) => rename(account, id, &call.form),
        ("POST", [id, "deactivate"]) => switch(account, id, false),
        ("POST", [id, "reactivate"]) => switch(account, id, true),
        ("GET", [id, "event_summaries"]) => {
            let meter = found(account, id)?.clone();
            summaries::list(account, &meter, &call.form)
        }
        _ => Err(call.no_such_route()),
    }
}

/// The active meter of an event name, else one that was deactivated.
pub(crate) fn of_event<'a>(account: &'a Account, event_name: &str) -> Option<&'a Meter> {
    let mut meters = account
        .meters
        .values()
        .filter(|meter| meter.event_name == event_name);
    let first = meters.next()?;
    Some(if first.is_active() {
        first
    } else {
        meters.find(|meter| meter.is_active()).unwrap_or(first)
    })
}

fn found<'a>(account: &'a mut Account, id: &str) -> Result<&'a mut Meter, Refusal> {
    account
        .meters
        .get_mut(id)
        .ok_or_else(|| Refusal::no_such("meter", id))
}

fn create(account: &mut Account, form: &Form) -> Result<Value, Refusal> {
    form.only(&[
        "customer_mapping",
        "default_aggregation",
        "display_name",
        "event_name",
        "event_time_window",
        "value_settings",
    ])?;
    let meter = requested(form)?;
    let taken = of_event(account, &meter.event_name).is_some_and(Meter::is_active);
    if taken {
        let message = format!(
            "There is already an active meter with event name '{}'.",
            meter.event_name
        );
        return Err(Refusal::parameter("event_name", &message));
    }
    let (id, now) = (account.new_id("mtr_test"), account.seconds());
    let meter = Meter {
        id: id.clone(),
        created: now,
        updated: now,
        ..meter
    };
    let answer = meter.json();
    account.meters.insert(id, meter);
    Ok(answer)
}

fn requested(form: &Form) -> Result<Meter, Refusal> {
    let display_name = limited(form.required("display_name")?, "display_name", 250)?;
    let event_name = limited(form.required("event_name")?, "event_name", 100)?;
    let formula = "default_aggregation[formula]";
    form.required(formula)?;
    let formula = match form.one_of(formula, &["sum", "count", "last"])? {
        Some("sum") => Formula::Sum,
        Some("count") => Formula::Count,
        _ => Formula::Last,
    };
    let window = form.one_of("event_time_window", &["hour", "day"])?;
    form.one_of("customer_mapping[type]", &["by_id"])?;
    let customer_key = form.get("customer_mapping[event_payload_key]");
    let value_key = form.get("value_settings[event_payload_key]");
    Ok(Meter {
        id: String::new(),
        event_name,
        formula,
        window: window.and_then(Window::named),
        customer_key: customer_key.unwrap_or("stripe_customer_id").to_owned(),
        value_key: value_key.unwrap_or("value").to_owned(),
        display_name,
        created: 0,
        updated: 0,
        deactivated_at: None,
    })
}

/// A text of no more characters than are allowed.
pub(crate) fn limited(text: &str, name: &str, characters: usize) -> Result<String, Refusal> {
    if text.chars().count() > characters {
        let message = format!("Invalid string: must be at most {characters} characters");
        return Err(Refusal::invalid("parameter_invalid_string", name, &message));
    }
    Ok(text.to_owned())
}

fn list(account: &Account, form: &Form) -> Result<Value, Refusal> {
    form.only(&[&PAGE[..], &["status"]].concat())?;
    let active = form
        .one_of("status", &["active", "inactive"])?
        .map(|status| status == "active");
    let meters = account.meters.values().rev();
    let meters = meters.filter(|meter| active.is_none_or(|active| meter.is_active() == active));
    let meters = meters.map(|meter| (meter.id.clone(), meter.json()));
    lists::page(form, "/v1/billing/meters", meters)
}

fn rename(account: &mut Account, id: &str, form: &Form) -> Result<Value, Refusal> {
    let now = account.seconds();
    let meter = found(account, id)?;
    form.only(&["display_name"])?;
    if let Some(name) = form.get("display_name") {
        meter.display_name = limited(name, "display_name", 250)?;
        meter.updated = now;
    }
    Ok(meter.json())
}

fn switch(account: &mut Account, id: &str, active: bool) -> Result<Value, Refusal> {
    let now = account.seconds();
    let meter = found(account, id)?;
    if meter.is_active() == active {
        let state = if active { "active" } else { "inactive" };
        return Err(Refusal::bad(&format!("This meter is already {state}.")));
    }
    meter.deactivated_at = (!active).then_some(now);
    meter.updated = now;
    Ok(meter.json())
}
