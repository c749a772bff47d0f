//! What is wrong with a JSON body, by the path of the field.
//!
//! Nothing of what was sent comes back but the names of fields: a value in a wrong place may be a
//! secret, and answers are logged by whoever gets them.

use crate::problem::{FieldProblem, Kind, Problem};
use serde_json::Error;
use serde_json::error::Category;

/// The answer to a body that is no `T`, for this reason.
///
/// The body is read once more, to find the path: where nothing is wrong, nobody pays for it.
pub(super) fn problem<'a, T: serde::Deserialize<'a>>(bytes: &'a [u8], error: Error) -> Problem {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let again = serde_path_to_error::deserialize::<_, T>(&mut reader);
    let (path, error) = match again {
        Err(found) => (path_of(found.path()), found.into_inner()),
        // What follows a whole value has no path.
        Ok(_) => (String::new(), error),
    };
    let (field, detail) = said(&error);
    let path = joined(path, field.as_deref());
    let place = format!("line {}, column {}", error.line(), error.column());
    if path.is_empty() {
        let detail = format!("the body cannot be read at {place}: {detail}");
        return Problem::of(Kind::BadRequest, detail);
    }
    let field = FieldProblem {
        field: path,
        detail,
    };
    let detail = format!("the body cannot be read at {place}");
    Problem::of(Kind::BadRequest, detail).with_errors(vec![field])
}

/// A path as fields have it: empty for the body itself.
fn path_of(path: &serde_path_to_error::Path) -> String {
    if path.iter().len() == 0 {
        return String::new();
    }
    path.to_string()
}

/// The path of a field in what a path leads to; a reader may have counted it in already.
fn joined(path: String, field: Option<&str>) -> String {
    let Some(field) = field else {
        return path;
    };
    if path.is_empty() {
        return field.to_owned();
    }
    if path == field || path.ends_with(&format!(".{field}")) {
        return path;
    }
    format!("{path}.{field}")
}

/// What the reader says without what it had read, and the field that is missing, unknown or there
/// twice.
///
/// Serde's words are known (`serde::de::Error`); what is worded otherwise is not told.
fn said(error: &Error) -> (Option<String>, String) {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&place).unwrap_or(&text);
    if error.classify() != Category::Data {
        return (None, text.to_owned());
    }
    let quoted = |before: &str| {
        let rest = text.strip_prefix(before)?;
        let end = rest.rfind("`, expected ").or_else(|| rest.rfind('`'))?;
        Some(rest[..end].to_owned())
    };
    let expected = text
        .rsplit_once(", expected ")
        .map(|(_, expected)| expected);
    if let Some(field) = quoted("missing field `") {
        return (Some(field), "is missing".to_owned());
    }
    if let Some(field) = quoted("duplicate field `") {
        return (Some(field), "is there twice".to_owned());
    }
    match (quoted("unknown field `"), expected) {
        (Some(field), Some(known)) => (Some(field), format!("is not known; there is {known}")),
        (Some(field), None) => (Some(field), "is not known".to_owned()),
        (None, Some(expected)) => (None, format!("must be {}", plain(expected))),
        (None, None) => (None, "cannot be read".to_owned()),
    }
}

/// Without names of our types.
fn plain(expected: &str) -> &str {
    match expected {
        "a sequence" => "a list",
        "a map" | "newtype variant" => "an object",
        "u16" | "u32" | "u64" | "usize" | "i32" | "i64" => "a whole number in its bounds",
        _ if expected.starts_with("struct ") || expected.starts_with("enum ") => "an object",
        word => word,
    }
}

#[cfg(test)]
mod tests {
    use crate::body::parse;
    use crate::text::QuantityText;
    use serde::Deserialize;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Body {
        name: String,
        #[serde(default)]
        rate: Option<u32>,
        #[serde(default)]
        on: bool,
        #[serde(default)]
        limits: BTreeMap<String, Limit>,
        #[serde(default)]
        targets: Vec<Target>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Limit {
        quantity: QuantityText,
        #[serde(default)]
        cap: Option<Cap>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Cap {
        Hard,
        Soft,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    #[expect(dead_code, reason = "only read")]
    enum Target {
        Webhook(Webhook),
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Webhook {
        url: String,
    }

    fn problem_of(body: &str) -> Value {
        let problem = parse::<Body>(body.as_bytes()).expect_err(body);
        problem.to_json()
    }

    #[track_caller]
    fn check(body: &str, field: &str, detail: &str) {
        let problem = problem_of(body);
        let expected = json!([{"field": field, "detail": detail}]);
        assert_eq!(problem["errors"], expected, "{body}: {problem}");
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
    }

    #[test]
    fn a_wrong_type_is_told_by_its_path_and_without_the_value() {
        check(r#"{"name":{"x":"hunter2"}}"#, "name", "must be a string");
        let number = "must be a whole number in its bounds";
        check(r#"{"name":"a","rate":"hunter2"}"#, "rate", number);
        check(r#"{"name":"a","rate":-1}"#, "rate", number);
        check(r#"{"name":"a","on":"hunter2"}"#, "on", "must be a boolean");
        check(
            r#"{"name":"a","limits":"hunter2"}"#,
            "limits",
            "must be an object",
        );
        check(
            r#"{"name":"a","targets":"hunter2"}"#,
            "targets",
            "must be a list",
        );
        check(
            r#"{"name":"a","limits":{"calls":"hunter2"}}"#,
            "limits.calls",
            "must be an object",
        );
        check(
            r#"{"name":"a","limits":{"calls":{"quantity":1,"cap":"hunter2"}}}"#,
            "limits.calls.cap",
            "must be `hard` or `soft`",
        );
        check(
            r#"{"name":"a","limits":{"calls":{"quantity":["hunter2"]}}}"#,
            "limits.calls.quantity",
            "must be a number or a string",
        );
        check(
            r#"{"name":"a","targets":[{"webhook":{"url":"x"}},{"webhook":{"url":7}}]}"#,
            "targets[1].webhook.url",
            "must be a string",
        );
        // Not by what only looks like the end of the reader's own words.
        check(
            r#"{"name":"a","rate":"x, expected hunter2"}"#,
            "rate",
            number,
        );
    }

    #[test]
    fn a_field_that_should_not_or_should_be_there_is_named() {
        check("{}", "name", "is missing");
        check(
            r#"{"name":"a","limits":{"calls":{}}}"#,
            "limits.calls.quantity",
            "is missing",
        );
        check(r#"{"name":"a","name":"hunter2"}"#, "name", "is there twice");
        check(
            r#"{"name":"a","targets":[{"webhook":{"url":"x","secret":"hunter2"}}]}"#,
            "targets[0].webhook.secret",
            "is not known; there is `url`",
        );
        check(
            r#"{"name":"a","nmae":"hunter2"}"#,
            "nmae",
            "is not known; there is one of `name`, `rate`, `on`, `limits`, `targets`",
        );
    }

    #[test]
    fn a_body_without_a_path_is_told_by_its_place() {
        for (body, detail) in [
            ("", "line 1, column 0: EOF while parsing a value"),
            ("[]", "line 1, column 2: must be an object"),
            ("\"hunter2\"", "line 1, column 9: must be an object"),
            (
                "{\"name\":\"a\"} hunter2",
                "line 1, column 14: trailing characters",
            ),
        ] {
            let problem = problem_of(body);
            let expected = format!("the body cannot be read at {detail}");
            assert_eq!(problem["detail"], json!(expected), "{body}");
            assert_eq!(problem.get("errors"), None, "{body}");
        }
    }
}
