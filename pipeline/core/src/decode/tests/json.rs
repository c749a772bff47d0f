//! The JSON reader against `serde_json`, and the table of what each token may be.

use super::{check, plain_decoder, record, shown};
use crate::decode::json::{Json, Value};
use proptest::prelude::*;
use serde::de::IgnoredAny;
use std::fmt::Write;

/// Reads one value that ends where the text ends.
fn read(text: &str) -> Result<Value<'_>, String> {
    let mut json = Json::new(text.as_bytes()).map_err(|f| f.rejection("JSON").detail)?;
    let value = json.value().and_then(|value| match value {
        Value::Object | Value::Array => json.skip().map(|()| value),
        scalar => Ok(scalar),
    });
    let value = value.and_then(|value| json.end().map(|()| value));
    value.map_err(|fault| fault.rejection("JSON").detail)
}

#[test]
fn numbers_follow_the_grammar() {
    for text in ["0", "-0", "10", "1.0", "0.10", "1e5", "1E-05", "-12.5e+300"] {
        assert_eq!(read(text), Ok(Value::Number(text)), "{text}");
    }
    for text in [
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1.e5",
        "1e",
        "1e+",
        "0x1",
        "1_0",
        "NaN",
        "-Infinity",
        "1 2",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn strings_are_borrowed_unless_they_have_escapes() {
    for (text, expected) in [
        (r#""""#, ""),
        (r#""seven77""#, "seven77"),
        (r#""exactly8""#, "exactly8"),
        (
            r#""a longer text, ünïcödé and 🦀""#,
            "a longer text, ünïcödé and 🦀",
        ),
        ("\"\u{7f}\u{80}\"", "\u{7f}\u{80}"),
    ] {
        let Ok(Value::Text(std::borrow::Cow::Borrowed(borrowed))) = read(text) else {
            panic!("{text} is not borrowed");
        };
        assert_eq!(borrowed, expected);
    }
}

#[test]
fn escapes_are_resolved() {
    for (text, expected) in [
        (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
        (
            r#""plain then \u00e9 then plain""#,
            "plain then é then plain",
        ),
        (r#""\uD83E\uDD80""#, "🦀"),
        (r#""\u0000""#, "\0"),
        (r#""\uFFFF\ud7ff\ue000""#, "\u{ffff}\u{d7ff}\u{e000}"),
    ] {
        assert_eq!(read(text), Ok(Value::Text(expected.into())), "{text}");
    }
}

#[test]
fn broken_strings_say_where() {
    for (text, at, problem) in [
        (r#""abc"#, 4, "a string does not end"),
        (r#""a\"#, 2, "an unknown escape"),
        (r#""a\x""#, 2, "an unknown escape"),
        (
            r#""\u12""#,
            1,
            "`\\u` and four hexadecimal digits are expected",
        ),
        (r#""\u12G4""#, 1, "four hexadecimal digits are expected"),
        (r#""\uD83E""#, 1, "half of a surrogate pair"),
        (r#""\uDD80""#, 1, "half of a surrogate pair"),
        (r#""\uD83E\u0041""#, 1, "half of a surrogate pair"),
        (
            r#""\uD83E\n""#,
            7,
            "`\\u` and four hexadecimal digits are expected",
        ),
        ("\"1234\u{1f}678901\"", 5, "a control character in a string"),
        ("\"12345678\u{1f}\"", 9, "a control character in a string"),
    ] {
        assert_eq!(
            read(text),
            Err(format!("JSON, at byte {at}: {problem}")),
            "{text}"
        );
    }
}

#[test]
fn words_and_brackets_are_exact() {
    assert_eq!(read(" true "), Ok(Value::Boolean(true)));
    assert_eq!(read("false"), Ok(Value::Boolean(false)));
    assert_eq!(read("null"), Ok(Value::Null));
    assert_eq!(read(r#"[1,"a",[],{"b":[null]}]"#), Ok(Value::Array));
    for text in [
        "tru", "True", "nulll", "[1,]", "[,1]", "[1 2]", "[1", "{1:2}", "{,}", "[}", "{]",
        "\u{a0}1", "//x\n1",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(read(&nested(128)), Ok(Value::Array));
    assert_eq!(
        read(&nested(129)),
        Err("JSON, at byte 128: nested too deeply".to_owned())
    );
    let value = format!("{{\"x\":{}}}", "[".repeat(1_000_000));
    check(
        &[],
        Some(value.as_bytes()),
        "malformed: CloudEvents JSON, at byte 133: nested too deeply",
    );
}

/// Any JSON value of little depth.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let scalar = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
    ];
    scalar.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

/// What an event with this data is shown as, by way of `serde_json`'s tree.
fn expected(data: &serde_json::Map<String, serde_json::Value>) -> Option<String> {
    let mut quantity = "-".to_owned();
    let mut properties = Vec::new();
    for (key, value) in data {
        let text = match value {
            serde_json::Value::Null => continue,
            serde_json::Value::Bool(_) if key == "quantity" => {
                "not a number".clone_into(&mut quantity);
                continue;
            }
            serde_json::Value::Bool(value) => value.to_string(),
            serde_json::Value::Number(number) => number.to_string(),
            serde_json::Value::String(text) => text.clone(),
            serde_json::Value::Array(_) | serde_json::Value::Object(_) => return None,
        };
        if key == "quantity" {
            quantity = format!("text {text}");
        } else {
            properties.push(format!("{key}={text}"));
        }
    }
    Some(format!("||||-|{quantity}|{}", properties.join(",")))
}

/// Writes a string with every character escaped.
fn escaped(text: &str) -> String {
    let mut written = String::from("\"");
    for unit in text.encode_utf16() {
        write!(written, "\\u{unit:04x}").expect("a string takes everything");
    }
    written + "\""
}

proptest! {
    #[test]
    fn any_object_reads_as_serde_json_reads_it(
        data in proptest::collection::btree_map(
            prop_oneof![Just("quantity".to_owned()), any::<String>()], any_json(), 0..12),
        extension in any_json(),
        pretty in any::<bool>(),
    ) {
        let data: serde_json::Map<_, _> = data.into_iter().collect();
        let event = serde_json::json!({
            "specversion": "1.0", "anextension": extension, "data": data
        });
        let text = if pretty {
            serde_json::to_string_pretty(&event)
        } else {
            serde_json::to_string(&event)
        };
        let text = text.expect("a tree can be written");
        let result = plain_decoder().decode(&record(&[], Some(text.as_bytes()))).map_err(|r| r.detail);
        match expected(&data) {
            Some(expected) => {
                prop_assert_eq!(shown(&result.map_err(|d| panic!("{d}"))), expected);
            }
            None => prop_assert!(result.is_err_and(|detail| detail.ends_with("is nested"))),
        }
    }

    #[test]
    fn escapes_read_as_what_they_escape(text in any::<String>()) {
        let written = escaped(&text);
        prop_assert_eq!(read(&written), Ok(Value::Text(text.into())));
    }

    /// `serde_json` skips more loosely than it reads (halves of surrogate pairs pass), and reads
    /// numbers into a range: ours lies between the two.
    #[test]
    fn broken_texts_are_refused_where_serde_json_refuses_them(
        value in any_json(),
        at in any::<prop::sample::Index>(),
        character in "[\\[\\]{}:,\"\\\\0-9eE+. ntfu\u{0}-\u{20}x]",
        insert in any::<bool>(),
    ) {
        let mut characters: Vec<char> = value.to_string().chars().collect();
        let at = at.index(characters.len());
        let character = character.chars().next().expect("one character");
        if insert { characters.insert(at, character) } else { characters[at] = character }
        let text: String = characters.into_iter().collect();
        let ours = read(&text);
        if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
            prop_assert!(ours.is_ok(), "{} {:?}", text, ours);
        }
        if ours.is_ok() {
            prop_assert!(serde_json::from_str::<IgnoredAny>(&text).is_ok(), "{}", text);
        }
    }
}
