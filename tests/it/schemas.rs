//! Writer schemas: added from a file or a real registry, kept, and events by them counted.

use crate::support::load::encode::WRITER_SCHEMA;
use crate::support::load::mix::{now, plain};
use crate::support::load::{Form, Outgoing, Publisher, Sent, Usage};
use crate::support::recount::assert_exact;
use crate::support::registry::Registry;
use crate::support::site::{Site, catalog_file};
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use serde_json::{Value, json};
use std::collections::HashMap;

const PARTITIONS: u32 = 2;

#[test]
fn events_by_a_schema_that_is_added_later_are_replayed_and_counted() {
    let _turn = Turn::light();
    let site = Site::new("late_schema");
    site.init(PARTITIONS, "load");
    let registry = Registry::start(site.folder());
    let (subject, whole) = ("acme-usage", with_reference(&registry));
    let id = registry.register(subject, &whole, &reference());
    let publisher = site.publisher();
    let worker = site.worker("worker", &[]);
    publisher.send_event(usage(0), Form::Json);
    let sent = send_framed(&publisher, id);
    assert_exact(&site, &publisher);

    // By an id that nobody knows, nothing is published.
    let url = registry.url().to_owned();
    let before = versions(&site);
    site.meterline(&add(&url, &["--id", "999999"]))
        .with_code(1)
        .says(&["has no schema 999999 (code 40403)"]);
    site.meterline(&add(&url, &["--subject", "nobody"]))
        .with_code(1)
        .says(&["has no version latest of subject `nobody` (code 40401)"]);
    assert_eq!(versions(&site), before);

    site.meterline(&add(&url, &["--subject", subject]))
        .ok()
        .says(&["catalog version 2 is in force"]);
    site.meterline(&add(&url, &["--id", &id.to_string()]))
        .ok()
        .says(&["catalog version 2 says the same"]);
    site.meterline(&["dead-letters", "replay", "--reason", "unknown_schema"])
        .ok()
        .says(&[&format!("{} replayed", sent.len())]);
    book_replays(&site, &publisher, &sent);
    // The registry is away: only adding notices.
    drop(registry);
    send_framed_known(&publisher, id);
    assert_exact(&site, &publisher);
    site.meterline(&add(&url, &["--id", "1"]))
        .with_code(1)
        .says(&["it cannot be reached; check --registry"]);
    taken_over(&site, id);
    assert!(worker.stop().success());
}

/// A catalog file that lacks the schema takes it over, and says so.
fn taken_over(site: &Site, id: u32) {
    let text = std::fs::read_to_string(catalog_file("load")).expect("the catalog is there");
    let file = site.folder().join("changed.yaml");
    let changed = text.replacen("lateness:", "lateness: 6m #", 1);
    let changed = if changed == text {
        format!("lateness: 6m\n{text}")
    } else {
        changed
    };
    std::fs::write(&file, changed).expect("a file can be written");
    let file = file.to_str().expect("paths are text");
    let ids = |site: &Site| -> Vec<Value> {
        let ended = site
            .meterline(&["catalog", "schema", "list", "--output", "json"])
            .ok();
        let rows: Vec<Value> = serde_json::from_str(&ended.stdout).expect("rows");
        rows.iter().map(|row| row["confluent_id"].clone()).collect()
    };
    site.meterline(&["catalog", "apply", file])
        .ok()
        .says(&["1 writer schemas that", "are taken over"]);
    assert!(ids(site).contains(&json!(id)), "{:?}", ids(site));
    site.meterline(&["catalog", "apply", file, "--drop-schemas"])
        .ok();
    assert!(!ids(site).contains(&json!(id)), "{:?}", ids(site));
}

#[test]
fn schemas_that_cannot_be_read_are_refused_with_the_field() {
    let _turn = Turn::light();
    let site = Site::new("refused_schema");
    site.init(1, "load");
    let before = versions(&site);
    let time = r#"{"type":"long","logicalType":"timestamp-millis"}"#;
    let replaced = |from: &str, to: &str| {
        let text = WRITER_SCHEMA.replacen(from, to, 1);
        assert_ne!(text, WRITER_SCHEMA, "{from}");
        text
    };
    let quantity = r#"["null",{"type":"bytes","logicalType":"decimal","precision":20,"scale":3}]"#;
    let twice = r#""name":"customer","aliases":["tenant"],"type":"string"},{"name":"account","aliases":["tenant"]"#;
    let cases = [
        (
            replaced(quantity, "\"double\""),
            "field `quantity`: a double cannot hold",
        ),
        (
            replaced(time, "\"long\""),
            "field `time`: long is not a time",
        ),
        (
            replaced("\"name\":\"tenant\"", "\"name\":\"customer\""),
            "no field `tenant`",
        ),
        (
            replaced("\"name\":\"tenant\"", twice),
            "the fields `customer` and `account` both have the alias `tenant`",
        ),
        ("{".to_owned(), "refused: "),
    ];
    for (text, reason) in cases {
        let file = site.folder().join("schema.avsc");
        std::fs::write(&file, text).expect("a file can be written");
        let file = file.to_str().expect("paths are text");
        site.meterline(&["catalog", "schema", "add", file, "--confluent-id", "8"])
            .with_code(1)
            .says(&["the writer schema is refused: ", reason]);
    }
    // The id of a schema that the catalog has means that one for ever.
    let file = site.folder().join("other.avsc");
    std::fs::write(&file, replaced("Metered", "Other")).expect("a file can be written");
    let file = file.to_str().expect("paths are text");
    site.meterline(&["catalog", "schema", "add", file, "--confluent-id", "77"])
        .with_code(1)
        .says(&["77"]);
    assert_eq!(versions(&site), before, "nothing was published");
    site.meterline(&["catalog", "schema", "add", file, "--wait"])
        .ok()
        .says(&["catalog version 2 is placed in all 1 partitions"]);
}

