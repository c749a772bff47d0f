//! What one run holds, and what cannot be written.

use super::{HOUR, Home, bucket, id, spread};
use crate::{Entries, Next, RunSet, StoreError};
use meterline_core::hash::Identity;
use meterline_core::runs::{IdEntry, Runs};
use meterline_core::time::{Hour, Level, Window};

#[tokio::test]
async fn entries_that_repeat_in_a_checkpoint_count_once_and_the_newest_bucket_wins() {
    let home = Home::new();
    let ids = vec![id(HOUR, 1), id(HOUR, 2), id(HOUR, 1)];
    let buckets = [3, 9, 5]
        .map(|version| bucket(Level::Day, HOUR, 1, version))
        .to_vec();
    let set = home.add(&RunSet::default(), ids, buckets).await;
    assert_eq!((set.files()[0].ids, set.files()[0].buckets), (2, 1));
    let newest = bucket(Level::Day, HOUR, 1, 9);
    assert_eq!(
        set.bucket(newest.window, &newest.key),
        Ok(Some(newest.state.clone()))
    );
    assert_eq!(set.levels_since(4).expect("readable"), [newest]);
    assert_eq!(set.levels_since(10).expect("readable"), []);
}

#[tokio::test]
async fn ids_that_filters_cannot_tell_apart_are_told_apart() {
    let home = Home::new();
    let low = |n: u64| IdEntry {
        hour: Hour(HOUR),
        id: Identity(u128::from(n)),
        note: Vec::new(),
    };
    let set = home
        .add(
            &RunSet::default(),
            (0..1_000).map(|n| low(n * 2)).collect(),
            vec![],
        )
        .await;
    for n in 0..2_000_u64 {
        let has = set.has_id(Hour(HOUR), Identity(u128::from(n)));
        assert_eq!(has, Ok(n % 2 == 0), "{n}");
    }
}

#[tokio::test]
async fn a_large_hour_lies_in_several_sections() {
    let home = Home::new();
    let count = (1 << 20) + 5_000_u64;
    let ids = (0..count).map(|n| IdEntry {
        hour: Hour(HOUR),
        id: Identity(spread(n)),
        note: Vec::new(),
    });
    let run = home
        .store
        .write_run(&Entries::new(ids.collect(), Vec::new()))
        .await
        .expect("a run");
    assert_eq!(run.sections::<IdEntry>().len(), 2);
    let set = RunSet::default().with(run);
    for n in (0..count).step_by(101) {
        assert_eq!(set.has_id(Hour(HOUR), Identity(spread(n))), Ok(true), "{n}");
        assert_eq!(
            set.has_id(Hour(HOUR), Identity(spread(n + count))),
            Ok(false),
            "{n}"
        );
    }
    for end in [0, u128::MAX] {
        assert_eq!(set.has_id(Hour(HOUR), Identity(end)), Ok(false));
    }
}

#[tokio::test]
async fn the_newest_version_wins_whatever_the_order_of_runs() {
    for versions in [[1, 2, 3], [3, 2, 1], [2, 3, 1]] {
        let home = Home::new();
        let mut set = RunSet::default();
        for version in versions {
            set = home
                .add(
                    &set,
                    Vec::new(),
                    vec![bucket(Level::Month, HOUR, 1, version)],
                )
                .await;
        }
        let newest = bucket(Level::Month, HOUR, 1, 3);
        assert_eq!(
            set.bucket(newest.window, &newest.key),
            Ok(Some(newest.state.clone()))
        );
        assert_eq!(
            set.levels_since(1).expect("readable"),
            [newest],
            "{versions:?}"
        );
    }
}

#[tokio::test]
async fn an_empty_or_known_run_adds_nothing() {
    let home = Home::new();
    let empty = home.add(&RunSet::default(), Vec::new(), Vec::new()).await;
    assert_eq!(empty.files(), []);
    let once = home.add(&empty, vec![id(HOUR, 1)], Vec::new()).await;
    let twice = home.add(&once, vec![id(HOUR, 1)], Vec::new()).await;
    assert_eq!(once.files(), twice.files());
}

#[tokio::test]
async fn what_no_run_holds_is_absent() {
    let home = Home::new();
    let set = home
        .add(&RunSet::default(), vec![id(HOUR, 1)], Vec::new())
        .await;
    assert_eq!(set.has_id(Hour(HOUR + 1), id(HOUR, 1).id), Ok(false));
    let window = Window::of(Level::Hour, Hour(HOUR));
    assert_eq!(set.bucket(window, b"series 0001"), Ok(None));
}

#[tokio::test]
async fn parts_that_do_not_fit_are_refused_and_leave_nothing() {
    let home = Home::new();
    let long = vec![0; 0xffff];
    let with_note = IdEntry {
        note: long.clone(),
        ..id(HOUR, 1)
    };
    let mut with_key = bucket(Level::Hour, HOUR, 1, 1);
    let mut with_state = with_key.clone();
    (with_key.key, with_state.state) = (long.clone(), long);
    let cases = [
        (vec![with_note], vec![]),
        (vec![], vec![with_key]),
        (vec![], vec![with_state]),
    ];
    for (ids, buckets) in cases {
        let error = home
            .store
            .write_run(&Entries::new(ids, buckets))
            .await
            .expect_err("it is too long");
        assert!(
            matches!(error, StoreError::TooLong { length: 0xffff, .. }),
            "{error}"
        );
    }
    let longest = IdEntry {
        note: vec![1; 0xfffe],
        ..id(HOUR, 1)
    };
    home.store
        .write_run(&Entries::new(vec![longest], Vec::new()))
        .await
        .expect("it fits just so");
    assert_eq!(home.objects("spool"), [""; 0]);
    assert_eq!(home.objects("files").len(), 1);
}

#[tokio::test]
async fn a_run_that_could_not_be_written_is_written_from_the_same_entries() {
    let home = Home::new();
    let spool = home.path("spool");
    std::fs::remove_dir(&spool).expect("it is empty");
    std::fs::write(&spool, "in the way").expect("writable");
    let entries = Entries::new(vec![id(HOUR, 2), id(HOUR, 1), id(HOUR, 2)], Vec::new());
    let error = home.store.write_run(&entries).await;
    assert!(error.expect_err("no folder").next() == Next::Retry);
    std::fs::remove_file(&spool).expect("it is there");
    let run = home.store.write_run(&entries).await;
    assert_eq!(run.expect("its folder is made again").file().ids, 2);
}
