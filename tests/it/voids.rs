//! Voids and amends by command: buckets, totals and limits follow, whatever happens to the workers.

use crate::limits::{in_force, limits, use_up};
use crate::support::load::{Form, Publisher, Usage};
use crate::support::site::Site;
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use crate::support::worker::Worker;

const SOURCE: &str = "//voids";
const TENANT: &str = "acme";

/// Meter, value and events of the tenant's months, one line each.
const MONTHS: &str = "SELECT meter, toString(sum(value)), toString(sum(events)) FROM usage_monthly \
     WHERE tenant = 'acme' GROUP BY meter ORDER BY meter FORMAT TSVRaw";

/// Publishes completions of 1 to 8 tokens, in every form.
fn publish(publisher: &Publisher) {
    // Whole milliseconds: one of the forms has no finer time.
    let time = chrono::Utc::now().timestamp_millis() * 1_000;
    for tokens in 1..=8i32 {
        let form = Form::ALL[usize::try_from(tokens).expect("small") % Form::ALL.len()];
        let usage = Usage {
            id: format!("e{tokens}"),
            source: SOURCE.to_owned(),
            kind: "llm.completion".to_owned(),
            tenant: TENANT.to_owned(),
            time,
            quantity: Some(i128::from(tokens) * 1_000_000_000),
            properties: vec![("model".to_owned(), "m".to_owned())],
        };
        publisher.send_event(usage, form);
    }
    publisher.flush();
}

/// The months of the three token meters.
fn months(least: u32, most: u32, sum: u32, events: u32) -> String {
    [
        ("tokens", sum),
        ("tokens_least", least),
        ("tokens_most", most),
    ]
    .map(|(meter, value)| format!("{meter}\t{value}\t{events}\n"))
    .concat()
}

#[track_caller]
fn wait_months(site: &Site, expected: &str) {
    until(&format!("months: {expected:?}"), SOON, || {
        let found = site.sql().try_run(MONTHS).unwrap_or_default();
        (found == expected).then_some(()).ok_or(found)
    });
}

/// Words of a correction of one of the events.
fn words<'a>(what: &'a str, id: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let which = ["event", what, id, "--tenant", TENANT, "--source", SOURCE];
    [&which[..], &["--reason", "a test"], more].concat()
}

/// Waits until the archive has so many of the tenant's records, and the rollup has judged them.
fn wait_judged(site: &Site, publisher: &Publisher, records: i128) {
    site.wait_complete(&publisher.ends(), SOON);
    let query = "SELECT count() FROM usage_events FINAL WHERE tenant = 'acme'";
    until("the archive to have the events", SOON, || {
        let found = site.sql().number(query);
        (found >= records).then_some(()).ok_or(found)
    });
}

fn rollup(site: &Site, name: &str) -> Worker {
    site.worker(name, &[])
}

