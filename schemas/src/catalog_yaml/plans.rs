//! Plans as people write them: `currency`, `default_plan`, `units`, `derived`, `health`, `plans`.
//!
//! Quantities of a plan are in the meter's unit of `units`, and become base units by one exact
//! multiplication. What a plan writes once for all its meters is written into each of them here:
//! the core knows only what holds for a meter. Its place in the file is then the plan's.

mod terms;
mod values;

use super::reader::{Item, Reader, Section};
use super::scalar;
use super::tree::Entry;
use meterline_core::catalog::plans::{Derived, HealthBounds, Plan, PlanUnit, Plans, Term};
use meterline_core::quantity::Quantity;
use std::collections::BTreeMap;

const PLAN_KEYS: [&str; 8] = [
    "title", "base", "reset", "zone", "cap", "grace", "alerts", "meters",
];
const DERIVED_KEYS: [&str; 5] = ["description", "unit", "constant", "terms", "unless"];
const HEALTH_KEYS: [&str; 3] = ["caution", "warning", "critical"];

/// Reads the sections of the document that are about plans.
pub(super) fn plans(reader: &mut Reader, section: &Section<'_>) -> Plans {
    let currency = reader.optional(section, "currency");
    let default_plan = reader.optional(section, "default_plan");
    let units = units(reader, section);
    Plans {
        currency: text(reader, currency.as_ref()).unwrap_or_default(),
        default_plan: text(reader, default_plan.as_ref()),
        derived: derived(reader, section),
        health: health(reader, section),
        plans: plan_list(reader, section, &units),
        units,
    }
}

fn text(reader: &mut Reader, item: Option<&Item<'_>>) -> Option<String> {
    item.and_then(|item| reader.text(item))
}

fn quantity(reader: &mut Reader, section: &Section<'_>, key: &str) -> Option<Quantity> {
    let item = reader.optional(section, key);
    reader.scalar(item.as_ref(), scalar::quantity)
}

fn units(reader: &mut Reader, section: &Section<'_>) -> BTreeMap<String, PlanUnit> {
    let mut units = BTreeMap::new();
    let Some(item) = reader.optional(section, "units") else {
        return units;
    };
    for Entry { key, line, node } in reader.entries(&item) {
        let place = item.place.key(key, *line);
        let unit = reader.section(&Item { place, node }, &["name", "ratio"]);
        let name = reader.required(&unit, "name");
        let ratio = reader.required(&unit, "ratio");
        let name = text(reader, name.as_ref());
        let ratio = reader.scalar(ratio.as_ref(), scalar::quantity);
        if let (Some(name), Some(ratio)) = (name, ratio) {
            units.insert(key.clone(), PlanUnit { name, ratio });
        }
    }
    units
}

fn derived(reader: &mut Reader, section: &Section<'_>) -> Vec<Derived> {
    let Some(item) = reader.optional(section, "derived") else {
        return Vec::new();
    };
    let mut derived = Vec::new();
    for (index, Entry { key, line, node }) in reader.entries(&item).iter().enumerate() {
        let place = item.place.key(key, *line);
        let place = place.standing_for(format!("derived[{index}]"));
        reader.mark(&place.standing_for(format!("derived[{index}].name")));
        let section = reader.section(&Item { place, node }, &DERIVED_KEYS);
        let description = reader.optional(&section, "description");
        let unit = reader.required(&section, "unit");
        let unless = reader.optional(&section, "unless");
        derived.push(Derived {
            name: key.clone(),
            description: text(reader, description.as_ref()).unwrap_or_default(),
            unit: text(reader, unit.as_ref()).unwrap_or_default(),
            constant: quantity(reader, &section, "constant").unwrap_or_default(),
            terms: summands(reader, &section),
            unless: text(reader, unless.as_ref()),
        });
    }
    derived
}

/// Reads `terms: {meter: weight}`.
fn summands(reader: &mut Reader, section: &Section<'_>) -> Vec<Term> {
    let Some(item) = reader.required(section, "terms") else {
        return Vec::new();
    };
    let mut terms = Vec::new();
    for (index, Entry { key, line, node }) in reader.entries(&item).iter().enumerate() {
        let place = item.place.key(key, *line);
        for part in ["", ".meter", ".weight"] {
            let model = format!("{}[{index}]{part}", item.place.model);
            reader.mark(&place.standing_for(model));
        }
        let weight = reader.scalar(Some(&Item { place, node }), scalar::quantity);
        terms.push(Term {
            meter: key.clone(),
            weight: weight.unwrap_or_default(),
        });
    }
    terms
}

fn health(reader: &mut Reader, section: &Section<'_>) -> HealthBounds {
    let mut bounds = HealthBounds::default();
    let Some(item) = reader.optional(section, "health") else {
        return bounds;
    };
    let section = reader.section(&item, &HEALTH_KEYS);
    let fields = [
        &mut bounds.caution,
        &mut bounds.warning,
        &mut bounds.critical,
    ];
    for (key, field) in HEALTH_KEYS.into_iter().zip(fields) {
        *field = quantity(reader, &section, key).unwrap_or(*field);
    }
    bounds
}

fn plan_list(
    reader: &mut Reader,
    section: &Section<'_>,
    units: &BTreeMap<String, PlanUnit>,
) -> Vec<Plan> {
    let Some(item) = reader.optional(section, "plans") else {
        return Vec::new();
    };
    let mut plans = Vec::new();
    for (index, Entry { key, line, node }) in reader.entries(&item).iter().enumerate() {
        let place = item.place.key(key, *line);
        let place = place.standing_for(format!("plans[{index}]"));
        reader.mark(&place.standing_for(format!("plans[{index}].name")));
        let section = reader.section(&Item { place, node }, &PLAN_KEYS);
        let title = reader.optional(&section, "title");
        plans.push(Plan {
            name: key.clone(),
            title: text(reader, title.as_ref()).unwrap_or_else(|| key.clone()),
            base: quantity(reader, &section, "base"),
            meters: terms::of_meters(reader, &section, units),
        });
    }
    plans
}
