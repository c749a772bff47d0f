//! Steps of pushes on `meterline.pushes`.
//!
//! A month of 100,000 tenant-meters is some hundred million of them, so they are written and read
//! field by field; a test holds that to the bytes of the schema-driven serializer. An intent where
//! the step is none, or none where it is, is refused.

use super::RecordError;
use super::codec::{Codec, long};
use super::fields::{put_long, put_option, put_quantity, put_symbol, put_text};
use super::judged::{self, put_changes};
use super::reader::Reader;
use meterline_core::push::{Intent, Outcome, PushKey, PushRecord, Stamps, Step};
use meterline_core::time::{EventTime, Millis};
use std::sync::LazyLock;

pub(super) static CODEC: LazyLock<Codec> = LazyLock::new(|| {
    let text = include_str!("../../avro/push_record.avsc");
    Codec::new("step of a push", text)
});

/// The schema's symbols.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Symbol {
    Intent,
    Received,
    NotTaken,
    Unknown,
    Refused,
    Confirmed,
}

/// In the schema's order.
const SYMBOLS: [Symbol; 6] = [
    Symbol::Intent,
    Symbol::Received,
    Symbol::NotTaken,
    Symbol::Unknown,
    Symbol::Refused,
    Symbol::Confirmed,
];

/// Symbol, intent and detail of a step.
fn parts(step: &Step) -> (Symbol, Option<&Intent>, &str) {
    match step {
        Step::Intent(intent) => (Symbol::Intent, Some(intent), ""),
        Step::Outcome(Outcome::Received) => (Symbol::Received, None, ""),
        Step::Outcome(Outcome::NotTaken { detail }) => (Symbol::NotTaken, None, detail),
        Step::Outcome(Outcome::Unknown { detail }) => (Symbol::Unknown, None, detail),
        Step::Outcome(Outcome::Refused { detail }) => (Symbol::Refused, None, detail),
        Step::Confirmed => (Symbol::Confirmed, None, ""),
    }
}

/// Appends a step of a push. Equal records have equal bytes.
///
/// # Panics
/// For an offset of 2⁶³ or above, which no log reaches.
pub fn encode_push(record: &PushRecord, out: &mut Vec<u8>) {
    let (symbol, intent, detail) = parts(&record.step);
    out.extend_from_slice(CODEC.frame());
    out.extend_from_slice(&record.write_id.to_be_bytes());
    put_option(out, record.head, |out, head| put_long(out, long(head)));
    put_text(out, &record.key.tenant);
    put_text(out, &record.key.meter);
    put_long(out, record.key.window.0);
    put_symbol(out, &SYMBOLS, symbol);
    put_option(out, intent, put_intent);
    put_text(out, detail);
    put_text(out, &record.instance);
}

fn put_intent(out: &mut Vec<u8>, intent: &Intent) {
    put_text(out, &intent.customer);
    put_text(out, &intent.event_name);
    put_quantity(out, intent.quantity);
    put_changes(out, intent.stamps.changes());
    put_long(out, intent.attempt.into());
    put_long(out, intent.call_within.0.into());
}

pub(super) fn decode(body: &[u8]) -> Result<PushRecord, RecordError> {
    let mut reader = Reader::new(&CODEC, body);
    let write_id = reader.fixed()?;
    let head = reader.option(|reader| reader.number("head"))?;
    let key = PushKey {
        tenant: reader.text()?.to_owned(),
        meter: reader.text()?.to_owned(),
        window: EventTime(reader.long()?),
    };
    let symbol = reader.symbol("step", &SYMBOLS)?;
    let intent = reader.option(read_intent)?;
    let detail = reader.text()?.to_owned();
    let step = match (symbol, intent) {
        (Symbol::Intent, Some(intent)) => Step::Intent(intent),
        (Symbol::Received, None) => Step::Outcome(Outcome::Received),
        (Symbol::NotTaken, None) => Step::Outcome(Outcome::NotTaken { detail }),
        (Symbol::Unknown, None) => Step::Outcome(Outcome::Unknown { detail }),
        (Symbol::Refused, None) => Step::Outcome(Outcome::Refused { detail }),
        (Symbol::Confirmed, None) => Step::Confirmed,
        (Symbol::Intent, None) => return Err(reader.refuse("an intent says nothing")),
        (_, Some(_)) => return Err(reader.refuse("an intent where the step is another")),
    };
    let instance = reader.text()?.to_owned();
    reader.end()?;
    Ok(PushRecord {
        write_id,
        head,
        key,
        step,
        instance,
    })
}

fn read_intent(reader: &mut Reader<'_>) -> Result<Intent, RecordError> {
    let customer = reader.text()?.to_owned();
    let event_name = reader.text()?.to_owned();
    let quantity = reader.quantity("quantity")?;
    Ok(Intent {
        customer,
        event_name,
        quantity,
        stamps: Stamps::new(judged::changes(reader, "stamps")?),
        attempt: reader.number("attempt")?,
        call_within: Millis(reader.number("call_within")?),
    })
}
