//! Avro's primitive types, written by hand into the records that are written by the thousand.
//!
//! The schema-driven serializer takes microseconds for what these do in tens of nanoseconds; tests
//! hold the two to the same bytes.
//!
//! Source of the encodings: Apache Avro specification 1.12, "Primitive Types" and "Complex Types".

use super::codec::long;
use meterline_core::quantity::Quantity;

/// Zigzag, then seven bits a byte, lowest first.
pub(super) fn put_long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        let [low, ..] = rest.to_le_bytes();
        out.push(low | 0x80);
        rest >>= 7;
    }
    let [low, ..] = rest.to_le_bytes();
    out.push(low);
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, text.as_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_long(out, long(bytes.len() as u64));
    out.extend_from_slice(bytes);
}

/// A union of null and something, in this order.
pub(super) fn put_option<T>(
    out: &mut Vec<u8>,
    value: Option<T>,
    put: impl FnOnce(&mut Vec<u8>, T),
) {
    match value {
        None => put_long(out, 0),
        Some(value) => {
            put_long(out, 1);
            put(out, value);
        }
    }
}

/// Place of an enum's value among the schema's symbols.
pub(super) fn put_symbol<T: Copy + PartialEq>(out: &mut Vec<u8>, symbols: &[T], value: T) {
    let place = symbols.iter().position(|symbol| *symbol == value);
    let place = place.expect("every value is a symbol of its schema");
    put_long(out, long(place as u64));
}

/// A decimal: the fewest bytes of big-endian two's complement that hold the number, at least one.
pub(super) fn put_quantity(out: &mut Vec<u8>, quantity: Quantity) {
    let (bytes, skip) = significant(quantity);
    put_bytes(out, &bytes[skip..]);
}

/// The number's bytes, and how many of them say nothing.
fn significant(quantity: Quantity) -> ([u8; 16], usize) {
    let raw = quantity.raw();
    // Leading copies of the sign bit say nothing; one sign bit has to stay.
    let signs = if raw < 0 {
        raw.leading_ones()
    } else {
        raw.leading_zeros()
    };
    (raw.to_be_bytes(), ((signs - 1) / 8) as usize)
}

/// The decimal for the schema-driven serializer.
#[cfg(test)]
pub(super) fn decimal(quantity: Quantity) -> apache_avro::Decimal {
    let (bytes, skip) = significant(quantity);
    apache_avro::Decimal::from(&bytes[skip..])
}
