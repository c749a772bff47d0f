//! What a collection of garbage deletes, and what it must not.

use super::{HOUR, Home, PARTITION, id};
use crate::{Entries, Manifest, RunSet, Store};
use meterline_core::position::LogPartition;
use std::fs;
use std::time::{Duration, SystemTime};

const OTHER: LogPartition = LogPartition {
    partition: 4,
    ..PARTITION
};
const DAY: Duration = Duration::from_secs(86_400);

/// Publishes a manifest with a run of its own and all of `shared`; positions rise with `n`.
async fn publish(home: &Home, partition: LogPartition, shared: &RunSet, n: u64) -> Manifest {
    let set = home.add(shared, vec![id(HOUR, n)], Vec::new()).await;
    let mut manifest = home.manifest(&set, 0, n).await;
    manifest.header.log_partition = partition;
    home.store
        .publish(&manifest)
        .await
        .expect("its files are there");
    manifest
}

async fn collect(store: &Store, age: Duration) -> (usize, usize) {
    let now = SystemTime::now() + age;
    let garbage = store
        .collect_garbage(PARTITION, now)
        .await
        .expect("a collection");
    (garbage.manifests, garbage.files)
}

/// Whether the store holds exactly the manifests, and all their files.
fn check_left(home: &Home, manifests: &[&Manifest]) {
    let mut expected: Vec<_> = manifests.iter().map(|manifest| manifest.path()).collect();
    expected.sort();
    assert_eq!(home.objects("manifests"), expected);
    let mut files: Vec<_> = manifests
        .iter()
        .flat_map(|m| &m.files)
        .map(|f| f.path())
        .collect();
    files.sort();
    files.dedup();
    assert_eq!(home.objects("files"), files);
}

#[tokio::test]
async fn the_newest_three_and_what_they_name_stay() {
    let home = Home::new();
    let shared = home
        .add(&RunSet::default(), vec![id(HOUR, 99)], Vec::new())
        .await;
    let mut published = Vec::new();
    for n in 1..=5 {
        published.push(publish(&home, PARTITION, &shared, n).await);
    }
    // The other partition still needs what the first manifest of this one named.
    let other = home.store.load(&published[0]).await.expect("its runs");
    let other = publish(&home, OTHER, &other, 50).await;
    assert_eq!(collect(&home.store, DAY).await, (2, 1));
    check_left(
        &home,
        &[&published[2], &published[3], &published[4], &other],
    );
    assert_eq!(collect(&home.store, DAY).await, (0, 0));
    home.store
        .load(&published[4])
        .await
        .expect("all its runs are there");
}

#[tokio::test]
async fn young_files_stay() {
    let home = Home::new();
    home.store
        .write_run(&Entries::new(vec![id(HOUR, 1)], Vec::new()))
        .await
        .expect("a run nobody named yet");
    fs::write(home.path("spool/left.run"), b"of a process that died").expect("written");
    assert_eq!(
        collect(&home.store, DAY - Duration::from_secs(600)).await,
        (0, 0)
    );
    assert_eq!(home.objects("files").len() + home.objects("spool").len(), 2);
    assert_eq!(collect(&home.store, DAY).await, (0, 2));
    assert_eq!(home.objects("files").len() + home.objects("spool").len(), 0);
}

#[tokio::test]
async fn incomplete_manifests_do_not_push_complete_ones_out() {
    let home = Home::new();
    let mut published = Vec::new();
    for n in 1..=6 {
        published.push(publish(&home, PARTITION, &RunSet::default(), n).await);
    }
    for manifest in &published[3..] {
        fs::remove_file(home.path(&manifest.files[0].path())).expect("removed");
    }
    assert_eq!(collect(&home.store, DAY).await, (0, 0));
    let newest = home.store.newest(PARTITION, None).await.expect("readable");
    assert_eq!(newest.as_ref(), Some(&published[2]));
}

#[tokio::test]
async fn no_file_is_deleted_while_a_manifest_cannot_be_read() {
    let home = Home::new();
    let other = publish(&home, OTHER, &RunSet::default(), 1).await;
    fs::write(home.path(&other.path()), b"{").expect("written");
    assert_eq!(collect(&home.store, DAY).await, (0, 0));
    assert_eq!(home.objects("files"), [other.files[0].path()]);
    fs::write(home.path(&other.path()), br#"{"format": 2}"#).expect("written");
    let collected = home
        .store
        .collect_garbage(PARTITION, SystemTime::now() + DAY)
        .await;
    assert!(collected.expect_err("another format").halt().is_some());
    assert_eq!(home.objects("files"), [other.files[0].path()]);
}
