//! Events of one ingest call, before they are published.
//!
//! Three forms: one CloudEvent in JSON, a batch of them (a JSON array), and one per line. Each
//! event is judged by itself, with the core's decoder, bounds and reasons, so that what is accepted
//! here becomes a dead letter only by what others sent, or by the clock. The bytes of an event are
//! published as they came: nothing is decoded and written again. An event without an id gets one
//! from the call's `Idempotency-Key`; without that it is refused, since a retry would count twice.

use meterline_core::account::TenantScope;
use meterline_core::catalog::CompiledCatalog;
use meterline_core::event::Event;
use meterline_core::fold::foresee;
use meterline_core::reason::{Reason, Rejection};
use meterline_core::record::Record;
use meterline_core::time::LogTime;
use std::borrow::Cow;

mod batch;

/// Headers of a published record: the Kafka binding of CloudEvents for structured mode.
pub(crate) const HEADERS: [(&str, Option<&[u8]>); 1] =
    [("content-type", Some(b"application/cloudevents+json"))];

/// How events lie in a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// One event.
    One,
    /// A JSON array of events.
    Batch,
    /// One event per line.
    Lines,
}

impl Form {
    /// The form of a media type; `None` where it is none of the three.
    pub(crate) fn of(media_type: &str) -> Option<Self> {
        let name = media_type.split(';').next().unwrap_or_default().trim();
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("application/cloudevents+json") {
            Some(Self::One)
        } else if is("application/cloudevents-batch+json") {
            Some(Self::Batch)
        } else if is("application/x-ndjson") || is("application/ndjson") {
            Some(Self::Lines)
        } else {
            None
        }
    }
}

/// Why a body is not split into events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum SplitError {
    /// It is no JSON array; the text says where.
    NotAnArray(String),
    /// It has more events than the bound.
    TooMany,
    /// It has none.
    Empty,
}

/// The texts of a body's events, none of them read yet. A body is looked through no further than
/// one event above the bound: what is held beside it is bounded by the events allowed, not by how
/// many small values its bytes have room for.
///
/// # Errors
/// [`SplitError`], about the body as a whole.
pub(crate) fn split(form: Form, body: &[u8], most: usize) -> Result<Vec<&[u8]>, SplitError> {
    let events: Vec<&[u8]> = match form {
        Form::One => vec![body],
        Form::Batch => batch::first(body, most.saturating_add(1))
            .map_err(|error| SplitError::NotAnArray(error.to_string()))?,
        Form::Lines => {
            let lines = body.split(|byte| *byte == b'\n');
            let full = lines.filter(|line| !line.trim_ascii().is_empty());
            full.take(most.saturating_add(1)).collect()
        }
    };
    match events.len() {
        0 => Err(SplitError::Empty),
        count if count > most => Err(SplitError::TooMany),
        _ => Ok(events),
    }
}

/// What is known of a call's events.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judge<'a> {
    /// The newest catalog.
    pub(crate) catalog: &'a CompiledCatalog,
    /// Tenants that the key may publish for.
    pub(crate) scope: &'a TenantScope,
    /// The call's `Idempotency-Key`.
    pub(crate) idempotency_key: Option<&'a str>,
    /// How events lie in the body.
    pub(crate) form: Form,
    /// The moment to judge by.
    pub(crate) now: LogTime,
}

/// An event that can be published.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Accepted<'a> {
    /// Its tenant: the record's key.
    pub(crate) tenant: String,
    /// Its id.
    pub(crate) id: String,
    /// The record's value.
    pub(crate) payload: Cow<'a, [u8]>,
}

/// Why an event is not published.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refused {
    /// The name of a reason for dead letters, or `unknown_tenant`.
    pub(crate) reason: &'static str,
    /// What exactly was wrong.
    pub(crate) detail: String,
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Self {
            reason: rejection.reason.name(),
            detail: rejection.detail,
        }
    }
}

impl Judge<'_> {
    /// Judges the event at a place of the call.
    ///
    /// # Errors
    /// Why it is not published.
    pub(crate) fn judge<'a>(&self, index: usize, text: &'a [u8]) -> Result<Accepted<'a>, Refused> {
        match self.read(text) {
            Ok(event) => self.admit(&event, Cow::Borrowed(text)),
            Err(missing) if missing.reason == Reason::MissingId => {
                let Some(whole) = self.with_id(index, text) else {
                    return Err(no_id(missing));
                };
                // A second `id` beside an empty one is not an id.
                let event = self.read(&whole).map_err(|rejection| {
                    let is_twice = rejection.reason == Reason::Malformed;
                    if is_twice { missing } else { rejection }
                })?;
                self.admit(&event, Cow::Borrowed(&whole))
                    .map(Accepted::into_owned)
            }
            Err(rejection) => Err(rejection.into()),
        }
    }

    fn read<'a>(&self, text: &'a [u8]) -> Result<Event<'a>, Rejection> {
        let header: usize = HEADERS
            .iter()
            .map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len))
            .sum();
        let record = Record {
            offset: 0,
            append_time: self.now,
            headers: &HEADERS,
            payload: Some(text),
            size: text.len() + header,
            placement: None,
        };
        let event = foresee(&record, self.catalog)?;
        let with_key = Record {
            size: record.size + event.tenant.len(),
            ..record
        };
        let bound = self.catalog.catalog.bounds.record_bytes;
        if with_key.size > bound as usize {
            let detail = format!("record of {} bytes; the bound is {bound}", with_key.size);
            return Err(Rejection::new(Reason::TooLarge, detail));
        }
        Ok(event)
    }

    fn admit<'a>(
        &self,
        event: &Event<'_>,
        payload: Cow<'a, [u8]>,
    ) -> Result<Accepted<'a>, Refused> {
        if !self.scope.holds(&event.tenant) {
            return Err(Refused {
                reason: "unknown_tenant",
                detail: "the API key may not publish for this tenant".to_owned(),
            });
        }
        Ok(Accepted {
            tenant: event.tenant.clone().into_owned(),
            id: event.id.clone().into_owned(),
            payload,
        })
    }

    /// The event with an id from the call's key; `None` where there is no key or no object.
    fn with_id(&self, index: usize, text: &[u8]) -> Option<Vec<u8>> {
        let key = self.idempotency_key?;
        let id = match self.form {
            Form::One => key.to_owned(),
            Form::Batch | Form::Lines => format!("{key}-{index}"),
        };
        let rest = text
            .trim_ascii_start()
            .strip_prefix(b"{")?
            .trim_ascii_start();
        let comma = if rest.first() == Some(&b'}') { "" } else { "," };
        let id = serde_json::to_string(&id).expect("a text is JSON");
        let mut whole = format!("{{\"id\":{id}{comma}").into_bytes();
        whole.extend_from_slice(rest);
        Some(whole)
    }
}

impl Accepted<'_> {
    fn into_owned(self) -> Accepted<'static> {
        Accepted {
            tenant: self.tenant,
            id: self.id,
            payload: Cow::Owned(self.payload.into_owned()),
        }
    }
}

fn no_id(missing: Rejection) -> Refused {
    Refused {
        reason: missing.reason.name(),
        detail: format!("{}; give one, or send an Idempotency-Key", missing.detail),
    }
}

#[cfg(test)]
mod tests;
