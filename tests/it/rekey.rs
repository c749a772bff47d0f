//! Producers that cannot key by tenant: every event is counted once, whatever kills the stage.

use crate::support::archive::read_log;
use crate::support::load::{Encoded, Form, Load, Mix, Mixer, Outgoing, Publisher, Raw, Usage};
use crate::support::recount::differences;
use crate::support::site::Site;
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use crate::support::worker::Worker;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

const PARTITIONS: u32 = 3;
const RATE: u32 = 2_000;
const KILLS: usize = 5;

/// What the raw table would hold had the records been sent to the usage log: once for each time
/// that a record was re-keyed.
const REKEYED: &str = "CREATE TABLE raw ENGINE = MergeTree ORDER BY (log_partition, offset) AS
SELECT l.log_partition AS log_partition, l.offset AS offset, l.append_time AS append_time,
    r.form, r.fault, r.tenant, r.source, r.id, r.type, r.time, r.quantity, r.properties
FROM log AS l INNER JOIN {incoming}.raw AS r
ON l.incoming_partition = r.log_partition AND l.incoming_offset = r.offset";

#[test]
fn a_producer_with_another_partitioner_is_counted_exactly_while_rekey_is_killed() {
    let _turn = Turn::alone();
    let seed: u64 = rand::random();
    let site = Site::new("rekey");
    site.init(PARTITIONS, "load");
    let publisher = Arc::new(incoming(&site, "rekey_incoming"));
    let mut mix = Mix::new("rekey", PARTITIONS);
    // What cannot be re-keyed has a test of its own.
    mix.broken = 0;
    first_records_without_tenant(&site);
    let load = Load::start(&publisher, Mixer::new(mix, seed), RATE);
    let written = kill_before_the_commit(&site);
    let _rollup = site.worker("rollup", &[]);
    let mut random = StdRng::seed_from_u64(seed);
    for kill in 0..KILLS {
        let before = rekeyed(&site);
        let mut worker = rekeyer(&site, &format!("rekey-{kill}"));
        until("records to be re-keyed", SOON, || {
            worker.assert_running();
            let now = rekeyed(&site);
            (now > before + 1_000).then_some(()).ok_or(now)
        });
        // Anywhere else.
        sleep(Duration::from_millis(random.random_range(0..300)));
        worker.kill();
    }
    load.stop();
    let mut last = rekeyer(&site, "rekey-last");
    wait_rekeyed(&mut last, &publisher.ends());
    publisher.close_books();
    site.wait_complete(&usage_ends(&site), SOON);
    let sql = read_log(&site);
    sql.run(
        "CREATE OR REPLACE TABLE log ENGINE = MergeTree ORDER BY (log_partition, offset) AS \
         SELECT log_partition, offset, append_time, \
         toUInt32(splitByChar('/', incoming)[2]) AS incoming_partition, \
         toUInt64(splitByChar('/', incoming)[3]) AS incoming_offset \
         FROM (SELECT * FROM log WHERE incoming != '')",
    );
    sql.run(&REKEYED.replace("{incoming}", "rekey_incoming"));
    let sent = sql.number("SELECT count() FROM rekey_incoming.raw");
    let distinct = "SELECT uniqExact(incoming_partition, incoming_offset) FROM log";
    assert_eq!(sql.number(distinct), sent, "every record is re-keyed");
    let repeated = sql.number("SELECT count() FROM log") - sent;
    println!("{sent} records re-keyed, {repeated} times again, {written} by the first kill");
    assert!(
        repeated >= i128::from(written),
        "{written} records were written before the first kill, and no position of them"
    );
    let strayed = "SELECT count() FROM rekey_incoming.raw AS r INNER JOIN log AS l \
        ON l.incoming_partition = r.log_partition AND l.incoming_offset = r.offset \
        WHERE l.log_partition != r.log_partition";
    assert!(
        sql.number(strayed) > 0,
        "the partitioners agree, which shows nothing"
    );
    let differences = differences(&site);
    assert!(
        differences.is_empty(),
        "the recount differs:\n{}",
        differences.join("\n")
    );
    assert!(last.stop().success());
}

/// Puts a record that becomes a dead letter in front of every partition.
fn first_records_without_tenant(site: &Site) {
    let partitions = i32::try_from(PARTITIONS).expect("a few");
    for partition in 0..partitions {
        site.kafka()
            .append(&site.topic("usage.incoming"), partition, &[]);
    }
}

/// Kills a stage after a batch was written and before its positions are committed: letters are
/// stored between the two, and the first batch has one. The number of records written.
fn kill_before_the_commit(site: &Site) -> i64 {
    // Nobody else stores letters yet.
    let hold = site.fault("hold", "^INSERT INTO .?dead_letters", &json!({"times": 1}));
    // A batch is full, not due: it holds more than the letter.
    let full = [
        ("rekey.flush_interval", "\"60s\""),
        ("rekey.session_timeout", "\"1s\""),
        ("rekey.batch_records", "1000"),
    ];
    let worker = site.worker_of("rekey", "rekey-held", &full);
    hold.wait_held(1);
    worker.kill();
    let written = rekeyed(site);
    assert!(
        written >= 1_000 - i64::from(PARTITIONS),
        "{written} records"
    );
    written
}

