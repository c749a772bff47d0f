//! What a writer's alias may do: fill in for a field that is not there by its own name.

use super::super::super::fingerprint;
use super::super::super::{Decoder, USAGE_EVENT_FINGERPRINT};
use super::super::{record, shown, writer};
use super::{Field, ID, INT, KIND, RENAMED, SOURCE, TENANT, TIME, WITH_THREE, WITHOUT, read};

const OTHER: Field = (
    r#"{"name":"account","aliases":["former","tenant"],"type":"string"}"#,
    b"\x04no",
);
const AMOUNT: Field = (
    r#"{"name":"amount","aliases":["quantity"],"type":"long"}"#,
    b"\x06",
);

#[test]
fn an_alias_counts_only_where_the_name_itself_is_missing() {
    let cases: [(&[Field], &str); 4] = [
        (&[ID, SOURCE, KIND, AMOUNT, TENANT, TIME], WITH_THREE),
        (&[OTHER, ID, SOURCE, KIND, TENANT, TIME, INT], WITH_THREE),
        // The tenant's own name counts, however many say that they once had it.
        (&[OTHER, RENAMED, ID, SOURCE, KIND, TENANT, TIME], WITHOUT),
        // A field that has a name of ours is that one, whatever it was called.
        (
            &[
                (
                    r#"{"name":"id","aliases":["quantity"],"type":"string"}"#,
                    ID.1,
                ),
                SOURCE,
                KIND,
                TENANT,
                TIME,
            ],
            WITHOUT,
        ),
    ];
    for (fields, expected) in cases {
        assert_eq!(read("Use", fields).as_deref(), Ok(expected));
    }
}

#[test]
fn aliases_that_leave_a_choice_or_do_not_fit_are_refused_with_the_field() {
    let both: Field = (
        r#"{"name":"who","aliases":["source","tenant"],"type":"string"}"#,
        b"",
    );
    let float: Field = (
        r#"{"name":"amount","aliases":["quantity"],"type":"double"}"#,
        b"",
    );
    let text: Field = (
        r#"{"name":"customer","aliases":"tenant","type":"string"}"#,
        b"",
    );
    let path: Field = (
        r#"{"name":"customer","aliases":["acme.tenant"],"type":"string"}"#,
        b"",
    );
    let cases: [(&[Field], &str); 6] = [
        (
            &[ID, SOURCE, KIND, RENAMED, OTHER, TIME],
            "the fields `customer` and `account` both have the alias `tenant`",
        ),
        (
            &[ID, KIND, both, TIME],
            "field `who`: it has the aliases `source` and `tenant`, and can be read as one of them",
        ),
        (
            &[ID, SOURCE, KIND, TENANT, TIME, float],
            "field `amount`, by its alias `quantity`: a double cannot hold",
        ),
        (
            &[ID, SOURCE, KIND, text, TIME],
            "the aliases of the field `customer` are no list of names",
        ),
        (
            &[ID, SOURCE, KIND, path, TIME],
            "the aliases of the field `customer` are no list of names",
        ),
        // The only field with a time is an id already.
        (
            &[
                (r#"{"name":"id","aliases":["time"],"type":"string"}"#, b""),
                SOURCE,
                KIND,
                TENANT,
            ],
            "no field `time`",
        ),
    ];
    for (fields, expected) in cases {
        let refused = read("Use", fields).expect_err(expected);
        assert!(refused.contains(expected), "{refused}");
    }
}

/// The smallest schema, with one more field of this declaration.
fn schema(name: &str, more: &str) -> String {
    let fields = [ID, SOURCE, KIND, TENANT, TIME].map(|(declared, _)| declared);
    let fields = fields.join(",");
    format!(r#"{{"type":"record","name":"{name}","fields":[{fields},{more}]}}"#)
}

#[test]
fn a_fingerprint_that_an_alias_makes_ambiguous_is_never_guessed() {
    let named = |alias: &str| {
        let more = format!(r#"{{"name":"amount","aliases":[{alias}],"type":"long"}}"#);
        schema("Use", &more)
    };
    let (skipped, read) = (named(""), named("\"quantity\""));
    let shared = fingerprint(&skipped).expect("a schema");
    assert_eq!(fingerprint(&read), Ok(shared), "aliases are not in it");
    assert_ne!(shared, USAGE_EVENT_FINGERPRINT);
    let body: Vec<u8> = [ID, SOURCE, KIND, TENANT, TIME, AMOUNT]
        .iter()
        .flat_map(|(_, bytes)| *bytes)
        .copied()
        .collect();
    let decoded = |decoder: &Decoder, frame: &[u8]| {
        shown(&decoder.decode(&record(&[], Some(&[frame, &body].concat()))))
    };
    let by_fingerprint = [&[0xC3, 0x01][..], &shared.to_le_bytes()].concat();

    let schemas = [writer(Some(1), &skipped), writer(Some(2), &read)];
    let decoder = Decoder::new(&schemas).expect("each has an id");
    assert_eq!(decoded(&decoder, &[0, 0, 0, 0, 1]), WITHOUT);
    assert_eq!(decoded(&decoder, &[0, 0, 0, 0, 2]), WITH_THREE);
    let ambiguous = decoded(&decoder, &by_fingerprint);
    assert!(
        ambiguous.starts_with("unknown_schema: several schemas"),
        "{ambiguous}"
    );
    let refused = Decoder::new(&[writer(Some(1), &skipped), writer(None, &read)]);
    let refused = refused.expect_err("without an id");
    assert!(
        refused.contains("another schema with other logical types or aliases"),
        "{refused}"
    );

    // An alias that changes nothing makes nothing ambiguous.
    let schemas = [
        writer(Some(1), &skipped),
        writer(Some(2), &named("\"former\"")),
    ];
    let decoder = Decoder::new(&schemas).expect("each has an id");
    assert_eq!(decoded(&decoder, &by_fingerprint), WITHOUT);
}
