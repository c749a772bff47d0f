//! Merges: what they drop, what they keep, and how they meet what happened meanwhile.

use super::{HOUR, Home, bucket, id, keep_all};
use crate::{Keep, Merged, RunSet};
use meterline_core::position::Stamp;
use meterline_core::runs::{IdEntry, Runs};
use meterline_core::time::{Hour, Level};

/// A set of `runs` runs, each with one id of its own and one version of one bucket.
async fn set_of(home: &Home, runs: u64) -> RunSet {
    let mut set = RunSet::default();
    for n in 0..runs {
        set = home
            .add(
                &set,
                vec![id(HOUR, n)],
                vec![bucket(Level::Hour, HOUR, 1, n + 1)],
            )
            .await;
    }
    set
}

async fn merge(home: &Home, set: &RunSet, keep: Keep) -> Option<Merged> {
    let (store, set) = (home.store.clone(), set.clone());
    // As the worker does it: beside its own work.
    let task = tokio::spawn(async move { store.merge(&set, keep).await });
    task.await.expect("the task ends").expect("a merge")
}

#[tokio::test]
async fn eight_runs_of_a_tier_become_one_of_the_next() {
    let home = Home::new();
    let seven = set_of(&home, 7).await;
    assert!(merge(&home, &seven, keep_all()).await.is_none());
    assert_eq!(seven.merge_plan(keep_all()), None);
    let eight = set_of(&home, 8).await;
    assert_eq!(eight.merge_plan(keep_all()), Some(eight.files()));
    let merged = merge(&home, &eight, keep_all()).await.expect("a full tier");
    let after = eight.replace(&merged).expect("its runs are all there");
    let [file] = after.files().try_into().expect("one run");
    assert_eq!((file.ids, file.buckets, file.tier), (8, 1, 1));
    let newest = bucket(Level::Hour, HOUR, 1, 8);
    assert_eq!(
        after.bucket(newest.window, &newest.key),
        Ok(Some(newest.state))
    );
}

#[tokio::test]
async fn runs_that_came_during_a_merge_stay_newer_than_it() {
    let home = Home::new();
    let before = set_of(&home, 8).await;
    let merged = merge(&home, &before, keep_all())
        .await
        .expect("a full tier");
    let newer = bucket(Level::Hour, HOUR, 1, 50);
    let meanwhile = home
        .add(&before, vec![id(HOUR, 77)], vec![newer.clone()])
        .await;
    let after = meanwhile.replace(&merged).expect("its runs are all there");
    let tiers: Vec<_> = after.files().iter().map(|file| file.tier).collect();
    assert_eq!(tiers, [1, 0]);
    assert_eq!(
        after.bucket(newer.window, &newer.key),
        Ok(Some(newer.state))
    );
    for n in [0, 1, 2, 3, 4, 5, 6, 7, 77] {
        assert_eq!(after.has_id(Hour(HOUR), id(HOUR, n).id), Ok(true), "{n}");
    }
    assert!(after.replace(&merged).is_none(), "it was replaced already");
}

#[tokio::test]
async fn a_merge_of_another_history_is_dropped() {
    let home = Home::new();
    let merged = merge(&home, &set_of(&home, 8).await, keep_all())
        .await
        .expect("a full tier");
    assert!(set_of(&home, 7).await.replace(&merged).is_none());
    assert!(RunSet::default().replace(&merged).is_none());
}

/// Merges one run with these ids and buckets under a floor of `HOUR` and levels at version 100.
async fn check_kept(entries: [(Level, i32, u64); 2], expected: [bool; 2]) {
    let home = Home::new();
    let buckets = entries.map(|(level, hour, version)| bucket(level, hour, 1, version));
    let expired: Vec<IdEntry> = (0..10).map(|n| id(HOUR - 2, n)).collect();
    let set = home
        .add(&RunSet::default(), expired, buckets.to_vec())
        .await;
    let levels_to = Stamp {
        epoch: 0,
        offset: 100,
    };
    let keep = Keep {
        answer_floor: Hour(HOUR).start(),
        levels_to,
    };
    let merged = merge(&home, &set, keep)
        .await
        .expect("most of the run has expired");
    let after = set.replace(&merged).expect("its run is there");
    let kept = buckets.map(|b| after.bucket(b.window, &b.key).expect("readable").is_some());
    assert_eq!(kept, expected, "{entries:?}");
    assert!(
        after.merge_plan(keep).is_none(),
        "nothing is left to be dropped"
    );
}

#[tokio::test]
async fn only_what_nobody_can_ask_for_is_dropped() {
    use Level::{Day, Hour, Month};
    check_kept([(Hour, HOUR - 2, 1), (Hour, HOUR, 2)], [false, true]).await;
    // The hour before the floor ends at the floor: it is still answered.
    check_kept([(Hour, HOUR - 1, 1), (Hour, HOUR - 3, 2)], [true, false]).await;
    check_kept([(Day, HOUR - 2, 1), (Month, HOUR - 2, 2)], [true, true]).await;
    check_kept(
        [(Day, HOUR - 30, 1), (Month, HOUR - 2_000, 2)],
        [false, false],
    )
    .await;
    // Changed at or after what ClickHouse has: kept for the rows that are still to be written.
    check_kept([(Day, HOUR - 30, 100), (Day, HOUR - 60, 99)], [true, false]).await;
}

#[tokio::test]
async fn a_run_that_has_expired_as_a_whole_leaves_the_set() {
    let home = Home::new();
    let set = set_of(&home, 1).await;
    let levels_to = Stamp {
        epoch: 1,
        offset: 0,
    };
    let keep = Keep {
        answer_floor: Hour(HOUR + 2).start(),
        levels_to,
    };
    let merged = merge(&home, &set, keep).await.expect("it has expired");
    assert_eq!(set.replace(&merged).expect("its run is there").files(), []);
}

#[tokio::test]
async fn the_newest_note_of_an_id_speaks_before_and_after_a_merge() {
    let home = Home::new();
    let eight = set_of(&home, 8).await;
    let noted = |note: u8| IdEntry {
        note: vec![note; 9],
        ..id(HOUR, 3)
    };
    let others = || (0..7).filter(|n| *n != 3).map(|n| id(HOUR, n));
    let check = |set: &RunSet, expected: &IdEntry| {
        let found = set.note(expected.hour, expected.id);
        assert_eq!(found.as_ref(), Ok(&Some(expected.note.clone())));
        let mut shown = Vec::new();
        let each = &mut |id, note: &[u8]| shown.push((id, note.to_vec()));
        set.notes(Hour(HOUR), each).expect("readable");
        let mut all: Vec<_> = others().chain([id(HOUR, 7), expected.clone()]).collect();
        all.sort_unstable_by_key(|entry| entry.id);
        let all: Vec<_> = all.into_iter().map(|e| (e.id, e.note)).collect();
        assert_eq!(shown, all, "each id once, in order");
    };
    check(&eight, &id(HOUR, 3));
    let newer = home.add(&eight, vec![noted(1)], vec![]).await;
    let newest = home.add(&newer, vec![noted(2)], vec![]).await;
    check(&newest, &noted(2));
    let merged = merge(&home, &newest, keep_all())
        .await
        .expect("a full tier");
    check(&newest.replace(&merged).expect("all there"), &noted(2));
    assert_eq!(newest.note(Hour(HOUR), id(HOUR, 99).id), Ok(None));
    assert_eq!(newest.note(Hour(HOUR + 1), noted(2).id), Ok(None));
}
