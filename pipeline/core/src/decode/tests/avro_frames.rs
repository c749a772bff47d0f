//! The two Avro frames, and which schema they name.

use super::{check, plain_decoder, record, shown, writer};
use crate::decode::{
    Decoder, USAGE_EVENT_FINGERPRINT, USAGE_EVENT_SCHEMA, encode_avro, fingerprint,
};
use crate::event::{Event, EventQuantity};
use crate::quantity::{NotAQuantity, Quantity};
use crate::time::EventTime;

const SHOWN: &str = "e1|s|t|acme|2026-11-21T07:41:55.123456Z|-1.5|region=eu,tier=";

fn event() -> Event<'static> {
    Event {
        id: "e1".into(),
        source: "s".into(),
        kind: "t".into(),
        tenant: "acme".into(),
        time: Some(EventTime(1_795_246_915_123_456)),
        quantity: EventQuantity::Text("-1.50".into()),
        properties: [("region".into(), "eu".into()), ("tier".into(), "".into())]
            .into_iter()
            .collect(),
    }
}

/// The event in single-object encoding.
fn encoded() -> Vec<u8> {
    let mut value = Vec::new();
    encode_avro(&event(), &mut value).expect("the event can be encoded");
    value
}

/// The event's record with another frame before it.
fn framed(frame: &[u8]) -> Vec<u8> {
    [frame, &encoded()[10..]].concat()
}

fn renamed(name: &str) -> String {
    USAGE_EVENT_SCHEMA.replace("UsageEvent", name)
}

#[test]
fn the_encoder_writes_what_the_decoder_reads() {
    check(&[], Some(&encoded()), SHOWN);
}

/// Java's `SchemaNormalization` and Python's `fastavro` compute the same number.
#[test]
fn the_built_in_fingerprint_is_the_schemas() {
    assert_eq!(fingerprint(USAGE_EVENT_SCHEMA), Ok(USAGE_EVENT_FINGERPRINT));
    let expected = [0xC3, 0x01, 0x10, 0x57, 0x52, 0x62, 0xD0, 0x18, 0x36, 0x95];
    assert_eq!(encoded()[..10], expected);
}

#[test]
fn quantities_are_encoded_in_the_fewest_bytes() {
    for (quantity, expected) in [
        ("0", &[2, 2, 0][..]),
        ("0.000000127", &[2, 2, 127]),
        ("0.000000128", &[2, 4, 0, 128]),
        ("-0.000000128", &[2, 2, 128]),
        ("-0.000000129", &[2, 4, 0xFF, 127]),
    ] {
        let event = Event {
            quantity: EventQuantity::Text(quantity.into()),
            properties: Default::default(),
            ..event()
        };
        let mut value = vec![0xAA];
        encode_avro(&event, &mut value).expect("the event can be encoded");
        assert_eq!(value[0], 0xAA, "what was there stays");
        assert_eq!(&value[31..value.len() - 1], expected, "{quantity}");
    }
}

#[test]
fn events_that_have_no_exact_encoding_are_refused() {
    let refused = |event: Event<'_>, reason: &str| {
        let mut value = Vec::new();
        assert_eq!(encode_avro(&event, &mut value), Err(reason.to_owned()));
        assert!(value.is_empty());
    };
    let with = |quantity| Event {
        quantity,
        ..event()
    };
    refused(
        Event {
            time: None,
            ..event()
        },
        "the event has no time",
    );
    refused(
        with(EventQuantity::NotANumber),
        "the quantity is not a number",
    );
    refused(
        with(EventQuantity::Text("0.0000000001".into())),
        "the quantity has more than 9 decimals",
    );
    refused(
        with(EventQuantity::Exact(Err(NotAQuantity::OutOfRange))),
        "the quantity is beyond the range of 29 integer digits",
    );
}

#[test]
fn extreme_quantities_survive() {
    let bound = 10i128.pow(38) - 1;
    for raw in [bound, -bound, 1, -1, 0] {
        let quantity = Quantity::from_raw(raw).expect("in range");
        let quantity = EventQuantity::Exact(Ok(quantity));
        let event = Event {
            quantity,
            ..event()
        };
        let mut value = Vec::new();
        encode_avro(&event, &mut value).expect("the event can be encoded");
        let decoder = plain_decoder();
        let decoded = decoder.decode(&record(&[], Some(&value)));
        assert_eq!(shown(&decoded), shown(&Ok(event)));
    }
}

