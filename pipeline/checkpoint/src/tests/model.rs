//! INV-REPLAY: what runs answer does not depend on how entries were split into checkpoints, merges
//! and restarts. Any sequence of them gives the answers of a plain map.

use super::{HOUR, Home, PARTITION, bucket, id, spread};
use crate::{Keep, Merged, RunSet};
use meterline_core::hash::Identity;
use meterline_core::position::Stamp;
use meterline_core::runs::{BucketEntry, IdEntry, Runs};
use meterline_core::time::{EventTime, Hour, Level, Window};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Step {
    /// A checkpoint: (hour, n) of ids, and (level, hour, key) of buckets.
    Checkpoint(Vec<(i32, u64)>, Vec<(u8, i32, u64)>),
    /// Log time moves on: hours before this one are asked for no more.
    Floor(i32),
    /// A merge begins …
    Merge,
    /// … and ends, maybe after other steps.
    Replace,
    /// All runs are published, found again and opened.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let hours = HOUR..HOUR + 40;
    let ids = proptest::collection::vec((hours.clone(), 0..2_000_u64), 0..400);
    let buckets = proptest::collection::vec((0..3_u8, hours, 0..90_u64), 0..120);
    let step = prop_oneof![
        12 => (ids, buckets).prop_map(|(ids, buckets)| Step::Checkpoint(ids, buckets)),
        2 => any::<bool>().prop_map(|_| Step::Merge),
        2 => Just(Step::Replace),
        1 => Just(Step::Restart),
        1 => (HOUR..HOUR + 30).prop_map(Step::Floor),
    ];
    proptest::collection::vec(step, 10..40)
}

/// The runs, and beside them what they should answer.
struct Pair {
    home: Home,
    set: RunSet,
    pending: Option<Merged>,
    floor: i32,
    version: u64,
    ids: BTreeSet<(Hour, Identity)>,
    buckets: BTreeMap<(Window, Vec<u8>), BucketEntry>,
}

impl Pair {
    fn new() -> Self {
        Self {
            home: Home::new(),
            set: RunSet::default(),
            pending: None,
            floor: HOUR,
            version: 0,
            ids: BTreeSet::new(),
            buckets: BTreeMap::new(),
        }
    }

    async fn apply(&mut self, step: &Step) {
        match step {
            Step::Checkpoint(ids, buckets) => self.checkpoint(ids, buckets).await,
            Step::Floor(hour) => self.floor = self.floor.max(*hour),
            Step::Merge => {
                let merged = self.home.store.merge(&self.set, self.keep()).await;
                self.pending = merged.expect("a merge");
            }
            Step::Replace => {
                if let Some(merged) = self.pending.take() {
                    self.set = self.set.replace(&merged).expect("its runs are all there");
                }
            }
            Step::Restart => self.restart().await,
        }
    }

    fn keep(&self) -> Keep {
        let answer_floor = Hour(self.floor).start();
        let levels_to = Stamp {
            epoch: 0,
            offset: self.version / 2,
        };
        Keep {
            answer_floor,
            levels_to,
        }
    }

    async fn checkpoint(&mut self, ids: &[(i32, u64)], buckets: &[(u8, i32, u64)]) {
        let ids: Vec<IdEntry> = ids.iter().map(|(hour, n)| id(*hour, *n)).collect();
        let mut written = Vec::new();
        for (level, hour, key) in buckets {
            self.version += 1;
            let level = Level::from_u8(*level).expect("one of three");
            written.push(bucket(level, *hour, *key, self.version));
        }
        self.ids.extend(ids.iter().map(|id| (id.hour, id.id)));
        let entries = written
            .iter()
            .map(|b| ((b.window, b.key.clone()), b.clone()));
        self.buckets.extend(entries);
        self.set = self.home.add(&self.set, ids, written).await;
    }

    async fn restart(&mut self) {
        let position = self.version + 1;
        let mut manifest = self.home.manifest(&self.set, 0, position).await;
        // Restarts at one position are two writers with the same history.
        manifest.header.hash_samples.clear();
        self.home
            .store
            .publish(&manifest)
            .await
            .expect("all its files are there");
        let newest = self
            .home
            .store
            .newest(PARTITION, None)
            .await
            .expect("a readable store");
        let newest = newest.expect("a manifest");
        assert_eq!(newest.header.position, position);
        if newest == manifest {
            self.set = self.home.store.load(&newest).await.expect("all runs open");
        }
    }

    fn check(&self) {
        let floor = Hour(self.floor).start();
        for (hour, id) in self.ids.iter().filter(|(hour, _)| hour.end() >= floor) {
            assert_eq!(self.set.has_id(*hour, *id), Ok(true), "{hour:?} {id:?}");
        }
        for n in 2_000..2_500 {
            let absent = Identity(spread(n));
            assert_eq!(self.set.has_id(Hour(HOUR + 39), absent), Ok(false));
        }
        for ((window, key), bucket) in &self.buckets {
            if self.is_answered(bucket, floor) {
                let state = self.set.bucket(*window, key);
                assert_eq!(
                    state.as_ref(),
                    Ok(&Some(bucket.state.clone())),
                    "{window:?}"
                );
                assert_eq!(self.set.bucket(*window, &key[1..]), Ok(None));
            }
        }
        for version in [0, self.keep().levels_to.offset, self.version] {
            self.check_levels(version, floor);
        }
    }

    fn is_answered(&self, bucket: &BucketEntry, floor: EventTime) -> bool {
        bucket.window.end_time() >= floor || bucket.version >= self.keep().levels_to.version()
    }

    fn check_levels(&self, version: u64, floor: EventTime) {
        let levels = self.set.levels_since(version).expect("readable runs");
        assert!(levels.is_sorted_by(|a, b| (a.window, &a.key) < (b.window, &b.key)));
        let is_asked = |b: &&BucketEntry| b.window.level != Level::Hour && b.version >= version;
        assert!(levels.iter().all(|bucket| is_asked(&bucket)));
        let answered = |b: &&BucketEntry| self.is_answered(b, floor);
        let found: Vec<_> = levels.iter().filter(answered).collect();
        let expected: Vec<_> = self
            .buckets
            .values()
            .filter(is_asked)
            .filter(answered)
            .collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn any_split_into_checkpoints_merges_and_restarts_gives_the_same_answers() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let mut runner = TestRunner::new(Config {
        cases: 24,
        ..Config::default()
    });
    let merges = std::cell::Cell::new(0);
    runner
        .run(&steps(), |steps| {
            let mut pair = Pair::new();
            runtime.block_on(async {
                for step in &steps {
                    pair.apply(step).await;
                    merges.set(merges.get() + usize::from(pair.pending.is_some()));
                }
            });
            pair.check();
            Ok(())
        })
        .expect("runs answer as the map does");
    assert!(merges.get() > 0, "no case merged anything");
}
