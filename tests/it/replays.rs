//! Dead letters published again: counted exactly, and each at most once.

use crate::support::kafka::LogRecord;
use crate::support::load::broken::elsewhere;
use crate::support::load::mix::{MINUTE, now, plain};
use crate::support::load::{Encoder, Form, Publisher, Raw};
use crate::support::published::{assert_counted, published};
use crate::support::site::Site;
use crate::support::totals::read;
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Child;

/// Tenants enough that every partition gets some of each partitioner.
const TENANTS: i64 = 60;

#[test]
fn a_crc32_producer_is_replayed_and_counted_exactly() {
    let _turn = Turn::light();
    let site = Site::new("crc32");
    site.init(3, "load");
    let worker = site.worker("worker", &[]);
    let sent = send_with_crc32(&site, 600);
    let letters = wait_letters(&site, |letters| letters > 100);
    assert!(letters < sent, "some tenants were in their partition");
    let all = ["dead-letters", "replay", "--reason", "wrong_partition"];
    let json = ["--output", "json", "--yes"];

    let dry = rows(&site, &[&all[..], &json, &["--dry-run"]].concat());
    assert!(dry.iter().all(|row| row["outcome"] == "would_replay"));
    assert_eq!(replayed(&site).len(), 0, "a dry run writes nothing");

    let note = ["--actor", "ann", "--note", "wrong partitioner"];
    let done = rows(&site, &[&all[..], &json, &note].concat());
    assert_eq!(done.len(), letters);
    assert_eq!(dry.len(), letters);
    assert!(
        done.iter()
            .all(|row| row["outcome"] == "replayed" && row["copy"] == "log")
    );
    site.meterline(&[&all[..], &json].concat())
        .ok()
        .says(&["0 replayed", &format!("{letters} were replayed before")]);
    let name = done[0]["letter"].as_str().expect("a letter has a name");
    site.meterline(&["dead-letters", "replay", name])
        .ok()
        .says(&["it was replayed already, to "]);
    site.meterline(&["dead-letters", "show", name]).ok().says(&[
        "wrong_partition",
        "by ann to ",
        "(from the log): wrong partitioner",
    ]);
    assert_once(&site, letters);
    assert_counted(&site, &published(&site));
    purged(&site, name, letters);
    assert!(worker.stop().success());
}

/// Only what was replayed is purged, unless more is asked for; the letters stay.
fn purged(site: &Site, name: &str, letters: usize) {
    site.meterline(&["dead-letters", "purge", "--yes"])
        .with_code(2);
    let purge = ["dead-letters", "purge", "--reason", "wrong_partition"];
    let asked = site.meterline(&purge).ok();
    asked.says(&[&format!("{letters} replayed dead letters would be purged")]);
    assert_eq!(holding(site), letters);
    let why = ["--yes", "--actor", "bob", "--note", "asked for"];
    site.meterline(&[&purge[..], &why].concat())
        .ok()
        .says(&[&format!("{letters} replayed dead letters are purged")]);
    assert_eq!(holding(site), 0);
    assert_eq!(letters_now(site), letters, "what was rejected stays so");
    site.meterline(&["dead-letters", "list"])
        .ok()
        .says(&["no dead letter; "]);
    let list = ["dead-letters", "list", "--purged", "--output", "json"];
    assert_eq!(rows(site, &list).len(), letters.min(50));
    site.meterline(&["dead-letters", "show", name])
        .ok()
        .says(&["by bob: asked for", "wrong_partition"]);
}

/// Letters that hold something of their records.
fn holding(site: &Site) -> usize {
    let sql = "SELECT count() FROM dead_letters FINAL WHERE original != '' OR key != ''";
    usize::try_from(site.sql().number(sql)).expect("a count")
}

