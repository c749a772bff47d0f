//! Framing and field encodings that the records share.

use super::RecordError;
use apache_avro::Schema;
use meterline_core::decode::fingerprint;
use meterline_core::position::{MAX_OFFSET, Stamp};
use meterline_core::quantity::Quantity;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// First bytes of a single-object encoding.
pub(super) const MARKER: [u8; 2] = [0xc3, 0x01];

/// Marker and fingerprint.
pub(super) const FRAME_BYTES: usize = 10;

/// A compiled schema with its frame.
#[derive(Debug)]
pub(super) struct Codec {
    record: &'static str,
    schema: Schema,
    frame: [u8; FRAME_BYTES],
}

impl Codec {
    /// Compiles one of our schemas.
    pub(super) fn new(record: &'static str, text: &str) -> Self {
        let schema = Schema::parse_str(text).expect("our schemas are tested");
        // Not apache-avro's: its canonical form keeps `{"type":"long"}` and the attributes of
        // decimals, so no reader that follows the specification would know the schema.
        let digest = fingerprint(text).expect("our schemas are tested");
        let mut frame = [0; FRAME_BYTES];
        let (marker, rest) = frame.split_at_mut(MARKER.len());
        marker.copy_from_slice(&MARKER);
        rest.copy_from_slice(&digest.to_le_bytes());
        Self {
            record,
            schema,
            frame,
        }
    }

    pub(super) fn frame(&self) -> &[u8; FRAME_BYTES] {
        &self.frame
    }

    pub(super) fn fingerprint(&self) -> u64 {
        let (_, fingerprint) = self.frame.split_at(MARKER.len());
        u64::from_le_bytes(fingerprint.try_into().expect("a frame has ten bytes"))
    }

    /// Appends frame and value.
    pub(super) fn encode(&self, wire: &impl Serialize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.frame);
        apache_avro::write_avro_datum_ref(&self.schema, wire, out)
            .expect("wire structs have their schema's fields, and a Vec takes every byte");
    }

    /// Reads what follows the frame.
    pub(super) fn decode<T: DeserializeOwned>(&self, mut body: &[u8]) -> Result<T, RecordError> {
        let value = apache_avro::from_avro_datum(&self.schema, &mut body, None)
            .map_err(|error| self.malformed(error.to_string()))?;
        if !body.is_empty() {
            return Err(self.malformed(format!("{} bytes follow it", body.len())));
        }
        apache_avro::from_value(&value).map_err(|error| self.malformed(error.to_string()))
    }

    pub(super) fn malformed(&self, reason: impl Into<String>) -> RecordError {
        RecordError::Malformed {
            record: self.record,
            reason: reason.into(),
        }
    }

    /// Takes a number of the wire into a narrower or unsigned type.
    pub(super) fn number<T: TryFrom<i64>>(
        &self,
        field: &'static str,
        value: i64,
    ) -> Result<T, RecordError> {
        T::try_from(value).map_err(|_| self.malformed(format!("{field} {value} is out of range")))
    }

    /// Takes an epoch and an offset of the wire.
    pub(super) fn stamp(
        &self,
        field: &'static str,
        epoch: i64,
        offset: i64,
    ) -> Result<Stamp, RecordError> {
        let stamp = Stamp {
            epoch: self.number("epoch", epoch)?,
            offset: self.number(field, offset)?,
        };
        if stamp.offset > MAX_OFFSET {
            return Err(self.malformed(format!("{field} {offset} is out of range")));
        }
        Ok(stamp)
    }

    /// Takes a decimal of the wire, at most 16 bytes of big-endian two's complement.
    pub(super) fn quantity(
        &self,
        field: &'static str,
        bytes: &[u8],
    ) -> Result<Quantity, RecordError> {
        let bad = || self.malformed(format!("{field} is no decimal(38, 9)"));
        let negative = bytes.first().is_some_and(|b| *b >= 0x80);
        let mut raw = if negative { [0xff; 16] } else { [0; 16] };
        let start = raw.len().checked_sub(bytes.len()).ok_or_else(bad)?;
        raw[start..].copy_from_slice(bytes);
        Quantity::from_raw(i128::from_be_bytes(raw)).map_err(|_| bad())
    }
}

/// Takes a count or offset onto the wire.
///
/// # Panics
/// At 2⁶³ and beyond, which no count of records reaches: offsets have 48 bits.
pub(super) fn long(value: u64) -> i64 {
    i64::try_from(value).expect("counts of records are below 2⁶³")
}
