//! An event as a Kafka record, in one allocation.
//!
//! Three of the four record forms: the Confluent frame needs a registry, and who has one has its
//! own serializer. Writing happens on the caller's thread, so that what cannot be written is the
//! caller's to know, and the sending thread only moves bytes.

use crate::error::EmitError;
use meterline_core::decode::encode_avro;
use meterline_core::event::{Event, EventQuantity};
use meterline_core::quantity::Quantity;
use std::borrow::Cow;
use std::io::Write as _;
use std::ops::Range;

/// The record form that events are written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Form {
    /// Avro single-object encoding by the built-in schema: the smallest, and the fastest to read.
    #[default]
    Avro,
    /// CloudEvents 1.0, structured mode: one JSON document, readable by people.
    CloudEventsJson,
    /// CloudEvents 1.0, Kafka's binary mode: attributes as headers, JSON data.
    CloudEventsBinary,
}

/// Attributes of binary mode, in the order in which a record keeps them before its payload.
const ATTRIBUTES: [&str; 5] = ["ce_id", "ce_source", "ce_type", "ce_time", "ce_subject"];

/// What every record of binary mode says of itself.
const CONSTANT_HEADERS: [(&str, &str); 2] = [
    ("ce_specversion", "1.0"),
    ("content-type", "application/json"),
];

/// Bytes of Avro beside texts, at a generous guess: frame, lengths, time, quantity.
const AVRO_OVERHEAD: usize = 64;
/// Bytes of JSON and of attributes beside texts: names, punctuation, time, quantity.
const JSON_OVERHEAD: usize = 224;

/// A record that waits to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    /// Key, id, attributes of binary mode and payload, one after the other.
    bytes: Vec<u8>,
    key_end: usize,
    id_end: usize,
    /// Where each attribute ends; `None` in the other forms.
    attribute_ends: Option<[usize; ATTRIBUTES.len()]>,
    payload_start: usize,
}

impl Record {
    /// Writes an event; a form of it that [`crate::bounds::check`] passed.
    pub(crate) fn encode(event: &Event<'_>, form: Form) -> Result<Self, EmitError> {
        let mut bytes = Vec::with_capacity(expected_bytes(event, form));
        bytes.extend_from_slice(event.tenant.as_bytes());
        let key_end = bytes.len();
        bytes.extend_from_slice(event.id.as_bytes());
        let id_end = bytes.len();
        let attribute_ends =
            (form == Form::CloudEventsBinary).then(|| write_attributes(event, &mut bytes));
        let payload_start = bytes.len();
        match form {
            Form::Avro => write_avro(event, &mut bytes)?,
            Form::CloudEventsJson => write_document(event, &mut bytes)?,
            Form::CloudEventsBinary => write_data(event, &mut bytes)?,
        }
        Ok(Self {
            bytes,
            key_end,
            id_end,
            attribute_ends,
            payload_start,
        })
    }

    /// The tenant, which the record is keyed by.
    pub(crate) fn tenant(&self) -> &str {
        self.text(0..self.key_end)
    }

    pub(crate) fn id(&self) -> &str {
        self.text(self.key_end..self.id_end)
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.bytes[self.payload_start..]
    }

    /// The headers of binary mode; none in the other forms.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let ends = self.attribute_ends.iter().flat_map(|ends| {
            let starts = std::iter::once(self.id_end).chain(ends.iter().copied());
            starts.zip(ends.iter().copied())
        });
        let attributes = ATTRIBUTES.into_iter().zip(ends);
        let constant = self.attribute_ends.map(|_| CONSTANT_HEADERS);
        attributes
            .map(|(name, (start, end))| (name, self.text(start..end)))
            .chain(constant.into_iter().flatten())
    }

    /// Key, headers and value, as Meterline measures a record.
    pub(crate) fn size(&self) -> usize {
        let headers: usize = self.headers().map(|(k, v)| k.len() + v.len()).sum();
        self.key_end + headers + self.payload().len()
    }

    /// Memory that it takes.
    pub(crate) fn memory(&self) -> u64 {
        let bytes = self.bytes.capacity() + size_of::<Self>();
        u64::try_from(bytes).expect("nothing in memory is larger than 2⁶⁴ bytes")
    }

    fn text(&self, range: Range<usize>) -> &str {
        std::str::from_utf8(&self.bytes[range]).expect("it was written from a text")
    }
}

fn expected_bytes(event: &Event<'_>, form: Form) -> usize {
    let fields = [&event.id, &event.source, &event.kind, &event.tenant];
    let fields: usize = fields.iter().map(|text| text.len()).sum();
    let pairs = event.properties.iter();
    let properties: usize = pairs.map(|(k, v)| k.len() + v.len() + 6).sum();
    let overhead = match form {
        Form::Avro => AVRO_OVERHEAD,
        Form::CloudEventsJson | Form::CloudEventsBinary => JSON_OVERHEAD,
    };
    event.id.len() + event.tenant.len() + fields + properties + overhead
}

fn write_avro(event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), EmitError> {
    // Asked first, because the encoder's own answer is only a sentence.
    exact(&event.quantity)?;
    encode_avro(event, out).map_err(|_| EmitError::Time)
}

/// The quantity as a number; `None` where the event has none.
fn exact(quantity: &EventQuantity<'_>) -> Result<Option<Quantity>, EmitError> {
    match quantity {
        EventQuantity::Absent => Ok(None),
        EventQuantity::Exact(quantity) => Ok(Some((*quantity)?)),
        EventQuantity::Text(text) => Ok(Some(Quantity::parse(text)?)),
        EventQuantity::NotANumber => unreachable!("a use is only given numbers"),
    }
}

