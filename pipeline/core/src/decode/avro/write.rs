//! Writes usage events in Avro single-object encoding, by the built-in schema.

use super::{SINGLE_OBJECT, USAGE_EVENT_FINGERPRINT};
use crate::event::{Event, EventQuantity};
use crate::quantity::Quantity;

/// Place of null and of the decimal in the union of `quantity`.
const QUANTITY_NULL: i64 = 0;
const QUANTITY_DECIMAL: i64 = 1;

/// Appends the event to `out` in Avro single-object encoding, by the built-in schema.
///
/// A quantity that is a text is read exactly. Nothing is appended on an error.
///
/// # Errors
/// A sentence: the event has no time, or its quantity is no exact number.
pub fn encode_avro(event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), String> {
    let quantity = exact_quantity(&event.quantity)?;
    let time = event.time.ok_or("the event has no time")?;
    out.extend_from_slice(&SINGLE_OBJECT);
    out.extend_from_slice(&USAGE_EVENT_FINGERPRINT.to_le_bytes());
    for text in [&event.id, &event.source, &event.kind, &event.tenant] {
        write_bytes(text.as_bytes(), out);
    }
    write_long(time.0, out);
    match quantity {
        None => write_long(QUANTITY_NULL, out),
        Some(quantity) => {
            write_long(QUANTITY_DECIMAL, out);
            write_bytes(shortest(&quantity.raw().to_be_bytes()), out);
        }
    }
    if !event.properties.is_empty() {
        write_length(event.properties.len(), out);
        for (key, value) in &event.properties {
            write_bytes(key.as_bytes(), out);
            write_bytes(value.as_bytes(), out);
        }
    }
    write_long(0, out);
    Ok(())
}

fn exact_quantity(quantity: &EventQuantity<'_>) -> Result<Option<Quantity>, String> {
    let quantity = match quantity {
        EventQuantity::Absent => return Ok(None),
        EventQuantity::Text(text) => Quantity::parse(text),
        EventQuantity::Exact(quantity) => *quantity,
        EventQuantity::NotANumber => return Err("the quantity is not a number".to_owned()),
    };
    quantity
        .map(Some)
        .map_err(|reason| format!("the quantity {reason}"))
}

/// A big-endian two's complement integer without the leading bytes that only repeat its sign.
fn shortest(bytes: &[u8; 16]) -> &[u8] {
    let repeats_sign = |pair: &&[u8]| match pair {
        [0x00, next] => next & 0x80 == 0,
        [0xFF, next] => next & 0x80 != 0,
        _ => false,
    };
    &bytes[bytes.windows(2).take_while(repeats_sign).count()..]
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn write_length(length: usize, out: &mut Vec<u8>) {
    let length = i64::try_from(length).expect("nothing in memory is longer than 2⁶³ bytes");
    write_long(length, out);
}

fn write_long(value: i64, out: &mut Vec<u8>) {
    let mut zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while zigzag >= 0x80 {
        let [low, ..] = zigzag.to_le_bytes();
        out.push(low | 0x80);
        zigzag >>= 7;
    }
    let [low, ..] = zigzag.to_le_bytes();
    out.push(low);
}
