//! Broken records of many kinds, each made to be dead-lettered for one reason.
//!
//! Three reasons are missing, because no single record causes them: `too_many_dimensions` and
//! `overflow` depend on what its tenant's hour already holds, `void_refused` on a decision in the
//! control log. Reasons take turns, so that a few
//! broken records already show many of them. Nothing here depends on the clock: times are so far
//! away that they are refused whatever the present is.

use super::event::{Form, Message, UsageEvent};
use super::forms::{Encoder, write_string};
use super::random::Random;
use meterline_core::catalog::Bounds;
use meterline_core::hash::partition_of;
use meterline_core::reason::Reason;
use meterline_core::record::CONTROL_HEADER;
use meterline_core::time::{EVENT_TIME_END, EventTime};
use std::sync::Arc;

/// 2000-01-01: too late for every acceptance window.
const LONG_AGO: EventTime = EventTime(946_684_800_000_000);
/// A day before the end of event time.
const FAR_AHEAD: EventTime = EventTime(EVENT_TIME_END.0 - 86_400_000_000);
/// Texts that are no acceptable quantity of some meters: which of them a meter refuses depends on
/// its filter, its scale and whether it takes negative ones.
pub(crate) const BAD_QUANTITIES: [&str; 8] = [
    "NaN",
    "twelve",
    "1e-10",
    "0.0000000001",
    "1e30",
    "1.2.3",
    "-1",
    "0.000000001",
];
/// Pointers that nobody could have written: no pointer at all, an offset still to come, and one
/// that names a record by the wrong hash.
const BAD_POINTERS: [&str; 3] = [
    "nonsense",
    "999999999999:00000000000000000000000000000001",
    "0:00000000000000000000000000000001",
];

/// Where an event carries what a meter reads: what can be broken about it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Weakness {
    /// What a matching meter refuses to read; `None`: it reads nothing, or nothing can be refused.
    pub quantity: Option<BadQuantity>,
    /// A property that a matching meter groups by.
    pub dimension: Option<Arc<str>>,
}

/// Quantities that a meter refuses, although its filter fits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct BadQuantity {
    /// The property that the meter reads; `None`: the event's own quantity.
    pub property: Option<Arc<str>>,
    /// At least one.
    pub texts: Vec<&'static str>,
}

/// Makes broken records out of good events.
#[derive(Clone, Debug)]
pub(crate) struct Breaker {
    bounds: Bounds,
    partitions: u32,
    turn: usize,
}

impl Breaker {
    /// A breaker for a topic of that many partitions; `turn` is the place to begin at.
    pub(crate) fn new(bounds: Bounds, partitions: u32, turn: usize) -> Self {
        Self {
            bounds,
            partitions,
            turn,
        }
    }

