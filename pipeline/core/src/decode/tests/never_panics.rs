//! Every byte string has exactly one outcome: no input panics, none hangs.

use super::{record, shown, writer};
use crate::decode::{Decoder, USAGE_EVENT_SCHEMA, encode_avro, fingerprint};
use crate::event::{Event, EventQuantity};
use crate::reason::{Reason, Rejection};
use crate::time::EventTime;
use proptest::prelude::*;
use std::sync::LazyLock;

/// A writer schema with every kind of type in fields that are skipped.
const WIDE: &str = r#"{"type":"record","name":"Wide","fields":[
    {"name":"tree","type":{"type":"record","name":"Tree","fields":[
        {"name":"left","type":["null","Tree"]},
        {"name":"leaves","type":{"type":"array","items":["long","string",{"type":"fixed","name":"F","size":3}]}}]}},
    {"name":"nothing","type":{"type":"array","items":"null"}},
    {"name":"named","type":{"type":"map","values":{"type":"array","items":"Tree"}}},
    {"name":"kind","type":{"type":"enum","name":"E","symbols":["A","B"]}},
    {"name":"id","type":["null","string","bytes"]},
    {"name":"source","type":"string"},
    {"name":"type","type":"bytes"},
    {"name":"tenant","type":"string"},
    {"name":"time","type":["string",{"type":"long","logicalType":"timestamp-millis"}]},
    {"name":"quantity","type":["null","long","string",{"type":"bytes","logicalType":"decimal","precision":50,"scale":20}]},
    {"name":"properties","type":["null",{"type":"map","values":["null","string"]}]}]}"#;

static DECODER: LazyLock<Decoder> = LazyLock::new(|| {
    Decoder::new(&[writer(Some(1), WIDE), writer(Some(2), USAGE_EVENT_SCHEMA)])
        .expect("both compile")
});

/// Decodes twice; both outcomes are one, and of a reason that decoding may give.
fn judge(headers: super::Headers<'_>, value: &[u8]) {
    let record = record(headers, Some(value));
    let outcome = DECODER.decode(&record);
    assert_eq!(outcome, DECODER.decode(&record));
    if let Err(Rejection { reason, detail, .. }) = outcome {
        assert!(matches!(
            reason,
            Reason::Malformed | Reason::Batch | Reason::UnknownSchema
        ));
        assert!(!detail.is_empty() && detail.len() <= Rejection::DETAIL_BYTES);
    }
}

/// The same event in each form.
fn valid() -> Vec<Vec<u8>> {
    let json = br#"{"specversion":"1.0","id":"e\u0031","source":"s","type":"t","subject":"acme","time":"2026-11-21T07:41:55Z","ext":[{"a":[]}],"data":{"quantity":1.5,"region":"eu","x":null,"y":true}}"#;
    let event = Event {
        id: "e1".into(),
        source: "s".into(),
        kind: "t".into(),
        tenant: "acme".into(),
        time: Some(EventTime(1_795_246_915_000_000)),
        quantity: EventQuantity::Text("1.5".into()),
        properties: [("region".into(), "eu".into())].into_iter().collect(),
    };
    let mut single = Vec::new();
    encode_avro(&event, &mut single).expect("an exact event");
    let confluent = [&[0, 0, 0, 0, 2][..], &single[10..]].concat();
    let wide = b"\x02\x00\x04\x00\x08\x02\x02x\x00\x00\x06\x00\x02\x02k\x02\x00\x00\x00\x00\x02\x02\x04e1\x02s\x02t\x08acme\x02\x00\x06\x02\x05\x02\x02\x02r\x02\x04eu\x00";
    let wide = [&[0, 0, 0, 0, 1][..], wide].concat();
    vec![json.to_vec(), single, confluent, wide]
}

#[test]
fn the_inputs_of_these_tests_are_valid() {
    for value in valid() {
        let result = DECODER.decode(&record(&[], Some(&value)));
        assert!(
            shown(&result).starts_with("e1|s|t|acme|"),
            "{}",
            shown(&result)
        );
    }
}

#[test]
fn every_prefix_is_malformed() {
    for value in valid() {
        for end in 0..value.len() {
            let result = DECODER.decode(&record(&[], Some(&value[..end])));
            assert!(
                result.is_err_and(|r| r.reason == Reason::Malformed),
                "{end} of {value:?}"
            );
        }
    }
}

#[test]
fn every_single_byte_may_be_anything() {
    for value in valid() {
        for place in 0..value.len() {
            for byte in 0..=255 {
                let mut broken = value.clone();
                broken[place] = byte;
                judge(&[], &broken);
            }
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes(value in any::<Vec<u8>>(), form in 0..6usize) {
        let wide = fingerprint(WIDE).expect("a schema").to_le_bytes();
        let built_in = fingerprint(USAGE_EVENT_SCHEMA).expect("a schema").to_le_bytes();
        let frame: Vec<u8> = match form {
            0 => vec![],
            1 => b"{\"specversion\":\"1.0\",\"data\":".to_vec(),
            2 => vec![0, 0, 0, 0, 1],
            3 => vec![0, 0, 0, 0, 2],
            4 => [&[0xC3, 0x01][..], &wide].concat(),
            _ => [&[0xC3, 0x01][..], &built_in].concat(),
        };
        judge(&[], &[frame, value].concat());
    }

    #[test]
    fn arbitrary_headers(
        headers in proptest::collection::vec(
            ("(ce_(specversion|id|source|type|subject|time|x)|content-type|x)",
             proptest::option::of(prop_oneof![
                any::<Vec<u8>>(),
                "(1\\.0|application/(cloudevents(-batch)?(\\+json)?|json)(;x)?)".prop_map(String::into_bytes),
             ])), 0..9),
        value in prop_oneof![Just(b"{}".to_vec()), any::<Vec<u8>>()],
    ) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        judge(&headers, &value);
    }

    #[test]
    fn valid_values_with_pieces_moved(
        form in 0..4usize,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<bool>()), 1..4),
    ) {
        let mut value = valid().swap_remove(form);
        for (from, length, to, insert) in edits {
            let from = from.index(value.len());
            let piece = value[from..from + length.index(value.len() - from) + 1].to_vec();
            let to = to.index(value.len());
            let end = if insert { to } else { (to + piece.len()).min(value.len()) };
            value.splice(to..end, piece);
        }
        judge(&[], &value);
    }
}
