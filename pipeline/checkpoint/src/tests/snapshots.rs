//! Snapshots of the control log: whole or not taken, the newest first, three of them.

use super::Home;
use meterline_core::position::TopicId;
use std::fs;

const TOPIC: TopicId = TopicId(0x5eed);
const OTHER: TopicId = TopicId(0x0dd);

#[tokio::test]
async fn the_newest_three_of_each_log_stay() {
    let home = Home::new();
    assert!(
        home.store
            .snapshots(TOPIC)
            .await
            .expect("a list")
            .is_empty()
    );
    for position in [5, 100, 9, 1_000] {
        let content = position.to_string().into_bytes();
        let put = home.store.put_snapshot(TOPIC, position, content).await;
        put.expect("stored");
    }
    let put = home.store.put_snapshot(OTHER, 7, Vec::new()).await;
    put.expect("stored");
    let positions = home.store.snapshots(TOPIC).await.expect("a list");
    assert_eq!(positions, [1_000, 100, 9]);
    assert_eq!(home.store.snapshots(OTHER).await.expect("a list"), [7]);
    for position in positions {
        let read = home.store.snapshot(TOPIC, position).await.expect("read");
        assert_eq!(read.expect("whole"), position.to_string());
    }
    let gone = home.store.snapshot(TOPIC, 5).await.expect("an answer");
    assert_eq!(gone, None);
}

#[tokio::test]
async fn a_damaged_snapshot_is_not_taken() {
    let home = Home::new();
    let put = home.store.put_snapshot(TOPIC, 5, b"content".to_vec()).await;
    put.expect("stored");
    let path = home.path(&home.objects("control")[0]);
    let whole = fs::read(&path).expect("the snapshot");
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        for damaged in [damaged, whole[..at].to_vec()] {
            fs::write(&path, damaged).expect("written");
            let read = home.store.snapshot(TOPIC, 5).await.expect("an answer");
            assert_eq!(read, None, "damaged at {at}");
        }
    }
    fs::write(&path, whole).expect("written");
    let read = home.store.snapshot(TOPIC, 5).await.expect("an answer");
    assert_eq!(read.expect("whole"), b"content".as_slice());
}

#[tokio::test]
async fn objects_of_other_names_are_passed_over() {
    let home = Home::new();
    let put = home.store.put_snapshot(TOPIC, 5, b"content".to_vec()).await;
    put.expect("stored");
    let folder = home.path(&format!("control/{TOPIC}"));
    fs::write(folder.join("notes.txt"), "x").expect("written");
    assert_eq!(home.store.snapshots(TOPIC).await.expect("a list"), [5]);
}
