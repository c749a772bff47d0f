//! Writes usage events in Avro: by the built-in schema, or by a catalog's writer schema.
//!
//! The built-in schema is written by the core. A writer schema may order fields differently, leave
//! out some and have others with defaults; `apache-avro` resolves that, and being written by
//! others it also checks our own decoder.

use super::event::UsageEvent;
use apache_avro::types::Value;
use apache_avro::{Decimal, Schema, to_avro_datum};
use meterline_core::decode::encode_avro;
use meterline_core::event::{Event, EventQuantity};
use meterline_core::quantity::Quantity;
use std::borrow::Cow;

/// First byte of the Confluent frame.
const CONFLUENT: u8 = 0;
/// Place of null and of the decimal in the union of `quantity`.
const QUANTITY_NULL: u32 = 0;
const QUANTITY_DECIMAL: u32 = 1;

/// Appends the event in Avro's single-object encoding, by the built-in schema.
///
/// # Errors
/// A sentence that names a quantity which is no exact number.
pub(crate) fn write_single_object(event: &UsageEvent, out: &mut Vec<u8>) -> Result<(), String> {
    let quantity = match &event.quantity {
        Some(text) => EventQuantity::Text(Cow::Borrowed(text)),
        None => EventQuantity::Absent,
    };
    let pairs = event.properties.iter();
    let event = Event {
        id: Cow::Borrowed(&event.id),
        source: Cow::Borrowed(&event.source),
        kind: Cow::Borrowed(&event.kind),
        tenant: Cow::Borrowed(&event.tenant),
        time: Some(event.time),
        quantity,
        properties: pairs
            .map(|(key, value)| (Cow::Borrowed(&**key), Cow::Borrowed(&**value)))
            .collect(),
    };
    encode_avro(&event, out)
}

/// Writes events in the Confluent frame by one writer schema.
#[derive(Clone, Debug)]
pub(crate) struct ConfluentWriter {
    id: u32,
    schema: Schema,
}

impl ConfluentWriter {
    /// A writer by the schema of that registry id.
    ///
    /// # Errors
    /// A sentence that says why the schema cannot be read.
    pub(crate) fn new(id: u32, schema: &str) -> Result<Self, String> {
        let schema = Schema::parse_str(schema)
            .map_err(|e| format!("writer schema {id} is no Avro schema: {e}"))?;
        Ok(Self { id, schema })
    }

    /// Appends the framed event.
    ///
    /// # Errors
    /// A sentence that says what of the event the schema cannot hold.
    pub(crate) fn write(&self, event: &UsageEvent, out: &mut Vec<u8>) -> Result<(), String> {
        let value = record_of(event)?;
        let refused =
            |e: apache_avro::Error| format!("writer schema {} cannot hold the event: {e}", self.id);
        let value = value.resolve(&self.schema).map_err(refused)?;
        let datum = to_avro_datum(&self.schema, value).map_err(refused)?;
        out.push(CONFLUENT);
        out.extend_from_slice(&self.id.to_be_bytes());
        out.extend_from_slice(&datum);
        Ok(())
    }
}

fn record_of(event: &UsageEvent) -> Result<Value, String> {
    let quantity = match &event.quantity {
        None => Value::Union(QUANTITY_NULL, Box::new(Value::Null)),
        Some(text) => {
            let quantity = Quantity::parse(text).map_err(|e| format!("the quantity {e}"))?;
            let decimal = Decimal::from(quantity.raw().to_be_bytes());
            Value::Union(QUANTITY_DECIMAL, Box::new(Value::Decimal(decimal)))
        }
    };
    let pairs = event.properties.iter();
    let properties = pairs.map(|(key, value)| (key.to_string(), Value::String(value.clone())));
    let text = |text: &str| Value::String(text.to_owned());
    let fields = [
        ("id", text(&event.id)),
        ("source", text(&event.source)),
        ("type", text(&event.kind)),
        ("tenant", text(&event.tenant)),
        ("time", Value::TimestampMicros(event.time.0)),
        ("quantity", quantity),
        ("properties", Value::Map(properties.collect())),
    ];
    Ok(Value::Record(
        fields
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec(),
    ))
}
