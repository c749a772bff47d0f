//! Events: what happened at Stripe, as webhooks tell it and as it can be asked for.
//!
//! Those of the first kind carry a snapshot of their object (<https://docs.stripe.com/api/events>).
//! Those about meters are thin: they name what they are about, and only the API has what they say
//! (<https://docs.stripe.com/api/v2/core/events/event-types>). Both come more than once and in any
//! order. Refuses nothing; objects are kept as the JSON text that Stripe wrote.

use crate::form::{Form, path_part};
use crate::request::Read;
use crate::requests::page;
use crate::wire::{Listed, Page};
use chrono::DateTime;
use serde::Deserialize;
use serde_json::value::RawValue;

/// An event.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "Envelope")]
pub struct Event {
    /// Its id, the same in every delivery.
    pub id: String,
    /// `invoice.created`, `customer.subscription.updated`, … .
    pub kind: String,
    /// When it happened, in seconds.
    pub created: i64,
    /// What it says.
    pub content: Content,
}

/// What an event says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// The object as it was then, in JSON.
    Snapshot(String),
    /// A thin event.
    Thin {
        /// The id of what it is about.
        related: Option<String>,
        /// What it says, in JSON; a webhook leaves it out, the API ([`get_thin`]) has it.
        data: Option<String>,
    },
}

impl Listed for Event {
    fn id(&self) -> &str {
        &self.id
    }
}

/// Events as they are written.
#[derive(Deserialize)]
struct Envelope {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    created: Box<RawValue>,
    data: Option<Box<RawValue>>,
    related_object: Option<RelatedObject>,
}

#[derive(Deserialize)]
struct RelatedObject {
    id: String,
}

#[derive(Deserialize)]
struct SnapshotData {
    object: Box<RawValue>,
}

impl TryFrom<Envelope> for Event {
    type Error = serde_json::Error;

    /// A snapshot's time is a number, that of a thin event a text (RFC 3339).
    fn try_from(envelope: Envelope) -> Result<Self, serde_json::Error> {
        let created = envelope.created.get();
        let (created, content) = if created.starts_with('"') {
            let time: DateTime<chrono::Utc> = {
                let text: String = serde_json::from_str(created)?;
                text.parse().map_err(serde::de::Error::custom)?
            };
            let thin = Content::Thin {
                related: envelope.related_object.map(|object| object.id),
                data: envelope.data.map(|data| data.get().to_owned()),
            };
            (time.timestamp(), thin)
        } else {
            let data = envelope.data.as_ref().map_or("null", |data| data.get());
            let data: SnapshotData = serde_json::from_str(data)?;
            let object = data.object.get().to_owned();
            (serde_json::from_str(created)?, Content::Snapshot(object))
        };
        Ok(Self {
            id: envelope.id,
            kind: envelope.kind,
            created,
            content,
        })
    }
}

/// Asks for a page of events with snapshots, newest first, "going back up to 30 days"; of some types
/// (at most 20) if any are given, and from a second on.
#[must_use]
pub fn list(types: &[&str], created_from: Option<i64>, after: Option<&str>) -> Read<Page<Event>> {
    let mut form = page(after);
    form.put_list("types", types);
    form.put_some("created[gte]", created_from);
    Read::new("/v1/events", form)
}

/// Asks for one event with a snapshot.
#[must_use]
pub fn get(id: &str) -> Read<Event> {
    Read::new(format!("/v1/events/{}", path_part(id)), Form::default())
}

/// Asks for one thin event, with what it says.
#[must_use]
pub fn get_thin(id: &str) -> Read<Event> {
    Read::new(
        format!("/v2/core/events/{}", path_part(id)),
        Form::default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Event, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn a_snapshot_keeps_the_text_of_its_object() {
        let json = r#"{"id":"evt_1","object":"event","type":"invoice.created","created":12,
            "data":{"object":{"total":1.10},"previous_attributes":{}},"livemode":false}"#;
        let event = read(json).expect("an event");
        assert_eq!((event.id.as_str(), event.created), ("evt_1", 12));
        assert_eq!(event.kind, "invoice.created");
        let object = Content::Snapshot(r#"{"total":1.10}"#.to_owned());
        assert_eq!(event.content, object);
    }

    #[test]
    fn a_thin_event_names_what_it_is_about() {
        let json = r#"{"id":"evt_2","object":"v2.core.event",
            "type":"v1.billing.meter.error_report_triggered",
            "created":"2026-10-01T00:00:01.500Z",
            "related_object":{"id":"mtr_1","type":"billing.meter","url":"/v1/billing/meters/mtr_1"}}"#;
        let event = read(json).expect("an event");
        assert_eq!(event.created, 1_790_812_801);
        let related = Some("mtr_1".to_owned());
        assert_eq!(
            event.content,
            Content::Thin {
                related,
                data: None
            }
        );
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for json in [
            "{}",
            r#"{"id":"e","type":"t","created":1}"#,
            r#"{"id":"e","type":"t","created":1,"data":{}}"#,
            r#"{"id":"e","type":"t","created":"yesterday"}"#,
            r#"{"id":"e","type":"t","created":1.5,"data":{"object":{}}}"#,
        ] {
            assert!(read(json).is_err(), "{json}");
        }
    }
}