    /// Breaks the event: it becomes what the record says, and `out` the record. Returns the reason.
    ///
    /// # Errors
    /// A sentence of the encoder, which stands for a mistake of the caller.
    pub(crate) fn break_event(
        &mut self,
        event: &mut UsageEvent,
        weakness: &Weakness,
        encoder: &Encoder,
        random: &mut Random,
        out: &mut Message,
    ) -> Result<&'static str, String> {
        let tenant = Arc::clone(&event.tenant);
        let reason = loop {
            let reason = Reason::ALL[self.turn % Reason::ALL.len()];
            self.turn += 1;
            if self.can_cause(reason, weakness) {
                break reason;
            }
        };
        self.change_event(reason, event, weakness, random);
        encoder.encode(Form::Json, event, out)?;
        // Records without a readable tenant still lie where their tenant's would.
        if event.tenant.is_empty() {
            out.key.extend_from_slice(tenant.as_bytes());
        }
        self.change_record(reason, event, random, out);
        Ok(reason.name())
    }

    fn can_cause(&self, reason: Reason, weakness: &Weakness) -> bool {
        match reason {
            Reason::TooManyDimensions | Reason::Overflow | Reason::VoidRefused => false,
            Reason::WrongPartition => self.partitions > 1,
            Reason::BadQuantity => weakness.quantity.is_some(),
            Reason::BadDimension => weakness.dimension.is_some(),
            _ => true,
        }
    }

    /// What is wrong with the event itself.
    fn change_event(
        &self,
        reason: Reason,
        event: &mut UsageEvent,
        weakness: &Weakness,
        random: &mut Random,
    ) {
        let over = |bound: u32| "x".repeat(usize::try_from(bound).unwrap_or(usize::MAX) + 1);
        match reason {
            Reason::MissingId => event.id.clear(),
            Reason::MissingSource => event.source = "".into(),
            Reason::MissingType => event.kind = "".into(),
            Reason::MissingTenant => event.tenant = "".into(),
            Reason::BadId => event.id = over(self.bounds.id_bytes),
            Reason::TooLong => match random.below(3) {
                0 => event.source = over(self.bounds.name_bytes).into(),
                1 => event.kind = over(self.bounds.name_bytes).into(),
                _ => event.tenant = over(self.bounds.tenant_bytes).into(),
            },
            Reason::TooLate => event.time = LONG_AGO,
            Reason::FromTheFuture => event.time = FAR_AHEAD,
            Reason::NoMeter => event.kind = "meterline.no-such-type".into(),
            Reason::BadQuantity => {
                let quantity = weakness.quantity.as_ref();
                let quantity = quantity.expect("asked for by `can_cause`");
                let bad = (*random.pick(&quantity.texts)).to_owned();
                match &quantity.property {
                    None => event.quantity = Some(bad),
                    Some(property) => set_property(event, property, bad),
                }
            }
            Reason::BadDimension => {
                let property = weakness
                    .dimension
                    .as_ref()
                    .expect("asked for by `can_cause`");
                set_property(event, property, over(self.bounds.dimension_bytes));
            }
            _ => {}
        }
    }

    /// What is wrong with the record around the event.
    fn change_record(
        &self,
        reason: Reason,
        event: &UsageEvent,
        random: &mut Random,
        out: &mut Message,
    ) {
        match reason {
            Reason::BadPointer => {
                let pointer = random.pick(&BAD_POINTERS).as_bytes().to_vec();
                out.headers.push((CONTROL_HEADER, pointer));
            }
            Reason::TooLarge => pad(out, self.bounds.record_bytes),
            Reason::Malformed => malform(random.below(6), out),
            Reason::Batch => batch(random.below(2) == 0, out),
            Reason::UnknownSchema => {
                let mut payload = if random.below(2) == 0 {
                    vec![0xC3, 0x01]
                } else {
                    vec![0x00, 0x7F]
                };
                payload.extend_from_slice(&random.bits().to_be_bytes());
                out.payload = Some(payload);
            }
            Reason::MissingId
            | Reason::MissingSource
            | Reason::MissingType
            | Reason::MissingTenant
                // An empty attribute and a missing one are the same; show both.
                if random.below(2) == 0 =>
            {
                leave_out_empty(out);
            }
            Reason::BadTime => change_time(event, random, out),
            Reason::WrongPartition => {
                let right = partition_of(event.tenant.as_bytes(), self.partitions);
                out.partition = Some((right + 1) % self.partitions);
            }
            _ => {}
        }
    }
}

/// Gives a property a value, whether it is there or not.
pub(crate) fn set_property(event: &mut UsageEvent, name: &Arc<str>, value: String) {
    match event.properties.iter_mut().find(|(key, _)| key == name) {
        Some((_, text)) => *text = value,
        None => event.properties.push((Arc::clone(name), value)),
    }
}

/// Makes the record one byte larger than its bound, by whitespace that JSON allows at the end.
fn pad(out: &mut Message, bound: u32) {
    let payload = out.payload.get_or_insert_default();
    let length = usize::try_from(bound)
        .unwrap_or(usize::MAX)
        .saturating_add(1);
    if payload.len() < length {
        payload.resize(length, b' ');
    }
}

fn malform(variety: u64, out: &mut Message) {
    let payload = out.payload.get_or_insert_default();
    match variety {
        0 => *payload = b"this is not JSON".to_vec(),
        1 => payload.truncate(payload.len() / 2),
        2 => payload.clear(),
        3 => *payload = b"{}".to_vec(),
        4 => payload.push(0xFF),
        _ => out.payload = None,
    }
}

fn batch(by_header: bool, out: &mut Message) {
    let payload = out.payload.get_or_insert_default();
    payload.insert(0, b'[');
    payload.push(b']');
    if by_header {
        let batch = b"application/cloudevents-batch+json".to_vec();
        out.headers.push(("content-type", batch));
    }
}

/// Removes the one attribute that is empty.
fn leave_out_empty(out: &mut Message) {
    let payload = out.payload.get_or_insert_default();
    for name in ["id", "source", "type", "subject"] {
        replace(payload, format!(",\"{name}\":\"\"").as_bytes(), b"");
    }
}

fn change_time(event: &UsageEvent, random: &mut Random, out: &mut Message) {
    let payload = out.payload.get_or_insert_default();
    let written = format!(",\"time\":\"{}\"", event.time);
    let mut changed = Vec::new();
    let bad = *random.pick(&["", "yesterday", "2026-02-30T00:00:00Z", "1700000000"]);
    if !bad.is_empty() {
        changed.extend_from_slice(b",\"time\":");
        write_string(&mut changed, bad);
    }
    replace(payload, written.as_bytes(), &changed);
}

fn replace(payload: &mut Vec<u8>, old: &[u8], new: &[u8]) {
    let found = payload.windows(old.len()).position(|window| window == old);
    if let Some(at) = found {
        payload.splice(at..at + old.len(), new.iter().copied());
    }
}

#[cfg(test)]
#[path = "broken_tests.rs"]
mod tests;
