//! ClickHouse that loses answers, and ClickHouse that is away.

use crate::support::load::{Load, Mix, Mixer};
use crate::support::recount::assert_exact;
use crate::support::site::Site;
use crate::support::stack::{Service, Stack};
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn answers_lost_after_the_commit_change_nothing() {
    let _turn = Turn::light();
    let site = Site::new("answers");
    site.init(3, "load");
    let publisher = Arc::new(site.publisher());
    let seed: u64 = rand::random();
    let chance = json!({"probability": 0.3, "seed": seed});
    let lost = site.fault("lose_answer", "^INSERT", &chance);
    let failed = site.fault(
        "fail",
        "^INSERT",
        &json!({"probability": 0.2, "seed": seed}),
    );
    let cut = site.fault("cut", "^INSERT", &json!({"probability": 0.1, "seed": seed}));
    let load = Load::start(&publisher, Mixer::new(Mix::new("answers", 3), seed), 4_000);
    let mut worker = site.worker("worker", &[]);
    until("many answers to be lost", SOON, || {
        worker.assert_running();
        let hits = [lost.hits(), failed.hits(), cut.hits()];
        (hits[0] >= 40 && hits[1] >= 10 && hits[2] >= 5)
            .then_some(())
            .ok_or_else(|| format!("{hits:?}"))
    });
    // Kill it too, so that what is inserted again comes from another process.
    worker.kill();
    let before = lost.hits();
    let _worker = site.worker("after", &[]);
    until("lost answers in the second worker", SOON, || {
        let since = lost.hits() - before;
        (since >= 10).then_some(()).ok_or(since)
    });
    load.stop();
    drop((lost, failed, cut));
    assert_exact(&site, &publisher);
}

/// How long ClickHouse is away.
const AWAY: Duration = Duration::from_secs(60);

/// Most memory of a worker whose rows cannot leave: its own, the state of some hundred thousand
/// identities, and its bounds.
const RESIDENT_KIB_MAX: u64 = 700 << 10;

#[test]
fn a_minute_without_clickhouse_loses_nothing_and_keeps_memory_bounded() {
    let _turn = Turn::alone();
    let clickhouse = Stack::own(Service::Clickhouse);
    let site = Site::with_clickhouse("away", &clickhouse);
    site.init(4, "load");
    let publisher = Arc::new(site.publisher());
    let mixer = Mixer::new(Mix::new("away", 4), rand::random());
    let load = Load::start(&publisher, mixer, 20_000);
    let bounds = [
        ("rollup.unflushed_max", "20000"),
        ("rollup.fetch_ahead_kib", "4096"),
    ];
    let mut worker = site.worker("worker", &bounds);
    worker.wait_ready(200);
    until("every partition to have progress", SOON, || {
        let seen = site.progress().len();
        (seen == 4).then_some(()).ok_or(seen)
    });
    clickhouse.kill(Service::Clickhouse);
    let start = Instant::now();
    worker.wait_problem("clickhouse");
    let mut most = 0;
    until("a minute without ClickHouse to pass", AWAY * 2, || {
        worker.assert_running();
        assert_eq!(worker.status_of("/health/live"), Some(200));
        assert_eq!(worker.status_of("/health/ready"), Some(503));
        most = worker.resident_kib().max(most);
        (start.elapsed() >= AWAY).then_some(()).ok_or("not over")
    });
    println!("{most} KiB at most in a minute without ClickHouse");
    assert!(most < RESIDENT_KIB_MAX, "{most} KiB in use");
    clickhouse.up(Some(Service::Clickhouse));
    worker.wait_ready(200);
    load.stop();
    assert_exact(&site, &publisher);
}
