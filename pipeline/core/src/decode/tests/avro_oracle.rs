//! Avro against `apache-avro`: it encodes by random writer schemas, ours decodes.
//!
//! Where the specification's resolution alone decides, `apache-avro` also resolves the same bytes
//! to `UsageEvent`, and both must agree.

use super::{record, shown, writer};
use crate::decode::{
    Decoder, USAGE_EVENT_SCHEMA, encode_avro, fingerprint, parsing_canonical_form,
};
use crate::event::{Event, EventQuantity};
use crate::quantity::Quantity;
use crate::time::EventTime;
use apache_avro::types::Value;
use apache_avro::{Decimal, Schema, rabin::Rabin};
use proptest::prelude::*;
use std::collections::BTreeMap;

mod extra;
mod input;

use extra::Extra;
use input::any_input;

/// The text of a resolved `UsageEvent` of `apache-avro`, as [`shown`] writes it.
fn shown_by_oracle(value: Value) -> String {
    let Value::Record(fields) = value else {
        panic!("{value:?} is not a record")
    };
    let mut fields: BTreeMap<_, _> = fields.into_iter().collect();
    let mut text = |name| match fields.remove(name) {
        Some(Value::String(text)) => text,
        other => panic!("{name} is {other:?}"),
    };
    let (id, source, kind, tenant) = (text("id"), text("source"), text("type"), text("tenant"));
    let time = match fields.remove("time") {
        Some(Value::TimestampMicros(micros)) => Some(EventTime(micros)),
        other => panic!("time is {other:?}"),
    };
    let quantity = match fields.remove("quantity") {
        Some(Value::Union(0, _)) => EventQuantity::Absent,
        Some(Value::Union(1, inner)) => match *inner {
            Value::Decimal(decimal) => EventQuantity::Exact(Quantity::from_raw(raw_of(&decimal))),
            other => panic!("quantity is {other:?}"),
        },
        other => panic!("quantity is {other:?}"),
    };
    let Some(Value::Map(map)) = fields.remove("properties") else {
        panic!("no properties")
    };
    let properties = map.into_iter().map(|(key, value)| match value {
        Value::String(value) => (key.into(), value.into()),
        other => panic!("a property is {other:?}"),
    });
    let properties = properties.collect();
    let (id, source, kind, tenant) = (id.into(), source.into(), kind.into(), tenant.into());
    sorted(Event {
        id,
        source,
        kind,
        tenant,
        time,
        quantity,
        properties,
    })
}

fn raw_of(decimal: &Decimal) -> i128 {
    let bytes: Vec<u8> = decimal.try_into().expect("a decimal has bytes");
    let sign = if bytes[0] & 0x80 == 0 { 0 } else { 0xFF };
    let mut wide = [sign; 16];
    wide[16 - bytes.len()..].copy_from_slice(&bytes);
    i128::from_be_bytes(wide)
}

/// Shown with sorted properties: `apache-avro` keeps maps in no order.
fn sorted(mut event: Event<'_>) -> String {
    event.properties.sort();
    shown(&Ok(event))
}

proptest! {
    #[test]
    fn what_apache_avro_writes_is_read(input in any_input()) {
        let (schema, value) = input.written();
        let oracle = Schema::parse_str(&schema).expect("apache-avro reads the schema");
        let datum = apache_avro::to_avro_datum(&oracle, value).expect("apache-avro encodes");
        let decoder = Decoder::new(&[writer(Some(258), &schema)])
            .map_err(|reason| TestCaseError::fail(format!("{reason}: {schema}")))?;
        let ours = fingerprint(&schema).expect("a schema").to_le_bytes();
        for frame in [&[0, 0, 0, 1, 2][..], &[&[0xC3, 0x01][..], &ours].concat()] {
            let framed = [frame, &datum].concat();
            let event = decoder.decode(&record(&[], Some(&framed)));
            let event = event.map_err(|r| TestCaseError::fail(format!("{}: {schema}", r.detail)))?;
            prop_assert_eq!(sorted(event), input.expected());
        }
        if input.resolves_by_the_specification() {
            let reader = Schema::parse_str(&USAGE_EVENT_SCHEMA.replace("UsageEvent", "W"))
                .expect("apache-avro reads the schema");
            let resolved = apache_avro::from_avro_datum(&oracle, &mut &datum[..], Some(&reader))
                .expect("apache-avro resolves");
            prop_assert_eq!(shown_by_oracle(resolved), input.expected());
        }
    }

    #[test]
    fn canonical_forms_and_fingerprints_are_those_of_apache_avro(extra in Extra::any()) {
        let schema = extra.schema(&mut 0).to_string();
        let oracle = Schema::parse_str(&schema).expect("apache-avro reads the schema");
        prop_assert_eq!(parsing_canonical_form(&schema), Ok(oracle.canonical_form()));
        let expected = oracle.fingerprint::<Rabin>().bytes;
        let ours = fingerprint(&schema).expect("a schema");
        prop_assert_eq!(ours.to_le_bytes().to_vec(), expected);
    }

    #[test]
    fn what_we_write_is_read_by_apache_avro(input in any_input()) {
        let [id, source, kind, tenant] = &input.texts;
        let properties = input.properties.iter();
        let event = Event {
            id: id.into(),
            source: source.into(),
            kind: kind.into(),
            tenant: tenant.into(),
            time: Some(EventTime(input.micros)),
            quantity: match input.raw {
                None => EventQuantity::Absent,
                Some(_) => EventQuantity::Exact(Ok(input.exact())),
            },
            properties: properties.map(|(k, v)| (k.into(), v.into())).collect(),
        };
        let mut value = Vec::new();
        encode_avro(&event, &mut value).expect("an exact event");
        let schema = Schema::parse_str(USAGE_EVENT_SCHEMA).expect("apache-avro reads the schema");
        let mut datum = &value[10..];
        let read = apache_avro::from_avro_datum(&schema, &mut datum, None);
        prop_assert!(datum.is_empty());
        prop_assert_eq!(shown_by_oracle(read.expect("apache-avro decodes")), sorted(event));
    }
}
