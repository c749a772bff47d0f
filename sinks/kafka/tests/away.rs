//! What a client costs while its cluster is away; a binary of its own, since it measures the CPU
//! time of its whole process.

use meterline_kafka::{Admin, Settings};
use meterline_stack::{Service, Stack};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_secs(30);

/// CPU time of this process so far.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux says it");
    let (_, fields) = stat.rsplit_once(')').expect("the name is in brackets");
    // Field 3 follows the name; 14 and 15 are user and system time (proc(5)).
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|n| n.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}

#[test]
fn asking_a_cluster_that_is_away_takes_little_cpu_time() {
    let stack = Stack::own(Service::Kafka);
    let settings = Settings {
        brokers: stack.brokers(),
        properties: BTreeMap::new(),
        topic_prefix: String::new(),
    };
    let admin = Admin::connect(&settings).expect("a client");
    let asked = admin.describe_topic("none", TIMEOUT).expect("an answer");
    assert_eq!(asked, None);
    stack.kill(Service::Kafka);
    let (began, before) = (Instant::now(), cpu_time());
    for _ in 0..2 {
        let silence = admin.describe_topic("none", Duration::from_secs(3));
        silence.expect_err("nobody is there");
    }
    let used = cpu_time().saturating_sub(before);
    assert!(
        used < began.elapsed() / 5,
        "{used:?} of CPU time in {:?}",
        began.elapsed()
    );
}
