//! `log_gap`, `truncated`, `order`: the log is not what was folded.

use super::{assert_counted, forget, resolve, wait_epoch};
use crate::support::load::{Mix, Mixer};
use crate::support::site::Site;
use crate::support::stack::{Service, Stack};
use crate::support::turn::Turn;
use crate::support::wait::SOON;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpListener;

/// A worker that writes no checkpoint: what it folds is in no state that outlives it.
const NO_CHECKPOINTS: [(&str, &str); 1] = [("rollup.checkpoint_interval", "\"1h\"")];

#[test]
fn a_gap_is_skipped_and_what_it_had_counted_is_taken_back() {
    let _turn = Turn::light();
    let site = Site::new("resolve_gap");
    site.init(2, "load");
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("resolve_gap", 2), rand::random());
    publisher.send_many(&mut mixer, 4_000);
    let worker = site.worker("before", &[]);
    site.wait_complete(&publisher.ends(), SOON);
    assert!(worker.stop().success());
    let kept = publisher.ends()[&1];
    publisher.send_many(&mut mixer, 2_000);
    let worker = site.worker("killed", &NO_CHECKPOINTS);
    site.wait_complete(&publisher.ends(), SOON);
    worker.kill();
    let end = publisher.ends()[&1];
    let low = kept + (end - kept) / 2;
    site.kafka().delete_records(&site.usage_topic(), 1, low);

    let mut worker = site.worker("after", &[]);
    worker.wait_partition(1, "halted", "log_gap");
    let gone = format!("{} offsets", low - kept);
    resolve(&site, &worker, &[]).ok().says(&[
        "log_gap",
        &gone,
        "taken back",
        "nothing was changed",
    ]);
    resolve(&site, &worker, &["--yes"]).ok().says(&["restated"]);
    wait_epoch(&site, 1, 1, end);
    let lost = format!("log_partition = 1 AND offset >= {kept} AND offset < {low}");
    forget(&site, &publisher, &lost);
    assert_counted(&site, &publisher);
    resolve(&site, &worker, &[])
        .ok()
        .says(&["nothing is halted"]);
    // Nobody writes meanwhile: a newer row would put right what is broken here.
    assert!(worker.stop().success());
    let ends = site.progress();
    let known = |of: i32| ends.iter().find(|row| row.log_partition == of);
    let end_of_whole = known(0).expect("progress").to_offset;
    what_does_not_fit_is_found(&site, end, end_of_whole);
    let mut worker = site.worker("again", &[]);
    worker.wait_partition(1, "running", "");
    // A stale owner of the first epoch writes once more, for a bucket of its own.
    site.sql().run(&format!(
        "INSERT INTO bucket_hourly SELECT * REPLACE('stale' AS tenant, {kept} AS version) \
         FROM bucket_hourly FINAL WHERE log_partition = 1 AND kind = 'only' LIMIT 1"
    ));
    let stale = site.meterline(&["verify"]).with_code(1);
    stale.says(&["abandoned", "hour rows of a given up history"]);
    resolve(&site, &worker, &["--yes"])
        .ok()
        .says(&["abandoned", "restated"]);
    assert_counted(&site, &publisher);
}

/// Each rule of `verify` finds what breaks it, and nothing once that is put right.
fn what_does_not_fit_is_found(site: &Site, end: i64, end_of_whole: i64) {
    broken_buckets_are_found(site, end_of_whole);
    broken_progress_is_found(site);
    let sql = site.sql();
    let fresh = end - 1;
    sql.run(&format!(
        "INSERT INTO dead_letters SELECT * REPLACE({fresh} AS offset, 1 AS epoch, 'no_meter' AS \
         reason) FROM dead_letters FINAL WHERE log_partition = 1 LIMIT 1"
    ));
    site.meterline(&["verify"]).with_code(1).says(&["letters"]);
    sql.run(&format!(
        "ALTER TABLE dead_letters DELETE WHERE log_partition = 1 AND offset = {fresh} SETTINGS \
         mutations_sync = 2"
    ));
    site.meterline(&["verify"]).ok();
    let one = "dead_letters FINAL WHERE log_partition = 1 ORDER BY offset LIMIT 1";
    sql.run(&format!(
        "CREATE TABLE taken ENGINE = MergeTree ORDER BY offset AS SELECT * FROM {one}"
    ));
    sql.run(
        "ALTER TABLE dead_letters DELETE WHERE log_partition = 1 AND offset = (SELECT offset FROM \
         taken) SETTINGS mutations_sync = 2",
    );
    site.meterline(&["verify"]).with_code(1).says(&["letters"]);
    sql.run("INSERT INTO dead_letters SELECT * FROM taken");
    site.meterline(&["verify"]).ok();
}

