//! An owner that was stopped past its session and goes on: its values come last and lose.

use crate::support::load::mix::now;
use crate::support::load::{Form, Publisher, Usage};
use crate::support::recount::assert_exact;
use crate::support::site::Site;
use crate::support::totals::{Decoded, read};
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use serde_json::json;
use std::collections::BTreeMap;

/// A credit of 1: its bucket changes with every event, so that stamps tell who wrote a value.
fn send(publisher: &Publisher, first: u32, count: u32) {
    for number in first..first + count {
        let usage = Usage {
            id: format!("credit-{number}"),
            source: "/stale".to_owned(),
            kind: "credit".to_owned(),
            tenant: "acme".to_owned(),
            time: now() / 1_000 * 1_000,
            quantity: Some(1_000_000_000),
            properties: Vec::new(),
        };
        publisher.send_event(usage, Form::ALL[number as usize % 4]);
    }
    publisher.flush();
}

#[test]
fn a_stopped_owner_that_goes_on_writes_last_and_changes_nothing() {
    let _turn = Turn::light();
    let site = Site::new("stale");
    site.init(1, "load");
    site.sql().run("SYSTEM STOP MERGES bucket_hourly");
    let publisher = site.publisher();
    send(&publisher, 0, 100);
    // The old owner flushes seldom enough to be stopped between two flushes.
    let slow = [
        ("rollup.flush_interval", "\"3s\""),
        ("clickhouse.request_timeout", "\"120s\""),
    ];
    let mut old = site.worker("old", &slow);
    site.wait_complete(&publisher.ends(), SOON);

    let hold = site.fault("hold", "^INSERT INTO bucket_hourly", &json!({"times": 1}));
    send(&publisher, 100, 100);
    hold.wait_held(1);
    let held = newest_offset(&publisher);
    send(&publisher, 200, 100);
    let unflushed = newest_offset(&publisher);
    wait_folded(&mut old, unflushed);
    old.signal("STOP");
    assert_eq!(
        newest_total(&site),
        held,
        "the old owner was stopped before its next flush"
    );

    let new = site.worker("new", &[]);
    send(&publisher, 300, 100);
    site.wait_complete(&publisher.ends(), SOON);
    let newest = newest_offset(&publisher);

    // The new owner has not written this version itself: it flushed at its own positions.
    assert_eq!(rows_of(&site, held), 0, "the insert is held");
    drop(hold);
    until("the held insert to be written", SOON, || {
        let rows = rows_of(&site, held);
        (rows > 0).then_some(()).ok_or(rows)
    });
    old.signal("CONT");
    // It writes what it had not flushed yet: an older stamp, or the newest one once more where it
    // read on before its flush. Which of them, the scheduler decides; that it comes last does not.
    until(
        "a total of the old owner behind those of the new one",
        SOON,
        || {
            let totals = totals(&site);
            let first = totals.iter().position(|t| t.number("offset") == newest);
            let first = first.expect("the new owner has published its newest total");
            let last = totals[first + 1..].iter().map(|t| t.number("offset")).max();
            last.ok_or("none yet")
        },
    );
    read_as_a_new_reader(&site, 400);
    assert_exact(&site, &publisher);
    drop(new);
    old.stop();
}

/// Rows of one version, those that merges would remove included.
fn rows_of(site: &Site, version: i64) -> i128 {
    let query = format!("SELECT count() FROM bucket_hourly WHERE version = {version}");
    site.sql().number(&query)
}

fn newest_offset(publisher: &Publisher) -> i64 {
    publisher.ends()[&0] - 1
}

/// Totals of hours, in the topic's order.
fn totals(site: &Site) -> Vec<Decoded> {
    let all = read(site, "usage.totals").into_iter();
    all.filter(|t| t.name == "Total" && t.text("level") == "hour")
        .collect()
}

fn newest_total(site: &Site) -> i64 {
    let totals = totals(site);
    totals
        .iter()
        .map(|t| t.number("offset"))
        .max()
        .unwrap_or(-1)
}

fn wait_folded(worker: &mut crate::support::worker::Worker, offset: i64) {
    until(&format!("record {offset} to be folded"), SOON, || {
        let partitions = worker.partitions();
        let position = partitions.first().and_then(|p| p["position"].as_i64());
        (position > Some(offset))
            .then_some(())
            .ok_or_else(|| format!("{position:?}"))
    });
}

/// The design's reader: progress, then buckets, then the topic from the position in the progress
/// row; the highest stamp per bucket. It must end with every event counted once.
fn read_as_a_new_reader(site: &Site, events: i64) {
    #[derive(serde::Deserialize)]
    struct Row {
        bucket: String,
        version: u64,
        events: i64,
    }
    let progress = site.progress();
    let [progress] = progress.as_slice() else {
        panic!("one partition: {progress:?}");
    };
    let rows: Vec<Row> = site.sql().rows(
        "SELECT concat('acme credit hour only ', toString(toUnixTimestamp(window_start)), \
         '000000 0') AS bucket, version, events FROM bucket_hourly FINAL",
    );
    let mut kept: BTreeMap<String, (u64, i64)> = rows
        .into_iter()
        .map(|row| (row.bucket, (row.version, row.events)))
        .collect();
    let from = progress.totals_offset.unwrap_or(0);
    let topic = totals(site).into_iter().filter(|t| t.offset >= from);
    for total in topic {
        let value = (total.version(), total.number("events"));
        let best = kept.entry(total.bucket()).or_default();
        *best = value.max(*best);
    }
    let counted: i64 = kept.values().map(|(_, events)| events).sum();
    assert_eq!(counted, events, "{kept:?}");
}
