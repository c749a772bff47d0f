//! The archive stage: equal to the log whatever kills it, loud about what the log no longer has.

use crate::support::archive::{
    Archived, archived, assert_equal_to_log, assert_verdicts, wait_archived,
};
use crate::support::load::mix::{HOUR, MINUTE, now, plain};
use crate::support::load::{Form, Load, Mix, Mixer};
use crate::support::recount::assert_exact;
use crate::support::site::Site;
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use crate::support::worker::Worker;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

const PARTITIONS: u32 = 3;
const RATE: u32 = 1_000;
const KILLS: usize = 10;

/// What is held when a worker is killed: rows on their way, or the position that follows them.
const MOMENTS: [&str; 2] = [
    "^INSERT INTO usage_events",
    "^INSERT INTO .archive_progress",
];

#[test]
fn ten_kills_leave_the_archive_equal_to_the_log() {
    let _turn = Turn::alone();
    let seed: u64 = rand::random();
    let site = Site::new("archive_kills");
    site.init(PARTITIONS, "load");
    let publisher = Arc::new(site.publisher());
    let rollup = site.worker("rollup", &[]);
    let mixer = Mixer::new(Mix::new("archive", PARTITIONS), seed);
    let load = Load::start(&publisher, mixer, RATE);
    transactions(&site, &publisher, seed);
    // Answers are lost besides, after the rows were stored.
    let chance = json!({"probability": 0.2, "seed": seed});
    let lost = site.fault(
        "lose_answer",
        "^INSERT INTO .?(usage_events|archive_progress)",
        &chance,
    );
    for kill in 0..KILLS {
        let before = archived(&site);
        let mut worker = archiver(&site, &format!("archive-{kill}"));
        wait_moved(&site, &mut worker, &before);
        let moment = MOMENTS[kill % MOMENTS.len()];
        let hold = site.fault("hold", moment, &json!({"times": 1}));
        hold.wait_held(1);
        worker.kill();
        // What was held is stored now, after its worker's end.
        drop(hold);
    }
    assert!(lost.hits() > 0, "no answer was lost, which shows less");
    drop(lost);
    load.stop();
    let mut last = archiver(&site, "archive-last");
    assert_exact(&site, &publisher);
    // It would write ticks while the log is compared.
    assert!(rollup.stop().success());
    let ends = log_ends(&site);
    // Behind the last record there may be markers of transactions, which nobody is given.
    wait_archived(&site, &ends);
    last.wait_ready(200);
    assert_equal_to_log(&site);
    assert_verdicts(&site);
    let holes = archived(&site).into_iter().flat_map(|a| a.holes);
    assert_eq!(holes.count(), 0);
    assert!(last.stop().success());
}

/// Commits one transaction and aborts another.
fn transactions(site: &Site, publisher: &crate::support::load::Publisher, seed: u64) {
    let mut mix = Mix::new("transactions", PARTITIONS);
    mix.broken = 0;
    let mut mixer = Mixer::new(mix, seed);
    let transactional = publisher.transactional(&site.kafka(), "archive-kills");
    for commit in [true, false] {
        transactional.transaction(commit, |p| p.send_many(&mut mixer, 500));
    }
}

fn archiver(site: &Site, name: &str) -> Worker {
    site.worker_of(
        "archive",
        name,
        &[
            ("archive.flush_interval", "\"200ms\""),
            ("archive.session_timeout", "\"1s\""),
            ("archive.batch_records", "2000"),
        ],
    )
}

/// Waits until the archive has moved beyond what it was.
fn wait_moved(site: &Site, worker: &mut Worker, before: &[Archived]) {
    until("the archive to move", SOON, || {
        worker.assert_running();
        let now = archived(site);
        (now != before)
            .then_some(())
            .ok_or_else(|| format!("{now:?}"))
    });
}

fn log_ends(site: &Site) -> BTreeMap<i32, i64> {
    let kafka = site.kafka();
    let partitions = i32::try_from(PARTITIONS).expect("a few");
    let end = |partition| (partition, kafka.ends(&site.usage_topic(), partition).1);
    (0..partitions).map(end).collect()
}

