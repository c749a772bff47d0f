//! One use of something that is metered, as the caller says it.
//!
//! Building one copies no text and cannot fail; what is wrong with it is said when it is emitted.

use crate::error::EmitError;
use crate::id::{IdSource, NewIds};
use crate::quantity::{Given, IntoQuantity};
use meterline_core::event::{Event, EventQuantity};
use meterline_core::time::EventTime;
use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

/// One use of something that is metered.
///
/// ```
/// use meterline_client::Usage;
///
/// let usage = Usage::new("llm.completion", "acme")
///     .quantity(1_234)
///     .property("model", "small")
///     .request_id("req-81");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "a use counts once it is emitted"]
pub struct Usage<'a> {
    event_type: Cow<'a, str>,
    tenant: Cow<'a, str>,
    source: Option<Cow<'a, str>>,
    time: Option<EventTime>,
    quantity: EventQuantity<'a>,
    // Not the core's inline vector: with it a use could not outlive a borrow of its client.
    properties: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    id: IdSource<'a>,
}

impl<'a> Usage<'a> {
    /// A use of this type (the catalog's `event_type`) by this tenant (the customer who is billed).
    ///
    /// It has no quantity, which suits meters that count events; meters that sum refuse it.
    pub fn new(event_type: impl Into<Cow<'a, str>>, tenant: impl Into<Cow<'a, str>>) -> Self {
        Self {
            event_type: event_type.into(),
            tenant: tenant.into(),
            source: None,
            time: None,
            quantity: EventQuantity::Absent,
            properties: Vec::new(),
            id: IdSource::default(),
        }
    }

    /// How much was used, exactly, in the meter's base unit (bytes, seconds, calls).
    pub fn quantity(mut self, quantity: impl IntoQuantity<'a>) -> Self {
        self.quantity = match quantity.into_quantity() {
            Given::Exact(quantity) => EventQuantity::Exact(Ok(quantity)),
            Given::Text(text) => EventQuantity::Text(text),
        };
        self
    }

    /// A text that meters filter or group by. No addresses and no phone numbers: they are personal.
    pub fn property(
        mut self,
        key: impl Into<Cow<'a, str>>,
        value: impl Into<Cow<'a, str>>,
    ) -> Self {
        self.properties.push((key.into(), value.into()));
        self
    }

    /// An exact number beside the quantity, for meters whose `value` is this property.
    pub fn amount(self, key: impl Into<Cow<'a, str>>, amount: impl IntoQuantity<'a>) -> Self {
        let text = match amount.into_quantity() {
            Given::Exact(quantity) => Cow::Owned(quantity.to_string()),
            Given::Text(text) => text,
        };
        self.property(key, text)
    }

    /// When it happened; the moment of emitting where this is not said.
    ///
    /// Digits below a microsecond are cut off. A time of the year 2300 or later is refused when
    /// the event is emitted.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.time = Some(micros(time));
        self
    }

    /// Who produces it, instead of the client's own source.
    pub fn source(mut self, source: impl Into<Cow<'a, str>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The event's own id, unique in its source and tenant. It wins over all others.
    pub fn id(mut self, id: impl Into<Cow<'a, str>>) -> Self {
        self.id.give(id.into());
        self
    }

    /// The caller's `Idempotency-Key`; the id is `<key>:<event type>`.
    pub fn idempotency_key(mut self, key: impl Into<Cow<'a, str>>) -> Self {
        self.id.give_key(key.into());
        self
    }

    /// The request that used it (`x-request-id`); the id is `<request id>:<event type>`.
    pub fn request_id(mut self, id: impl Into<Cow<'a, str>>) -> Self {
        self.id.give_used(id.into(), None);
        self
    }

    /// The session or egress that used it and ends once; the id is `<session id>:<event type>`.
    pub fn session_id(self, id: impl Into<Cow<'a, str>>) -> Self {
        self.request_id(id)
    }

    /// The call, message or e-mail that was used; the id is `<resource id>:<resource type>`, so
    /// that a webhook and a backfill of the same resource count once.
    pub fn resource(
        mut self,
        id: impl Into<Cow<'a, str>>,
        resource_type: impl Into<Cow<'a, str>>,
    ) -> Self {
        self.id.give_used(id.into(), Some(resource_type.into()));
        self
    }

    /// The event, with everything that was not said: the time of now, the client's source, an id.
    pub(crate) fn into_event(
        self,
        source: &'a str,
        new_ids: &NewIds,
    ) -> Result<Event<'a>, EmitError> {
        Ok(Event {
            id: self.id.resolve(&self.event_type, new_ids)?,
            source: self.source.unwrap_or(Cow::Borrowed(source)),
            kind: self.event_type,
            tenant: self.tenant,
            time: Some(self.time.unwrap_or_else(|| micros(SystemTime::now()))),
            quantity: self.quantity,
            properties: self.properties.into_iter().collect(),
        })
    }
}

/// Microseconds since 1970, rounded down; a time that is too far away stays out of range.
fn micros(time: SystemTime) -> EventTime {
    let micros = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
        Err(before) => {
            let before = before.duration().as_nanos().div_ceil(1_000);
            i64::try_from(before).map_or(i64::MIN, |micros| -micros)
        }
    };
    EventTime(micros)
}
