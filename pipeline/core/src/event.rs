//! A usage event, as every record form decodes to it.
//!
//! Borrowed from the record's bytes where they allow it. Nothing here is validated beyond its
//! form: presence, bounds and meaning are the fold's to judge, in the order of its reasons.

use crate::quantity::{NotAQuantity, Quantity};
use crate::time::EventTime;
use smallvec::SmallVec;
use std::borrow::Cow;

/// What an event says it used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EventQuantity<'a> {
    /// No quantity, or an explicit null.
    Absent,
    /// A number, as its text was written in JSON (number or string).
    Text(Cow<'a, str>),
    /// An exact number, as Avro carries it.
    Exact(Result<Quantity, NotAQuantity>),
    /// Something that can be no number (a boolean).
    NotANumber,
}

/// A property's value: JSON scalars are kept as their text, null as no value.
pub type Properties<'a> = SmallVec<[(Cow<'a, str>, Cow<'a, str>); 8]>;

/// One usage event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event<'a> {
    /// Unique per source; empty where missing.
    pub id: Cow<'a, str>,
    /// Who produced it; empty where missing.
    pub source: Cow<'a, str>,
    /// What happened; empty where missing.
    pub kind: Cow<'a, str>,
    /// Who is billed; empty where missing.
    pub tenant: Cow<'a, str>,
    /// When it happened; `None` where missing or unreadable.
    pub time: Option<EventTime>,
    /// How much was used.
    pub quantity: EventQuantity<'a>,
    /// Scalars beside the quantity, in the order they were written, keys unique.
    pub properties: Properties<'a>,
}

impl Event<'_> {
    /// The property's text, if the event has it.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&str> {
        self.properties
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_ref())
    }
}
