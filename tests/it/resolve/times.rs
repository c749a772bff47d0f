//! `timestamp_type` and `log_time_ahead`: records whose append times cannot be used.

use super::{assert_counted, resolve, wait_epoch};
use crate::log_time::at;
use crate::support::load::{Mix, Mixer, Publisher};
use crate::support::site::Site;
use crate::support::stack::Stack;
use crate::support::turn::Turn;
use crate::support::wait::SOON;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;

/// Sets the kind of time that a topic's records carry.
fn set_times(site: &Site, kind: &str) {
    let admin: AdminClient<DefaultClientContext> =
        site.kafka().config().create().expect("an admin client");
    let topic = site.usage_topic();
    let change = AlterConfig::new(ResourceSpecifier::Topic(&topic))
        .set("message.timestamp.type", kind)
        .set("retention.ms", "-1");
    let altered = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(admin.alter_configs([&change], &AdminOptions::new()));
    for result in altered.expect("the broker answers") {
        result.expect("the topic is changed");
    }
}

/// Books the log time that the verdict gave to the records of a range: that of the record after it.
fn book_log_time(site: &Site, publisher: &Publisher, from: i64, until: i64) {
    publisher.close_books();
    let raw = site.raw_sql();
    let next =
        format!("SELECT append_time FROM raw WHERE offset >= {until} ORDER BY offset LIMIT 1");
    let log_time = raw.number(&next);
    raw.run(&format!(
        "ALTER TABLE raw UPDATE append_time = {log_time} WHERE offset >= {from} AND offset < \
         {until} SETTINGS mutations_sync = 2"
    ));
}

#[test]
fn a_topic_that_was_set_to_create_time_goes_on_with_a_given_log_time() {
    let _turn = Turn::light();
    let site = Site::new("resolve_create_time");
    site.init(1, "load");
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("resolve_create_time", 1), rand::random());
    publisher.send_many(&mut mixer, 1_000);
    let worker = site.worker("before", &[]);
    site.wait_complete(&publisher.ends(), SOON);
    assert!(worker.stop().success());
    let from = publisher.ends()[&0];
    set_times(&site, "CreateTime");
    publisher.send_many(&mut mixer, 500);
    let until = publisher.ends()[&0];
    let mut worker = site.worker("after", &[]);
    worker.wait_partition(0, "halted", "timestamp_type");
    resolve(&site, &worker, &["--yes"])
        .with_code(1)
        .says(&["set message.timestamp.type=LogAppendTime"]);
    set_times(&site, "LogAppendTime");
    publisher.send_many(&mut mixer, 500);
    let range = format!("for the records before {until}");
    resolve(&site, &worker, &["--yes"])
        .ok()
        .says(&["timestamp_type", &range]);
    wait_epoch(&site, 0, 1, publisher.ends()[&0]);
    book_log_time(&site, &publisher, from, until);
    assert_counted(&site, &publisher);
}

#[test]
fn a_broker_that_was_ahead_goes_on_with_a_given_log_time() {
    let _turn = Turn::alone();
    let mut kafka = Stack::wrapped_kafka(&at("+1d"));
    let site = Site::with_kafka("resolve_ahead", &kafka);
    site.init(1, "load");
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("resolve_ahead", 1), rand::random());
    publisher.send_many(&mut mixer, 500);
    let until = publisher.ends()[&0];
    kafka.rewrap_kafka("");
    publisher.send_many(&mut mixer, 500);
    let mut worker = site.worker("worker", &[]);
    worker.wait_partition(0, "stalled", "log_time_ahead");
    resolve(&site, &worker, &["--yes"])
        .ok()
        .says(&["log_time_ahead"]);
    wait_epoch(&site, 0, 1, publisher.ends()[&0]);
    book_log_time(&site, &publisher, 0, until);
    assert_counted(&site, &publisher);
}
