//! Archived records as the body of an INSERT into `usage_events`: written by hand, as
//! [`crate::encode`] writes buckets, because every event passes here.
//!
//! Pure. Whatever the broker allowed into the log fits: key, headers and value are cut at the
//! bounds of dead letters, while length and hash are those of the whole value (INV-BOUND).

use crate::encode::{write_bytes, write_header, write_length, write_text, write_topic_id};
use meterline_core::event::{Event, EventQuantity};
use meterline_core::hash::content_hash;
use meterline_core::position::{LogPartition, Offset};
use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, Hour, LogTime};
use meterline_schemas::rows::dead_letter::{HEADERS, HEADERS_BYTES, KEY_BYTES, ORIGINAL_BYTES};

/// Columns of an inserted row with their types, in the order they are written.
pub const USAGE_EVENTS_COLUMNS: [(&str, &str); 24] = [
    ("topic_id", "UUID"),
    ("log_partition", "UInt32"),
    ("offset", "UInt64"),
    ("append_time", "DateTime64(3, 'UTC')"),
    ("catalog_version", "UInt32"),
    ("form", "LowCardinality(String)"),
    ("outcome", "LowCardinality(String)"),
    ("detail", "String"),
    ("tenant", "String"),
    ("source", "String"),
    ("id", "String"),
    ("type", "LowCardinality(String)"),
    ("time", "DateTime64(6, 'UTC')"),
    ("id_time", "DateTime64(6, 'UTC')"),
    ("touches_from", "Int32"),
    ("touches_to", "Int32"),
    ("quantity", "Nullable(Decimal(38, 9))"),
    ("properties", "Map(String, String)"),
    ("key", "String"),
    ("headers", "Map(String, String)"),
    ("length", "UInt64"),
    ("hash", "UInt128"),
    ("original", "String"),
    ("truncated", "UInt8"),
];

/// What decoding a record came to.
#[derive(Clone, Copy, Debug)]
pub struct Decoded<'a, 'e> {
    /// The catalog in force at the record.
    pub catalog_version: u32,
    /// Name of the record form; empty where it is none.
    pub form: &'static str,
    /// `event`, `unmatched`, `ignored`, `control`, or the name of a reason.
    pub outcome: &'static str,
    /// Which field, which bound; empty for events.
    pub detail: &'a str,
    /// The event, as far as it could be read.
    pub event: Option<&'a Event<'e>>,
    /// Time that duplicates go by.
    pub id_time: EventTime,
    /// First and last hour in which the same identity makes this a duplicate.
    pub touches: (Hour, Hour),
}

/// The record itself, as the broker delivered it.
#[derive(Clone, Copy, Debug)]
pub struct ArchivedRecord<'a> {
    /// Its log partition.
    pub log_partition: LogPartition,
    /// Its offset.
    pub offset: Offset,
    /// When the broker took it.
    pub append_time: LogTime,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its headers in written order; a value may be absent.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
    /// Its value; absent in a tombstone.
    pub payload: Option<&'a [u8]>,
}

/// Rows for one INSERT, in the order they were added.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ArchiveBlock {
    body: Vec<u8>,
    rows: usize,
}

impl ArchiveBlock {
    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Bytes of the body.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.body.len()
    }

    /// The body: header and rows. Empty without rows.
    #[must_use]
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// Adds a row.
    pub fn push(&mut self, record: &ArchivedRecord<'_>, decoded: &Decoded<'_, '_>) {
        if self.rows == 0 {
            write_header(&mut self.body, &USAGE_EVENTS_COLUMNS);
        }
        self.rows += 1;
        let out = &mut self.body;
        write_topic_id(out, record.log_partition.topic_id);
        out.extend_from_slice(&record.log_partition.partition.to_le_bytes());
        out.extend_from_slice(&record.offset.to_le_bytes());
        out.extend_from_slice(&record.append_time.0.to_le_bytes());
        out.extend_from_slice(&decoded.catalog_version.to_le_bytes());
        write_text(out, decoded.form);
        write_text(out, decoded.outcome);
        write_text(out, decoded.detail);
        write_event(out, decoded);
        write_record(out, record);
    }
}