#[test]
fn events_are_taken_back_and_amended_while_the_worker_is_killed() {
    let _turn = Turn::light();
    let site = Site::new("voids");
    site.init(2, "load");
    let publisher = site.publisher();
    publish(&publisher);
    let first = rollup(&site, "first");
    let _archive = site.worker_of("archive", "archive", &[]);
    wait_months(&site, &months(1, 8, 36, 8));
    wait_judged(&site, &publisher, 8);

    // Nothing is written by a dry run, nor by what cannot be.
    let shown = site.meterline(&words("void", "e8", &["--dry-run"])).ok();
    shown.says(&["tokens_most", "8", "nothing was written"]);
    site.meterline(&words("void", "nobody", &[]))
        .with_code(1)
        .says(&["has no event nobody"]);
    site.meterline(&[
        "event", "void", "e8", "--tenant", TENANT, "--source", SOURCE,
    ])
    .with_code(2)
    .says(&["--reason"]);
    site.meterline(&words("amend", "e3", &["--quantity", "3"]))
        .with_code(2)
        .says(&["--quantity changes nothing", "tokens_least", "--file"]);

    let taken = site.meterline(&words("void", "e8", &["--wait"])).ok();
    taken.says(&["taken"]);
    wait_months(&site, &months(1, 7, 28, 7));
    site.meterline(&words("void", "e8", &["--wait"]))
        .with_code(1)
        .says(&["void already"]);

    // Decided while nobody runs the rollup, and killed once more while it is taken.
    first.kill();
    site.meterline(&words("void", "e1", &[])).ok();
    site.meterline(&words("amend", "e2", &["--quantity", "50"]))
        .ok();
    let second = rollup(&site, "second");
    until("one of them to be taken", SOON, || {
        let found = site.sql().try_run(MONTHS).unwrap_or_default();
        (found != months(1, 7, 28, 7)).then_some(()).ok_or(found)
    });
    second.kill();
    let third = rollup(&site, "third");
    wait_months(&site, &months(3, 50, 75, 6));

    // Of an amended event, what counts now is taken back.
    site.meterline(&words("void", "e2", &["--wait"])).ok();
    wait_months(&site, &months(3, 7, 25, 5));

    // Its id stays known: the same records again are duplicates, and so are copies of pointers.
    publish(&publisher);
    copy_pointers(&site);
    site.wait_complete(&ends(&site), SOON);
    wait_months(&site, &months(3, 7, 25, 5));
    site.meterline(&["verify"]).ok();

    // INV-REPLAY: from nothing, the log gives the same.
    third.stop();
    std::fs::remove_dir_all(site.checkpoints()).expect("the store can be deleted");
    let _replay = rollup(&site, "replay");
    publish(&publisher);
    site.wait_complete(&ends(&site), SOON);
    wait_months(&site, &months(3, 7, 25, 5));
    site.meterline(&["verify"]).ok();
}

/// Where the partitions of the usage topic end, pointers included.
fn ends(site: &Site) -> std::collections::BTreeMap<i32, i64> {
    let topic = site.usage_topic();
    let kafka = site.kafka();
    let partitions = 0..kafka.partitions(&topic);
    partitions
        .map(|partition| (partition, kafka.ends(&topic, partition).1))
        .collect()
}

/// Appends a copy of every pointer that lies in the usage topic, last ones first.
fn copy_pointers(site: &Site) {
    const HEADER: &str = "meterline-control";
    let topic = site.usage_topic();
    let kafka = site.kafka();
    for partition in 0..kafka.partitions(&topic) {
        let log = kafka.read_from(&topic, partition, 0);
        let pointers = log.iter().rev().filter_map(|record| record.header(HEADER));
        for pointer in pointers.filter(|pointer| pointer != "tick") {
            kafka.append(&topic, partition, &[(HEADER, pointer.as_bytes())]);
        }
    }
}

#[test]
fn a_limit_that_was_reached_is_open_again_after_a_void() {
    let site = Site::new("voids_limits");
    site.init(1, "limits");
    let publisher = site.publisher();
    let _rollup = rollup(&site, "rollup");
    let _archive = site.worker_of("archive", "archive", &[]);
    let mut stage = limits(&site, "limits");
    stage.wait_ready(200);
    use_up(&publisher, TENANT, 0, 10);
    let wait = |expected: &[&str]| {
        until(&format!("transitions: {expected:?}"), SOON, || {
            let found = in_force(&site);
            (found == expected).then_some(()).ok_or(found.join(", "))
        });
    };
    wait(&["acme 100 opened 1", "acme 80 opened 1"]);
    wait_judged(&site, &publisher, 10);
    let void = [
        "event", "void", "acme-3", "--tenant", TENANT, "--source", "//limits",
    ];
    site.meterline(&[&void[..], &["--reason", "a test"]].concat())
        .ok();
    wait(&[
        "acme 100 opened 1",
        "acme 100 resolved 1",
        "acme 80 opened 1",
    ]);
    let standing = "SELECT toString(used) FROM standing FINAL \
                    WHERE tenant = 'acme' AND meter = 'requests' FORMAT TSVRaw";
    until("the standing of the tenant", SOON, || {
        let text = site.sql().try_run(standing).unwrap_or_default();
        (text.trim() == "9").then_some(()).ok_or(text)
    });
}
