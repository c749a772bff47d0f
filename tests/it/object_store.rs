//! Checkpoints in an object store: workers are killed, the store is silent for a while, and the
//! local copies are lost.

use crate::support::load::{Load, Mix, Mixer};
use crate::support::recount::assert_exact;
use crate::support::site::Site;
use crate::support::stack::{Service, Stack};
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use crate::support::worker::Worker;
use meterline_stack::BUCKET;
use std::sync::Arc;

const PARTITIONS: u32 = 2;
const RATE: u32 = 5_000;
const KILLS: u32 = 3;
/// Checkpoints are seen in the log.
const TALKATIVE: [(&str, &str); 1] = [("log.level", "\"info,meterline_worker=debug\"")];

#[test]
fn kills_lost_copies_and_a_silent_store_leave_every_value_right() {
    let _turn = Turn::alone();
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let store = Stack::own(Service::S3);
    let mut site = Site::new("object_store");
    let cache = site.folder().join("cache");
    on_store(&mut site, &store);
    site.init(PARTITIONS, "load");
    let publisher = Arc::new(site.publisher());
    let mixer = Mixer::new(Mix::new("object_store", PARTITIONS), seed);
    let load = Load::start(&publisher, mixer, RATE);
    for kill in 0..KILLS {
        let mut worker = site.worker(&format!("worker-{kill}"), &TALKATIVE);
        wait_checkpoints(&mut worker);
        worker.kill();
        if kill == 1 {
            std::fs::remove_dir_all(&cache).expect("the copies can be deleted");
        }
    }
    let mut last = site.worker("worker-last", &TALKATIVE);
    wait_checkpoints(&mut last);
    store.signal(Service::S3, "STOP");
    load.stop();
    // Flushes need no store.
    site.wait_complete(&publisher.ends(), SOON);
    store.signal(Service::S3, "CONT");
    assert_exact(&site, &publisher);
    assert!(last.stop().success(), "a last checkpoint is written");
    let mut mixer = Mixer::new(Mix::new("object_store_more", PARTITIONS), seed);
    publisher.send_many(&mut mixer, 5_000);
    std::fs::remove_dir_all(&cache).expect("the copies can be deleted");
    let worker = site.worker("worker-again", &[]);
    assert_exact(&site, &publisher);
    let log = worker.log();
    assert!(log.contains("from_checkpoint=true"), "the store had it all");
    assert!(!log.contains("from_checkpoint=false"), "of every partition");
    assert!(!log.contains("hidden"), "the secret is in the log");
}

/// Points the site's checkpoints at the store.
fn on_store(site: &mut Site, store: &Stack) {
    let secret = site.folder().join("secret");
    std::fs::write(&secret, "hidden\n").expect("a file can be written");
    let cache = site.folder().join("cache");
    for (key, value) in [
        ("url", format!("s3://{BUCKET}/checkpoints")),
        ("cache", cache.display().to_string()),
        ("options.aws_endpoint", store.s3_url()),
        ("options.aws_region", "us-east-1".to_owned()),
        ("options.aws_access_key_id", "any".to_owned()),
        (
            "options.aws_secret_access_key_file",
            secret.display().to_string(),
        ),
        ("options.allow_http", "true".to_owned()),
    ] {
        site.set(&format!("checkpoint.{key}"), &format!("\"{value}\""));
    }
}

/// Waits until every partition has written a checkpoint in this process.
fn wait_checkpoints(worker: &mut Worker) {
    until("a checkpoint of every partition", SOON, || {
        worker.assert_running();
        let log = worker.log();
        let written = log.matches("checkpoint published").count();
        (written >= usize::try_from(PARTITIONS).unwrap_or(0))
            .then_some(())
            .ok_or_else(|| format!("{written} checkpoints"))
    });
}
