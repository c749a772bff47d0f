//! Avro schemas: canonical form, fingerprint, and what is no schema.

use super::decoder_of;
use crate::decode::{fingerprint, parsing_canonical_form};
use apache_avro::rabin::Rabin;

/// The canonical form is as given, and `apache-avro` agrees on the fingerprint of that form.
///
/// It is not asked for the form itself: against the specification it keeps `precision`, `scale`
/// and the object around a primitive where there is a logical type, as Java and Python do not.
fn check(schema: &str, canonical: &str) {
    assert_eq!(
        parsing_canonical_form(schema).as_deref(),
        Ok(canonical),
        "{schema}"
    );
    let oracle = apache_avro::Schema::parse_str(canonical).expect("apache-avro reads it");
    let expected = oracle.fingerprint::<Rabin>().bytes;
    let expected = u64::from_le_bytes(expected.try_into().expect("eight bytes"));
    assert_eq!(fingerprint(schema), Ok(expected), "{schema}");
}

fn refused(schema: &str, reason: &str) {
    assert_eq!(
        parsing_canonical_form(schema),
        Err(reason.to_owned()),
        "{schema}"
    );
}

/// From the specification's test data, `schema-tests.txt` of the Avro project.
#[test]
fn fingerprints_are_those_of_the_specification() {
    for (schema, expected) in [
        ("\"null\"", 7_195_948_357_588_979_594_i64),
        ("\"boolean\"", -6_970_731_678_124_411_036),
        ("\"int\"", 8_247_732_601_305_521_295),
        ("\"long\"", -3_434_872_931_120_570_953),
        ("\"bytes\"", 5_746_618_253_357_095_269),
        ("\"string\"", -8_142_146_995_180_207_161),
    ] {
        assert_eq!(
            fingerprint(schema),
            Ok(expected.cast_unsigned()),
            "{schema}"
        );
    }
}

#[test]
fn canonical_forms_keep_only_what_parsing_needs() {
    check(r#" {"type": "int", "doc": "x"} "#, r#""int""#);
    check(
        r#"{"type":"long","logicalType":"timestamp-micros"}"#,
        r#""long""#,
    );
    check(
        r#"["null",{"items":"string","type":"array"},{"type":"map","values":["int","null"]}]"#,
        r#"["null",{"type":"array","items":"string"},{"type":"map","values":["int","null"]}]"#,
    );
    check(
        r#"{"type":"fixed","size":16,"namespace":"a.b","name":"F","logicalType":"decimal","precision":9}"#,
        r#"{"name":"a.b.F","type":"fixed","size":16}"#,
    );
    check(
        r#"{"type":"enum","symbols":["A","B_1"],"name":"x.E","namespace":"ignored","default":"A"}"#,
        r#"{"name":"x.E","type":"enum","symbols":["A","B_1"]}"#,
    );
}

#[test]
fn names_take_the_enclosing_namespace() {
    check(
        r#"{"type":"record","name":"R","namespace":"n","aliases":["Q"],"fields":[
            {"name":"a","type":{"type":"fixed","name":"F","size":2},"default":"xx","order":"ignore"},
            {"name":"b","type":"F"},
            {"name":"c","type":{"type":"enum","name":"m.E","symbols":["X"]}},
            {"name":"d","type":["null","m.E","R"]}]}"#,
        r#"{"name":"n.R","type":"record","fields":[{"name":"a","type":{"name":"n.F","type":"fixed","size":2}},{"name":"b","type":"n.F"},{"name":"c","type":{"name":"m.E","type":"enum","symbols":["X"]}},{"name":"d","type":["null","m.E","n.R"]}]}"#,
    );
    check(
        r#"{"type":"record","name":"R","fields":[{"name":"next","type":["null","R"]}]}"#,
        r#"{"name":"R","type":"record","fields":[{"name":"next","type":["null","R"]}]}"#,
    );
}

#[test]
fn what_is_no_schema_is_refused_with_its_reason() {
    refused("7", "7 is not a schema");
    refused("{}", "a schema has no `type`");
    refused(
        r#""strin""#,
        "the type `strin` is not defined before it is used",
    );
    refused(r#""a-b""#, "`a-b` is not an Avro name");
    refused("[]", "a union has no branches");
    refused(r#"["int","int"]"#, "a union has two branches of type `int`");
    refused(r#"["int",["null"]]"#, "a union is directly inside a union");
    refused(
        r#"{"type":"array"}"#,
        "a schema of type array has no `items`",
    );
    refused(r#"{"type":"map"}"#, "a schema of type map has no `values`");
    refused(
        r#"{"type":"fixed","name":"F"}"#,
        "the fixed `F` has no size",
    );
    refused(
        r#"{"type":"fixed","name":"F","size":-1}"#,
        "the fixed `F` has no size",
    );
    refused(r#"{"type":"fixed","size":1}"#, "a named type has no `name`");
    refused(
        r#"{"type":"fixed","name":"n.long","size":1}"#,
        "`long` is the name of a primitive type",
    );
    refused(
        r#"{"type":"enum","name":"E"}"#,
        "the enum `E` has no list of symbols",
    );
    refused(
        r#"{"type":"enum","name":"E","symbols":["A","A"]}"#,
        "the enum `E` has the symbol `A` twice",
    );
    refused(
        r#"{"type":"enum","name":"E","symbols":["1"]}"#,
        "`1` is not an Avro name",
    );
    let record = |fields: &str| format!(r#"{{"type":"record","name":"R","fields":{fields}}}"#);
    refused(&record("{}"), "the record `R` has no list of fields");
    refused(
        &record(r#"[{"type":"int"}]"#),
        "a field of the record `R` has no name",
    );
    refused(&record(r#"[{"name":"a"}]"#), "the field `a` has no `type`");
    refused(
        &record(r#"[{"name":"a","type":"int"},{"name":"a","type":"int"}]"#),
        "the record `R` has two fields `a`",
    );
    refused(
        &record(r#"[{"name":"a","type":{"type":"fixed","name":"R","size":1}}]"#),
        "field `a`: the type `R` is defined twice",
    );
    let broken = parsing_canonical_form("{").expect_err("refused");
    assert!(broken.starts_with("the schema is not JSON: "), "{broken}");
    let deep = format!("{}\"int\"{}", "[".repeat(1_000), "]".repeat(1_000));
    let deep = parsing_canonical_form(&deep).expect_err("refused");
    assert!(deep.starts_with("the schema is not JSON: "), "{deep}");
}

#[test]
fn decoders_name_the_schema_they_refuse() {
    for (schema, reason) in [
        (
            "{",
            "the schema is not JSON: EOF while parsing an object at line 1 column 1",
        ),
        (
            r#"["null","int"]"#,
            "a usage event is a record, not of type union",
        ),
    ] {
        let expected = format!("schemas[0] (Confluent id 1): {reason}");
        assert_eq!(decoder_of(schema).expect_err("refused"), expected);
    }
}