#[test]
fn schemas_of_the_catalog_are_found_by_id_and_by_fingerprint() {
    let schema = renamed("Usage");
    let decoder = Decoder::new(&[
        writer(Some(0x0102_0304), &schema),
        writer(None, &renamed("Use")),
    ])
    .expect("both compile");
    let single = |schema: &str| {
        let fingerprint = fingerprint(schema).expect("a schema");
        [&[0xC3, 0x01][..], &fingerprint.to_le_bytes()].concat()
    };
    for frame in [
        vec![0, 1, 2, 3, 4],
        single(&schema),
        single(&renamed("Use")),
        single(USAGE_EVENT_SCHEMA),
    ] {
        let value = framed(&frame);
        assert_eq!(
            shown(&decoder.decode(&record(&[], Some(&value)))),
            SHOWN,
            "{frame:?}"
        );
    }
}

#[test]
fn schemas_that_are_not_known_are_named() {
    check(
        &[],
        Some(&framed(&[0xC3, 0x01, 8, 7, 6, 5, 4, 3, 2, 1])),
        "unknown_schema: no schema with the fingerprint 0102030405060708 is in the catalog; \
         add it to the catalog's schemas and apply it",
    );
    check(
        &[],
        Some(&framed(&[0, 0, 0, 1, 0])),
        "unknown_schema: no schema with the Confluent id 256 is in the catalog; add it to the \
         catalog's schemas and apply it",
    );
}

#[test]
fn values_that_are_cut_or_too_long_are_malformed() {
    check(
        &[],
        Some(&encoded()[..9]),
        "malformed: Avro single-object encoding, at byte 9: the fingerprint is cut",
    );
    check(
        &[],
        Some(&[0, 1]),
        "malformed: Avro in the Confluent frame, at byte 2: the schema id is cut",
    );
    let decoder = plain_decoder();
    let whole = encoded();
    for end in 10..whole.len() {
        let result = shown(&decoder.decode(&record(&[], Some(&whole[..end]))));
        assert!(
            result.starts_with("malformed: Avro single-object encoding, at byte "),
            "{result}"
        );
    }
    check(
        &[],
        Some(&[&whole[..], &[0]].concat()),
        "malformed: Avro single-object encoding, at byte 54: 1 bytes follow the record",
    );
}

#[test]
fn one_fingerprint_with_two_meanings_is_never_guessed() {
    let scaled = |name: &str, scale: u32| {
        renamed(name).replace("\"scale\": 9", &format!("\"scale\": {scale}"))
    };
    let refused = |schemas: &[_]| Decoder::new(schemas).expect_err("refused");
    let reason = "another schema with other logical types or aliases has the same fingerprint";
    let without_id = refused(&[
        writer(Some(1), &scaled("U", 2)),
        writer(None, &scaled("U", 3)),
    ]);
    assert!(
        without_id.starts_with(&format!("schemas[1]: {reason}")),
        "{without_id}"
    );
    let as_built_in = refused(&[writer(None, &scaled("UsageEvent", 2))]);
    assert!(
        as_built_in.starts_with(&format!("schemas[0]: {reason}")),
        "{as_built_in}"
    );

    let decoder = Decoder::new(&[
        writer(Some(1), &scaled("U", 2)),
        writer(Some(2), &scaled("U", 3)),
        writer(Some(3), &scaled("UsageEvent", 10)),
        writer(Some(4), USAGE_EVENT_SCHEMA),
        writer(None, USAGE_EVENT_SCHEMA),
    ])
    .expect("each has an id, or reads alike");
    let quantity = |frame: &[u8]| {
        let value = framed(frame);
        let shown = shown(&decoder.decode(&record(&[], Some(&value))));
        shown.split('|').nth(5).map_or(shown.clone(), str::to_owned)
    };
    assert_eq!(quantity(&[0, 0, 0, 0, 1]), "-15000000");
    assert_eq!(quantity(&[0, 0, 0, 0, 2]), "-1500000");
    assert_eq!(quantity(&[0, 0, 0, 0, 3]), "-0.15");
    assert_eq!(quantity(&[0, 0, 0, 0, 4]), "-1.5");
    assert_eq!(quantity(&encoded()[..10]), "-1.5");
    let shared = fingerprint(&scaled("U", 2))
        .expect("a schema")
        .to_le_bytes();
    let ambiguous = quantity(&[&[0xC3, 0x01][..], &shared].concat());
    assert!(
        ambiguous.starts_with("unknown_schema: several schemas"),
        "{ambiguous}"
    );
}

#[test]
fn two_schemas_with_one_id_are_refused() {
    let schemas = [
        writer(Some(7), &renamed("A")),
        writer(Some(7), &renamed("B")),
    ];
    assert_eq!(
        Decoder::new(&schemas).expect_err("refused"),
        "schemas[1] (Confluent id 7): another schema has the same Confluent id"
    );
}
