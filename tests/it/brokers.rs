//! Three brokers: one at a time is killed under load, and one election loses records.

use crate::support::load::{Load, Mix, Mixer};
use crate::support::recount::assert_exact;
use crate::support::site::Site;
use crate::support::stack::{Parts, Service, Stack};
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use crate::support::worker::Worker;
use std::collections::BTreeMap;
use std::sync::Arc;

const PARTITIONS: u32 = 3;
const BROKERS: u16 = 3;
const RATE: u32 = 5_000;
/// Records that the follower misses before it becomes leader.
const MISSED: usize = 20;

fn three_brokers() -> Stack {
    Stack::start(Parts {
        three_brokers: true,
        ..Parts::only(Service::Kafka)
    })
}

#[test]
fn every_broker_killed_under_load_loses_and_doubles_nothing() {
    let _turn = Turn::alone();
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let stack = three_brokers();
    let site = Site::with_kafka("brokers", &stack);
    site.init(PARTITIONS, "load");
    let publisher = Arc::new(site.publisher());
    let load = Load::start(
        &publisher,
        Mixer::new(Mix::new("brokers", PARTITIONS), seed),
        RATE,
    );
    let mut worker = site.worker("worker", &[]);
    wait_moved(&site, &BTreeMap::new());
    for broker in 1..=BROKERS {
        let before = positions(&site);
        stack.kill_broker(broker);
        // Every partition goes on without it: those that it led have other leaders.
        wait_moved(&site, &before);
        worker.assert_running();
        stack.up_broker(broker);
        wait_in_sync(
            &site,
            &["usage.events", "usage.totals", "meterline.control"],
        );
    }
    load.stop();
    assert_exact(&site, &publisher);
}

/// How far each partition's progress is.
fn positions(site: &Site) -> BTreeMap<i32, i64> {
    let progress = site.progress();
    progress
        .iter()
        .map(|p| (p.log_partition, p.to_offset))
        .collect()
}

/// Waits until every partition is a second of load beyond where it was.
fn wait_moved(site: &Site, before: &BTreeMap<i32, i64>) {
    let far = i64::from(RATE / PARTITIONS);
    until("every partition to go on", SOON, || {
        let now = positions(site);
        let moved = now
            .iter()
            .filter(|(partition, to)| **to > before.get(partition).copied().unwrap_or(0) + far);
        (u32::try_from(moved.count()) == Ok(PARTITIONS))
            .then_some(())
            .ok_or_else(|| format!("{now:?} after {before:?}"))
    });
}

/// Waits until all replicas of these topics are in sync, so that the next kill costs one.
fn wait_in_sync(site: &Site, topics: &[&str]) {
    let kafka = site.kafka();
    for topic in topics {
        let topic = site.topic(topic);
        until(&format!("{topic} to be in sync"), SOON, || {
            let leaders = kafka.leaders(&topic);
            let all = leaders
                .iter()
                .all(|(_, replicas)| replicas.len() == usize::from(BROKERS));
            (all && !leaders.is_empty())
                .then_some(())
                .ok_or_else(|| format!("{leaders:?}"))
        });
    }
}

/// The election makes the broker leader that missed records which were folded; the log then
/// grows beyond the checkpoint's offset, so that the offset alone looks right. Only the leader
/// epoch in the manifest tells.
#[test]
fn records_replaced_by_an_unclean_election_halt_their_partition_by_name() {
    let _turn = Turn::alone();
    let stack = three_brokers();
    let site = Site::with_kafka("unclean", &stack);
    let topic = site.usage_topic();
    let kafka = site.kafka();
    let config = [
        ("message.timestamp.type", "LogAppendTime"),
        ("retention.ms", "-1"),
        ("min.insync.replicas", "1"),
        ("unclean.leader.election.enable", "true"),
    ];
    kafka.create_topic_on(&topic, &[&[2, 3]], &config);
    site.meterline(&["init"]).ok();
    site.apply("load");
    site.meterline(&["init", "--adopt", "end"]).ok();
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("unclean", 1), rand::random());
    publisher.send_many(&mut mixer, 1_000);
    stack.kill_broker(3);
    wait_leader(&site, 2, &[2]);
    publisher.send_many(&mut mixer, MISSED);
    let folded = publisher.ends()[&0];
    let worker = site.worker("before", &[]);
    site.wait_complete(&publisher.ends(), SOON);
    worker.stop();
    assert_eq!(
        site.manifests()[&0],
        folded,
        "a stopped worker leaves a checkpoint"
    );

    stack.kill_broker(2);
    stack.up_broker(3);
    wait_leader(&site, 3, &[3]);
    let cut = kafka.ends(&topic, 0).1;
    assert!(cut < folded, "the election lost records");
    for _ in 0..2 * MISSED {
        kafka.append(&topic, 0, &[("somebody", b"else")]);
    }
    assert!(
        kafka.ends(&topic, 0).1 > folded,
        "the offset alone looks right"
    );
    let before = site.progress();
    let mut worker = site.worker("after", &[]);
    worker.wait_partition(0, "halted", "truncated");
    assert_eq!(
        site.progress(),
        before,
        "the halted partition writes nothing"
    );
    go_back(&site, &worker, cut);
}

/// The exit of the halt: what the replaced records had counted is taken back, and what lies in
/// their place is folded.
fn go_back(site: &Site, worker: &Worker, cut: i64) {
    let resolve = |more: &[&str]| {
        let arguments = ["resolve", "--workers", worker.http(), "--note", "a test"];
        site.meterline(&[&arguments, more].concat()).ok()
    };
    resolve(&[]).says(&[
        "truncated",
        "were replaced by others",
        "nothing was changed",
    ]);
    resolve(&["--yes"]).says(&["restated"]);
    until("the partition to be folded again", SOON, || {
        let epoch = "SELECT epoch, to_offset FROM progress FINAL ORDER BY log_time DESC LIMIT 1";
        let found = site.sql().run(epoch);
        let mut words = found.split_whitespace();
        let epoch = words.next().map(str::to_owned);
        let to: i64 = words.next().and_then(|w| w.parse().ok()).unwrap_or(0);
        let end = site.kafka().ends(&site.usage_topic(), 0).1;
        let is_there = epoch.as_deref() == Some("1") && to >= end;
        is_there.then_some(()).ok_or(found)
    });
    let strangers = format!("SELECT count() FROM dead_letters FINAL WHERE offset >= {cut}");
    assert_eq!(site.sql().number(&strangers), 2 * MISSED as i128);
    site.meterline(&["verify"]).ok();
    resolve(&[]).says(&["nothing is halted"]);
}

/// Waits until a broker leads the one partition with these replicas in sync.
fn wait_leader(site: &Site, leader: i32, in_sync: &[i32]) {
    let kafka = site.kafka();
    until(&format!("broker {leader} to lead alone"), SOON, || {
        let leaders = kafka.leaders(&site.usage_topic());
        (leaders == [(leader, in_sync.to_vec())])
            .then_some(())
            .ok_or_else(|| format!("{leaders:?}"))
    });
}
