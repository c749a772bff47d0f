//! A usage event as the producing commands hold it, and a Kafka record to be sent.

use meterline_core::time::EventTime;
use std::sync::Arc;

/// A usage event that is not encoded yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct UsageEvent {
    /// Unique per source.
    pub id: String,
    /// Who produced it.
    pub source: Arc<str>,
    /// What happened.
    pub kind: Arc<str>,
    /// Who is billed.
    pub tenant: Arc<str>,
    /// When it happened.
    pub time: EventTime,
    /// How much was used, as decimal text.
    pub quantity: Option<String>,
    /// Scalars beside the quantity.
    pub properties: Vec<(Arc<str>, String)>,
}

/// The forms of record that carry a usage event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// CloudEvents, structured JSON.
    Json,
    /// CloudEvents, Kafka binary mode: attributes in headers.
    Binary,
    /// Avro, single-object encoding, by the built-in schema.
    Avro,
    /// Avro in the Confluent frame, by a writer schema of the catalog.
    Confluent,
}

impl Form {
    /// All forms.
    pub(crate) const ALL: [Self; 4] = [Self::Json, Self::Binary, Self::Avro, Self::Confluent];

    /// The name in arguments and recordings.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Binary => "binary",
            Self::Avro => "avro",
            Self::Confluent => "confluent",
        }
    }
}

/// A record to be sent; reused from record to record.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Message {
    /// The key: the tenant.
    pub key: Vec<u8>,
    /// A partition other than the key's, for records that are meant to lie wrong.
    pub partition: Option<u32>,
    /// Headers in order.
    pub headers: Vec<(&'static str, Vec<u8>)>,
    /// The value; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
}

impl Message {
    /// Empties the record for the next one of that key and keeps its memory.
    pub(crate) fn restart(&mut self, key: &str) -> &mut Vec<u8> {
        self.key.clear();
        self.key.extend_from_slice(key.as_bytes());
        self.partition = None;
        self.headers.clear();
        let payload = self.payload.get_or_insert_default();
        payload.clear();
        payload
    }
}

/// What a record was meant to be, as recordings name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// An event, on time.
    Event,
    /// An event that is hours to weeks older than the log.
    Late,
    /// An event that was sent before.
    Duplicate,
    /// A broken record, by the reason it is meant to be dead-lettered for.
    Broken(&'static str),
}
