//! The four record forms, encoded by libraries that Meterline's decoder does not use.

use super::{Outgoing, Usage};
use crate::support::avro::single_object_frame;
use apache_avro::types::Value;
use apache_avro::{Decimal, Schema};
use std::collections::HashMap;

/// The schema that the built-in decoder knows, as its file says it.
const USAGE_EVENT: &str = include_str!("../../../../schemas/avro/usage_event.avsc");

/// A producer's own schema: other order, one more field, milliseconds, fewer decimals.
pub(crate) const WRITER_SCHEMA: &str = r#"{"type":"record","name":"Metered","namespace":"acme","fields":[
{"name":"tenant","type":"string"},{"name":"build","type":"int"},{"name":"type","type":"string"},
{"name":"source","type":"string"},{"name":"id","type":"string"},
{"name":"time","type":{"type":"long","logicalType":"timestamp-millis"}},
{"name":"quantity","type":["null",{"type":"bytes","logicalType":"decimal","precision":20,"scale":3}]},
{"name":"properties","type":{"type":"map","values":"string"}}]}"#;

/// The id that the test catalog gives [`WRITER_SCHEMA`].
pub(crate) const WRITER_SCHEMA_ID: u32 = 77;

/// How an event lies in its record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// CloudEvents structured JSON.
    Json,
    /// CloudEvents binary mode of the Kafka binding.
    Binary,
    /// Avro single-object encoding of `UsageEvent`.
    Avro,
    /// Avro in the Confluent frame, by [`WRITER_SCHEMA`].
    Confluent,
}

impl Form {
    pub(crate) const ALL: [Self; 4] = [Self::Json, Self::Binary, Self::Avro, Self::Confluent];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Binary => "binary",
            Self::Avro => "avro",
            Self::Confluent => "confluent",
        }
    }
}

/// A record's bytes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Encoded {
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) value: Option<Vec<u8>>,
}

impl Encoded {
    /// A record without headers.
    pub(crate) fn plain(value: impl Into<Vec<u8>>) -> Self {
        Self {
            headers: Vec::new(),
            value: Some(value.into()),
        }
    }
}

/// Encodes events; holds the parsed schemas.
pub(crate) struct Encoder {
    usage_event: Schema,
    frame: Vec<u8>,
    writer: Schema,
}

impl Encoder {
    pub(crate) fn new() -> Self {
        Self {
            usage_event: Schema::parse_str(USAGE_EVENT).expect("the schema is Avro"),
            frame: single_object_frame(USAGE_EVENT),
            writer: Schema::parse_str(WRITER_SCHEMA).expect("the schema is Avro"),
        }
    }

    /// The record of an event that is as it should be, unless its time is not.
    pub(crate) fn record(&self, usage: Usage, form: Form) -> Outgoing {
        Outgoing {
            encoded: self.encode(&usage, form),
            usage,
            form,
            fault: "",
            partition: None,
        }
    }

    /// Encodes an event.
    ///
    /// # Panics
    /// Where the form cannot carry it: [`WRITER_SCHEMA`] has milliseconds and three decimals.
    pub(crate) fn encode(&self, usage: &Usage, form: Form) -> Encoded {
        match form {
            Form::Json => Encoded::plain(structured(usage)),
            Form::Binary => binary(usage),
            Form::Avro => {
                let fields = fields(usage, Value::TimestampMicros(usage.time), 1);
                Encoded::plain(datum(&self.usage_event, &fields, &self.frame))
            }
            Form::Confluent => {
                assert_eq!(usage.time % 1_000, 0, "{usage:?}");
                let time = Value::TimestampMillis(usage.time / 1_000);
                let mut fields = fields(usage, time, 1_000_000);
                fields.push(("build", Value::Int(4711)));
                let mut frame = vec![0];
                frame.extend(WRITER_SCHEMA_ID.to_be_bytes());
                Encoded::plain(datum(&self.writer, &fields, &frame))
            }
        }
    }
}

