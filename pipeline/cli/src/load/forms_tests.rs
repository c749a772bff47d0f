//! Every form says the same event, to our decoder and byte for byte where others read it.

use super::*;
use meterline_core::catalog::WriterSchema;
use meterline_core::decode::{Decoder, USAGE_EVENT_SCHEMA};
use meterline_core::event::EventQuantity;
use meterline_core::quantity::Quantity;
use meterline_core::record::Record;
use meterline_core::time::LogTime;

/// A writer schema with another order and one field more.
const EVOLVED: &str = r#"{"type":"record","name":"UsageEvent","namespace":"meterline","fields":[
    {"name":"tenant","type":"string"},{"name":"id","type":"string"},
    {"name":"trace","type":["null","string"],"default":null},
    {"name":"source","type":"string"},{"name":"type","type":"string"},
    {"name":"time","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"quantity","default":null,
     "type":["null",{"type":"bytes","logicalType":"decimal","precision":38,"scale":9}]},
    {"name":"properties","default":{},"type":{"type":"map","values":"string"}}]}"#;

fn event(quantity: Option<&str>) -> UsageEvent {
    UsageEvent {
        id: "a\"\\\n1".to_owned(),
        source: "s/1".into(),
        kind: "t".into(),
        tenant: "äcme".into(),
        time: EventTime(1_700_000_000_123_456),
        quantity: quantity.map(str::to_owned),
        properties: vec![
            ("bytes".into(), "1713".into()),
            ("path".into(), "/a b".into()),
            ("zip".into(), "0042".into()),
        ],
    }
}

fn check(form: Form, schema: &str, quantity: Option<&str>) {
    let event = event(quantity);
    let encoder = Encoder::new(Some(ConfluentWriter::new(7, schema).expect("a schema")));
    let mut message = Message::default();
    encoder.encode(form, &event, &mut message).expect("encoded");
    assert_eq!(message.key, event.tenant.as_bytes());
    let decoder = Decoder::new(&[WriterSchema {
        confluent_id: Some(7),
        schema: schema.to_owned(),
    }])
    .expect("a decoder");
    let headers: Vec<_> = message
        .headers
        .iter()
        .map(|(k, v)| (*k, Some(v.as_slice())))
        .collect();
    let payload = message.payload.as_deref();
    let record = Record {
        offset: 0,
        append_time: LogTime(0),
        headers: &headers,
        payload,
        size: 0,
        placement: None,
    };
    let decoded = decoder.decode(&record).expect("decoded");
    let attributes = [&decoded.id, &decoded.source, &decoded.kind, &decoded.tenant];
    assert_eq!(attributes, [&*event.id, "s/1", "t", "äcme"], "{form:?}");
    assert_eq!(decoded.time, Some(event.time), "{form:?}");
    let read = match &decoded.quantity {
        EventQuantity::Text(text) => Some(Quantity::parse(text).expect("a quantity")),
        EventQuantity::Exact(exact) => Some(exact.expect("a quantity")),
        _ => None,
    };
    assert_eq!(
        read,
        quantity.map(|text| Quantity::parse(text).expect("a quantity")),
        "{form:?}"
    );
    for (key, value) in &event.properties {
        assert_eq!(decoded.property(key), Some(value.as_str()), "{form:?}");
    }
}

#[test]
fn all_forms_carry_the_same_event() {
    for form in Form::ALL {
        for quantity in [
            None,
            Some("1.5"),
            Some("-0.000000001"),
            Some("128"),
            Some("99999999999999999999"),
        ] {
            check(form, USAGE_EVENT_SCHEMA, quantity);
            check(form, EVOLVED, quantity);
        }
    }
}

#[test]
fn a_writer_schema_of_other_units_gets_the_same_values_or_none() {
    let scaled = |scale: &str| EVOLVED.replace("\"scale\":9", &format!("\"scale\":{scale}"));
    for quantity in [None, Some("1.5"), Some("128")] {
        check(Form::Confluent, &scaled("3"), quantity);
        check(Form::Confluent, &scaled("12"), quantity);
    }
    let refused = |schema: &str, quantity: &str| {
        let encoder = Encoder::new(Some(ConfluentWriter::new(7, schema).expect("a schema")));
        let mut message = Message::default();
        encoder
            .encode(Form::Confluent, &event(Some(quantity)), &mut message)
            .expect_err("it does not fit")
    };
    let reason = refused(&scaled("3"), "0.0001");
    assert!(
        reason.contains("does not fit a decimal of scale 3"),
        "{reason}"
    );
    let millis = EVOLVED.replace("timestamp-micros", "timestamp-millis");
    let reason = refused(&millis, "1");
    assert!(reason.contains("needs microseconds"), "{reason}");
}

#[test]
fn structured_events_are_plain_cloudevents() {
    let mut message = Message::default();
    Encoder::default()
        .encode(Form::Json, &event(Some("1e3")), &mut message)
        .expect("encoded");
    assert_eq!(
        String::from_utf8(message.payload.expect("a payload")).expect("UTF-8"),
        "{\"specversion\":\"1.0\",\"id\":\"a\\\"\\\\\\n1\",\"source\":\"s/1\",\"type\":\"t\",\
         \"subject\":\"äcme\",\"time\":\"2023-11-14T22:13:20.123456Z\",\
         \"data\":{\"quantity\":\"1e3\",\"bytes\":1713,\"path\":\"/a b\",\"zip\":\"0042\"}}"
    );
}

#[test]
fn what_a_form_cannot_hold_is_an_error() {
    let mut message = Message::default();
    let encode = |form, quantity, message: &mut Message| {
        Encoder::default().encode(form, &event(quantity), message)
    };
    assert!(
        encode(Form::Avro, Some("many"), &mut message)
            .expect_err("refused")
            .contains("quantity")
    );
    assert!(
        encode(Form::Confluent, None, &mut message)
            .expect_err("refused")
            .contains("confluent_id")
    );
}
