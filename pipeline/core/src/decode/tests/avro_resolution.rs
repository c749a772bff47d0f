//! Schema resolution, field by field: what each writer's type becomes, or why it is refused.

use super::{decoder_of, record, shown};

mod quantity;
mod skipped;

/// The fields of the smallest event: name, type, encoding.
const FIELDS: [(&str, &str, &[u8]); 7] = [
    ("id", r#""string""#, b"\x04e1"),
    ("source", r#""string""#, b"\x02s"),
    ("type", r#""string""#, b"\x02t"),
    ("tenant", r#""string""#, b"\x08acme"),
    (
        "time",
        r#"{"type":"long","logicalType":"timestamp-micros"}"#,
        b"\x00",
    ),
    (
        "quantity",
        r#"["null",{"type":"bytes","logicalType":"decimal","precision":38,"scale":9}]"#,
        b"\x00",
    ),
    ("properties", r#"{"type":"map","values":"string"}"#, b"\x00"),
];
const SHOWN: &str = "e1|s|t|acme|1970-01-01T00:00:00.000000Z|-|";

fn schema<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let fields = fields.map(|(name, kind)| format!(r#"{{"name":"{name}","type":{kind}}}"#));
    let fields = fields.collect::<Vec<_>>().join(",");
    format!(r#"{{"type":"record","name":"W","fields":[{fields}]}}"#)
}

/// Decodes by a writer schema with these fields.
fn read(fields: &[(&str, &str, &[u8])]) -> Result<String, String> {
    let decoder = decoder_of(&schema(fields.iter().map(|(name, kind, _)| (*name, *kind))))?;
    let parts = fields.iter().map(|(_, _, bytes)| *bytes);
    let value: Vec<u8> = [&[0, 0, 0, 0, 1][..]]
        .into_iter()
        .chain(parts)
        .collect::<Vec<_>>()
        .concat();
    Ok(shown(&decoder.decode(&record(&[], Some(&value)))))
}

/// The smallest event with one field of another type and encoding.
fn read_with(field: &str, kind: &str, bytes: &[u8]) -> Result<String, String> {
    let fields = FIELDS.map(|f| if f.0 == field { (f.0, kind, bytes) } else { f });
    read(&fields)
}

/// A field of this type is read, and the given part of the event is as expected.
fn reads(field: &str, kind: &str, bytes: &[u8], expected: &str) {
    let place = [
        "id",
        "source",
        "type",
        "tenant",
        "time",
        "quantity",
        "properties",
    ];
    let place = place
        .iter()
        .position(|name| *name == field)
        .expect("a field");
    let mut parts: Vec<_> = SHOWN.split('|').collect();
    parts[place] = expected;
    assert_eq!(
        read_with(field, kind, bytes),
        Ok(parts.join("|")),
        "{field} {kind} {bytes:?}"
    );
}

/// A field of this type is read, but this encoding is malformed.
fn malformed(field: &str, kind: &str, bytes: &[u8], at: usize, problem: &str) {
    let expected =
        format!("malformed: Avro in the Confluent frame, at byte {at}: {field}: {problem}");
    assert_eq!(
        read_with(field, kind, bytes),
        Ok(expected),
        "{field} {kind} {bytes:?}"
    );
}

/// A field of this type is refused.
fn refused(field: &str, kind: &str, reason: &str) {
    let expected = format!("schemas[0] (Confluent id 1): field `{field}`: {reason}");
    assert_eq!(read_with(field, kind, b""), Err(expected), "{field} {kind}");
}

#[test]
fn the_order_of_fields_does_not_matter() {
    let mut fields = FIELDS;
    fields.reverse();
    assert_eq!(read(&fields).as_deref(), Ok(SHOWN));
}

#[test]
fn quantity_and_properties_may_be_missing_the_others_not() {
    for (place, (name, ..)) in FIELDS.into_iter().enumerate() {
        let mut fields = FIELDS.to_vec();
        fields.remove(place);
        let expected = match name {
            "quantity" | "properties" => Ok(SHOWN.to_owned()),
            _ => Err(format!(
                "schemas[0] (Confluent id 1): the record has no field `{name}`, which UsageEvent needs"
            )),
        };
        assert_eq!(read(&fields), expected);
    }
}

#[test]
fn text_is_a_string_or_utf8_bytes_and_null_is_missing() {
    for field in ["id", "source", "type", "tenant"] {
        reads(field, r#""string""#, b"\x06\xC3\xA9!", "é!");
        reads(field, r#""bytes""#, b"\x06\xC3\xA9!", "é!");
        reads(field, r#"["null","string"]"#, b"\x00", "");
        reads(field, r#"["bytes","null","string"]"#, b"\x04\x02x", "x");
    }
    reads("id", r#""null""#, b"", "");
    for kind in [r#""string""#, r#""bytes""#] {
        malformed("id", kind, b"\x04a\xFF", 7, "invalid UTF-8");
    }
    malformed("id", r#""string""#, b"\x01", 5, "a length is negative");
    malformed(
        "tenant",
        r#""string""#,
        b"\x64",
        13,
        "50 bytes are needed, 3 are left",
    );
    refused("id", r#""long""#, "long is not text; use string");
    refused("id", r#"["null","int"]"#, "int is not text; use string");
    refused(
        "id",
        r#"{"type":"bytes","logicalType":"decimal","precision":9}"#,
        "bytes (a decimal) is not text; use string",
    );
    refused(
        "tenant",
        r#"{"type":"enum","name":"E","symbols":["A"]}"#,
        "enum is not text; use string",
    );
}

#[test]
fn times_are_timestamps_or_rfc3339() {
    let timestamp = |unit: &str| format!(r#"{{"type":"long","logicalType":"timestamp-{unit}"}}"#);
    reads(
        "time",
        &timestamp("micros"),
        b"\x01",
        "1969-12-31T23:59:59.999999Z",
    );
    reads(
        "time",
        &timestamp("millis"),
        b"\x02",
        "1970-01-01T00:00:00.001000Z",
    );
    reads(
        "time",
        r#""string""#,
        b"\x282026-11-21T07:41:55Z",
        "2026-11-21T07:41:55.000000Z",
    );
    reads("time", r#""string""#, b"\x06now", "-");
    reads("time", r#"["null","string"]"#, b"\x00", "-");
    let longest = b"\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01";
    let shortest = b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01";
    for unit in ["micros", "millis"] {
        reads("time", &timestamp(unit), longest, "-");
        reads("time", &timestamp(unit), shortest, "-");
    }
    let advice = "is not a time; use a long with the logical type timestamp-micros or \
                  timestamp-millis, or a string by RFC 3339";
    refused("time", r#""long""#, &format!("long {advice}"));
    refused("time", r#""int""#, &format!("int {advice}"));
    refused("time", r#""bytes""#, &format!("bytes {advice}"));
    refused(
        "time",
        r#"{"type":"int","logicalType":"timestamp-millis"}"#,
        &format!("int {advice}"),
    );
    refused("time", &timestamp("nanos"), &format!("long {advice}"));
    refused(
        "time",
        r#"["string","double"]"#,
        &format!("double {advice}"),
    );
}

#[test]
fn properties_are_a_map_in_any_blocks() {
    let map = r#"{"type":"map","values":"string"}"#;
    reads("properties", map, b"\x02\x02a\x02x\x00", "a=x");
    reads(
        "properties",
        map,
        b"\x02\x02b\x02x\x02\x02a\x00\x00",
        "b=x,a=",
    );
    reads(
        "properties",
        map,
        b"\x03\x10\x02a\x02x\x02b\x02y\x00",
        "a=x,b=y",
    );
    reads(
        "properties",
        r#"{"type":"map","values":"bytes"}"#,
        b"\x02\x02a\x02x\x00",
        "a=x",
    );
    let nullable = r#"["null",{"type":"map","values":["null","string"]}]"#;
    reads("properties", nullable, b"\x00", "");
    reads(
        "properties",
        nullable,
        b"\x02\x04\x02a\x00\x02b\x02\x02y\x00",
        "b=y",
    );
}

#[test]
fn broken_properties_are_malformed() {
    let map = r#"{"type":"map","values":"string"}"#;
    let twice = "the key `a` is there twice";
    malformed(
        "properties",
        map,
        b"\x04\x02a\x02x\x02a\x02x\x00",
        29,
        twice,
    );
    malformed(
        "properties",
        map,
        b"\x02\x02a\x02x\x02\x02a\x02x\x00",
        30,
        twice,
    );
    let nullable = r#"{"type":"map","values":["null","string"]}"#;
    malformed(
        "properties",
        nullable,
        b"\x04\x02a\x00\x02a\x00\x00",
        27,
        twice,
    );
    let wrong = "a block has another length than it says";
    malformed("properties", map, b"\x01\x06\x02a\x02x\x00", 21, wrong);
    let beyond = "a block is longer than what is left";
    malformed("properties", map, b"\x01\x64\x02a\x02x\x00", 19, beyond);
    malformed("properties", map, b"\x01\x01", 20, "a length is negative");
    malformed(
        "properties",
        map,
        b"\x7E",
        20,
        "1 bytes are needed, 0 are left",
    );
    malformed(
        "properties",
        map,
        b"\x02\x02\xFF\x00\x00",
        21,
        "invalid UTF-8",
    );
    refused(
        "properties",
        r#""string""#,
        "string is not a map of strings",
    );
    refused(
        "properties",
        r#"{"type":"array","items":"string"}"#,
        "array is not a map of strings",
    );
    refused(
        "properties",
        r#"{"type":"map","values":"long"}"#,
        "long is not text; use string",
    );
}
