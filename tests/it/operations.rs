//! What an operator sees of a worker: metrics, log lines, traces; and results in files.

mod collector;

use crate::support::guard::repository;
use crate::support::load::broken::{bad_quantity, unknown_type, with_fault};
use crate::support::load::mix::{HOUR, now, plain};
use crate::support::load::{Form, Publisher, Usage};
use crate::support::process::{Ended, binary};
use crate::support::recount::assert_exact;
use crate::support::site::Site;
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use crate::support::worker::Worker;
use collector::Collector;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// What producers send of people, and what must be in no log line, span or metric.
const PERSONAL: [&str; 4] = [
    "+41791234567",
    "198.51.100.7",
    "2001:db8::77",
    "ada@example.org",
];

/// Events of one tenant, hours and models; few, so that a result is quickly read.
const EVENTS: u32 = 600;

#[test]
fn metrics_logs_and_traces_are_those_that_are_written_down() {
    let _turn = Turn::light();
    let collector = Collector::start();
    let mut site = Site::new("operator");
    site.set("telemetry.otlp_endpoint", &collector.endpoint());
    site.set("log.format", "\"json\"");
    site.init(2, "load");
    let publisher = site.publisher();
    (0..EVENTS).for_each(|number| publisher.send_event(plain_number(number), Form::Json));
    send_personal(&publisher);
    let worker = site.worker("worker", &[]);
    assert_exact(&site, &publisher);
    assert_metrics(&worker);
    assert!(worker.stop().success());
    assert_logs(&site.folder().join("worker.log"));
    assert_spans(&collector);
}

/// A collector that takes connections and answers nothing costs spans, not time.
#[test]
fn a_collector_that_does_not_answer_holds_nothing_up() {
    let _turn = Turn::light();
    let mut site = Site::new("deaf_collector");
    site.init(1, "load");
    let (_listener, endpoint) = collector::silent();
    site.set("telemetry.otlp_endpoint", &endpoint);
    let publisher = site.publisher();
    (0..EVENTS).for_each(|number| publisher.send_event(plain_number(number), Form::Json));
    let worker = site.worker("worker", &[]);
    assert_exact(&site, &publisher);
    assert!(worker.stop().success());
    site.meterline(&["status"]).ok();
}

#[test]
fn long_results_go_to_files_whole_or_not_at_all() {
    let _turn = Turn::light();
    let site = Site::new("results");
    site.init(1, "load");
    let publisher = site.publisher();
    (0..EVENTS).for_each(|number| publisher.send_event(plain_number(number), Form::Json));
    let _worker = site.worker("worker", &[]);
    assert_exact(&site, &publisher);
    assert_forms_agree(&site);
    assert_full_disk(&site);
}

/// The same usage in every form: JSON says what is right, Parquet is read by the engine.
fn assert_forms_agree(site: &Site) {
    let shown = ["usage", "--tenant", "operated", "--level", "hour"];
    let json = site.meterline(&[&shown[..], &["--output", "json", "--all"]].concat());
    let rows: Vec<Map<String, Value>> = serde_json::from_str(&json.ok().stdout).expect("JSON");
    assert!(rows.len() > 20, "{} rows", rows.len());
    let file = |form: &str| {
        let path = site.folder().join(format!("usage.{form}"));
        let place = [
            "--all",
            "--output",
            form,
            "--output-file",
            path.to_str().expect("text"),
        ];
        site.meterline(&[&shown[..], &place[..]].concat()).ok();
        std::fs::read(path).expect("the result is there")
    };
    let csv = String::from_utf8(file("csv")).expect("text");
    assert_eq!(csv.lines().count(), rows.len() + 1);
    let parsed: Vec<Map<String, Value>> = serde_json::from_slice(&file("json")).expect("JSON");
    assert_eq!(parsed, rows);
    let sql = site.raw_sql();
    sql.run(
        "CREATE TABLE exported (tenant String, meter String, window_start DateTime('UTC'), \
         value Decimal(38, 9), events UInt64, sealed UInt8) ENGINE = MergeTree ORDER BY tuple()",
    );
    sql.insert("INSERT INTO exported FORMAT Parquet", file("parquet"));
    let differences = format!(
        "SELECT count() FROM (SELECT tenant, meter, window_start, value, events FROM exported \
         EXCEPT SELECT tenant, meter, window_start, value, events FROM {}.usage_hourly)",
        site.sql().name()
    );
    assert_eq!(sql.number(&differences), 0);
    let count = i128::try_from(rows.len()).expect("few");
    assert_eq!(sql.number("SELECT count() FROM exported"), count);
    let refused = site.meterline(&[&shown[..], &["--output", "parquet"]].concat());
    refused.with_code(2).says(&["--output-file"]);
    let refused = site.meterline(&[&shown[..], &["--all"]].concat());
    refused
        .with_code(2)
        .says(&["--output csv, json or parquet"]);
    let refused = site.meterline(&["status", "--watch"]);
    refused.with_code(2).says(&["needs a terminal"]);
}

