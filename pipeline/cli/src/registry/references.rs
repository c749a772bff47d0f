//! Schemas that refer to others: the definitions are put in where a name is used first.
//!
//! The catalog holds whole schemas, so that it needs no registry. A name is defined once: later
//! uses keep the name, as the Avro specification (1.12, "Names") wants it.

use super::{Registry, RegistryError, Which};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Most schemas that one may refer to, directly or not.
const REFERENCES_MAX: usize = 100;

/// A schema that another refers to by the name of a type.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct Reference {
    /// Full name of the type.
    name: String,
    /// Where it is defined.
    subject: String,
    /// Which version of it.
    version: u32,
}

/// Definitions by full name.
pub(super) type Definitions = BTreeMap<String, Value>;

/// Asks for everything that is referred to.
pub(super) async fn collect(
    registry: &Registry,
    references: &[Reference],
) -> Result<Definitions, RegistryError> {
    let mut found = Definitions::new();
    let mut wanted = references.to_vec();
    while let Some(reference) = wanted.pop() {
        if found.contains_key(&reference.name) {
            continue;
        }
        let which = Which::Subject {
            name: reference.subject,
            version: reference.version.to_string(),
        };
        if found.len() == REFERENCES_MAX {
            let reason = format!("more than {REFERENCES_MAX} schemas are referred to");
            return Err(registry.unusable(&which, reason));
        }
        let answer = registry.ask(&which).await?;
        let schema = serde_json::from_str(&answer.schema)
            .map_err(|error| registry.unusable(&which, format!("its schema: {error}")))?;
        found.insert(reference.name, schema);
        wanted.extend(answer.references);
    }
    Ok(found)
}

/// The schema as one text.
pub(super) fn put_in(schema: &str, definitions: &Definitions) -> Result<String, String> {
    let mut schema: Value =
        serde_json::from_str(schema).map_err(|error| format!("its schema: {error}"))?;
    let mut left = definitions.clone();
    visit(&mut schema, "", &mut left);
    Ok(schema.to_string())
}

/// Walks the places where types are named, in the order in which they are read.
fn visit(schema: &mut Value, namespace: &str, left: &mut Definitions) {
    match schema {
        Value::String(name) => {
            let full = full_name(name, namespace);
            if let Some(mut definition) = left.remove(&full) {
                name_fully(&mut definition, &full);
                visit(&mut definition, "", left);
                *schema = definition;
            }
        }
        Value::Array(branches) => {
            for branch in branches {
                visit(branch, namespace, left);
            }
        }
        Value::Object(object) => visit_object(object, namespace, left),
        _ => {}
    }
}

fn visit_object(object: &mut Map<String, Value>, namespace: &str, left: &mut Definitions) {
    let inside = match object.get("name").and_then(Value::as_str) {
        Some(name) => {
            let own = object.get("namespace").and_then(Value::as_str);
            let full = full_name(name, own.unwrap_or(namespace));
            // A type that the schema defines itself is not put in a second time.
            left.remove(&full);
            full.rsplit_once('.')
                .map_or(String::new(), |(inside, _)| inside.to_owned())
        }
        None => namespace.to_owned(),
    };
    if let Some(Value::Array(fields)) = object.get_mut("fields") {
        for field in fields {
            if let Some(of_type) = field.get_mut("type") {
                visit(of_type, &inside, left);
            }
        }
    }
    for key in ["items", "values"] {
        if let Some(of_type) = object.get_mut(key) {
            visit(of_type, &inside, left);
        }
    }
    // `{"type": "acme.Money"}` and `{"type": {…}}`; a kind such as `record` is no name of ours.
    if let Some(of_type) = object.get_mut("type") {
        visit(of_type, &inside, left);
    }
}

/// Gives a definition its full name, so that it means the same wherever it is put.
fn name_fully(definition: &mut Value, full: &str) {
    if let Value::Object(object) = definition {
        let (namespace, name) = full.rsplit_once('.').unwrap_or(("", full));
        object.insert("name".to_owned(), name.into());
        object.insert("namespace".to_owned(), namespace.into());
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::decode::parsing_canonical_form;
    use serde_json::json;

    fn check(schema: &Value, definitions: &[(&str, Value)], expected: &Value) {
        let definitions = definitions
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        let whole = put_in(&schema.to_string(), &definitions).expect("JSON");
        assert_eq!(
            parsing_canonical_form(&whole),
            parsing_canonical_form(&expected.to_string()),
            "{whole}"
        );
        assert!(parsing_canonical_form(&whole).is_ok(), "{whole}");
    }

    fn record(name: &str, fields: Value) -> Value {
        json!({"type": "record", "name": name, "fields": fields})
    }

    #[test]
    fn a_definition_is_put_in_where_its_name_is_used_first() {
        let money = record("acme.Money", json!([{"name": "minor", "type": "long"}]));
        let uses = |first: &Value| {
            record(
                "acme.Use",
                json!([
                    {"name": "a", "type": ["null", first]},
                    {"name": "b", "type": {"type": "array", "items": "Money"}},
                    {"name": "c", "type": "acme.Money", "default": "acme.Money"},
                ]),
            )
        };
        let definitions = [("acme.Money", money.clone())];
        check(&uses(&json!("acme.Money")), &definitions, &uses(&money));
    }

    #[test]
    fn definitions_refer_to_others_and_keep_their_namespaces() {
        let unit = json!({"type": "enum", "name": "Unit", "symbols": ["EUR"]});
        let money = record(
            "acme.Money",
            json!([{"name": "unit", "type": "other.Unit"}]),
        );
        let outer = |of_type: &Value| record("acme.Use", json!([{"name": "a", "type": of_type}]));
        let full = json!({"type": "enum", "name": "other.Unit", "symbols": ["EUR"]});
        let whole = record("acme.Money", json!([{"name": "unit", "type": full}]));
        check(
            &outer(&json!("Money")),
            &[("acme.Money", money), ("other.Unit", unit)],
            &outer(&whole),
        );
        let bare = json!({"type": "fixed", "name": "Hash", "size": 4});
        let whole = json!({"type": "fixed", "name": "Hash", "namespace": "", "size": 4});
        let uses = |of_type: Value| record("Use", json!([{"name": "a", "type": of_type}]));
        check(&uses(json!("Hash")), &[("Hash", bare)], &uses(whole));
    }

    #[test]
    fn what_is_not_used_or_defined_already_is_not_put_in() {
        let own = record("acme.Use", json!([{"name": "a", "type": "long"}]));
        let other = record("acme.Use", json!([]));
        check(
            &own,
            &[("acme.Use", other), ("acme.No", json!("long"))],
            &own,
        );
    }
}
