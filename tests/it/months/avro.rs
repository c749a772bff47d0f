//! Avro values of the log as the CloudEvents that they stand for, by neither the core nor the
//! catalog: then one SQL judges all record forms.

use crate::support::avro::single_object_frame;
use crate::support::published::{USAGE_EVENT, of_avro};
use apache_avro::Schema;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value, json};

/// The id of `UsageEvent` in the Confluent frame.
pub(super) const CONFLUENT_ID: u8 = 7;

/// Reads Avro values of the log.
pub(super) struct Reader {
    schema: Schema,
    /// Names of the forms, and what their values begin with.
    frames: [(&'static str, Vec<u8>); 2],
}

impl Reader {
    pub(super) fn new() -> Self {
        let confluent = vec![0, 0, 0, 0, CONFLUENT_ID];
        Self {
            schema: Schema::parse_str(USAGE_EVENT).expect("the schema is Avro"),
            frames: [
                ("avro", single_object_frame(USAGE_EVENT)),
                ("confluent", confluent),
            ],
        }
    }

    /// The form's name and the event as structured JSON; `None` for a value of no known frame.
    pub(super) fn event(&self, value: &[u8]) -> Option<(&'static str, String)> {
        let datum = |(form, frame): &(&'static str, Vec<u8>)| {
            value.strip_prefix(&frame[..]).map(|datum| (*form, datum))
        };
        let (form, datum) = self.frames.iter().find_map(datum)?;
        let usage = of_avro(&self.schema, datum);
        let properties = usage.properties.into_iter();
        let mut data: Map<String, Value> = properties.map(|(k, v)| (k, v.into())).collect();
        if let Some(raw) = usage.quantity {
            let (whole, fraction) = (raw / 1_000_000_000, raw % 1_000_000_000);
            data.insert("quantity".into(), format!("{whole}.{fraction:09}").into());
        }
        let time = DateTime::from_timestamp_micros(usage.time).expect("a time");
        let event = json!({
            "specversion": "1.0",
            "id": usage.id,
            "source": usage.source,
            "type": usage.kind,
            "subject": usage.tenant,
            "time": time.to_rfc3339_opts(SecondsFormat::Micros, true),
            "data": data,
        });
        Some((form, event.to_string()))
    }
}
