//! Writes usage events in Avro: by the built-in schema, or by a catalog's writer schema.
//!
//! The built-in schema is written by the core. A writer schema may order fields differently, leave
//! out some and have others with defaults; `apache-avro` resolves that, and being written by
//! others it also checks our own decoder.

use super::event::UsageEvent;
use apache_avro::schema::RecordSchema;
use apache_avro::types::Value;
use apache_avro::{Decimal, Schema, to_avro_datum};
use meterline_core::decode::encode_avro;
use meterline_core::event::{Event, EventQuantity};
use meterline_core::quantity::{DECIMALS, Quantity};
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
    schema: RecordSchema,
}

impl ConfluentWriter {
    /// A writer by the schema of that registry id.
    ///
    /// # Errors
    /// A sentence that says why the schema cannot be read.
    pub(crate) fn new(id: u32, schema: &str) -> Result<Self, String> {
        match Schema::parse_str(schema) {
            Ok(Schema::Record(schema)) => Ok(Self { id, schema }),
            Ok(_) => Err(format!("writer schema {id} is no record")),
            Err(error) => Err(format!("writer schema {id} is no Avro schema: {error}")),
        }
    }

    /// Appends the framed event.
    ///
    /// # Errors
    /// A sentence that says what of the event the schema cannot hold.
    pub(crate) fn write(&self, event: &UsageEvent, out: &mut Vec<u8>) -> Result<(), String> {
        out.push(CONFLUENT);
        out.extend_from_slice(&self.id.to_be_bytes());
        for field in &self.schema.fields {
            let written = match (field.name.as_str(), &field.schema) {
                ("properties", Schema::Map(_)) => write_properties(event, out),
                (name, schema) => write_field(name, schema, field.default.as_ref(), event, out),
            };
            written.map_err(|reason| {
                format!(
                    "writer schema {}, field `{}`: {reason}",
                    self.id, field.name
                )
            })?;
        }
        Ok(())
    }
}

fn write_field(
    name: &str,
    schema: &Schema,
    default: Option<&serde_json::Value>,
    event: &UsageEvent,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    let text = |text: &str| Value::String(text.to_owned());
    let value = match name {
        "id" => text(&event.id),
        "source" => text(&event.source),
        "type" => text(&event.kind),
        "tenant" => text(&event.tenant),
        "time" => time(event, schema)?,
        "quantity" => quantity(event, schema)?,
        _ => Value::from(
            default
                .cloned()
                .ok_or("an event has no such field, and there is no default")?,
        ),
    };
    let value = value.resolve(schema).map_err(|e| e.to_string())?;
    write(schema, value, out)
}

/// The event's time in the schema's unit; microseconds that do not fit are refused, never cut.
fn time(event: &UsageEvent, schema: &Schema) -> Result<Value, String> {
    match (schema, event.time.0 % 1_000) {
        (Schema::TimestampMillis, 0) => Ok(Value::TimestampMillis(event.time.0 / 1_000)),
        (Schema::TimestampMillis, _) => Err(format!("{} needs microseconds", event.time)),
        _ => Ok(Value::TimestampMicros(event.time.0)),
    }
}

/// The event's quantity in the scale of the schema's decimal; what does not fit is refused.
fn quantity(event: &UsageEvent, schema: &Schema) -> Result<Value, String> {
    let Some(text) = &event.quantity else {
        return Ok(Value::Union(QUANTITY_NULL, Box::new(Value::Null)));
    };
    let quantity = Quantity::parse(text).map_err(|e| format!("`{text}` {e}"))?;
    let scale = scale(schema).ok_or("only `[null, decimal]` is written")?;
    let too_precise = || format!("`{text}` does not fit a decimal of scale {scale}");
    let unscaled = match scale.checked_sub(DECIMALS) {
        Some(more) => 10i128
            .checked_pow(more)
            .and_then(|factor| quantity.raw().checked_mul(factor)),
        None => {
            let divisor = 10i128.pow(DECIMALS - scale);
            (quantity.raw() % divisor == 0).then(|| quantity.raw() / divisor)
        }
    };
    let decimal = Decimal::from(unscaled.ok_or_else(too_precise)?.to_be_bytes());
    Ok(Value::Union(
        QUANTITY_DECIMAL,
        Box::new(Value::Decimal(decimal)),
    ))
}

/// The scale of the decimal in the union of null and a decimal.
fn scale(schema: &Schema) -> Option<u32> {
    let Schema::Union(union) = schema else {
        return None;
    };
    match union.variants() {
        [Schema::Null, Schema::Decimal(decimal)] => u32::try_from(decimal.scale).ok(),
        _ => None,
    }
}

/// Writes the map as one block, in the event's order: a map of `apache-avro` has a random order,
/// and the same seed has to give the same bytes.
fn write_properties(event: &UsageEvent, out: &mut Vec<u8>) -> Result<(), String> {
    if !event.properties.is_empty() {
        let count = i64::try_from(event.properties.len()).map_err(|e| e.to_string())?;
        write(&Schema::Long, Value::Long(count), out)?;
        for (key, value) in &event.properties {
            write(&Schema::String, Value::String(key.to_string()), out)?;
            write(&Schema::String, Value::String(value.clone()), out)?;
        }
    }
    write(&Schema::Long, Value::Long(0), out)
}

fn write(schema: &Schema, value: Value, out: &mut Vec<u8>) -> Result<(), String> {
    let datum = to_avro_datum(schema, value).map_err(|e| e.to_string())?;
    out.extend_from_slice(&datum);
    Ok(())
}
