//! How long runs take to write, open, ask and merge; prints one line for each.
//!
//! `cargo bench -p meterline-checkpoint`

use meterline_checkpoint::{Entries, Keep, RunSet, Store, StoreSettings};
use meterline_core::bucket::Bucket;
use meterline_core::hash::Identity;
use meterline_core::position::Stamp;
use meterline_core::runs::{BucketEntry, IdEntry, Runs};
use meterline_core::time::{EventTime, Hour, Level, Window};
use std::time::Instant;

const IDS: u64 = 1_000_000;
const BUCKETS: u64 = 100_000;
const HOUR: Hour = Hour(498_656);

fn main() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("file://{}", folder.path().display());
    let store = Store::open(&StoreSettings::new(&url)).expect("a store");
    let mut set = RunSet::default();
    for run in 0..8 {
        let (ids, buckets) = (ids(run), buckets(run));
        let action = || {
            runtime
                .block_on(store.write_run(&Entries::new(ids, buckets)))
                .expect("a run")
        };
        let written = timed("write, sync and open a run", action);
        set = set.with(written);
    }
    println!("one run: {:?}", set.files()[0]);
    ask(&set);
    let keep = Keep {
        answer_floor: EventTime(i64::MIN),
        levels_to: Stamp::default(),
    };
    let merged = timed("merge 8 runs", || runtime.block_on(store.merge(&set, keep)));
    let merged = merged.expect("a merge").expect("a full tier");
    set = timed("replace them", || set.replace(&merged)).expect("all there");
    println!("the merged run: {:?}", set.files()[0]);
    ask(&set);
    timed("levels since the start", || {
        set.levels_since(0).expect("readable")
    })
    .len();
}

fn ask(set: &RunSet) {
    let has = |hour, id| u64::from(set.has_id(hour, Identity(id)).expect("readable"));
    let found = timed("ask for 1,000,000 ids that are there", || {
        (0..IDS).map(|n| has(HOUR, spread(n))).sum::<u64>()
    });
    assert_eq!(found, IDS);
    let found = timed("ask for 1,000,000 ids that are not", || {
        (0..IDS)
            .map(|n| has(HOUR, spread(n + 100 * IDS)))
            .sum::<u64>()
    });
    assert_eq!(found, 0);
    timed("ask for 1,000,000 ids of an hour that no run has", || {
        (0..IDS)
            .map(|n| has(Hour(HOUR.0 + 1), spread(n)))
            .sum::<u64>()
    });
    let window = Window::of(Level::Hour, HOUR);
    timed("ask for 100,000 buckets", || {
        for n in (0..BUCKETS).step_by(3) {
            set.bucket(window, &key(n))
                .expect("readable")
                .expect("it is there");
            set.bucket(window, &key(n + BUCKETS)).expect("readable");
            set.bucket(window, &key(n + 2 * BUCKETS)).expect("readable");
        }
    });
}

fn ids(run: u64) -> Vec<IdEntry> {
    let entry = |n| IdEntry {
        hour: HOUR,
        id: Identity(spread(n)),
        note: Vec::new(),
    };
    (run * IDS..(run + 1) * IDS).map(entry).collect()
}

fn buckets(run: u64) -> Vec<BucketEntry> {
    let entry = |n: u64| {
        let level = Level::from_u8(u8::try_from(n % 3).expect("small")).expect("a level");
        let changed = Stamp {
            epoch: 0,
            offset: run * IDS + n,
        };
        let state = Bucket {
            events: n,
            changed,
            ..Bucket::default()
        }
        .encode();
        BucketEntry {
            window: Window::of(level, HOUR),
            key: key(n),
            version: changed.version(),
            state,
        }
    };
    (0..BUCKETS).map(entry).collect()
}

fn key(n: u64) -> Vec<u8> {
    format!(
        "tenant-{:05} requests model gpt-{} region eu-west-{}",
        n % 9_973,
        n % 7,
        n
    )
    .into_bytes()
}

/// An identity as hashes give them: spread over all 128 bits.
fn spread(n: u64) -> u128 {
    let high = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    u128::from(high ^ (high >> 29)) << 64 | u128::from(high.wrapping_mul(0xbf58_476d_1ce4_e5b9))
}

fn timed<T>(action: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = run();
    println!("{action}: {} ms", start.elapsed().as_millis());
    done
}
