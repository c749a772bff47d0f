//! The mapping to Stripe as people write it: `stripe`.
//!
//! A meter's name for people is its description unless the file gives another, or its own name
//! where it has neither.

use super::reader::{Item, Reader, Section};
use super::scalar;
use super::tree::Entry;
use meterline_core::catalog::Meter;
use meterline_core::catalog::stripe::{StripeMapping, StripeMeter};
use std::collections::BTreeMap;

const METER_KEYS: [&str; 3] = ["event_name", "display_name", "hours"];

/// Reads the section of the document that is about Stripe.
pub(super) fn stripe(
    reader: &mut Reader,
    section: &Section<'_>,
    meters: &[Meter],
) -> StripeMapping {
    let mut mapping = StripeMapping::default();
    let Some(item) = reader.optional(section, "stripe") else {
        return mapping;
    };
    let section = reader.section(&item, &["customer_key", "meters"]);
    let key = reader.optional(&section, "customer_key");
    if let Some(key) = key.and_then(|item| reader.text(&item)) {
        mapping.customer_key = key;
    }
    if let Some(item) = reader.required(&section, "meters") {
        mapping.meters = mapped(reader, &item, meters);
    }
    mapping
}

fn mapped(reader: &mut Reader, item: &Item<'_>, meters: &[Meter]) -> BTreeMap<String, StripeMeter> {
    let mut mapped = BTreeMap::new();
    for Entry { key, line, node } in reader.entries(item) {
        let place = item.place.key(key, *line);
        let section = reader.section(&Item { place, node }, &METER_KEYS);
        let event_name = reader.required(&section, "event_name");
        let display_name = reader.optional(&section, "display_name");
        let hours = reader.optional(&section, "hours");
        let event_name = event_name.and_then(|item| reader.text(&item));
        let display_name = display_name.and_then(|item| reader.text(&item));
        let meter = StripeMeter {
            event_name: event_name.unwrap_or_default(),
            display_name: display_name.unwrap_or_else(|| shown(meters, key).to_owned()),
            hours: reader.scalar(hours.as_ref(), scalar::whole),
        };
        mapped.insert(key.clone(), meter);
    }
    mapped
}

/// What people know a meter by.
fn shown<'a>(meters: &'a [Meter], name: &'a str) -> &'a str {
    let meter = meters.iter().find(|meter| meter.name == name);
    let description = meter.map(|meter| meter.description.as_str());
    description.filter(|text| !text.is_empty()).unwrap_or(name)
}
