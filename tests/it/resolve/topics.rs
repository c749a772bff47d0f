//! `partitions_changed` and `topic_changed`: the topic is not what was adopted.

use super::{assert_counted_apart, resolve, wait_epoch};
use crate::support::load::{Form, Mix, Mixer, Publisher, Usage};
use crate::support::site::Site;
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use std::future::Future;

fn admin(site: &Site) -> AdminClient<DefaultClientContext> {
    site.kafka().config().create().expect("an admin client")
}

fn wait<T>(request: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().expect("a runtime");
    runtime.block_on(request)
}

#[test]
fn a_grown_topic_is_accepted_and_its_new_partitions_are_adopted() {
    let _turn = Turn::light();
    let site = Site::new("resolve_grown");
    site.init(2, "load");
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("resolve_grown", 2), rand::random());
    publisher.send_many(&mut mixer, 2_000);
    // Killed before its first checkpoint: the partitions load from before the verdict.
    let worker = site.worker("before", &[("rollup.checkpoint_interval", "\"1h\"")]);
    site.wait_complete(&publisher.ends(), SOON);
    worker.kill();
    let topic = site.usage_topic();
    let grown = NewPartitions::new(&topic, 3);
    let grown = wait(admin(&site).create_partitions([&grown], &AdminOptions::new()));
    grown.expect("the broker answers")[0]
        .as_ref()
        .expect("it grows");
    // A producer that knows of it.
    let newer = publisher.transactional(&site.kafka(), "resolve_grown");
    let mut mixer = Mixer::new(Mix::new("resolve_grown_newer", 3), rand::random());
    newer.transaction(true, |newer| newer.send_many(&mut mixer, 2_000));

    let mut worker = site.worker("after", &[]);
    for partition in 0..3 {
        worker.wait_partition(partition, "halted", "partitions_changed");
    }
    resolve(&site, &worker, &[])
        .ok()
        .says(&["accept 3 partitions", "adopt it from offset 0"]);
    resolve(&site, &worker, &["--yes"]).ok();
    assert_eq!(site.kafka().partitions(&site.topic("usage.totals")), 3);
    for (partition, end) in publisher.ends() {
        wait_epoch(&site, partition, u16::from(partition < 2), end);
    }
    assert_counted_apart(&site, &publisher);
}

fn send(publisher: &Publisher, ids: std::ops::Range<u32>) {
    for id in ids {
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let time = time.expect("a clock after 1970").as_micros();
        let usage = Usage {
            id: format!("event-{id}"),
            source: "//resolve".to_owned(),
            kind: "credit".to_owned(),
            tenant: "acme".to_owned(),
            time: i64::try_from(time).expect("a time of this age"),
            quantity: Some(1_000_000_000),
            properties: Vec::new(),
        };
        publisher.send_event(usage, Form::ALL[0]);
    }
    publisher.flush();
}

#[test]
fn a_topic_that_was_made_again_counts_from_its_beginning() {
    let _turn = Turn::light();
    let site = Site::new("resolve_made_again");
    site.init(1, "load");
    let publisher = site.publisher();
    send(&publisher, 0..100);
    let worker = site.worker("before", &[]);
    site.wait_complete(&publisher.ends(), SOON);
    assert!(worker.stop().success());
    let topic = site.usage_topic();
    wait(admin(&site).delete_topics(&[&topic], &AdminOptions::new())).expect("it is deleted");
    until("the topic to be gone", SOON, || {
        let left = site.kafka().partitions(&topic);
        (left == 0).then_some(()).ok_or(left)
    });
    let times = [("message.timestamp.type", "LogAppendTime")];
    site.kafka().create_topic(&topic, 1, &times);
    let newer = publisher.transactional(&site.kafka(), "resolve_made_again");
    newer.transaction(true, |newer| send(newer, 100..150));
    let worker = site.worker("waits", &[]);
    let said = ["resolve", "--workers", worker.http(), "--yes"];
    site.meterline(&said)
        .ok()
        .says(&["topic_changed", "counts from offset 0"]);
    drop(worker);
    let _worker = site.worker("again", &[]);
    wait_epoch(&site, 0, 0, 50);
    let events = "SELECT sum(events) FROM usage_monthly WHERE tenant = 'acme'";
    until("both topics to be counted", SOON, || {
        let seen = site.sql().number(events);
        (seen == 150).then_some(()).ok_or(seen)
    });
    site.meterline(&["verify"])
        .ok()
        .says(&["no differences in 2 partitions"]);
}
