//! The keys there are, from the one place that defines them: [`RawSettings`] and its defaults.

use super::raw::RawSettings;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the keys of librdkafka's settings begin with; any name may follow.
pub(crate) const PROPERTIES: &str = "kafka.properties.";
/// What the keys of an object store's options begin with; any name may follow.
pub(crate) const OPTIONS: &str = "checkpoint.options.";

/// The table and the name of a key in a table of free names; `None` for all other keys.
pub(crate) fn free_name(key: &str) -> Option<(&'static str, &str)> {
    let in_table = |prefix: &'static str| {
        let name = key.strip_prefix(prefix)?;
        Some((prefix.trim_end_matches('.'), name))
    };
    in_table(PROPERTIES).or_else(|| in_table(OPTIONS))
}

/// All keys with their defaults; null where there is none.
pub(crate) fn defaults() -> BTreeMap<String, Value> {
    let defaults = serde_json::to_value(RawSettings::default())
        .expect("the settings are plain texts and numbers");
    flatten(&defaults).into_iter().collect()
}

/// The leaves of nested tables by dotted key; an empty table has none.
pub(crate) fn flatten(value: &Value) -> Vec<(String, Value)> {
    let mut leaves = Vec::new();
    flatten_into("", value, &mut leaves);
    leaves
}

fn flatten_into(path: &str, value: &Value, leaves: &mut Vec<(String, Value)>) {
    let Value::Object(table) = value else {
        leaves.push((path.to_owned(), value.clone()));
        return;
    };
    for (name, value) in table {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        flatten_into(&path, value, leaves);
    }
}

/// What changes results is decided for all workers at once, by the catalog; these are its keys.
const IN_CATALOG: [&str; 9] = [
    "acceptance",
    "ahead",
    "bounds",
    "ignored_types",
    "lateness",
    "meters",
    "restamp_window",
    "schemas",
    "sources",
];

/// The value as the key takes it.
///
/// # Errors
/// What is wrong: an unknown key, with the nearest known one, or a value of another kind.
pub(crate) fn check(key: &str, value: &Value) -> Result<Value, String> {
    if let Some((_, name)) = free_name(key) {
        return match value {
            Value::String(_) if !name.is_empty() => Ok(value.clone()),
            Value::Number(_) | Value::Bool(_) if !name.is_empty() => {
                Ok(Value::from(value.to_string()))
            }
            _ => Err("must be a text, a number or a truth value".to_owned()),
        };
    }
    let defaults = defaults();
    let Some(default) = defaults.get(key) else {
        let name = key.rsplit_once('.').map_or(key, |(_, name)| name);
        if IN_CATALOG.contains(&name) {
            return Err("is in the catalog, not in the settings".to_owned());
        }
        return Err(format!(
            "is unknown; the nearest known key is {}",
            nearest(key, defaults.keys())
        ));
    };
    match (default, value) {
        (Value::Number(_), Value::Number(number)) if number.is_u64() => Ok(value.clone()),
        (Value::Number(_), _) => Err("must be a whole number, 0 or above".to_owned()),
        (Value::Bool(_), Value::Bool(_)) => Ok(value.clone()),
        (Value::Bool(_), Value::String(text)) => match text.parse() {
            Ok(truth) => Ok(Value::Bool(truth)),
            Err(_) => Err("must be true or false".to_owned()),
        },
        (Value::Bool(_), _) => Err("must be true or false".to_owned()),
        (_, Value::String(_)) => Ok(value.clone()),
        (_, _) => Err("must be a text in quotes".to_owned()),
    }
}

fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a String>) -> &'a str {
    let name = |key: &'a str| key.rsplit_once('.').map_or(key, |(_, name)| name);
    let written = key.rsplit_once('.').map_or(key, |(_, name)| name);
    // The same name in another section is nearer than another name in the same section.
    let distance = |candidate: &'a str| {
        let whole = strsim::damerau_levenshtein(candidate, key);
        let last = strsim::damerau_levenshtein(name(candidate), written);
        let is_below = candidate
            .strip_prefix(key)
            .is_some_and(|rest| rest.starts_with('.'));
        (!is_below, last.min(whole), whole)
    };
    known
        .map(String::as_str)
        .min_by_key(|candidate| distance(candidate))
        .unwrap_or_default()
}
