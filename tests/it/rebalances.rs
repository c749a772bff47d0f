//! Several workers: settings and ownership decide cost, never values (INV-ORDER).

use crate::support::load::{Load, Mix, Mixer};
use crate::support::recount::assert_exact;
use crate::support::site::Site;
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use crate::support::worker::Worker;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;

const PARTITIONS: u32 = 4;
const ROUNDS: usize = 10;

/// Flushes often and little.
const HASTY: [(&str, &str); 7] = [
    ("rollup.flush_interval", "\"250ms\""),
    ("rollup.levels_interval", "\"800ms\""),
    ("rollup.checkpoint_interval", "\"1s\""),
    ("rollup.checkpoint_records", "5000"),
    ("rollup.unflushed_max", "3000"),
    ("rollup.fetch_ahead_kib", "1024"),
    ("log.format", "\"json\""),
];

/// Flushes seldom and much.
const SLOW: [(&str, &str); 5] = [
    ("rollup.flush_interval", "\"1100ms\""),
    ("rollup.levels_interval", "\"3s\""),
    ("rollup.checkpoint_interval", "\"4s\""),
    ("rollup.flush_share_percent", "20"),
    ("rollup.fetch_ahead_kib", "16384"),
];

#[test]
fn two_workers_with_other_settings_and_changing_owners_write_the_same_values() {
    let _turn = Turn::alone();
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let site = Site::new("rebalances");
    site.init(PARTITIONS, "load");
    let publisher = Arc::new(site.publisher());
    let mixer = Mixer::new(Mix::new("rebalances", PARTITIONS), seed);
    let load = Load::start(&publisher, mixer, 5_000);
    let mut random = StdRng::seed_from_u64(seed);
    let start = |round: usize| -> Worker {
        let (name, settings): (_, &[_]) = if round.is_multiple_of(2) {
            ("hasty", &HASTY)
        } else {
            ("slow", &SLOW)
        };
        site.worker(&format!("{name}-{round}"), settings)
    };
    let mut stays = start(0);
    stays.wait_owns(4);
    for round in 1..=ROUNDS {
        let mut joins = start(round);
        wait_shared(&mut stays, &mut joins);
        wait_progress(&site, &[&stays, &joins]);
        // Either the old or the new one leaves, by a signal or by a crash.
        let leaves = if random.random_bool(0.5) {
            std::mem::replace(&mut stays, joins)
        } else {
            joins
        };
        if random.random_bool(0.5) {
            leaves.kill();
        } else {
            assert!(leaves.stop().success(), "a graceful stop succeeds");
        }
        stays.wait_owns(4);
        wait_progress(&site, &[&stays]);
    }
    load.stop();
    assert_exact(&site, &publisher);
}

/// Waits until both own partitions, and together all of them.
fn wait_shared(one: &mut Worker, other: &mut Worker) {
    until("two workers to share the partitions", SOON, || {
        one.assert_running();
        other.assert_running();
        let (a, b) = (one.partitions().len(), other.partitions().len());
        (a > 0 && b > 0 && a + b == 4)
            .then_some(())
            .ok_or_else(|| format!("{a} and {b}"))
    });
}

/// Waits until every partition has moved from where it is now.
fn wait_progress(site: &Site, owners: &[&Worker]) {
    let before = site.progress();
    until("every partition to move", SOON, || {
        let now = site.progress();
        let mut still = before.iter().filter(|then| {
            let same = now.iter().find(|p| p.log_partition == then.log_partition);
            same.is_none_or(|p| p.to_offset <= then.to_offset)
        });
        still.next().map_or(Ok(()), |still| {
            let status: Vec<_> = owners.iter().map(|owner| owner.status()).collect();
            Err(format!("{still:?} stands still, of {now:?}; {status:?}"))
        })
    });
}