#[test]
fn a_run_takes_the_letters_of_its_beginning_and_not_its_own() {
    let _turn = Turn::light();
    let site = Site::new("replayed_once");
    site.init(2, "load");
    let worker = site.worker("worker", &[]);
    let publisher = site.publisher();
    for number in 0..300 {
        let time = now() - 40 * 24 * 60 * MINUTE;
        let late = plain(&format!("t{}", number % TENANTS), &number.to_string(), time);
        publisher.send_event(late, Form::Json);
    }
    publisher.flush();
    wait_letters(&site, |letters| letters == 300);
    // The second page is read when what the first one published is rejected again.
    let held = site.fault("hold", "ORDER BY log_time, topic_id", &json!({"skip": 1}));
    let run = site.start(&["dead-letters", "replay", "--all", "--yes"]);
    held.wait_held(1);
    // Not to the log's very end: a transaction's mark lies there until the next record.
    until("the letters of the first page", SOON, || {
        let letters = letters_now(&site);
        (letters == 500).then_some(()).ok_or(letters)
    });
    drop(held);
    let ended = run.wait_with_output().expect("a child can be waited for");
    let error = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{error}");
    assert_once(&site, 300);
    wait_letters(&site, |letters| letters == 600);
    assert!(worker.stop().success());
}

#[test]
fn nothing_replays_twice_by_killed_and_racing_commands() {
    let _turn = Turn::light();
    let site = Site::new("raced");
    site.init(3, "load");
    let worker = site.worker("worker", &[]);
    let encoder = Encoder::new();
    let publisher = site.publisher();
    for number in 0..1_500 {
        let usage = plain(
            &format!("t{}", number % TENANTS),
            &number.to_string(),
            now(),
        );
        publisher.send(&elsewhere(usage, 3, &encoder));
    }
    publisher.flush();
    let letters = wait_letters(&site, |letters| letters == 1_500);
    let all = ["dead-letters", "replay", "--all", "--yes"];

    // Killed when two batches are in the log, and nothing of them is in the table.
    let held = site.fault("hold", "ORDER BY log_time, topic_id", &json!({"skip": 2}));
    let mut killed = site.start(&all);
    held.wait_held(1);
    killed.kill().expect("a child can be killed");
    killed.wait().expect("a child can be waited for");
    drop(held);
    let projected = "SELECT count() FROM dead_letter_replays FINAL";
    assert_eq!(
        site.sql().number(projected),
        0,
        "it was killed before its end"
    );
    assert_eq!(replayed(&site).len(), 400);

    // Two at once: the later takes over, the other ends; a third finds what is left.
    let racing = [site.start(&all), site.start(&all)];
    let codes: Vec<Option<i32>> = racing.into_iter().map(finished).collect();
    assert!(codes.contains(&Some(0)), "{codes:?}");
    site.meterline(&all).ok();
    assert_once(&site, letters);
    assert_eq!(site.sql().number(projected), 1_500);
    assert_counted(&site, &published(&site));
    assert!(worker.stop().success());
}

/// Exit code of a command whose output nobody reads: it is small.
fn finished(child: Child) -> Option<i32> {
    let output = child.wait_with_output().expect("a child can be waited for");
    output.status.code()
}