/// The fields by name; the quantity's unit is `unit` of 10⁻⁹.
fn fields(usage: &Usage, time: Value, unit: i128) -> Vec<(&'static str, Value)> {
    let text = |text: &str| Value::String(text.to_owned());
    let quantity = match usage.quantity {
        None => Value::Union(0, Box::new(Value::Null)),
        Some(raw) => {
            assert_eq!(raw % unit, 0, "{usage:?}");
            let bytes = (raw / unit).to_be_bytes();
            Value::Union(1, Box::new(Value::Decimal(Decimal::from(bytes))))
        }
    };
    let properties: HashMap<String, Value> = usage
        .properties
        .iter()
        .map(|(key, value)| (key.clone(), text(value)))
        .collect();
    vec![
        ("id", text(&usage.id)),
        ("source", text(&usage.source)),
        ("type", text(&usage.kind)),
        ("tenant", text(&usage.tenant)),
        ("time", time),
        ("quantity", quantity),
        ("properties", Value::Map(properties)),
    ]
}

/// A frame and the datum behind it, fields in the schema's order.
fn datum(schema: &Schema, fields: &[(&'static str, Value)], frame: &[u8]) -> Vec<u8> {
    let Schema::Record(record) = schema else {
        panic!("events are records");
    };
    let ordered = record.fields.iter().map(|field| {
        let found = fields.iter().find(|(name, _)| *name == field.name);
        let (name, value) = found.expect("every field of the schema is given");
        ((*name).to_owned(), value.clone())
    });
    let value = Value::Record(ordered.collect());
    let datum = apache_avro::to_avro_datum(schema, value).expect("the value fits the schema");
    [frame, &datum].concat()
}

fn structured(usage: &Usage) -> String {
    json_event(usage, &time_text(usage.time), &json_data(usage))
}

/// CloudEvents structured JSON with this time and these data.
pub(crate) fn json_event(usage: &Usage, time: &str, data: &str) -> String {
    let q = |text: &str| serde_json::to_string(text).expect("a text is JSON");
    format!(
        "{{\"specversion\":\"1.0\",\"id\":{},\"source\":{},\"type\":{},\"subject\":{},\
         \"time\":{},\"datacontenttype\":\"application/json\",\"data\":{data}}}",
        q(&usage.id),
        q(&usage.source),
        q(&usage.kind),
        q(&usage.tenant),
        q(time),
    )
}

fn binary(usage: &Usage) -> Encoded {
    let time = time_text(usage.time);
    let headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", &usage.id),
        ("ce_source", &usage.source),
        ("ce_type", &usage.kind),
        ("ce_subject", &usage.tenant),
        ("ce_time", &time),
        ("content-type", "application/json; charset=utf-8"),
    ];
    Encoded {
        headers: headers
            .map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec()))
            .into(),
        value: Some(json_data(usage).into_bytes()),
    }
}

/// The data: the quantity as a number where the id ends in an even digit, as a text elsewhere.
fn json_data(usage: &Usage) -> String {
    let q = |text: &str| serde_json::to_string(text).expect("a text is JSON");
    let as_number = usage.id.ends_with(['0', '2', '4', '6', '8']);
    let quantity = usage.quantity.map(|raw| {
        let text = decimal_text(raw);
        let text = if as_number { text } else { q(&text) };
        format!("\"quantity\":{text}")
    });
    let properties = usage
        .properties
        .iter()
        .map(|(key, value)| format!("{}:{}", q(key), q(value)));
    let members: Vec<_> = quantity.into_iter().chain(properties).collect();
    format!("{{{}}}", members.join(","))
}

/// RFC 3339 in UTC with microseconds.
pub(crate) fn time_text(micros: i64) -> String {
    chrono::DateTime::from_timestamp_micros(micros)
        .expect("the tests' times are near the present")
        .to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

/// A quantity in units of 10⁻⁹ as a decimal number.
pub(crate) fn decimal_text(raw: i128) -> String {
    let sign = if raw < 0 { "-" } else { "" };
    let unsigned = raw.unsigned_abs();
    let (whole, fraction) = (unsigned / 1_000_000_000, unsigned % 1_000_000_000);
    format!("{sign}{whole}.{fraction:09}")
}
