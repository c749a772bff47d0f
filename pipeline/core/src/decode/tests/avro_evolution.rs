//! Schema evolution: how a producer may change its schema, in both Avro forms.
//!
//! The rules are those of the specification's schema resolution with `UsageEvent` as the reader's
//! schema, and one more: a writer's alias says what a renamed field was called.

use super::super::fingerprint;
use super::{decoder_of, record, shown};

mod aliases;

/// A field of the writer: its declaration, and one value of it.
type Field = (&'static str, &'static [u8]);

const ID: Field = (r#"{"name":"id","type":"string"}"#, b"\x04e1");
const SOURCE: Field = (r#"{"name":"source","type":"string"}"#, b"\x02s");
const KIND: Field = (r#"{"name":"type","type":"string"}"#, b"\x02t");
const TENANT: Field = (r#"{"name":"tenant","type":"string"}"#, b"\x08acme");
const TIME: Field = (
    r#"{"name":"time","type":{"type":"long","logicalType":"timestamp-micros"}}"#,
    b"\x00",
);
const INT: Field = (r#"{"name":"quantity","type":"int"}"#, b"\x06");
const LONG: Field = (r#"{"name":"quantity","type":"long"}"#, b"\x06");
const OPTIONAL: Field = (
    r#"{"name":"quantity","type":["null","long"],"default":null}"#,
    b"\x02\x06",
);
const ADDED: Field = (
    r#"{"name":"region","type":["null","string"],"default":null}"#,
    b"\x02\x04eu",
);
const ADDED_RECORD: Field = (
    r#"{"name":"trace","type":{"type":"record","name":"T","fields":[{"name":"n","type":{"type":"array","items":"long"}}]},"default":{"n":[]}}"#,
    b"\x04\x02\x04\x00",
);
const PROPERTIES: Field = (
    r#"{"name":"properties","type":{"type":"map","values":"string"},"default":{}}"#,
    b"\x02\x02a\x02b\x00",
);
const RENAMED: Field = (
    r#"{"name":"customer","aliases":["tenant"],"type":"string"}"#,
    b"\x08acme",
);
const RENAMED_UNSAID: Field = (r#"{"name":"customer","type":"string"}"#, b"\x08acme");

const WITHOUT: &str = "e1|s|t|acme|1970-01-01T00:00:00.000000Z|-|";
const WITH_THREE: &str = "e1|s|t|acme|1970-01-01T00:00:00.000000Z|3|";
const WITH_PROPERTY: &str = "e1|s|t|acme|1970-01-01T00:00:00.000000Z|3|a=b";

/// Decodes one value by this schema, framed both ways; both must come to the same.
fn read(name: &str, fields: &[Field]) -> Result<String, String> {
    let declared: Vec<&str> = fields.iter().map(|(declared, _)| *declared).collect();
    let schema = format!(
        r#"{{"type":"record","name":"{name}","fields":[{}]}}"#,
        declared.join(",")
    );
    let decoder = decoder_of(&schema)?;
    let body: Vec<u8> = fields
        .iter()
        .flat_map(|(_, bytes)| *bytes)
        .copied()
        .collect();
    let decode = |frame: &[u8]| {
        let value = [frame, &body].concat();
        shown(&decoder.decode(&record(&[], Some(&value))))
    };
    let confluent = decode(&[0, 0, 0, 0, 1]);
    let fingerprint = fingerprint(&schema)?.to_le_bytes();
    let single_object = decode(&[&[0xC3, 0x01][..], &fingerprint].concat());
    assert_eq!(confluent, single_object, "{schema}");
    Ok(confluent)
}

#[test]
fn producers_may_change_their_schemas_in_the_ways_that_keep_events_readable() {
    let cases: [(&str, &str, &[Field], &str); 10] = [
        (
            "as it was",
            "Use",
            &[ID, SOURCE, KIND, TENANT, TIME, INT],
            WITH_THREE,
        ),
        (
            "a promoted type",
            "Use",
            &[ID, SOURCE, KIND, TENANT, TIME, LONG],
            WITH_THREE,
        ),
        (
            "made optional",
            "Use",
            &[ID, SOURCE, KIND, TENANT, TIME, OPTIONAL],
            WITH_THREE,
        ),
        (
            "reordered",
            "Use",
            &[INT, TIME, TENANT, KIND, SOURCE, ID],
            WITH_THREE,
        ),
        (
            "another record name",
            "acme.v2.Used",
            &[ID, SOURCE, KIND, TENANT, TIME, INT],
            WITH_THREE,
        ),
        (
            "a field with default",
            "Use",
            &[ADDED, ID, SOURCE, KIND, TENANT, TIME, INT],
            WITH_THREE,
        ),
        (
            "a record with default",
            "Use",
            &[ID, SOURCE, KIND, ADDED_RECORD, TENANT, TIME, INT],
            WITH_THREE,
        ),
        (
            "one of ours that was lacking",
            "Use",
            &[ID, SOURCE, KIND, TENANT, TIME, INT, PROPERTIES],
            WITH_PROPERTY,
        ),
        (
            "a renamed field",
            "Use",
            &[ID, SOURCE, KIND, RENAMED, TIME, INT],
            WITH_THREE,
        ),
        (
            "one of ours left out",
            "Use",
            &[ID, SOURCE, KIND, TENANT, TIME],
            WITHOUT,
        ),
    ];
    for (change, name, fields, expected) in cases {
        assert_eq!(read(name, fields).as_deref(), Ok(expected), "{change}");
    }
}

#[test]
fn changes_that_make_events_unreadable_are_refused_with_the_field() {
    let float: Field = (r#"{"name":"quantity","type":"float"}"#, b"\x00\x00\x00\x00");
    let bare: Field = (r#"{"name":"time","type":"long"}"#, b"\x00");
    let cases: [(&[Field], &str); 4] = [
        (
            &[ID, SOURCE, KIND, RENAMED_UNSAID, TIME, INT],
            "no field `tenant`",
        ),
        (&[ID, SOURCE, KIND, TENANT, INT], "no field `time`"),
        (
            &[ID, SOURCE, KIND, TENANT, TIME, float],
            "field `quantity`: a float",
        ),
        (
            &[ID, SOURCE, KIND, TENANT, bare, INT],
            "field `time`: long is not a time",
        ),
    ];
    for (fields, expected) in cases {
        let refused = read("Use", fields).expect_err(expected);
        assert!(refused.contains(expected), "{refused}");
    }
}