/// A disk that takes 512 bytes: what was there before stays, and nothing half is left.
fn assert_full_disk(site: &Site) {
    let folder = site.folder().join("full");
    std::fs::create_dir(&folder).expect("a folder");
    let config = site.settings("full.toml", &[]);
    for form in ["csv", "json", "parquet"] {
        let path = folder.join(format!("usage.{form}"));
        std::fs::write(&path, "before").expect("written");
        // The limit's signal is ignored, so that writing fails as it does on a full disk.
        let limited = "trap '' XFSZ; ulimit -f 1; exec \"$@\"";
        let ended = Ended::of(
            Command::new("sh")
                .args(["-c", limited, "sh"])
                .arg(binary())
                .arg("--config")
                .arg(&config)
                .args(["usage", "--tenant", "operated", "--level", "hour", "--all"])
                .args(["--output", form, "--output-file"])
                .arg(&path),
        );
        let name = path.to_str().expect("a text");
        let ended = ended.with_code(1);
        ended.says(&["failed to write", name, "File too large"]);
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "before");
    }
    let left = std::fs::read_dir(&folder).expect("a folder").count();
    assert_eq!(left, 3, "no temporary file is left");
}

fn plain_number(number: u32) -> Usage {
    let hours = i64::from(number % 40) * HOUR;
    plain("operated", &format!("e{number}"), now() - hours)
}

/// Events about people, good and broken in several ways.
fn send_personal(publisher: &Publisher) {
    let [phone, address, address6, mail] = PERSONAL;
    let usage = |id: &str| {
        let mut usage = plain(phone, &format!("{id}-{address}-{address6}"), now());
        usage.source = format!("//{address}/{mail}");
        usage
            .properties
            .push(("caller".to_owned(), phone.to_owned()));
        usage
    };
    let encoder = publisher.encoder();
    publisher.send_event(usage("good"), Form::Json);
    publisher.send_event(usage("avro"), Form::Avro);
    publisher.send(&unknown_type(usage("type"), encoder));
    publisher.send(&bad_quantity(
        usage("quantity"),
        &format!("\"tel:{phone}\""),
    ));
    let mut late = usage("late");
    late.time -= 60 * 24 * HOUR;
    publisher.send_event(late, Form::Json);
    let mut long = usage("long");
    long.id = address.repeat(100);
    publisher.send(&with_fault(long, "bad_id", encoder));
}

fn assert_nothing_personal(what: &str, text: &str) {
    for personal in PERSONAL {
        assert!(!text.contains(personal), "{personal} is in {what}");
    }
}

/// The cells of the first column of the tables below a heading, without their marks.
fn listed(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|line| line.split('|').nth(1));
    let names = cells.flat_map(|cell| cell.split(", "));
    names
        .map(|name| name.trim().trim_matches('`').to_owned())
        .collect()
}

fn observability(file: &str) -> String {
    let path = repository().join("deploy/observability").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn assert_metrics(worker: &Worker) {
    let listed = listed(&observability("METRICS.md"));
    let text = until("the client's statistics", SOON, || {
        let text = worker.text_of("/metrics");
        let is_there = text.contains("\nmeterline_kafka_consumer_brokers_up 1");
        is_there.then_some(text.clone()).ok_or(text)
    });
    assert_nothing_personal("the metrics", &text);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let endings = ["_bucket", "_sum", "_count"];
        let base = endings.iter().find_map(|end| name.strip_suffix(end));
        let is_listed = listed.contains(name) || base.is_some_and(|name| listed.contains(name));
        assert!(is_listed, "{name} is not in METRICS.md");
    }
    for part in [
        "meterline_ready 1",
        "meterline_rollup_partitions{state=\"running\"} 2",
        "reason=\"no_meter\"} 1",
        "meterline_need_failing_seconds{need=\"clickhouse\"} 0",
        "meterline_rollup_rebalances_total{change=\"assigned\"}",
        "meterline_rollup_batch_seconds_count",
        "process_resident_memory_bytes",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

fn assert_logs(log: &Path) {
    let list = observability("LOGS.md");
    let listed = listed(&list);
    let text = std::fs::read_to_string(log).expect("the worker's log");
    assert_nothing_personal("the log", &text);
    let mut said = BTreeSet::new();
    for line in text.lines() {
        let line: Map<String, Value> =
            serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}"));
        for field in line.keys() {
            assert!(
                listed.contains(field),
                "the field {field} is not in LOGS.md"
            );
        }
        let message = line["message"].as_str().expect("a text").to_owned();
        assert!(
            list.contains(&format!("`{message}`")),
            "`{message}` is not in LOGS.md"
        );
        said.insert(message);
    }
    for message in [
        "partition loaded",
        "partition drained",
        "serving health and metrics",
    ] {
        assert!(said.contains(message), "{message} was not said: {said:?}");
    }
}

fn assert_spans(collector: &Collector) {
    let expected = [
        "checkpoint",
        "command",
        "flush",
        "load",
        "place",
        "publish_manifest",
        "rebalance",
        "write_run",
    ];
    collector.look(|taken| {
        let names: BTreeSet<&str> = taken.spans.iter().map(|span| span.name.as_str()).collect();
        for name in expected {
            assert!(names.contains(name), "no span {name}: {names:?}");
        }
        let flush = taken.spans.iter().find(|span| span.name == "flush");
        let flush = flush.expect("it is there");
        let keys: BTreeSet<&str> = flush.attributes.iter().map(|a| a.key.as_str()).collect();
        assert!(
            keys.is_superset(&["lane", "partition", "rows"].into()),
            "{keys:?}"
        );
        let write = taken.spans.iter().find(|span| span.name == "write_run");
        let parent = &write.expect("it is there").parent_span_id;
        let checkpoint = taken.spans.iter().find(|span| span.span_id == *parent);
        assert_eq!(
            checkpoint.map(|span| span.name.as_str()),
            Some("checkpoint")
        );
        assert_nothing_personal("the spans", &String::from_utf8_lossy(&taken.bytes));
    });
}
