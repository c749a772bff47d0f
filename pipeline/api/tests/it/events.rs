//! Ingest: what is answered 202 is in the log, in its tenant's partition.

use crate::site::{PARTITIONS, Site, TIMEOUT};
use meterline_core::hash::partition_of;
use meterline_kafka::{ReadError, Reader};
use serde_json::{Value, json};
use std::time::SystemTime;

/// The moment, as RFC 3339.
fn now() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let micros = since.expect("after 1970").as_micros();
    let micros = i64::try_from(micros).expect("before the end of time");
    meterline_core::time::EventTime(micros).to_string()
}

fn event(id: Option<&str>, tenant: &str) -> Value {
    let mut event = json!({
        "specversion": "1.0", "source": "//test", "type": "call",
        "subject": tenant, "time": now(), "data": {"quantity": 1},
    });
    if let Some(id) = id {
        event["id"] = json!(id);
    }
    event
}

/// Partition, key and value of everything on `usage.events`.
fn published(site: &Site) -> Vec<(u32, String, Value)> {
    let mut reader = Reader::connect(&site.kafka, "test").expect("a client");
    let topic = site.kafka.topics().usage_events();
    let mut records = Vec::new();
    for partition in 0..PARTITIONS {
        let read = reader.read_to_end(&topic, partition, 0, TIMEOUT, |record| {
            let text =
                |bytes: Option<Vec<u8>>| String::from_utf8(bytes.expect("there")).expect("text");
            let value = serde_json::from_str(&text(record.payload)).expect("JSON");
            records.push((partition, text(record.key), value));
            Ok::<_, ReadError>(())
        });
        read.expect("read");
    }
    records
}

#[test]
fn acknowledged_events_are_in_their_tenants_partition() {
    let site = Site::new();
    let api = site.start_ready();
    let batch = json!([
        event(Some("e1"), "acme"),
        event(None, "beta"),
        event(Some("e3"), "gamma"),
        {"specversion": "1.0"},
    ]);
    for _ in 0..2 {
        let request = api
            .request("POST", "/v1/events")
            .header("content-type", "application/cloudevents-batch+json")
            .header("idempotency-key", "call-1")
            .body(batch.to_string());
        let (status, answer) = api.send(request);
        assert_eq!(status, 207, "{answer}");
        assert_eq!(
            (&answer["accepted"], &answer["rejected"]),
            (&json!(3), &json!(1))
        );
        assert_eq!(answer["results"][1]["id"], json!("call-1-1"));
        assert_eq!(answer["results"][3]["reason"], json!("missing_source"));
    }
    let mut records = published(&site);
    assert_eq!(records.len(), 6, "both calls are in the log");
    for (partition, key, value) in &records {
        assert_eq!(*partition, partition_of(key.as_bytes(), PARTITIONS));
        assert_eq!(value["subject"], json!(key));
    }
    // The second call has the same identities: it is counted once.
    records.sort_by_key(|(_, key, value)| (key.clone(), value["id"].to_string()));
    records.dedup_by_key(|(_, key, value)| (key.clone(), value["id"].to_string()));
    assert_eq!(records.len(), 3);
}

#[test]
fn one_event_and_lines_are_answered_202() {
    let site = Site::new();
    let api = site.start_ready();
    let lines = format!(
        "{}\n{}\n",
        event(Some("l1"), "acme"),
        event(Some("l2"), "beta")
    );
    for (media_type, body, count) in [
        (
            "application/cloudevents+json",
            event(Some("o1"), "acme").to_string(),
            1,
        ),
        ("application/x-ndjson", lines, 2),
    ] {
        let request = api
            .request("POST", "/v1/events")
            .header("content-type", media_type)
            .body(body);
        let (status, answer) = api.send(request);
        assert_eq!(
            (status, &answer["accepted"]),
            (202, &json!(count)),
            "{answer}"
        );
    }
    assert_eq!(published(&site).len(), 3);
}
