//! The identity key, and the URLs that a store is opened by.

use super::{HOUR, Home, id, open};
use crate::{Next, RunSet, Store, StoreError, StoreSettings};
use std::collections::HashSet;
use std::fs;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_asks_first_makes_the_one_key() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let stores: Vec<_> = (0..8).map(|_| open(folder.path())).collect();
        let ask = |store: Store| tokio::spawn(async move { store.identity_key().await });
        let asked: Vec<_> = stores.into_iter().map(ask).collect();
        let mut keys = HashSet::new();
        for key in asked {
            keys.insert(key.await.expect("the task ends").expect("a key").0);
        }
        keys.insert(open(folder.path()).identity_key().await.expect("a key").0);
        assert_eq!(keys.len(), 1);
    }
}

#[tokio::test]
async fn asking_for_the_key_that_is_there_makes_none() {
    let home = Home::new();
    for _ in 0..2 {
        let known = home.store.known_identity_key().await.expect("an answer");
        assert!(known.is_none());
    }
    let key = home.store.identity_key().await.expect("a key");
    let known = home.store.known_identity_key().await.expect("an answer");
    assert_eq!(known.map(|known| known.0), Some(key.0));
}

#[tokio::test]
async fn a_damaged_key_is_refused() {
    let home = Home::new();
    home.store.identity_key().await.expect("a key");
    let text = fs::read(home.path("identity-key")).expect("the key");
    for at in 0..text.len() {
        let mut damaged = text.clone();
        damaged[at] ^= 1;
        for damaged in [damaged, text[..at].to_vec()] {
            fs::write(home.path("identity-key"), damaged).expect("written");
            let error = open(home.folder.path())
                .identity_key()
                .await
                .expect_err("damaged");
            assert!(matches!(error, StoreError::IdentityKey { .. }), "{error}");
        }
    }
}

#[tokio::test]
async fn ids_hashed_with_another_key_are_not_loaded() {
    let home = Home::new();
    let set = home
        .add(&RunSet::default(), vec![id(HOUR, 1)], Vec::new())
        .await;
    let manifest = home.manifest(&set, 0, 10).await;
    fs::remove_file(home.path("identity-key")).expect("removed");
    let error = open(home.folder.path())
        .load(&manifest)
        .await
        .expect_err("another key");
    assert_eq!(error.next(), Next::Halt);
    assert_eq!(error.halt().map(|halt| halt.name()), Some("divergence"));
    let text = error.chain();
    assert!(
        text.contains(&manifest.path()) && text.contains("put the right"),
        "{text}"
    );
}

#[test]
fn a_url_that_names_no_folder_is_refused() {
    for (url, expected) in [
        ("/var/lib/meterline", "it is no URL"),
        ("file://elsewhere/var", "it names no local folder"),
    ] {
        let error = Store::open(&StoreSettings::new(url)).expect_err(url);
        assert!(error.to_string().contains(expected), "{url}: {error}");
        assert_eq!(error.next(), Next::Stop);
    }
}
