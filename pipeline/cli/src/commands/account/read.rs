//! Accounts as people write them: overrides on the command line, files, lines of an import.
//!
//! Everything becomes a [`Patch`]. Every refusal names the field; decimals never go through a float.

use super::patch::{Customer, Overrides, Patch};
use super::units::{Bare, Units};
use crate::units::Length;
use meterline_core::account::{AccountStatus, LimitOverride, Override};
use meterline_core::catalog::Catalog;
use meterline_core::catalog::plans::{Cap, Grace};
use meterline_core::nearest::hint;
use meterline_core::quantity::Quantity;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Fields of an account in files, beside its id.
const FIELDS: [&str; 8] = [
    "name",
    "plan",
    "status",
    "start",
    "time_zone",
    "overrides",
    "contacts",
    "stripe_customer",
];
/// Names of the field that holds the id.
pub(crate) const ID_FIELDS: [&str; 2] = ["account", "id"];

/// Reads `METER:FIELD=VALUE,…`.
///
/// # Errors
/// What is wrong, and what to write.
pub(crate) fn parse_override(
    text: &str,
    catalog: &Catalog,
    bare: Bare,
) -> Result<(String, Override), String> {
    let (meter, fields) = text.split_once(':').ok_or_else(|| {
        format!("`{text}` is no override: write METER:limit=5GB,cap=soft, for example")
    })?;
    let unknown = |reason| format!("overrides.{meter}: {reason}");
    let units = Units::known(catalog, meter).map_err(unknown)?;
    let mut parsed = Override::default();
    for field in fields.split(',') {
        let (name, value) = field
            .split_once('=')
            .ok_or_else(|| format!("overrides.{meter}: `{field}` is not FIELD=VALUE"))?;
        set_field(&mut parsed, name.trim(), value.trim(), units, bare)
            .map_err(|reason| format!("overrides.{meter}.{}: {reason}", name.trim()))?;
    }
    Ok((meter.to_owned(), parsed))
}

fn set_field(
    parsed: &mut Override,
    name: &str,
    value: &str,
    units: Units<'_>,
    bare: Bare,
) -> Result<(), String> {
    match name {
        "limit" if value == "unlimited" => parsed.limit = Some(LimitOverride::Unlimited),
        "limit" => parsed.limit = Some(LimitOverride::At(units.read(value, bare)?)),
        "included" => parsed.included = Some(units.read(value, bare)?),
        "cap" => parsed.cap = Some(parse_cap(value)?),
        "grace" => parsed.grace = Some(parse_grace(value)?),
        other => {
            let known = ["limit", "included", "cap", "grace"];
            let hint = hint(other, known.into_iter());
            return Err(format!(
                "no such field here, {hint}; thresholds are set by --file"
            ));
        }
    }
    Ok(())
}

fn parse_cap(text: &str) -> Result<Cap, String> {
    match text {
        "none" => Ok(Cap::None),
        "soft" => Ok(Cap::Soft),
        "hard" => Ok(Cap::Hard),
        _ => Err(format!("`{text}` is no cap: write none, soft or hard")),
    }
}

/// Reads `7d/120%`: until the first of both.
fn parse_grace(text: &str) -> Result<Grace, String> {
    let refused = || format!("`{text}` is no grace: write a length and a share, such as 7d/120%");
    let (length, percent) = text.split_once('/').ok_or_else(refused)?;
    let length: Length = length.parse()?;
    let percent = Quantity::parse(percent.trim_end_matches('%')).map_err(|_| refused())?;
    Ok(Grace {
        seconds: u32::try_from(length.0.as_secs()).map_err(|_| refused())?,
        percent,
    })
}

/// Reads the fields of an account; `whole` says that what is missing takes its default. The id,
/// where there is one, comes first in the answer.
///
/// # Errors
/// The field's path, and what is wrong with it.
pub(crate) fn read_object(
    object: &Map<String, Value>,
    catalog: &Catalog,
    whole: bool,
) -> Result<(Option<String>, Patch), String> {
    let known = || FIELDS.into_iter().chain(ID_FIELDS);
    for name in object.keys() {
        if !known().any(|known| known == name) {
            return Err(format!("{name}: no such field, {}", hint(name, known())));
        }
    }
    let id = ID_FIELDS.iter().find_map(|name| object.get(*name));
    let id = id.map(|id| field::<String>("account", id)).transpose()?;
    let overrides = match object.get("overrides").filter(|value| !value.is_null()) {
        Some(value) => Overrides::All(read_overrides(value, catalog)?),
        None if whole => Overrides::All(BTreeMap::new()),
        None => Overrides::default(),
    };
    let mut patch = Patch {
        name: optional(object, "name")?,
        plan: optional(object, "plan")?,
        status: optional::<AccountStatus>(object, "status")?,
        start: optional(object, "start")?,
        time_zone: optional(object, "time_zone")?,
        contacts: optional(object, "contacts")?,
        overrides,
        customer: Customer::read(optional(object, "stripe_customer")?),
    };
    if whole {
        if patch.customer == Customer::AsIs {
            patch.customer = Customer::None;
        }
        patch.name.get_or_insert_default();
        patch.contacts.get_or_insert_default();
        patch.status.get_or_insert_default();
        patch.time_zone.get_or_insert_with(|| "UTC".to_owned());
        for (name, is_there) in [
            ("plan", patch.plan.is_some()),
            ("start", patch.start.is_some()),
        ] {
            if !is_there {
                return Err(format!("{name}: is missing"));
            }
        }
    }
    Ok((id, patch))
}