fn write_attributes(event: &Event<'_>, out: &mut Vec<u8>) -> [usize; ATTRIBUTES.len()] {
    let time = Cow::Owned(time_text(event));
    let texts = [&event.id, &event.source, &event.kind, &time, &event.tenant];
    texts.map(|text: &Cow<'_, str>| {
        out.extend_from_slice(text.as_bytes());
        out.len()
    })
}

fn time_text(event: &Event<'_>) -> String {
    event.time.unwrap_or_default().to_string()
}

fn write_document(event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), EmitError> {
    out.extend_from_slice(b"{\"specversion\":\"1.0\"");
    let time = Cow::Owned(time_text(event));
    for (name, text) in [
        ("id", &event.id),
        ("source", &event.source),
        ("type", &event.kind),
        ("subject", &event.tenant),
        ("time", &time),
    ] {
        out.push(b',');
        write_member(name, text, out);
    }
    out.extend_from_slice(b",\"datacontenttype\":\"application/json\",\"data\":");
    write_data(event, out)?;
    out.push(b'}');
    Ok(())
}

/// The event's own data: the quantity as a number, properties as texts.
fn write_data(event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), EmitError> {
    out.push(b'{');
    let mut separator: &[u8] = b"";
    if let Some(quantity) = exact(&event.quantity)? {
        write!(out, "\"quantity\":{quantity}").expect("memory takes everything");
        separator = b",";
    }
    for (key, value) in &event.properties {
        out.extend_from_slice(separator);
        separator = b",";
        write_member(key, value, out);
    }
    out.push(b'}');
    Ok(())
}

fn write_member(name: &str, value: &str, out: &mut Vec<u8>) {
    write_text(name, out);
    out.push(b':');
    write_text(value, out);
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a text is JSON, and memory takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::decode::Decoder;
    use meterline_core::position::Offset;
    use meterline_core::record;
    use meterline_core::time::{EventTime, LogTime};

    const FORMS: [Form; 3] = [Form::Avro, Form::CloudEventsJson, Form::CloudEventsBinary];

    fn event(quantity: EventQuantity<'static>) -> Event<'static> {
        Event {
            id: "ä:\"1\"".into(),
            source: "//gateway".into(),
            kind: "llm.completion".into(),
            tenant: "acme & söhne".into(),
            time: Some(EventTime(1_795_251_600_123_456)),
            quantity,
            properties: [("model", "small\n\"one\""), ("empty", "")]
                .map(|(key, value)| (key.into(), value.into()))
                .into_iter()
                .collect(),
        }
    }

    /// What Meterline reads, with the quantity as it would count it.
    fn read(record: &Record) -> (Event<'static>, Option<Quantity>) {
        let headers: Vec<_> = record
            .headers()
            .map(|(key, value)| (key, Some(value.as_bytes())))
            .collect();
        let decoded = Decoder::new(&[])
            .expect("built in")
            .decode(&record::Record {
                offset: Offset::default(),
                append_time: LogTime(0),
                headers: &headers,
                payload: Some(record.payload()),
                size: record.size(),
                placement: None,
            });
        let decoded = decoded.expect("it is a record form");
        let event = Event {
            id: decoded.id.into_owned().into(),
            source: decoded.source.into_owned().into(),
            kind: decoded.kind.into_owned().into(),
            tenant: decoded.tenant.into_owned().into(),
            time: decoded.time,
            quantity: EventQuantity::Absent,
            properties: decoded
                .properties
                .into_iter()
                .map(|(key, value)| (key.into_owned().into(), value.into_owned().into()))
                .collect(),
        };
        let quantity = exact(&decoded.quantity).expect("it is exact");
        (event, quantity)
    }

    #[test]
    fn every_form_is_read_as_it_was_meant() {
        let given = |text: &'static str| EventQuantity::Text(text.into());
        let quantities = ["-0.000000001", "99999999999999999999999999999.999999999"];
        for form in FORMS {
            for quantity in [
                given(quantities[0]),
                given(quantities[1]),
                EventQuantity::Absent,
            ] {
                let meant = exact(&quantity).expect("it is exact");
                let record = Record::encode(&event(quantity), form).expect("it fits");
                let (mut back, counted) = read(&record);
                let mut sent = event(EventQuantity::Absent);
                sent.properties.sort();
                back.properties.sort();
                assert_eq!((back, counted), (sent, meant), "{form:?}");
                assert_eq!((record.tenant(), record.id()), ("acme & söhne", "ä:\"1\""));
            }
        }
    }

    #[test]
    fn a_quantity_that_is_not_exact_is_refused_in_every_form() {
        for form in FORMS {
            for text in ["5,25", "0.0000000001", "1e29"] {
                let encoded = Record::encode(&event(EventQuantity::Text(text.into())), form);
                assert!(
                    matches!(encoded, Err(EmitError::Quantity(_))),
                    "{form:?}: {encoded:?}"
                );
            }
        }
    }

    #[test]
    fn the_first_guess_of_a_records_memory_suffices() {
        for form in FORMS {
            let event = event(EventQuantity::Text("-0.000000001".into()));
            let record = Record::encode(&event, form).expect("it fits");
            assert_eq!(
                record.bytes.capacity(),
                expected_bytes(&event, form),
                "{form:?}"
            );
        }
    }
}