/// One event more in a bucket of each level: sums by meter, days against hours, months against days.
fn broken_buckets_are_found(site: &Site, end: i64) {
    let sql = site.sql();
    for (table, check) in [
        ("bucket_hourly", "in hour buckets"),
        ("bucket_daily", "day "),
        ("bucket_monthly", "in month buckets"),
    ] {
        // Its stamps stay below the progress, or `verify` waits for what is on its way.
        let one = sql.run(&format!(
            "SELECT cityHash64(tenant, meter, window_start) FROM {table} FINAL \
             WHERE log_partition = 0 AND kind = 'only' AND events > 0 AND version + 3 < {end} \
             ORDER BY version LIMIT 1"
        ));
        let change = |by: i32| {
            sql.run(&format!(
                "INSERT INTO {table} SELECT * REPLACE(events + {by} AS events, version + 1 AS \
                 version) FROM {table} FINAL WHERE log_partition = 0 AND kind = 'only' \
                 AND cityHash64(tenant, meter, window_start) = {one}"
            ))
        };
        change(1);
        let found = site.meterline(&["verify", "--output", "csv"]).with_code(1);
        found.says(&[check]);
        change(-1);
        site.meterline(&["verify"]).ok();
    }
}

/// Hours that no progress speaks of, records without an outcome, an epoch without a verdict.
fn broken_progress_is_found(site: &Site) {
    let sql = site.sql();
    let found = |check: &str| {
        let found = site.meterline(&["verify", "--output", "csv"]).with_code(1);
        found.says(&[check]);
    };
    sql.run(
        "INSERT INTO bucket_hourly SELECT * REPLACE(99 AS log_partition) FROM \
         (SELECT * FROM bucket_hourly FINAL WHERE log_partition = 0 LIMIT 1)",
    );
    found("hour rows without any progress");
    sql.run(
        "ALTER TABLE bucket_hourly DELETE WHERE log_partition = 99 SETTINGS mutations_sync = 2",
    );
    site.meterline(&["verify"]).ok();
    for (column, check) in [("delivered", "counters"), ("epoch", "epoch")] {
        let change = |by: i32| {
            sql.run(&format!(
                "INSERT INTO progress SELECT * REPLACE({column} + {by} AS {column}, version + 1 AS \
                 version) FROM progress FINAL WHERE log_partition = 0"
            ))
        };
        change(1);
        found(check);
        change(-1);
        site.meterline(&["verify"]).ok();
    }
}

#[test]
fn what_an_operator_gives_up_is_folded_again() {
    let _turn = Turn::light();
    let site = Site::new("resolve_back_to");
    site.init(1, "load");
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("resolve_back_to", 1), rand::random());
    publisher.send_many(&mut mixer, 1_000);
    let worker = site.worker("before", &[]);
    site.wait_complete(&publisher.ends(), SOON);
    let back_to = (publisher.ends()[&0] - 300).to_string();
    let chosen = ["--partition", "0", "--back-to", &back_to];
    resolve(&site, &worker, &chosen)
        .ok()
        .says(&["is given up", "nothing was changed"]);
    let at = format!("verdict on offset {back_to}");
    resolve(&site, &worker, &[&chosen[..], &["--yes"]].concat())
        .ok()
        .says(&[&at]);
    publisher.send_many(&mut mixer, 500);
    wait_epoch(&site, 0, 1, publisher.ends()[&0]);
    assert_counted(&site, &publisher);
}