fn optional<T: DeserializeOwned>(
    object: &Map<String, Value>,
    name: &str,
) -> Result<Option<T>, String> {
    let value = object.get(name).filter(|value| !value.is_null());
    value.map(|value| field(name, value)).transpose()
}

fn field<T: DeserializeOwned>(name: &str, value: &Value) -> Result<T, String> {
    serde_json::from_value(value.clone()).map_err(|error| format!("{name}: {error}"))
}

fn read_overrides(value: &Value, catalog: &Catalog) -> Result<BTreeMap<String, Override>, String> {
    let Value::Object(meters) = value else {
        return Err("overrides: is no map of meters".to_owned());
    };
    let read = meters.iter().map(|(meter, value)| {
        let path = format!("overrides.{meter}");
        let Value::Object(fields) = value else {
            return Err(format!("{path}: is no map of fields"));
        };
        let unknown = |reason| format!("{path}: {reason}");
        let units = Units::known(catalog, meter).map_err(unknown)?;
        let mut form = Map::new();
        for (name, value) in fields {
            let value = read_field(name, value, units);
            let value = value.map_err(|reason| format!("{path}.{name}: {reason}"))?;
            form.insert(name.clone(), value);
        }
        Ok((meter.clone(), field(&path, &Value::Object(form))?))
    });
    read.collect()
}

/// A field of an override in the form that the control log has.
fn read_field(name: &str, value: &Value, units: Units<'_>) -> Result<Value, String> {
    match (name, value) {
        ("limit", Value::String(text)) if text == "unlimited" => Ok(value.clone()),
        ("limit", Value::Object(at)) if at.len() == 1 && at.contains_key("at") => {
            Ok(json!({"at": read_quantity(&at["at"], units)?}))
        }
        ("limit", _) => Ok(json!({"at": read_quantity(value, units)?})),
        ("included", _) => Ok(json!(read_quantity(value, units)?)),
        _ => Ok(with_percent_texts(value.clone())),
    }
}

fn read_quantity(value: &Value, units: Units<'_>) -> Result<Quantity, String> {
    units.read(&number_text(value)?, Bare::Base)
}

fn number_text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
        other => Err(format!(
            "{other} is neither a whole number nor a text such as \"1.5\""
        )),
    }
}

/// Whole numbers of percent, in graces and thresholds, as the texts that quantities are.
fn with_percent_texts(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(with_percent_texts).collect(),
        Value::Object(fields) => {
            let fields = fields
                .into_iter()
                .map(|(name, value)| match number_text(&value) {
                    Ok(text) if name == "percent" => (name, Value::String(text)),
                    _ => (name, value),
                });
            fields.collect()
        }
        other => other,
    }
}

/// Reads one record of a CSV file; an empty cell says nothing.
///
/// # Errors
/// As [`read_object`].
pub(crate) fn read_row(
    header: &[String],
    cells: &csv::StringRecord,
    catalog: &Catalog,
) -> Result<(Option<String>, Patch), String> {
    let mut object = Map::new();
    let mut overrides = BTreeMap::new();
    for (name, cell) in header.iter().zip(cells) {
        match name.as_str() {
            _ if cell.is_empty() => {}
            "contacts" => {
                let contacts: Vec<&str> = cell.split_whitespace().collect();
                object.insert(name.clone(), json!(contacts));
            }
            "overrides" => {
                for text in cell.split_whitespace() {
                    let (meter, parsed) = parse_override(text, catalog, Bare::Refused)?;
                    overrides.insert(meter, parsed);
                }
            }
            _ => {
                object.insert(name.clone(), json!(cell));
            }
        }
    }
    let (id, mut patch) = read_object(&object, catalog, false)?;
    if !overrides.is_empty() {
        patch.overrides = Overrides::All(overrides);
    }
    Ok((id, patch))
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;
