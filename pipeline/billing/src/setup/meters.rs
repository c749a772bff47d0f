//! Meters: which of Stripe's can be pushed to, and what to do where one cannot.
//!
//! "Meters are immutable, with the exception of the display name", and an event name is that of one
//! active meter (<https://docs.stripe.com/api/billing/meter>). So one that does not count as it
//! should is refused: it may be somebody's, and is never deactivated here. Invariant: a meter is
//! pushed to only if it sums the last value of each hour, by the keys that are pushed.

use super::found::Found;
use super::plan::{Action, Change, Kind, Step};
use super::wanted::{WantedMeter, meter_product};
use meterline_stripe::requests::meters::Meter;

/// The key of a payload that has the value.
pub(super) const VALUE_KEY: &str = "value";
/// Most characters of an event name.
const EVENT_NAME_MAX: usize = 100;

/// What becomes of a meter.
pub(super) fn change(wanted: &WantedMeter, customer_key: &str, found: &Found) -> Change {
    let change = |action| Change::new(Kind::Meter, &wanted.event_name, action);
    let named = |meter: &&Meter| meter.event_name == wanted.event_name;
    let mut named = found.meters.iter().filter(named);
    if let Some(meter) = named.clone().find(|meter| meter.is_active()) {
        let wrong = wrong(meter, customer_key);
        if wrong.is_empty() {
            // Whoever sets a meter up makes its product, too.
            let is_known = found.products.contains_key(&meter_product(&wanted.meter));
            let action = if is_known {
                Action::Keep
            } else {
                Action::Adopt
            };
            return change(action).of(&meter.id);
        }
        let why = immutable(wanted, &wrong, found);
        return change(Action::Refuse).of(&meter.id).because(why);
    }
    match named.find(|meter| wrong(meter, customer_key).is_empty()) {
        Some(meter) => change(Action::Refuse).of(&meter.id).because(
            "it is deactivated at Stripe, with the usage that was pushed to it: reactivate it there, \
             then try again",
        ),
        None => change(Action::Make)
            .because(format!("\"{}\"", wanted.display_name))
            .by(Step::MakeMeter(wanted.clone())),
    }
}

/// The id of the active meter that a catalog's meter is pushed to, if it can be.
pub(super) fn usable<'a>(
    wanted: &WantedMeter,
    customer_key: &str,
    found: &'a Found,
) -> Option<&'a str> {
    let mut meters = found.meters.iter().filter(|meter| meter.is_active());
    let meter = meters.find(|meter| meter.event_name == wanted.event_name)?;
    wrong(meter, customer_key).is_empty().then_some(&*meter.id)
}

/// In what a meter differs from one that can be pushed to.
fn wrong(meter: &Meter, customer_key: &str) -> Vec<String> {
    let window = meter.event_time_window.as_deref();
    let customer = &meter.customer_mapping;
    let fields = [
        (
            "default_aggregation.formula",
            meter.default_aggregation.formula.as_str(),
            "sum",
        ),
        ("event_time_window", window.unwrap_or("none"), "hour"),
        ("customer_mapping.type", &customer.kind, "by_id"),
        (
            "customer_mapping.event_payload_key",
            &customer.event_payload_key,
            customer_key,
        ),
        (
            "value_settings.event_payload_key",
            &meter.value_settings.event_payload_key,
            VALUE_KEY,
        ),
    ];
    let wrong = fields.iter().filter(|(_, is, must)| is != must);
    let wrong = wrong.map(|(field, is, must)| format!("{field} is {is}, not {must}"));
    wrong.collect()
}

/// Why a meter cannot be used, and what to do.
fn immutable(wanted: &WantedMeter, wrong: &[String], found: &Found) -> String {
    format!(
        "{}; Stripe's meters cannot be changed, and one active meter has an event name. Before the \
         catalog is in force: write `event_name: {}` under `stripe.meters.{}`. Once it is, where \
         nothing else uses this meter: deactivate it at Stripe, and a right one is made under its \
         name; else map a meter of another name",
        wrong.join(", "),
        free_name(&wanted.event_name, found),
        wanted.meter,
    )
}

/// An event name that no meter has had.
fn free_name(event_name: &str, found: &Found) -> String {
    let is_free = |name: &String| found.meters.iter().all(|meter| meter.event_name != *name);
    let named = |number: usize| {
        let suffix = match number {
            1 => "_hourly".to_owned(),
            _ => format!("_hourly_{number}"),
        };
        let room = EVENT_NAME_MAX - suffix.len();
        // Event names are ASCII.
        format!("{}{suffix}", event_name.get(..room).unwrap_or(event_name))
    };
    let mut names = (1..=found.meters.len() + 1).map(named);
    names.find(is_free).unwrap_or_default()
}