#[test]
fn a_record_that_no_log_takes_is_a_dead_letter_and_stops_nothing() {
    let _turn = Turn::light();
    let site = Site::new("rekey_large");
    // The bound of this catalog is above what is ever written.
    site.init(1, "large");
    let publisher = incoming(&site, "rekey_large_incoming");
    let mut large = event("1");
    // Compressed, it is small enough for the broker.
    let spaces = " ".repeat(9 << 20);
    large.properties.push(("blank".to_owned(), spaces));
    publisher.send_event(large, Form::Json);
    publisher.send_event(event("2"), Form::Json);
    let mut worker = rekeyer(&site, "rekey");
    wait_rekeyed(&mut worker, &publisher.ends());
    let letters = "SELECT offset, reason, tenant FROM dead_letters FINAL";
    assert_eq!(site.sql().run(letters), "0\ttoo_large\tacme\n");
    assert_eq!(rekeyed(&site), 1, "the other is in the usage log");
    assert!(worker.stop().success());
}

#[test]
fn what_has_no_tenant_is_a_dead_letter_of_the_incoming_topic() {
    let _turn = Turn::light();
    let site = Site::new("rekey_letters");
    site.init(2, "load");
    let publisher = incoming(&site, "rekey_letters_incoming");
    let usage = event("1");
    let plain = |value: &[u8]| Encoded::plain(value);
    let good = publisher.encoder().record(usage.clone(), Form::Json);
    let mut forged = good.clone();
    let tick = ("meterline-control".to_owned(), b"tick".to_vec());
    forged.encoded.headers.push(tick);
    let nobody = br#"{"specversion":"1.0","id":"2","source":"s","type":"api.request"}"#;
    let huge = vec![b' '; 2 << 20];
    let cases = [
        (forged, "bad_pointer"),
        (record(&usage, plain(b"nonsense")), "malformed"),
        (record(&usage, plain(nobody)), "missing_tenant"),
        (record(&usage, plain(b"\0\0\0\0\x63x")), "unknown_schema"),
        (record(&usage, plain(&huge)), "too_large"),
    ];
    for (record, _) in &cases {
        publisher.send(record);
    }
    publisher.send(&good);
    let _rollup = site.worker("rollup", &[]);
    // The second reads everything again, because it is another group.
    for group in ["first", "second"] {
        let own = format!("\"{group}\"");
        let changes = [
            ("rekey.group", own.as_str()),
            ("rekey.flush_interval", "\"100ms\""),
        ];
        let mut worker = site.worker_of("rekey", group, &changes);
        wait_rekeyed(&mut worker, &publisher.ends());
        assert!(worker.stop().success());
    }
    let topic = site.topic("usage.incoming");
    let letters: Vec<String> = site
        .sql()
        .run(&format!(
            "SELECT reason FROM dead_letters FINAL WHERE topic = '{topic}' ORDER BY reason"
        ))
        .lines()
        .map(str::to_owned)
        .collect();
    let mut expected: Vec<_> = cases.iter().map(|(_, reason)| *reason).collect();
    expected.sort_unstable();
    assert_eq!(
        letters, expected,
        "one letter per record, however often it is read"
    );
    until(
        "the good event to be counted once, and known again",
        SOON,
        || {
            let counted = "SELECT sum(accepted), sum(duplicate) FROM progress FINAL";
            let counted = site.sql().try_run(counted).unwrap_or_default();
            (counted.trim() == "1\t1").then_some(()).ok_or(counted)
        },
    );
}

fn event(id: &str) -> Usage {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let micros = now.expect("after 1970").as_micros();
    Usage {
        id: id.to_owned(),
        source: "//incoming".to_owned(),
        kind: "api.request".to_owned(),
        tenant: "acme".to_owned(),
        time: i64::try_from(micros).expect("this age"),
        quantity: None,
        properties: vec![("endpoint".to_owned(), "/a".to_owned())],
    }
}

fn record(usage: &Usage, encoded: Encoded) -> Outgoing {
    Outgoing {
        usage: usage.clone(),
        form: Form::Json,
        encoded,
        fault: "",
        partition: None,
    }
}

/// A producer for the incoming topic, with its own raw table in a database of that name.
fn incoming(site: &Site, database: &str) -> Publisher {
    site.raw_sql().create_database();
    let raw = Raw::create(site.sql().database(database), site.folder());
    Publisher::with_crc32(&site.kafka(), &site.topic("usage.incoming"), raw)
}

fn rekeyer(site: &Site, name: &str) -> Worker {
    site.worker_of(
        "rekey",
        name,
        &[
            ("rekey.flush_interval", "\"200ms\""),
            ("rekey.session_timeout", "\"1s\""),
            ("rekey.batch_records", "1000"),
        ],
    )
}

fn usage_ends(site: &Site) -> BTreeMap<i32, i64> {
    let kafka = site.kafka();
    let topic = site.usage_topic();
    let end = |partition| (partition, kafka.ends(&topic, partition).1);
    (0..kafka.partitions(&topic)).map(end).collect()
}

/// Records in the usage log.
fn rekeyed(site: &Site) -> i64 {
    usage_ends(site).values().sum()
}

/// Waits until the stage has delivered everything before these ends of the incoming topic.
fn wait_rekeyed(worker: &mut Worker, ends: &BTreeMap<i32, i64>) {
    until(&format!("re-keying to reach {ends:?}"), SOON, || {
        worker.assert_running();
        let status = worker.status();
        let partitions = status["relays"][0]["partitions"].clone();
        let reaches = |(partition, end): (&i32, &i64)| {
            let mut here = partitions.as_array().into_iter().flatten();
            here.any(|p| p["partition"] == *partition && p["position"].as_i64() >= Some(*end))
        };
        ends.iter()
            .all(reaches)
            .then_some(())
            .ok_or_else(|| status.to_string())
    });
}
