//! Workers that are killed: nothing is lost, nothing counts twice (INV-REPLAY, INV-STAMP).

use crate::support::load::{Load, Mix, Mixer};
use crate::support::recount::assert_exact;
use crate::support::site::{Progress, Site};
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use crate::support::worker::Worker;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

const PARTITIONS: u32 = 4;
const KILLS: u32 = 20;
const RATE: u32 = 20_000;
/// Kills that must leave rows ahead of the checkpoint; the others proved little.
const KILLS_AHEAD: usize = 15;
const FLUSH_INTERVAL_MS: u64 = 500;

#[test]
fn twenty_kills_at_full_load_leave_every_value_right() {
    let _turn = Turn::alone();
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let site = Site::new("kills");
    site.init(PARTITIONS, "load");
    let publisher = Arc::new(site.publisher());
    let mixer = Mixer::new(Mix::new("kills", PARTITIONS), seed);
    let load = Load::start(&publisher, mixer, RATE);
    let mut random = StdRng::seed_from_u64(seed);
    let mut ahead = 0;
    for kill in 0..KILLS {
        let before = site.progress();
        let mut worker = brisk(&site, &format!("worker-{kill}"));
        wait_flushed(&site, &mut worker, &before);
        // Into the next flush, or between two.
        sleep(Duration::from_millis(
            random.random_range(0..FLUSH_INTERVAL_MS),
        ));
        worker.kill();
        ahead += usize::from(has_rows_ahead(&site));
    }
    load.stop();
    let _last = brisk(&site, "worker-last");
    assert_exact(&site, &publisher);
    println!("{ahead} of {KILLS} kills left rows ahead of the checkpoint");
    assert!(ahead >= KILLS_AHEAD, "only {ahead} kills left rows ahead");
}

fn brisk(site: &Site, name: &str) -> Worker {
    let flush = format!("\"{FLUSH_INTERVAL_MS}ms\"");
    site.worker(
        name,
        &[
            ("rollup.flush_interval", &flush),
            ("rollup.session_timeout", "\"1s\""),
            ("rollup.checkpoint_interval", "\"3s\""),
        ],
    )
}

/// Waits until every partition has told progress beyond what was there before the start.
fn wait_flushed(site: &Site, worker: &mut Worker, before: &[Progress]) {
    until("every partition to flush since the start", SOON, || {
        worker.assert_running();
        let now = site.progress();
        let moved = now.iter().filter(|now| {
            let then = before.iter().find(|p| p.log_partition == now.log_partition);
            then.is_none_or(|then| now.to_offset > then.to_offset)
        });
        let is_done = u32::try_from(moved.count()) == Ok(PARTITIONS);
        is_done
            .then_some(())
            .ok_or_else(|| format!("{now:?}, before {before:?}"))
    });
}

/// Whether ClickHouse has a row that is newer than its partition's newest manifest.
fn has_rows_ahead(site: &Site) -> bool {
    #[derive(serde::Deserialize)]
    struct Newest {
        log_partition: i32,
        offset: i64,
    }
    let query = "SELECT log_partition, max(bitAnd(version, 0xFFFFFFFFFFFF)) AS offset \
                 FROM bucket_hourly GROUP BY log_partition";
    let rows: Vec<Newest> = site.sql().rows(query);
    let manifests = site.manifests();
    rows.iter()
        .any(|row| row.offset >= manifests.get(&row.log_partition).copied().unwrap_or(0))
}