#[test]
fn a_log_that_lost_its_end_is_folded_again_from_there() {
    let _turn = Turn::alone();
    let kafka = Stack::own(Service::Kafka);
    let site = Site::with_kafka("resolve_truncated", &kafka);
    site.init(1, "load");
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("resolve_truncated", 1), rand::random());
    publisher.send_many(&mut mixer, 3_000);
    let worker = site.worker("before", &[]);
    site.wait_complete(&publisher.ends(), SOON);
    assert!(worker.stop().success());
    let log = kafka
        .folder()
        .join(format!("kafka/log/{}-0", site.usage_topic()));
    let copy = site.folder().join("log");
    stop(&kafka);
    copy_folder(&log, &copy);
    kafka.up(Some(Service::Kafka));
    let (_, kept) = site.kafka().ends(&site.usage_topic(), 0);
    publisher.send_many(&mut mixer, 2_000);
    let worker = site.worker("lost", &[]);
    site.wait_complete(&publisher.ends(), SOON);
    assert!(worker.stop().success());
    stop(&kafka);
    std::fs::remove_dir_all(&log).expect("the log's folder");
    copy_folder(&copy, &log);
    kafka.up(Some(Service::Kafka));
    forget(&site, &publisher, &format!("offset >= {kept}"));

    let mut worker = site.worker("after", &[]);
    worker.wait_partition(0, "halted", "truncated");
    let at = format!("verdict on offset {kept}");
    resolve(&site, &worker, &[]).ok().says(&["truncated", &at]);
    resolve(&site, &worker, &["--yes"]).ok().says(&["restated"]);
    // The first one's sequence numbers went with the log's end.
    let publisher = publisher.renewed(&site.kafka());
    publisher.send_many(&mut mixer, 500);
    let (_, end) = site.kafka().ends(&site.usage_topic(), 0);
    wait_epoch(&site, 0, 1, end);
    assert_counted(&site, &publisher);
    // No verdict before an earlier one.
    let earlier = (kept - 1).to_string();
    let back = ["--partition", "0", "--back-to", &earlier];
    resolve(&site, &worker, &back)
        .with_code(2)
        .says(&["last verdict"]);
}

/// Stops a broker well, so that what lies on its disk is whole.
fn stop(kafka: &Stack) {
    kafka.down(Service::Kafka);
    let mark = kafka.folder().join("kafka/log/.kafka_cleanshutdown");
    assert!(mark.exists(), "the broker stopped well");
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a file");
        std::fs::copy(&path, to.join(name)).expect("a file can be copied");
    }
}

/// The client library never delivers records out of order, so a worker's word is put into its mouth.
#[test]
fn an_order_that_nobody_sees_any_more_ends_in_a_new_epoch() {
    let _turn = Turn::light();
    let site = Site::new("resolve_order");
    site.init(1, "load");
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("resolve_order", 1), rand::random());
    publisher.send_many(&mut mixer, 1_000);
    let worker = site.worker("worker", &[]);
    site.wait_complete(&publisher.ends(), SOON);
    let mut status = worker.status();
    status["partitions"][0]["state"] = "halted".into();
    status["partitions"][0]["reason"] =
        "order: record 5 came after the position was already 9".into();
    let said = says(&status);
    let arguments = ["resolve", "--workers", &said, "--yes", "--note", "a test"];
    site.meterline(&arguments)
        .ok()
        .says(&["order", "a new epoch begins at"]);
    publisher.send_many(&mut mixer, 500);
    wait_epoch(&site, 0, 1, publisher.ends()[&0]);
    assert_counted(&site, &publisher);
}

/// Answers one request with this status; where it listens.
fn says(status: &Value) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = listener.local_addr().expect("it listens").to_string();
    let body = status.to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody asks");
        let mut request = [0; 4096];
        let _ = stream.read(&mut request);
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
             connection: close\r\n\r\n{body}"
        );
        stream
            .write_all(answer.as_bytes())
            .expect("the answer is read");
    });
    address
}