#[test]
fn what_cannot_be_replayed_is_said_and_left() {
    let _turn = Turn::light();
    let site = Site::new("unreplayable");
    site.init(1, "load");
    let worker = site.worker("worker", &[]);
    let publisher = site.publisher();
    let kafka = site.kafka();
    let topic = site.usage_topic();
    kafka.append(&topic, 0, &[("meterline-control", b"0:00")]);
    let mut late = plain("acme", "late", now() - 40 * 24 * 60 * MINUTE);
    publisher.send_event(late.clone(), Form::Json);
    late.id = "large".to_owned();
    late.properties = vec![("padding".to_owned(), "x".repeat(70 << 10))];
    publisher.send_event(late.clone(), Form::Json);
    let mut broken = publisher.encoder().record(late, Form::Json);
    broken.encoded.value = Some(b"{\"\x1b[2J\xff".to_vec());
    publisher.send(&broken);
    publisher.flush();
    wait_letters(&site, |letters| letters == 4);
    // The log forgets them all: the small one is whole in its letter, the large one is cut.
    let (_, end) = kafka.ends(&topic, 0);
    kafka.delete_records(&topic, 0, end);
    let arguments = ["dead-letters", "replay", "--all", "--output", "json"];
    let done = rows(&site, &arguments);
    let outcome = |row: &Value| row["outcome"].as_str().map(str::to_owned);
    let outcomes: Vec<_> = done.iter().filter_map(outcome).collect();
    assert_eq!(outcomes.len(), 4, "{done:?}");
    for expected in ["bad_pointer", "replayed", "original_gone", "unreadable"] {
        assert!(
            outcomes.iter().any(|o| o == expected),
            "{expected}: {done:?}"
        );
    }
    // Replayed from its letter, and refused again by the fold: a letter of its own.
    let again = replayed(&site);
    assert_eq!(again.len(), 1);
    wait_letters(&site, |letters| letters == 5);
    let shown = site
        .sql()
        .run("SELECT DISTINCT reason FROM dead_letters ORDER BY reason");
    assert_eq!(shown, "bad_pointer\nmalformed\ntoo_late\n");
    let broken = done.iter().find(|row| row["outcome"] == "unreadable");
    let name = broken.expect("it is there")["letter"]
        .as_str()
        .expect("a name");
    let shown = site.meterline(&["dead-letters", "show", name]).ok();
    assert!(!shown.stdout.contains('\x1b'), "{shown}");
    shown.says(&["7b221b5b324aff"]);
    let malformed = ["--reason", "malformed", "--unreplayed", "--yes"];
    site.meterline(&[&["dead-letters", "purge"], &malformed[..]].concat())
        .ok()
        .says(&["1 dead letters are purged"]);
    let refused = site.meterline(&["dead-letters", "replay", name]);
    refused.with_code(1).says(&["it was purged: "]);
    assert!(worker.stop().success());
}

/// Sends events as librdkafka's own default partitioner does.
fn send_with_crc32(site: &Site, count: i64) -> usize {
    let raw = Raw::create(site.sql().database("crc32_books"), site.folder());
    let producer = Publisher::with_crc32(&site.kafka(), &site.usage_topic(), raw);
    for number in 0..count {
        let tenant = format!("tenant-{}", number % TENANTS);
        producer.send_event(plain(&tenant, &number.to_string(), now()), Form::Json);
    }
    producer.flush();
    usize::try_from(count).expect("a count")
}

fn letters_now(site: &Site) -> usize {
    let sql = "SELECT count() FROM dead_letters FINAL";
    usize::try_from(site.sql().number(sql)).expect("a count")
}

/// Waits until all records so far are judged, and the letters are as many as they should be.
fn wait_letters(site: &Site, is_right: impl Fn(usize) -> bool) -> usize {
    let kafka = site.kafka();
    let topic = site.usage_topic();
    let ends = (0..kafka.partitions(&topic)).map(|p| (p, kafka.ends(&topic, p).1));
    site.wait_complete(&ends.filter(|(_, end)| *end > 0).collect(), SOON);
    until("the letters", SOON, || {
        let letters = letters_now(site);
        is_right(letters).then_some(letters).ok_or(letters)
    })
}

/// Records of the usage log that were replayed.
fn replayed(site: &Site) -> Vec<LogRecord> {
    let records = site.kafka().read_all(&site.usage_topic());
    let of_letter = |record: &LogRecord| record.header("meterline-replay").is_some();
    records.into_iter().filter(of_letter).collect()
}

/// Every letter is in the log again once, with one marker.
fn assert_once(site: &Site, letters: usize) {
    let records = replayed(site);
    assert_eq!(records.len(), letters);
    let names = records.iter().filter_map(|r| r.header("meterline-replay"));
    assert_eq!(names.collect::<BTreeSet<_>>().len(), letters);
    let of_replay = |record: &crate::support::totals::Decoded| record.name == "DeadLetterReplay";
    let markers: Vec<_> = read(site, "usage.dead-letter")
        .into_iter()
        .filter(of_replay)
        .map(|m| (m.number("partition"), m.number("offset")))
        .collect();
    assert_eq!(markers.len(), letters);
    assert_eq!(markers.iter().collect::<BTreeSet<_>>().len(), letters);
}

fn rows(site: &Site, arguments: &[&str]) -> Vec<Value> {
    let ended = site.meterline(arguments).ok();
    serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {ended}"))
}
