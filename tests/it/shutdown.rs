//! A graceful stop: drained, flushed, checkpointed; a restart has nothing to do again.

use crate::support::load::{Load, Mix, Mixer};
use crate::support::recount::assert_exact;
use crate::support::site::Site;
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use std::sync::Arc;

/// Nothing is flushed or checkpointed by its interval: only the stop does it.
const SELDOM: [(&str, &str); 3] = [
    ("rollup.flush_interval", "\"5m\""),
    ("rollup.levels_interval", "\"10m\""),
    ("rollup.checkpoint_interval", "\"10m\""),
];

#[test]
fn a_stop_writes_everything_so_that_a_restart_replays_nothing() {
    let _turn = Turn::light();
    let site = Site::new("shutdown");
    site.init(3, "load");
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("shutdown", 3), rand::random());
    publisher.send_many(&mut mixer, 30_000);
    let mut worker = site.worker("first", &SELDOM);
    let ends = publisher.ends();
    until("all records to be folded", SOON, || {
        worker.assert_running();
        let partitions = worker.partitions();
        let is_folded = |(partition, end): (&i32, &i64)| {
            partitions
                .iter()
                .any(|p| p["partition"] == *partition && p["position"].as_i64() >= Some(*end))
        };
        ends.iter()
            .all(is_folded)
            .then_some(())
            .ok_or_else(|| format!("{partitions:?}"))
    });
    assert!(worker.stop().success(), "exit status of a graceful stop");
    assert_stopped_at_one_position(&site);
    for (progress, end) in site.progress().iter().zip(ends.values()) {
        assert!(progress.to_offset >= *end, "{progress:?}, end {end}");
    }
    let rows = || site.sql().number("SELECT count() FROM bucket_hourly");
    let letters = || {
        site.kafka()
            .read_all(&site.topic("usage.dead-letter"))
            .len()
    };
    let before = (rows(), letters());
    let mut again = site.worker("second", &SELDOM);
    again.wait_ready(200);
    again.wait_owns(3);
    assert!(again.stop().success());
    assert_eq!((rows(), letters()), before, "nothing was written again");
    assert_stopped_at_one_position(&site);
    assert_exact(&site, &publisher);
}

#[test]
fn a_stop_under_load_leaves_one_position() {
    let _turn = Turn::light();
    let site = Site::new("shutdown_load");
    site.init(3, "load");
    let publisher = Arc::new(site.publisher());
    let mixer = Mixer::new(Mix::new("shutdown_load", 3), rand::random());
    let load = Load::start(&publisher, mixer, 3_000);
    for round in 0..3 {
        let before = site.progress();
        let mut worker = site.worker(&format!("worker-{round}"), &[]);
        until("progress", SOON, || {
            worker.assert_running();
            let now = site.progress();
            let moved = now.len() == 3
                && now
                    .iter()
                    .zip(&before)
                    .all(|(n, b)| n.to_offset > b.to_offset);
            moved.then_some(()).ok_or_else(|| format!("{now:?}"))
        });
        assert!(worker.stop().success(), "exit status of a graceful stop");
        assert_stopped_at_one_position(&site);
    }
    load.stop();
    let _worker = site.worker("last", &[]);
    assert_exact(&site, &publisher);
}

/// Hours, days, months and the manifest are all at one position, in every partition.
fn assert_stopped_at_one_position(site: &Site) {
    let manifests = site.manifests();
    let progress = site.progress();
    assert_eq!(
        progress.len(),
        manifests.len(),
        "{progress:?} {manifests:?}"
    );
    for progress in &progress {
        assert_eq!(progress.to_offset, progress.levels_to, "{progress:?}");
        let manifest = manifests.get(&progress.log_partition);
        assert_eq!(manifest, Some(&progress.to_offset), "{progress:?}");
    }
}
