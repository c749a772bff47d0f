//! What somebody else published: read back from the log, decoded without the core, counted again.

use super::avro::single_object_frame;
use super::kafka::LogRecord;
use super::load::broken::home;
use super::load::{Raw, Sent, Usage};
use super::recount::differences;
use super::site::Site;
use apache_avro::Schema;
use apache_avro::types::Value;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) const USAGE_EVENT: &str = include_str!("../../../schemas/avro/usage_event.avsc");

/// How long a worker may take to finish what is in the log.
const COMPLETE: Duration = Duration::from_secs(60);

/// A usage event, and where it lies.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    append_time: i64,
    form: &'static str,
    pub(crate) usage: Usage,
}

/// All usage events that the installation's log delivers, without Meterline's own records.
pub(crate) fn published(site: &Site) -> Vec<Found> {
    let schema = Schema::parse_str(USAGE_EVENT).expect("the schema is Avro");
    let frame = single_object_frame(USAGE_EVENT);
    let records = site.kafka().read_all(&site.usage_topic());
    let events = records
        .into_iter()
        .filter(|record| record.header("meterline-control").is_none());
    events
        .map(|record| found(&record, &schema, &frame))
        .collect()
}

/// The different ids among events.
pub(crate) fn ids(found: &[Found]) -> BTreeSet<&str> {
    found.iter().map(|f| f.usage.id.as_str()).collect()
}

/// Waits until everything found is complete, counts it again, and compares. The books of a
/// publisher, where there was one, give way to what the log has.
///
/// # Panics
/// With the first differences, where there are any.
pub(crate) fn assert_counted(site: &Site, found: &[Found]) {
    site.raw_sql().drop_database();
    let mut raw = Raw::create(site.raw_sql(), site.folder());
    let partitions = u32::try_from(site.kafka().partitions(&site.usage_topic())).expect("few");
    for event in found {
        let is_home = u32::try_from(event.partition) == Ok(home(&event.usage.tenant, partitions));
        raw.push(&Sent {
            log_partition: event.partition,
            offset: event.offset,
            append_time: event.append_time,
            form: event.form,
            fault: if is_home { "" } else { "wrong_partition" },
            usage: &event.usage,
        });
    }
    raw.close();
    site.wait_complete(&raw.ends(), COMPLETE);
    let differences = differences(site);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn found(record: &LogRecord, schema: &Schema, frame: &[u8]) -> Found {
    let (form, usage) = match record.value.strip_prefix(frame) {
        Some(datum) => ("avro", of_avro(schema, datum)),
        None => ("json", of_json(&record.value)),
    };
    assert_eq!(
        record.key,
        usage.tenant.as_bytes(),
        "events are keyed by tenant"
    );
    Found {
        partition: record.partition,
        offset: record.offset,
        append_time: record.append_time,
        form,
        usage,
    }
}

/// The event of an Avro value by [`USAGE_EVENT`].
pub(crate) fn of_avro(schema: &Schema, mut datum: &[u8]) -> Usage {
    let value = apache_avro::from_avro_datum(schema, &mut datum, None).expect("a usage event");
    let Value::Record(fields) = value else {
        panic!("events are records: {value:?}");
    };
    let mut fields: BTreeMap<String, Value> = fields.into_iter().collect();
    let mut take = |name: &str| fields.remove(name).expect("the schema has it");
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => panic!("no text: {other:?}"),
    };
    let Value::TimestampMicros(time) = take("time") else {
        panic!("time is in microseconds");
    };
    let quantity = match take("quantity") {
        Value::Union(1, decimal) => Some(raw_of_decimal(&decimal)),
        _ => None,
    };
    let Value::Map(properties) = take("properties") else {
        panic!("properties are a map");
    };
    Usage {
        id: text(take("id")),
        source: text(take("source")),
        kind: text(take("type")),
        tenant: text(take("tenant")),
        time,
        quantity,
        properties: properties.into_iter().map(|(k, v)| (k, text(v))).collect(),
    }
}

/// Units of 10⁻⁹: the schema's scale is 9.
fn raw_of_decimal(value: &Value) -> i128 {
    let Value::Decimal(decimal) = value else {
        panic!("no decimal: {value:?}");
    };
    let bytes: Vec<u8> = decimal.try_into().expect("a decimal is bytes");
    let sign = if bytes.first().is_some_and(|b| b & 0x80 != 0) {
        -1
    } else {
        0
    };
    bytes
        .iter()
        .fold(sign, |raw: i128, byte| (raw << 8) | i128::from(*byte))
}

fn of_json(value: &[u8]) -> Usage {
    let event: Json = serde_json::from_slice(value).expect("a CloudEvent");
    let text = |value: &Json| value.as_str().expect("a text").to_owned();
    let time = chrono::DateTime::parse_from_rfc3339(&text(&event["time"])).expect("a time");
    let mut properties = event["data"].as_object().expect("an object").clone();
    let quantity = properties
        .remove("quantity")
        .map(|q| raw_of_text(&scalar(&q)));
    Usage {
        id: text(&event["id"]),
        source: text(&event["source"]),
        kind: text(&event["type"]),
        tenant: text(&event["subject"]),
        time: time.timestamp_micros(),
        quantity,
        properties: properties
            .iter()
            .map(|(k, v)| (k.clone(), scalar(v)))
            .collect(),
    }
}

/// The text of a scalar, as its producer wrote it.
fn scalar(value: &Json) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Units of 10⁻⁹ of a decimal number without sign or exponent, as the examples write them.
fn raw_of_text(text: &str) -> i128 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{fraction:0<9}")
        .parse()
        .expect("a number of up to 9 decimals")
}
