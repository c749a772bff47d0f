//! Carries out a plan: from an encoded value to a usage event, in one pass.

use super::cursor::{Block, Cursor};
use super::plan::{Number, OneOf, Plan, Step, Text, TextMap, Time};
use super::skip::skip;
use crate::decode::fault::{Fault, quoted};
use crate::decode::properties::PropertyList;
use crate::event::{Event, EventQuantity, Properties};
use crate::quantity::{NotAQuantity, Quantity};
use crate::time::{EVENT_TIME_END, EVENT_TIME_MIN, EventTime, parse_rfc3339};
use std::borrow::Cow;

/// Decodes the value after a frame of `start` bytes; it must end where the value ends.
pub(super) fn event<'a>(plan: &Plan, value: &'a [u8], start: usize) -> Result<Event<'a>, Fault> {
    let mut cursor = Cursor::new(value, start);
    let mut event = Event {
        id: Cow::Borrowed(""),
        source: Cow::Borrowed(""),
        kind: Cow::Borrowed(""),
        tenant: Cow::Borrowed(""),
        time: None,
        quantity: EventQuantity::Absent,
        properties: Properties::new(),
    };
    for step in &plan.steps {
        take(step, &mut cursor, plan, &mut event).map_err(|fault| fault.within(step.field()))?;
    }
    match cursor.left() {
        0 => Ok(event),
        left => Err(Fault::new(
            cursor.at(),
            format!("{left} bytes follow the record"),
        )),
    }
}

#[inline]
fn take<'a>(
    step: &Step,
    cursor: &mut Cursor<'a>,
    plan: &Plan,
    event: &mut Event<'a>,
) -> Result<(), Fault> {
    match step {
        Step::Id(text) => event.id = read_text(text, cursor)?.unwrap_or_default(),
        Step::Source(text) => event.source = read_text(text, cursor)?.unwrap_or_default(),
        Step::Kind(text) => event.kind = read_text(text, cursor)?.unwrap_or_default(),
        Step::Tenant(text) => event.tenant = read_text(text, cursor)?.unwrap_or_default(),
        Step::Time(time) => event.time = read_time(time, cursor)?,
        Step::Quantity(number) => event.quantity = read_number(number, cursor)?,
        Step::Properties(map) => read_map(map, cursor, &mut event.properties)?,
        Step::Skip(node) => skip(cursor, &plan.schema, *node)?,
    }
    Ok(())
}

/// The reading that applies to the value that comes next.
fn chosen<'p, T>(one_of: &'p OneOf<T>, cursor: &mut Cursor<'_>) -> Result<&'p T, Fault> {
    match one_of {
        OneOf::Always(reading) => Ok(reading),
        OneOf::Branch(readings) => Ok(&readings[cursor.branch(readings.len())?]),
    }
}

fn read_text<'a>(
    text: &OneOf<Text>,
    cursor: &mut Cursor<'a>,
) -> Result<Option<Cow<'a, str>>, Fault> {
    match chosen(text, cursor)? {
        Text::Null => Ok(None),
        Text::Text => cursor.text().map(|text| Some(Cow::Borrowed(text))),
    }
}

fn read_time(time: &OneOf<Time>, cursor: &mut Cursor<'_>) -> Result<Option<EventTime>, Fault> {
    let micros = match chosen(time, cursor)? {
        Time::Null => None,
        Time::Rfc3339 => return cursor.text().map(parse_rfc3339),
        Time::Millis => cursor.long()?.checked_mul(1_000),
        Time::Micros => Some(cursor.long()?),
    };
    let in_range = |time: &EventTime| (EVENT_TIME_MIN..EVENT_TIME_END).contains(time);
    Ok(micros.map(EventTime).filter(in_range))
}

fn read_number<'a>(
    number: &OneOf<Number>,
    cursor: &mut Cursor<'a>,
) -> Result<EventQuantity<'a>, Fault> {
    Ok(match chosen(number, cursor)? {
        Number::Null => EventQuantity::Absent,
        Number::Int => whole(i64::from(cursor.int()?)),
        Number::Long => whole(cursor.long()?),
        Number::Text => EventQuantity::Text(Cow::Borrowed(cursor.text()?)),
        Number::Decimal { scale } => decimal(cursor.bytes()?, *scale),
        Number::FixedDecimal { size, scale } => decimal(cursor.take(*size)?, *scale),
    })
}

fn whole(number: i64) -> EventQuantity<'static> {
    EventQuantity::Exact(Quantity::from_unscaled(i128::from(number), 0))
}

/// Reads a big-endian two's complement integer of any length.
fn decimal(bytes: &[u8], scale: u32) -> EventQuantity<'static> {
    EventQuantity::Exact(match bytes.first() {
        None => Err(NotAQuantity::Malformed),
        Some(first) => {
            let sign = if first & 0x80 == 0 { 0x00 } else { 0xFF };
            unscaled(bytes, sign)
                .ok_or(NotAQuantity::OutOfRange)
                .and_then(|unscaled| Quantity::from_unscaled(unscaled, scale))
        }
    })
}

/// The integer; `None` where it needs more than 128 bits, leading repetitions of the sign aside.
fn unscaled(bytes: &[u8], sign: u8) -> Option<i128> {
    let (extension, low) = bytes.split_at(bytes.len().saturating_sub(16));
    let mut wide = [sign; 16];
    wide[16 - low.len()..].copy_from_slice(low);
    let fits = extension.iter().all(|b| *b == sign) && (wide[0] ^ sign) & 0x80 == 0;
    fits.then(|| i128::from_be_bytes(wide))
}

fn read_map<'a>(
    map: &OneOf<TextMap>,
    cursor: &mut Cursor<'a>,
    properties: &mut Properties<'a>,
) -> Result<(), Fault> {
    let TextMap::Values(value) = chosen(map, cursor)? else {
        return Ok(());
    };
    let mut properties = PropertyList::into_place(properties);
    while let Some(Block { count, length }) = cursor.block()? {
        let start = cursor.at();
        for _ in 0..count {
            let key = Cow::Borrowed(cursor.text()?);
            properties.push(key, read_text(value, cursor)?);
        }
        if length.is_some_and(|length| length != cursor.at() - start) {
            return Err(Fault::new(start, "a block has another length than it says"));
        }
    }
    properties.finish().map_err(|key| {
        let key = quoted(&key);
        Fault::new(cursor.at(), format!("the key {key} is there twice"))
    })
}
