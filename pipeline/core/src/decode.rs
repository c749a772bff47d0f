//! From a record's bytes to a usage event: four forms, told apart by headers, then the first byte.
//!
//! Pure and total: every byte string has exactly one outcome, an event or a rejection, and the
//! outcome depends on the record and the catalog's writer schemas alone. A change of any outcome
//! is a new `fold`. Numbers in JSON are kept as text and never pass through a float.
//!
//! In order, the first that fits:
//!
//! 1. a `content-type` of `application/cloudevents-batch…` is a `batch`;
//! 2. a `content-type` of `application/cloudevents+json` is CloudEvents structured JSON. It comes
//!    before `ce_specversion`, because the Kafka binding lets structured records carry copies of
//!    the attributes as headers;
//! 3. a header `ce_specversion` is CloudEvents binary mode;
//! 4. the value's first byte: `{` structured JSON, `[` a `batch`, `C3 01` Avro single-object
//!    encoding, `00` Avro in the Confluent frame. Whitespace before `{` and `[` is skipped, since
//!    RFC 8259 makes it part of a JSON text; no Avro form begins with such a byte.
//!
//! Everything else is `malformed`: tombstones and empty values too, but for binary mode, where
//! they are an event without data.

use crate::catalog::WriterSchema;
use crate::event::Event;
use crate::reason::{Reason, Rejection};
use crate::record::Record;

mod avro;
mod cloudevents;
mod fault;
mod json;
mod properties;
#[cfg(test)]
mod tests;

pub use avro::{
    USAGE_EVENT_FINGERPRINT, USAGE_EVENT_SCHEMA, encode_avro, fingerprint, parsing_canonical_form,
};

/// Decodes all record forms; holds the compiled writer schemas of one catalog.
#[derive(Debug)]
pub struct Decoder {
    schemas: avro::Schemas,
}

impl Decoder {
    /// Compiles the built-in schema and the catalog's writer schemas.
    ///
    /// # Errors
    /// A sentence that names the schema and what cannot be read into `UsageEvent`.
    pub fn new(schemas: &[WriterSchema]) -> Result<Self, String> {
        let schemas = avro::Schemas::new(schemas)?;
        Ok(Self { schemas })
    }

    /// Decodes one record.
    ///
    /// # Errors
    /// A rejection with `malformed`, `batch` or `unknown_schema`.
    pub fn decode<'a>(&self, record: &Record<'a>) -> Result<Event<'a>, Rejection> {
        let value = record.payload.unwrap_or_default();
        match cloudevents::mode(record.headers)? {
            Some(cloudevents::Mode::Structured) => structured(value),
            Some(cloudevents::Mode::Binary) => cloudevents::binary(record.headers, value),
            None => match value {
                [0xC3, 0x01, ..] => self.schemas.single_object(value),
                [0x00, ..] => self.schemas.confluent(value),
                _ => structured(value),
            },
        }
    }
}

/// Decodes a value that must be one JSON object.
fn structured(value: &[u8]) -> Result<Event<'_>, Rejection> {
    match value.iter().find(|b| !json::is_whitespace(**b)) {
        Some(b'{') => cloudevents::structured(value),
        Some(b'[') => Err(Rejection::new(
            Reason::Batch,
            "the value is a JSON array; publish one event per record",
        )),
        Some(byte) => Err(Rejection::new(
            Reason::Malformed,
            format!("no record form begins with the byte {byte:02X}"),
        )),
        None => Err(Rejection::new(
            Reason::Malformed,
            "the record has no value (a tombstone, or nothing but whitespace)",
        )),
    }
}
