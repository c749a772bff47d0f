//! Encodes usage events in the four record forms.
//!
//! Text that is a plain decimal number is written as a JSON number, everything else as a string:
//! decoders keep the text of either, so nothing changes on the way.

use super::avro::{ConfluentWriter, write_single_object};
use super::event::{Form, Message, UsageEvent};
use meterline_core::time::{EventTime, civil_from_days};

/// Encodes events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Encoder {
    confluent: Option<ConfluentWriter>,
}

impl Encoder {
    /// An encoder of all forms; of the Confluent frame only where there is a writer for it.
    pub(crate) fn new(confluent: Option<ConfluentWriter>) -> Self {
        Self { confluent }
    }

    /// Writes the event as a record, keyed by its tenant.
    ///
    /// # Errors
    /// A sentence that names what the form cannot hold.
    pub(crate) fn encode(
        &self,
        form: Form,
        event: &UsageEvent,
        out: &mut Message,
    ) -> Result<(), String> {
        let payload = out.restart(&event.tenant);
        match form {
            Form::Json => write_structured(payload, event),
            Form::Binary => {
                write_data(payload, event);
                out.headers = binary_headers(event);
            }
            Form::Avro => write_single_object(event, payload)?,
            Form::Confluent => {
                let writer = self.confluent.as_ref().ok_or(
                    "the catalog has no writer schema with a `confluent_id` to write the Confluent frame by",
                )?;
                writer.write(event, payload)?;
            }
        }
        Ok(())
    }
}

fn write_structured(out: &mut Vec<u8>, event: &UsageEvent) {
    out.extend_from_slice(b"{\"specversion\":\"1.0\",\"id\":");
    write_string(out, &event.id);
    for (name, text) in [
        ("source", &event.source),
        ("type", &event.kind),
        ("subject", &event.tenant),
    ] {
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\":");
        write_string(out, text);
    }
    out.extend_from_slice(b",\"time\":\"");
    write_time(out, event.time, b'T');
    out.extend_from_slice(b"Z\",\"data\":");
    write_data(out, event);
    out.push(b'}');
}

fn binary_headers(event: &UsageEvent) -> Vec<(&'static str, Vec<u8>)> {
    let mut time = Vec::with_capacity(27);
    write_time(&mut time, event.time, b'T');
    time.push(b'Z');
    vec![
        ("ce_specversion", b"1.0".to_vec()),
        ("ce_id", event.id.as_bytes().to_vec()),
        ("ce_source", event.source.as_bytes().to_vec()),
        ("ce_type", event.kind.as_bytes().to_vec()),
        ("ce_subject", event.tenant.as_bytes().to_vec()),
        ("ce_time", time),
        ("content-type", b"application/json".to_vec()),
    ]
}

fn write_data(out: &mut Vec<u8>, event: &UsageEvent) {
    out.push(b'{');
    let start = out.len();
    if let Some(quantity) = &event.quantity {
        out.extend_from_slice(b"\"quantity\":");
        write_scalar(out, quantity);
    }
    for (key, value) in &event.properties {
        if out.len() > start {
            out.push(b',');
        }
        write_string(out, key);
        out.push(b':');
        write_scalar(out, value);
    }
    out.push(b'}');
}

fn write_scalar(out: &mut Vec<u8>, text: &str) {
    if is_plain_number(text) {
        out.extend_from_slice(text.as_bytes());
    } else {
        write_string(out, text);
    }
}

/// Whether the text is a JSON number without an exponent, short enough for any reader of JSON.
fn is_plain_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (integer, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    all_digits(integer)
        && all_digits(fraction)
        && (integer == "0" || !integer.starts_with('0'))
        && text.len() <= 15
}

/// Appends a JSON string.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    let plain = text.bytes().all(|b| b >= b' ' && b != b'"' && b != b'\\');
    if plain {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    serde_json::to_writer(out, text).expect("a string always serializes into memory");
}

/// Appends `YYYY-MM-DDThh:mm:ss.ffffff` in UTC, with the separator given between date and time.
pub(crate) fn write_time(out: &mut Vec<u8>, time: EventTime, separator: u8) {
    const MICROS_PER_DAY: i64 = 86_400_000_000;
    let (year, month, day) = civil_from_days(time.0.div_euclid(MICROS_PER_DAY));
    let in_day = time.0.rem_euclid(MICROS_PER_DAY);
    let seconds = in_day / 1_000_000;
    write_digits(out, year, 4);
    out.push(b'-');
    write_digits(out, month, 2);
    out.push(b'-');
    write_digits(out, day, 2);
    out.push(separator);
    write_digits(out, seconds / 3_600, 2);
    out.push(b':');
    write_digits(out, seconds / 60 % 60, 2);
    out.push(b':');
    write_digits(out, seconds % 60, 2);
    out.push(b'.');
    write_digits(out, in_day % 1_000_000, 6);
}

fn write_digits(out: &mut Vec<u8>, number: i64, digits: usize) {
    let start = out.len();
    out.resize(start + digits, b'0');
    let mut rest = number;
    for place in (start..start + digits).rev() {
        out[place] = b'0' + u8::try_from(rest.rem_euclid(10)).expect("a digit fits a byte");
        rest = rest.div_euclid(10);
    }
}

#[cfg(test)]
#[path = "forms_tests.rs"]
mod tests;
