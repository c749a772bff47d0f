//! Decoding, seen from outside: a record goes in, one line of text comes out.

use super::Decoder;
use crate::catalog::WriterSchema;
use crate::event::{Event, EventQuantity};
use crate::reason::Rejection;
use crate::record::Record;
use crate::time::LogTime;

mod avro_evolution;
mod avro_frames;
mod avro_oracle;
mod avro_resolution;
mod avro_schema;
mod cloudevents;
mod forms;
mod json;
mod never_panics;

type Headers<'a> = &'a [(&'a str, Option<&'a [u8]>)];

fn record<'a>(headers: Headers<'a>, payload: Option<&'a [u8]>) -> Record<'a> {
    Record {
        offset: 0,
        append_time: LogTime(0),
        headers,
        payload,
        size: payload.map_or(0, <[u8]>::len),
        placement: None,
    }
}

/// A decoder with only the built-in schema.
fn plain_decoder() -> Decoder {
    Decoder::new(&[]).expect("the built-in schema compiles")
}

/// A decoder with one more schema, of the Confluent id 1.
fn decoder_of(schema: &str) -> Result<Decoder, String> {
    Decoder::new(&[writer(Some(1), schema)])
}

fn writer(confluent_id: Option<u32>, schema: &str) -> WriterSchema {
    WriterSchema {
        confluent_id,
        schema: schema.to_owned(),
    }
}

/// `id|source|type|tenant|time|quantity|properties`, or `reason: detail`.
fn shown(result: &Result<Event<'_>, Rejection>) -> String {
    let event = match result {
        Ok(event) => event,
        Err(rejection) => return format!("{}: {}", rejection.reason.name(), rejection.detail),
    };
    let quantity = match &event.quantity {
        EventQuantity::Absent => "-".to_owned(),
        EventQuantity::Text(text) => format!("text {text}"),
        EventQuantity::Exact(Ok(quantity)) => quantity.to_string(),
        EventQuantity::Exact(Err(reason)) => reason.to_string(),
        EventQuantity::NotANumber => "not a number".to_owned(),
    };
    let properties = event.properties.iter();
    let properties: Vec<_> = properties.map(|(k, v)| format!("{k}={v}")).collect();
    let time = event.time.map_or("-".to_owned(), |time| time.to_string());
    let texts = [&event.id, &event.source, &event.kind, &event.tenant];
    let texts = texts.map(|text| text.to_string()).join("|");
    format!("{texts}|{time}|{quantity}|{}", properties.join(","))
}

/// Decodes with the built-in schema alone.
fn check(headers: Headers<'_>, payload: Option<&[u8]>, expected: &str) {
    let result = plain_decoder().decode(&record(headers, payload));
    let payload = payload.map(String::from_utf8_lossy);
    assert_eq!(shown(&result), expected, "{headers:?} {payload:?}");
}
