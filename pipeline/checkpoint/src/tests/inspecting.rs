//! Every manifest is shown with what is wrong with it, and a dispute gives way to what came before.

use super::*;
use crate::Problem;

/// What `inspect` says of each manifest, newest first: position, and the problem's first word.
async fn check(home: &Home, read: bool, expected: &[(u64, &str)]) {
    let inspected = home.store.inspect(PARTITION, read).await.expect("a store");
    let word = |problem: &Problem| {
        let text = problem.to_string();
        text.split(':').next().unwrap_or_default().to_owned()
    };
    let found: Vec<_> = inspected
        .iter()
        .map(|i| {
            (
                i.stamp.offset,
                i.problem.as_ref().map_or(String::new(), word),
            )
        })
        .collect();
    let found: Vec<_> = found
        .iter()
        .map(|(at, word)| (*at, word.as_str()))
        .collect();
    assert_eq!(found, expected);
}

async fn publish(home: &Home, manifest: &Manifest) {
    home.store
        .publish(manifest)
        .await
        .expect("a published manifest");
}

#[tokio::test]
async fn missing_damaged_and_unknown_manifests_are_told_apart() {
    let home = Home::new();
    let first = home
        .add(&RunSet::default(), vec![id(HOUR, 1)], vec![])
        .await;
    let second = home
        .add(&RunSet::default(), vec![id(HOUR, 2)], vec![])
        .await;
    let kept = home.manifest(&first, 0, 10).await;
    let changed = home.manifest(&second, 0, 20).await;
    let text_lost = home.manifest(&first, 0, 30).await;
    let newer = home.manifest(&first, 0, 40).await;
    for manifest in [&kept, &changed, &text_lost, &newer] {
        publish(&home, manifest).await;
    }
    check(&home, true, &[(40, ""), (30, ""), (20, ""), (10, "")]).await;
    let write = |path: String, text: &str| std::fs::write(home.path(&path), text).expect("a file");
    write(text_lost.path(), "{}");
    write(newer.path(), "{\"format\": 9}");
    let run = home.path(&second.files()[0].path());
    let mut bytes = std::fs::read(&run).expect("a run");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&run, &bytes).expect("a run");
    let shallow = [(40, "unknown format"), (30, "damaged"), (20, ""), (10, "")];
    check(&home, false, &shallow).await;
    let deep = [
        (40, "unknown format"),
        (30, "damaged"),
        (20, "damaged"),
        (10, ""),
    ];
    check(&home, true, &deep).await;
    std::fs::remove_file(&run).expect("a run");
    let lost = [
        (40, "unknown format"),
        (30, "damaged"),
        (20, "incomplete"),
        (10, ""),
    ];
    check(&home, false, &lost).await;
}

#[tokio::test]
async fn a_dispute_leaves_what_was_agreed_before_it() {
    let home = Home::new();
    let set = RunSet::default();
    // Samples every 100 offsets; the hash at a position is its own.
    for position in [150, 250, 350, 410] {
        publish(&home, &home.manifest(&set, 0, position).await).await;
    }
    let agreed = [(410, ""), (350, ""), (250, ""), (150, "")];
    check(&home, false, &agreed).await;
    let mut other = home.manifest(&set, 0, 450).await;
    other.header.hash_samples[3].1 = format!("{:032x}", 9);
    publish(&home, &other).await;
    // 300 is disputed, 200 is the last that two agree on.
    let disputed = [(450, "disputed"), (410, "disputed"), (350, "disputed")];
    let expected = [&disputed[..], &[(250, "disputed"), (150, "")]].concat();
    check(&home, false, &expected).await;
}

#[tokio::test]
async fn a_dispute_without_common_ground_leaves_the_oldest() {
    let home = Home::new();
    let set = RunSet::default();
    for position in [10, 20, 30] {
        publish(&home, &home.manifest(&set, 0, position).await).await;
    }
    let mut other = home.manifest(&set, 0, 30).await;
    other.header.outcome_hash = format!("{:032x}", 9);
    publish(&home, &other).await;
    let expected = [
        (30, "disputed"),
        (30, "disputed"),
        (20, "disputed"),
        (10, ""),
    ];
    check(&home, false, &expected).await;
}

#[tokio::test]
async fn what_is_set_aside_is_not_loaded_and_keeps_its_files() {
    let home = Home::new();
    let old = home
        .add(&RunSet::default(), vec![id(HOUR, 1)], vec![])
        .await;
    let new = home
        .add(&RunSet::default(), vec![id(HOUR, 2)], vec![])
        .await;
    let (old, new) = (
        home.manifest(&old, 0, 10).await,
        home.manifest(&new, 0, 20).await,
    );
    publish(&home, &old).await;
    publish(&home, &new).await;
    let aside = home
        .store
        .set_aside(&new.path())
        .await
        .expect("it is there");
    assert!(home.path(&aside).exists() && !home.path(&new.path()).exists());
    let newest = home.store.newest(PARTITION, None).await.expect("a store");
    assert_eq!(newest, Some(old));
    let orphans = home.store.orphans().await.expect("a store");
    assert_eq!(
        orphans,
        Some(crate::Orphans::default()),
        "its files are kept"
    );
    home.store
        .set_aside(&new.path())
        .await
        .expect_err("it is gone");
    let partitions = home.store.partitions().await.expect("a store");
    assert_eq!(partitions.into_iter().collect::<Vec<_>>(), [PARTITION]);
}