#[test]
fn events_of_a_producer_that_renamed_a_field_are_counted() {
    const ID: u32 = 78;
    let _turn = Turn::light();
    let site = Site::new("renamed_field");
    site.init(PARTITIONS, "load");
    let renamed = r#""name":"customer","aliases":["tenant"]"#;
    let text = WRITER_SCHEMA.replacen("\"name\":\"tenant\"", renamed, 1);
    assert_ne!(text, WRITER_SCHEMA);
    let file = site.folder().join("renamed.avsc");
    std::fs::write(&file, text).expect("a file can be written");
    let (file, id) = (file.to_str().expect("paths are text"), ID.to_string());
    let add = ["catalog", "schema", "add", file, "--confluent-id", &id];
    site.meterline(&[&add[..], &["--wait"]].concat()).ok();
    let publisher = site.publisher();
    let worker = site.worker("worker", &[]);
    send_framed_known(&publisher, ID);
    assert_exact(&site, &publisher);
    assert!(worker.stop().success());
}

/// Arguments that add a schema from a registry.
fn add<'a>(url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["catalog", "schema", "add", "--registry", url], more].concat()
}

/// End of the control log.
fn versions(site: &Site) -> i64 {
    site.kafka().ends(&site.topic("meterline.control"), 0).1
}

fn reference() -> Value {
    json!([{"name": "acme.Build", "subject": "acme-build", "version": 1}])
}

/// [`WRITER_SCHEMA`] with one of its types by reference: the encoding is the same.
fn with_reference(registry: &Registry) -> String {
    let build = r#"{"type":"record","name":"Build","namespace":"acme","fields":[{"name":"number","type":"int"}]}"#;
    registry.register("acme-build", build, &json!([]));
    let text = WRITER_SCHEMA.replacen(
        r#"{"name":"build","type":"int"}"#,
        r#"{"name":"build","type":"acme.Build"}"#,
        1,
    );
    assert_ne!(text, WRITER_SCHEMA);
    text
}

/// An event in the Confluent frame under this id.
fn framed(publisher: &Publisher, usage: Usage, id: u32, fault: &'static str) -> Outgoing {
    let mut outgoing = publisher.encoder().record(usage, Form::Confluent);
    let value = outgoing
        .encoded
        .value
        .as_mut()
        .expect("an event has a value");
    value[1..5].copy_from_slice(&id.to_be_bytes());
    outgoing.fault = fault;
    outgoing
}

fn usage(number: usize) -> Usage {
    let whole_milliseconds = now() / 1_000 * 1_000;
    plain(
        &format!("tenant-{}", number % 7),
        &format!("framed-{number}"),
        whole_milliseconds,
    )
}

/// Sends events by a schema that the catalog lacks; returns them by their bytes.
fn send_framed(publisher: &Publisher, id: u32) -> HashMap<Vec<u8>, Usage> {
    let mut sent = HashMap::new();
    for number in 1..40 {
        let outgoing = framed(publisher, usage(number), id, "unknown_schema");
        publisher.send(&outgoing);
        let value = outgoing.encoded.value.expect("an event has a value");
        sent.insert(value, outgoing.usage);
    }
    publisher.flush();
    sent
}

fn send_framed_known(publisher: &Publisher, id: u32) {
    for number in 40..60 {
        publisher.send(&framed(publisher, usage(number), id, ""));
    }
    publisher.flush();
}

/// Takes what was replayed into the books: the same bytes, at their new places.
fn book_replays(site: &Site, publisher: &Publisher, sent: &HashMap<Vec<u8>, Usage>) {
    let replayed = until("the replayed events", SOON, || {
        let mut records = site.kafka().read_all(&site.usage_topic());
        records.retain(|record| record.header("meterline-replay").is_some());
        let count = records.len();
        (count == sent.len()).then_some(records).ok_or(count)
    });
    for record in replayed {
        publisher.book(&Sent {
            log_partition: record.partition,
            offset: record.offset,
            append_time: record.append_time,
            form: Form::Confluent.name(),
            fault: "",
            usage: &sent[&record.value],
        });
    }
}
