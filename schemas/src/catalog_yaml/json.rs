//! A YAML document as a JSON value, for small files that have no lines of their own to name.
//!
//! The same reader as for catalogs, so the same is refused. Plain `true`, `false`, `null`, `~` and
//! whole numbers are what they are in JSON; every other scalar is a text, so that no decimal goes
//! through a float.

use super::Refusal;
use super::tree::{self, Node, Value};

/// Reads a text that holds exactly one YAML document; JSON is one too.
///
/// # Errors
/// The first line that is no YAML that is taken here.
pub fn to_json(text: &str) -> Result<serde_json::Value, Refusal> {
    tree::parse(text).map(value)
}

fn value(node: Node) -> serde_json::Value {
    match node.value {
        Value::Text { text, plain } => scalar(text, plain),
        Value::List(nodes) => nodes.into_iter().map(value).collect(),
        Value::Map(entries) => {
            let entries = entries.into_iter();
            entries
                .map(|entry| (entry.key, value(entry.node)))
                .collect()
        }
    }
}

fn scalar(text: String, plain: bool) -> serde_json::Value {
    let known = match text.as_str() {
        _ if !plain => None,
        "true" => Some(true.into()),
        "false" => Some(false.into()),
        "null" | "~" | "" => Some(serde_json::Value::Null),
        number => number.parse::<i64>().ok().map(Into::into),
    };
    known.unwrap_or(serde_json::Value::String(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scalars_are_what_they_are_in_json() {
        let text = "a: 1\nb: '1'\nc: 1.5\nd: true\ne: ~\nf: [x, \"true\"]\ng: {h: -3}\n";
        let expected = json!({
            "a": 1, "b": "1", "c": "1.5", "d": true, "e": null, "f": ["x", "true"], "g": {"h": -3}
        });
        assert_eq!(to_json(text).expect("YAML"), expected);
        let same = to_json(&expected.to_string()).expect("JSON is YAML");
        assert_eq!(same, expected);
    }

    #[test]
    fn what_is_no_yaml_is_refused_with_its_line() {
        for (text, line) in [("a: 1\na: 2\n", 2), ("a: [1\n", 2), ("", 1)] {
            assert_eq!(to_json(text).expect_err(text).line, line, "{text}");
        }
    }
}
