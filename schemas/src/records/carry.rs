//! Carries on `meterline.pushes`: differences that Stripe bills with a later window.
//!
//! They lie between the steps of pushes, which come by the thousand, and are written and read field
//! by field like those; a test holds that to the bytes of the schema-driven serializer. More
//! windows than a carry names are refused.

use super::RecordError;
use super::codec::{Codec, long};
use super::fields::{put_long, put_option, put_quantity, put_text};
use super::judged::{self, put_changes};
use super::reader::Reader;
use meterline_core::carry::{CARRIED_WINDOWS_MAX, CarriedWindow, Carry, CarryKey, CarryRecord};
use meterline_core::push::Stamps;
use meterline_core::time::EventTime;
use std::sync::LazyLock;

pub(super) static CODEC: LazyLock<Codec> = LazyLock::new(|| {
    let text = include_str!("../../avro/carry_record.avsc");
    Codec::new("carry", text)
});

/// Appends a carry. Equal records have equal bytes.
///
/// # Panics
/// For more windows than [`CARRIED_WINDOWS_MAX`], which every reader would halt at, and for an
/// offset of 2⁶³ or above, which no log reaches.
pub fn encode_carry(record: &CarryRecord, out: &mut Vec<u8>) {
    let (key, carry) = (&record.key, &record.carry);
    let count = carry.windows.len();
    assert!(count <= CARRIED_WINDOWS_MAX, "a carry of {count} windows");
    out.extend_from_slice(CODEC.frame());
    out.extend_from_slice(&record.write_id.to_be_bytes());
    put_option(out, record.head, |out, head| put_long(out, long(head)));
    for text in [&key.tenant, &key.meter, &key.source] {
        put_text(out, text);
    }
    put_text(out, &carry.customer);
    put_text(out, &carry.event_name);
    put_long(out, carry.window.0);
    for quantity in [carry.quantity, carry.wanted, carry.billed] {
        put_quantity(out, quantity);
    }
    put_changes(out, carry.stamps.changes());
    put_windows(out, &carry.windows);
    put_text(out, &record.instance);
}

/// Appends the array of windows: one block, then the empty one that ends it.
fn put_windows(out: &mut Vec<u8>, windows: &[CarriedWindow]) {
    if !windows.is_empty() {
        put_long(out, long(windows.len() as u64));
    }
    for window in windows {
        put_long(out, window.window.0);
        put_quantity(out, window.before);
        put_quantity(out, window.after);
        put_changes(out, window.stamps.changes());
    }
    put_long(out, 0);
}

pub(super) fn decode(body: &[u8]) -> Result<CarryRecord, RecordError> {
    let mut reader = Reader::new(&CODEC, body);
    let write_id = reader.fixed()?;
    let head = reader.option(|reader| reader.number("head"))?;
    let key = CarryKey {
        tenant: reader.text()?.to_owned(),
        meter: reader.text()?.to_owned(),
        source: reader.text()?.to_owned(),
    };
    let carry = Carry {
        customer: reader.text()?.to_owned(),
        event_name: reader.text()?.to_owned(),
        window: EventTime(reader.long()?),
        quantity: reader.quantity("quantity")?,
        wanted: reader.quantity("wanted")?,
        billed: reader.quantity("billed")?,
        stamps: Stamps::new(judged::changes(&mut reader, "stamps")?),
        windows: reader.array(read_window)?,
    };
    let count = carry.windows.len();
    if count > CARRIED_WINDOWS_MAX {
        let reason = format!("it names {count} windows, more than {CARRIED_WINDOWS_MAX}");
        return Err(reader.refuse(reason));
    }
    let instance = reader.text()?.to_owned();
    reader.end()?;
    Ok(CarryRecord {
        write_id,
        head,
        key,
        carry,
        instance,
    })
}

fn read_window(reader: &mut Reader<'_>) -> Result<CarriedWindow, RecordError> {
    Ok(CarriedWindow {
        window: EventTime(reader.long()?),
        before: reader.quantity("before")?,
        after: reader.quantity("after")?,
        stamps: Stamps::new(judged::changes(reader, "stamps")?),
    })
}