fn write_event(out: &mut Vec<u8>, decoded: &Decoded<'_, '_>) {
    let event = decoded.event;
    let texts = event.map_or([""; 4], |e| [&*e.tenant, &*e.source, &*e.id, &*e.kind]);
    texts.into_iter().for_each(|text| write_text(out, text));
    let time = event.and_then(|event| event.time).unwrap_or(EventTime(0));
    out.extend_from_slice(&time.0.to_le_bytes());
    out.extend_from_slice(&decoded.id_time.0.to_le_bytes());
    let (first, last) = decoded.touches;
    out.extend_from_slice(&first.0.to_le_bytes());
    out.extend_from_slice(&last.0.to_le_bytes());
    write_quantity(out, event.and_then(quantity));
    let properties = event.map_or(&[][..], |event| event.properties.as_slice());
    write_length(out, properties.len());
    for (name, value) in properties {
        write_text(out, name);
        write_text(out, value);
    }
}

fn quantity(event: &Event<'_>) -> Option<Quantity> {
    match &event.quantity {
        EventQuantity::Absent | EventQuantity::NotANumber => None,
        EventQuantity::Text(text) => Quantity::parse(text).ok(),
        EventQuantity::Exact(exact) => exact.ok(),
    }
}

fn write_quantity(out: &mut Vec<u8>, quantity: Option<Quantity>) {
    match quantity {
        Some(quantity) => {
            out.push(0);
            out.extend_from_slice(&quantity.raw().to_le_bytes());
        }
        None => out.push(1),
    }
}

fn write_record(out: &mut Vec<u8>, record: &ArchivedRecord<'_>) {
    let key = record.key.unwrap_or_default();
    let payload = record.payload.unwrap_or_default();
    let headers = &record.headers[..kept(record.headers)];
    write_bytes(out, &key[..key.len().min(KEY_BYTES)]);
    write_length(out, headers.len());
    for (name, value) in headers {
        write_text(out, name);
        write_bytes(out, value.unwrap_or_default());
    }
    out.extend_from_slice(&(payload.len() as u64).to_le_bytes());
    out.extend_from_slice(&content_hash(payload).to_le_bytes());
    write_bytes(out, &payload[..payload.len().min(ORIGINAL_BYTES)]);
    let is_cut = key.len() > KEY_BYTES
        || payload.len() > ORIGINAL_BYTES
        || headers.len() < record.headers.len();
    out.push(u8::from(is_cut));
}

/// How many headers, from the first, fit the bounds.
fn kept(headers: &[(&str, Option<&[u8]>)]) -> usize {
    let mut bytes = 0;
    let fits = |(name, value): &&(&str, Option<&[u8]>)| {
        bytes += name.len() + value.map_or(0, <[u8]>::len);
        bytes <= HEADERS_BYTES
    };
    headers.iter().take(HEADERS).take_while(fits).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::position::TopicId;

    fn check_cut(key: usize, header: usize, payload: usize, expected: u8) {
        let (key, payload) = (vec![b'k'; key], vec![b'p'; payload]);
        let name = "n".repeat(header);
        let headers = [("first", None), (name.as_str(), Some(&b"1"[..]))];
        let record = ArchivedRecord {
            log_partition: LogPartition {
                topic_id: TopicId(1),
                partition: 0,
            },
            offset: 7,
            append_time: LogTime(9),
            key: Some(&key),
            headers: &headers,
            payload: Some(&payload),
        };
        let decoded = Decoded {
            catalog_version: 1,
            form: "",
            outcome: "malformed",
            detail: "",
            event: None,
            id_time: EventTime(0),
            touches: (Hour(0), Hour(0)),
        };
        let mut block = ArchiveBlock::default();
        block.push(&record, &decoded);
        let before = block.bytes();
        assert_eq!(block.body.last(), Some(&expected));
        block.push(&record, &decoded);
        let row = block.bytes() - before;
        assert!(
            row < KEY_BYTES + HEADERS_BYTES + ORIGINAL_BYTES + 256,
            "{row}"
        );
        assert_eq!(block.rows(), 2);
    }

    #[test]
    fn large_parts_are_cut_and_said_to_be() {
        check_cut(3, 3, 3, 0);
        check_cut(KEY_BYTES, HEADERS_BYTES - 6, ORIGINAL_BYTES, 0);
        check_cut(KEY_BYTES + 1, 3, 3, 1);
        check_cut(3, HEADERS_BYTES - 5, 3, 1);
        check_cut(3, 3, ORIGINAL_BYTES + 1, 1);
    }
}
