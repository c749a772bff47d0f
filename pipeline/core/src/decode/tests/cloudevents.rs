//! CloudEvents in both modes: attributes, data, and what is refused.

use super::{Headers, check};

/// Checks an object with the given members after `specversion`.
fn structured(members: &str, expected: &str) {
    let value = format!("{{\"specversion\":\"1.0\"{members}}}");
    check(&[], Some(value.as_bytes()), expected);
}

/// Checks an object with the given data.
fn with_data(data: &str, expected: &str) {
    structured(&format!(",\"data\":{data}"), expected);
}

/// Checks a record of binary mode with further headers.
fn binary(headers: Headers<'_>, value: Option<&[u8]>, expected: &str) {
    let version: Headers<'_> = &[("ce_specversion", Some(b"1.0"))];
    check(&[version, headers].concat(), value, expected);
}

#[test]
fn attributes_are_read_in_any_order_and_others_ignored() {
    structured(
        r#","type":"t","time":"2026-11-21T08:41:55.5+01:00","x":{"y":[1,{}]},"subject":"acme","source":"s","id":"e1","z":"""#,
        "e1|s|t|acme|2026-11-21T07:41:55.500000Z|-|",
    );
    structured(r#","datacontenttype":"application/json""#, "||||-|-|");
}

#[test]
fn attributes_that_are_missing_or_null_are_empty() {
    structured("", "||||-|-|");
    structured(
        r#","id":null,"source":null,"type":null,"subject":null,"time":null,"data":null"#,
        "||||-|-|",
    );
}

#[test]
fn an_unreadable_time_is_no_time() {
    structured(r#","time":"yesterday""#, "||||-|-|");
    structured(r#","time":"2026-11-21T07:41:55""#, "||||-|-|");
}

#[test]
fn attributes_of_other_types_are_malformed() {
    for (name, value) in [
        ("id", "7"),
        ("source", "true"),
        ("type", "[]"),
        ("subject", "{}"),
        ("time", "1700000000"),
    ] {
        structured(
            &format!(",\"{name}\":{value}"),
            &format!(
                "malformed: CloudEvents JSON, at byte {}: `{name}` is not a string",
                "{\"specversion\":\"1.0\",\"\":".len() + name.len()
            ),
        );
    }
}

#[test]
fn only_version_1_0_is_read() {
    for (value, problem) in [
        (r#"{"id":"e1"}"#, "specversion is missing"),
        (r#"{"specversion":null}"#, "specversion is missing"),
        (
            r#"{"specversion":"0.3"}"#,
            "specversion is `0.3`, not `1.0`",
        ),
        (
            r#"{"specversion":"1.0.2"}"#,
            "specversion is `1.0.2`, not `1.0`",
        ),
    ] {
        let expected = format!("malformed: CloudEvents JSON: {problem}");
        check(&[], Some(value.as_bytes()), &expected);
    }
    check(
        &[],
        Some(br#"{"specversion":1.0}"#),
        "malformed: CloudEvents JSON, at byte 15: `specversion` is not a string",
    );
}

#[test]
fn scalars_in_data_keep_their_text() {
    with_data(
        r#"{"quantity":1.50e+3,"s":"x","n":-0.10,"big":12345678901234567890123,"t":true,"f":false,"e":"","":"k"}"#,
        "||||-|text 1.50e+3|s=x,n=-0.10,big=12345678901234567890123,t=true,f=false,e=,=k",
    );
    with_data(r#"{"a":null}"#, "||||-|-|");
    with_data("{}", "||||-|-|");
}

#[test]
fn quantities_are_kept_as_written() {
    for (value, expected) in [
        ("0", "text 0"),
        ("-1.0", "text -1.0"),
        ("1E400", "text 1E400"),
        (r#""12.5""#, "text 12.5"),
        (r#""NaN""#, "text NaN"),
        (r#""""#, "text "),
        ("null", "-"),
        ("true", "not a number"),
        ("false", "not a number"),
    ] {
        let expected = format!("||||-|{expected}|");
        with_data(&format!("{{\"quantity\":{value}}}"), &expected);
    }
}

#[test]
fn nested_values_in_data_name_their_key() {
    for (key, value) in [
        ("quantity", "[1]"),
        ("a", "{}"),
        ("a", "[]"),
        ("a", "{broken"),
    ] {
        let at = "{\"specversion\":\"1.0\",\"data\":{\"\":".len() + key.len();
        with_data(
            &format!("{{\"{key}\":{value}}}"),
            &format!("malformed: CloudEvents JSON, at byte {at}: `{key}` in `data` is nested"),
        );
    }
}

#[test]
fn data_is_an_object() {
    for value in ["[]", "\"x\"", "1", "true"] {
        with_data(
            value,
            "malformed: CloudEvents JSON, at byte 28: `data` is not an object",
        );
    }
}

#[test]
fn binary_data_in_json_is_malformed() {
    structured(
        r#","data_base64":"AAAA""#,
        "malformed: CloudEvents JSON, at byte 35: `data_base64` is not read; use `data`",
    );
    structured(r#","data_base64":null"#, "||||-|-|");
}

#[test]
fn what_is_written_twice_is_malformed() {
    let twice =
        |at: usize, what: &str| format!("malformed: CloudEvents JSON, at byte {at}: {what}");
    structured(r#","id":"a","id":"a""#, &twice(35, "`id` is there twice"));
    structured(
        r#","id":"a","\u0069d":"b""#,
        &twice(40, "`id` is there twice"),
    );
    structured(r#","id":null,"id":"b""#, &twice(36, "`id` is there twice"));
    structured(
        r#","specversion":"1.0""#,
        &twice(35, "`specversion` is there twice"),
    );
    structured(
        r#","data":{},"data":{}"#,
        &twice(38, "`data` is there twice"),
    );
    structured(
        r#","data":null,"data":{}"#,
        &twice(40, "`data` is there twice"),
    );
    with_data(
        r#"{"quantity":1,"quantity":1}"#,
        &twice(53, "`quantity` is there twice"),
    );
    with_data(
        r#"{"a":1,"b":2,"a":1}"#,
        &twice(47, "`a` is there twice in `data`"),
    );
    with_data(
        r#"{"a":null,"a":1}"#,
        &twice(44, "`a` is there twice in `data`"),
    );
    with_data(
        r#"{"a":null,"a":null}"#,
        &twice(47, "`a` is there twice in `data`"),
    );
    structured(
        r#","data_base64":null,"data_base64":null"#,
        &twice(54, "`data_base64` is there twice"),
    );
    structured(r#","x":1,"x":2"#, "||||-|-|");
}

#[test]
fn many_properties_are_read_and_duplicates_among_them_found() {
    let members =
        |count: usize| -> Vec<String> { (0..count).map(|i| format!("\"k{i:03}\":{i}")).collect() };
    for count in [15, 16, 17, 200] {
        let properties: Vec<_> = (0..count).map(|i| format!("k{i:03}={i}")).collect();
        let data = format!("{{{}}}", members(count).join(","));
        with_data(&data, &format!("||||-|-|{}", properties.join(",")));
        let data = format!("{{{},\"k003\":0}}", members(count).join(","));
        let at = "{\"specversion\":\"1.0\",\"data\":".len() + data.len();
        let twice =
            format!("malformed: CloudEvents JSON, at byte {at}: `k003` is there twice in `data`");
        with_data(&data, &twice);
    }
}

#[test]
fn long_keys_are_cut_in_details() {
    let key = "ä".repeat(100);
    with_data(
        &format!("{{\"{key}\":[]}}"),
        &format!(
            "malformed: CloudEvents JSON, at byte 232: `{}…` in `data` is nested",
            "ä".repeat(32)
        ),
    );
}

#[test]
fn broken_json_says_where() {
    for (value, at, problem) in [
        (&b"{"[..], 1, "a string is expected"),
        (
            b"{\"specversion\":\"1.0\"} {}",
            22,
            "something follows the value",
        ),
        (
            b"{\"specversion\":\"1.0\"}\0",
            21,
            "something follows the value",
        ),
        (b"{\"id\":\"\xFF\"}", 7, "invalid UTF-8"),
        (b"{\"id\":\"a\nb\"}", 8, "a control character in a string"),
        (b"{\"id\" \"a\"}", 6, "`:` is expected"),
        (b"{\"id\":\"a\" \"b\":1}", 10, "`,` or `}` is expected"),
        (b"{\"id\":\"a\",}", 10, "a string is expected"),
        (b"{\"x\":}", 5, "a value is expected"),
    ] {
        let expected = format!("malformed: CloudEvents JSON, at byte {at}: {problem}");
        check(&[], Some(value), &expected);
    }
}

#[test]
fn headers_are_attributes_in_binary_mode() {
    let headers: Headers<'_> = &[
        ("ce_id", Some(b"e1")),
        ("ce_source", Some(b"s")),
        ("ce_type", Some("ü".as_bytes())),
        ("ce_subject", Some(b"acme")),
        ("ce_time", Some(b"2026-11-21T07:41:55Z")),
        ("ce_x", Some(b"\xFF")),
        ("ce_id_", None),
        ("id", Some(b"another")),
    ];
    let shown = "e1|s|ü|acme|2026-11-21T07:41:55.000000Z";
    let data = br#" {"quantity":2,"region":"eu"} "#;
    binary(headers, Some(data), &format!("{shown}|text 2|region=eu"));
    binary(headers, Some(b"null"), &format!("{shown}|-|"));
    binary(headers, Some(b""), &format!("{shown}|-|"));
    binary(headers, None, &format!("{shown}|-|"));
}

#[test]
fn headers_without_a_value_are_missing_attributes() {
    binary(&[("ce_id", None), ("ce_time", None)], None, "||||-|-|");
    for value in [None, Some(&b"0.3"[..])] {
        let problem = match value {
            None => "specversion is missing",
            Some(_) => "specversion is `0.3`, not `1.0`",
        };
        check(
            &[("ce_specversion", value)],
            None,
            &format!("malformed: CloudEvents binary mode: {problem}"),
        );
    }
}

#[test]
fn broken_headers_are_named() {
    binary(
        &[("ce_id", Some(b"a")), ("ce_id", None)],
        None,
        "malformed: CloudEvents binary mode: header ce_id is there twice",
    );
    binary(
        &[("ce_subject", Some(b"\xC3"))],
        None,
        "malformed: CloudEvents binary mode: header ce_subject is not UTF-8",
    );
}

#[test]
fn data_of_binary_mode_is_json() {
    for kind in [
        &b"application/json"[..],
        b"APPLICATION/JSON ; charset=utf-8",
        b"text/json",
        b"application/vnd.acme.usage+json",
        b"",
    ] {
        let headers = [("content-type", Some(kind))];
        binary(&headers, Some(b"{\"quantity\":1}"), "||||-|text 1|");
    }
    let xml: Headers<'_> = &[("content-type", Some(b"application/xml"))];
    binary(
        xml,
        Some(b"<a/>"),
        "malformed: CloudEvents binary mode: data of content-type `application/xml` is not \
         read; use JSON",
    );
    binary(xml, None, "||||-|-|");
}

#[test]
fn broken_data_of_binary_mode_says_where() {
    for (value, at, problem) in [
        (&b"[]"[..], 0, "`data` is not an object"),
        (b"7", 0, "`data` is not an object"),
        (b" ", 1, "a value is expected"),
        (b"\xC3\x01", 0, "invalid UTF-8"),
        (b"\0\0\0\0\x01", 0, "a value is expected"),
        (b"{} x", 3, "something follows the value"),
        (b"{\"a\":1,\"a\":2}", 13, "`a` is there twice in `data`"),
    ] {
        let expected = format!("malformed: CloudEvents binary mode, at byte {at}: {problem}");
        binary(&[], Some(value), &expected);
    }
}
