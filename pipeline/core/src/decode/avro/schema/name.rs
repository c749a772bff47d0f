//! Names of Avro types: what is allowed, and how namespaces make them full.

use serde_json::{Map, Value};

/// The full name of the type that an object defines, inside a namespace ("" for none).
pub(super) fn defined(object: &Map<String, Value>, enclosing: &str) -> Result<String, String> {
    let Some(Value::String(name)) = object.get("name") else {
        return Err("a named type has no `name`".to_owned());
    };
    let namespace = object.get("namespace").and_then(Value::as_str);
    let full = full(name, namespace.unwrap_or(enclosing))?;
    let simple = full
        .rsplit_once('.')
        .map_or(full.as_str(), |(_, simple)| simple);
    if super::Kind::primitive(simple).is_some() {
        return Err(format!("`{simple}` is the name of a primitive type"));
    }
    Ok(full)
}

/// A written name made full: one with a dot is full already.
pub(super) fn full(written: &str, namespace: &str) -> Result<String, String> {
    let full = if written.contains('.') || namespace.is_empty() {
        written.to_owned()
    } else {
        format!("{namespace}.{written}")
    };
    full.split('.').try_for_each(check_simple)?;
    Ok(full)
}

/// The namespace in a full name; "" for none.
pub(super) fn namespace_of(full: &str) -> &str {
    full.rsplit_once('.').map_or("", |(namespace, _)| namespace)
}

/// The aliases of a field: none where it says nothing of them, `None` where they are no names.
pub(super) fn aliases(field: &Value) -> Option<Vec<String>> {
    let Some(aliases) = field.get("aliases") else {
        return Some(Vec::new());
    };
    let names = aliases.as_array()?.iter().map(|alias| {
        let name = alias.as_str()?;
        check_simple(name).ok().map(|()| name.to_owned())
    });
    names.collect()
}

/// Checks a name without dots: `[A-Za-z_][A-Za-z0-9_]*`.
pub(super) fn check_simple(name: &str) -> Result<(), String> {
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts_well && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Ok(());
    }
    Err(format!("`{name}` is not an Avro name"))
}