#[test]
fn what_the_log_no_longer_has_is_a_hole_in_the_archive() {
    let _turn = Turn::light();
    let site = Site::new("archive_holes");
    site.init(1, "load");
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("holes", 1), rand::random());
    let rollup = site.worker("rollup", &[]);
    publisher.send_many(&mut mixer, 300);
    let both = site.worker_of("archive", "before", &[]);
    wait_archived(&site, &publisher.ends());
    assert!(both.stop().success());
    let reached = archived(&site)[0].to_offset;
    publisher.send_many(&mut mixer, 400);
    let gone = reached + 100;
    // The rollup must have read what is deleted.
    site.wait_complete(&publisher.ends(), SOON);
    assert!(rollup.stop().success());
    site.kafka().delete_records(&site.usage_topic(), 0, gone);
    let after = site.worker_of("archive", "after", &[]);
    wait_archived(&site, &publisher.ends());
    let holes = archived(&site)[0].holes.clone();
    assert_eq!(holes, [(reached, gone, "retention".to_owned())]);
    assert!(after.log().contains("the archive has a hole"));
    let archive = format!("{}.usage_events", site.sql().name());
    let inside =
        format!("SELECT count() FROM {archive} WHERE offset >= {reached} AND offset < {gone}");
    assert_eq!(site.sql().number(&inside), 0);
    assert_equal_to_log(&site);
}

/// The usage log was there before Meterline: what lies before its adoption is in the archive and
/// counts nothing, neither itself nor for what comes after it.
#[test]
fn events_before_the_adoption_are_shown_as_such_and_suspects_are_what_counted_twice() {
    let _turn = Turn::light();
    let site = Site::new("archive_adopted");
    let forever = [
        ("message.timestamp.type", "LogAppendTime"),
        ("retention.ms", "-1"),
    ];
    site.kafka().create_topic(&site.usage_topic(), 1, &forever);
    site.meterline(&["init"]).ok();
    site.apply("load");
    let publisher = site.publisher();
    // The beginning of an hour that is over, so that the minutes below lie where they say.
    let hour = (now() - 3 * HOUR) / HOUR * HOUR;
    let send = |tenant: &str, id: &str, minute: i64| {
        publisher.send_event(plain(tenant, id, hour + minute * MINUTE), Form::Json);
        publisher.flush();
    };
    send("acme", "early", 10);
    send("acme", "early", 10);
    site.meterline(&["init", "--adopt", "end"]).ok();
    send("acme", "early", 10);
    // 40 minutes apart: no hour that the second touches has the first.
    send("acme", "far", 50);
    send("acme", "far", 90);
    send("beta", "far", 50);
    send("beta", "far", 90);
    // 20 minutes apart, over the same end of an hour.
    send("beta", "near", 50);
    send("beta", "near", 70);
    let _rollup = site.worker("rollup", &[]);
    let _archive = site.worker_of("archive", "archive", &[]);
    site.wait_complete(&publisher.ends(), SOON);
    wait_archived(&site, &publisher.ends());
    let span = "since = '2000-01-01', until = '2199-01-01'";
    let raw = |tenant: &str| {
        let from = format!("usage_raw(tenant = '{tenant}', {span})");
        site.sql().run(&format!(
            "SELECT id, verdict, reason FROM {from} ORDER BY offset"
        ))
    };
    let early = "early\tbefore_adoption\t\nearly\tbefore_adoption\t\nearly\tcounted\t\n";
    let far = "far\tcounted\t\nfar\tcounted\t\n";
    assert_eq!(raw("acme"), format!("{early}{far}"));
    assert_eq!(
        raw("beta"),
        format!("{far}near\tcounted\t\nnear\tduplicate\t\n")
    );
    let suspects = |view: &str| {
        let columns = "tenant, id, counted, dateDiff('minute', first_time, last_time)";
        site.sql()
            .run(&format!("SELECT {columns} FROM {view} ORDER BY tenant"))
    };
    let of_one = suspects(&format!("suspected_duplicate(tenant = 'acme', {span})"));
    assert_eq!(of_one, "acme\tfar\t2\t40\n");
    let of_all = suspects(&format!("suspected_duplicate_of_all({span})"));
    assert_eq!(of_all, "acme\tfar\t2\t40\nbeta\tfar\t2\t40\n");
}
