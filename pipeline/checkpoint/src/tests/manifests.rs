//! Publishing and finding manifests.

use super::{HOUR, Home, PARTITION, id};
use crate::{Manifest, Next, RunSet, StoreError};
use meterline_core::position::{LogPartition, Stamp};
use std::fs;

/// Publishes a manifest with a run of its own at each (epoch, position).
async fn publish(home: &Home, stamps: &[(u16, u64)]) -> Vec<Manifest> {
    let mut published = Vec::new();
    for (n, (epoch, position)) in (0..).zip(stamps) {
        let set = home
            .add(&RunSet::default(), vec![id(HOUR, n)], Vec::new())
            .await;
        let manifest = home.manifest(&set, *epoch, *position).await;
        home.store
            .publish(&manifest)
            .await
            .expect("its file is there");
        published.push(manifest);
    }
    published
}

async fn check_newest(home: &Home, bound: Option<(u16, u64)>, expected: Option<&Manifest>) {
    let bound = bound.map(|(epoch, offset)| Stamp { epoch, offset });
    let newest = home
        .store
        .newest(PARTITION, bound)
        .await
        .expect("a readable store");
    assert_eq!(newest.as_ref(), expected, "{bound:?}");
}

#[tokio::test]
async fn manifests_are_ordered_by_epoch_and_offset() {
    let home = Home::new();
    check_newest(&home, None, None).await;
    let published = publish(&home, &[(0, 900), (1, 20), (0, 1_000), (1, 3)]).await;
    check_newest(&home, None, Some(&published[1])).await;
    check_newest(&home, Some((1, 19)), Some(&published[3])).await;
    check_newest(&home, Some((1, 2)), Some(&published[2])).await;
    check_newest(&home, Some((0, 999)), Some(&published[0])).await;
    check_newest(&home, Some((0, 899)), None).await;
    let other = LogPartition {
        partition: 30,
        ..PARTITION
    };
    assert_eq!(
        home.store.newest(other, None).await.expect("readable"),
        None
    );
    assert_eq!(
        published[1].path(),
        format!(
            "manifests/00000000-0000-0000-0000-000000005eed/3/00001/000000000000020-{}.json",
            published[1].writer
        )
    );
}

#[tokio::test]
async fn manifests_that_miss_a_file_are_passed_over() {
    let home = Home::new();
    let published = publish(&home, &[(0, 10), (0, 20), (0, 30), (0, 40)]).await;
    fs::remove_file(home.path(&published[3].files[0].path())).expect("removed");
    check_newest(&home, None, Some(&published[2])).await;
    fs::write(home.path(&published[2].files[0].path()), b"short").expect("written");
    check_newest(&home, None, Some(&published[1])).await;
    fs::write(home.path(&published[1].path()), b"{}").expect("written");
    check_newest(&home, None, Some(&published[0])).await;
    fs::remove_file(home.path(&published[0].files[0].path())).expect("removed");
    check_newest(&home, None, None).await;
}

#[tokio::test]
async fn a_manifest_is_not_published_before_its_files() {
    let home = Home::new();
    let set = home
        .add(&RunSet::default(), vec![id(HOUR, 1)], Vec::new())
        .await;
    let manifest = home.manifest(&set, 0, 10).await;
    let path = home.path(&manifest.files[0].path());
    let whole = fs::read(&path).expect("the run");
    fs::write(&path, &whole[1..]).expect("written");
    let error = home
        .store
        .publish(&manifest)
        .await
        .expect_err("a file is too short");
    assert!(
        matches!(error, StoreError::Incomplete { found: Some(_), .. }),
        "{error}"
    );
    fs::remove_file(&path).expect("removed");
    let error = home
        .store
        .publish(&manifest)
        .await
        .expect_err("a file is missing");
    assert!(
        matches!(error, StoreError::Incomplete { found: None, .. }),
        "{error}"
    );
    assert_eq!(error.next(), Next::Retry);
    assert_eq!(home.objects("manifests"), [""; 0]);
}

async fn check_divergence(change: impl Fn(&mut Manifest), expected: Option<u64>) {
    let home = Home::new();
    let one = home.manifest(&RunSet::default(), 1, 1_000).await;
    let mut other = home.manifest(&RunSet::default(), 1, 1_050).await;
    change(&mut other);
    for manifest in [&one, &other] {
        home.store.publish(manifest).await.expect("published");
    }
    match (home.store.newest(PARTITION, None).await, expected) {
        (Ok(newest), None) => assert!(newest.is_some()),
        (Err(error), Some(expected)) => {
            let halt = error.halt().expect("a halt");
            assert_eq!(halt.name(), "divergence");
            let text = error.to_string();
            assert!(
                text.contains(&one.path()) && text.contains(&other.path()),
                "{text}"
            );
            assert!(
                text.contains(&format!("before offset {expected} did")),
                "{text}"
            );
        }
        (found, _) => panic!("{found:?} instead of {expected:?}"),
    }
}

#[tokio::test]
async fn histories_of_one_epoch_that_disagree_halt() {
    check_divergence(|_| {}, None).await;
    check_divergence(
        |other| other.header.hash_samples[9].1 = "0".repeat(32),
        Some(900),
    )
    .await;
    // Sampled by one of them only: nothing to compare.
    check_divergence(|other| other.header.hash_samples[0].0 = 1, None).await;
    // Two at one position must have the same hash.
    check_divergence(|other| other.header.position = 1_000, Some(1_000)).await;
    // Another epoch is another history.
    let other_epoch = |other: &mut Manifest| {
        other.header.epoch = 2;
        other.header.hash_samples[9].1 = "0".repeat(32);
    };
    check_divergence(other_epoch, None).await;
}

#[tokio::test]
async fn a_manifest_of_another_format_halts() {
    let home = Home::new();
    let published = publish(&home, &[(0, 10), (0, 20)]).await;
    let path = home.path(&published[1].path());
    fs::write(&path, br#"{"format": 2, "sections": []}"#).expect("written");
    let error = home
        .store
        .newest(PARTITION, None)
        .await
        .expect_err("another format");
    assert_eq!(error.halt().map(|halt| halt.name()), Some("unknown_format"));
    assert!(error.to_string().contains(&published[1].path()), "{error}");
    check_newest(&home, Some((0, 10)), Some(&published[0])).await;
}

#[tokio::test]
async fn a_run_of_another_format_halts() {
    let home = Home::new();
    let published = publish(&home, &[(0, 10)]).await;
    let path = home.path(&published[0].files[0].path());
    let mut bytes = fs::read(&path).expect("the run");
    bytes[8] = 2;
    fs::write(&path, bytes).expect("written");
    let error = home
        .store
        .load(&published[0])
        .await
        .expect_err("another format");
    assert_eq!(error.halt().map(|halt| halt.name()), Some("unknown_format"));
}
