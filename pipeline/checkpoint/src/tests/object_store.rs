//! A store over the network: the real protocol of S3, on a server that speaks it.

use super::{HOUR, bucket, id, manifest};
use crate::{Entries, Keep, Manifest, Next, RunSet, Store, StoreError, StoreSettings};
use meterline_core::position::Stamp;
use meterline_core::runs::{IdEntry, Runs};
use meterline_core::time::{EventTime, Level};
use meterline_stack::{BUCKET, Service, Stack};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use tempfile::TempDir;

/// A store of one test: a prefix of its own on the server, and a folder for copies.
struct Remote {
    server: Arc<Stack>,
    settings: StoreSettings,
    cache: TempDir,
}

impl Remote {
    fn new() -> Self {
        static RUNNING: Mutex<Weak<Stack>> = Mutex::new(Weak::new());
        static PREFIXES: AtomicU32 = AtomicU32::new(0);
        let server = Stack::running(&RUNNING, meterline_stack::Parts::only(Service::S3));
        let prefix = PREFIXES.fetch_add(1, Ordering::Relaxed);
        let cache = tempfile::tempdir().expect("a folder for the test");
        let mut settings = StoreSettings::new(&format!("s3://{BUCKET}/test{prefix}"));
        settings.cache = Some(cache.path().to_owned());
        for (key, value) in [
            ("aws_endpoint", server.s3_url().as_str()),
            ("aws_region", "us-east-1"),
            ("aws_access_key_id", "any"),
            ("aws_secret_access_key", "hidden"),
            ("allow_http", "true"),
        ] {
            settings.options.insert(key.to_owned(), value.to_owned());
        }
        Self {
            server,
            settings,
            cache,
        }
    }

    fn open(&self) -> Store {
        Store::open(&self.settings).expect("settings that can be used")
    }

    fn copies(&self) -> Vec<PathBuf> {
        files_below(&self.cache.path().join("files"))
    }

    /// Publishes a checkpoint of these ids.
    async fn publish(&self, ids: Vec<IdEntry>, position: u64) -> Manifest {
        let store = self.open();
        let buckets = vec![bucket(Level::Hour, HOUR, 1, position)];
        let run = store
            .write_run(&Entries::new(ids, buckets))
            .await
            .expect("a run");
        let key = store.identity_key().await.expect("a key").digest();
        let manifest = manifest(RunSet::default().with(run).files(), key, 0, position);
        store.publish(&manifest).await.expect("published");
        manifest
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("a folder that can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found
}

fn ids(count: u64) -> Vec<IdEntry> {
    (0..count).map(|n| id(HOUR, n)).collect()
}

/// What may become of a local copy.
type Damage = fn(&Path);

fn assert_has(set: &RunSet, ids: &[IdEntry]) {
    for id in ids {
        assert!(set.has_id(id.hour, id.id).expect("readable"), "{id:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_is_loaded_with_and_without_its_copies() {
    let remote = Remote::new();
    let ids = ids(5_000);
    let published = remote.publish(ids.clone(), 100).await;
    let damages: [(&str, Damage); 4] = [
        ("as written", |_| ()),
        ("deleted", |path| {
            std::fs::remove_file(path).expect("deleted")
        }),
        ("cut", |path| {
            std::fs::write(path, b"meterrun").expect("written")
        }),
        ("flipped", |path| {
            let mut bytes = std::fs::read(path).expect("read");
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            std::fs::write(path, bytes).expect("written");
        }),
    ];
    for (what, damage) in damages {
        let copies = remote.copies();
        assert_eq!(copies.len(), 1, "{what}");
        damage(&copies[0]);
        let store = remote.open();
        let partition = published.log_partition();
        let newest = store.newest(partition, None).await.expect("listed");
        assert_eq!(newest.as_ref(), Some(&published), "{what}");
        assert_has(&store.load(&published).await.expect(what), &ids);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_several_parts_arrives_whole() {
    let remote = Remote::new();
    // 16 bytes an id and notes: above two parts of 16 MiB.
    let note = vec![7; 60];
    let mut ids = ids(600_000);
    ids.iter_mut().for_each(|id| id.note.clone_from(&note));
    let published = remote.publish(ids.clone(), 100).await;
    assert!(published.files[0].length > 2 * (16 << 20));
    std::fs::remove_file(&remote.copies()[0]).expect("deleted");
    let set = remote.open().load(&published).await.expect("loaded");
    assert_has(&set, &ids[..1_000]);
    assert_has(&set, &ids[599_000..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_over_the_network_get_one_identity_key() {
    let remote = Remote::new();
    let ask = |store: Store| tokio::spawn(async move { store.identity_key().await });
    let asked: Vec<_> = (0..8).map(|_| ask(remote.open())).collect();
    let mut keys = HashSet::new();
    for key in asked {
        keys.insert(key.await.expect("the task ends").expect("a key").0);
    }
    assert_eq!(keys.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_that_no_open_run_needs_make_room() {
    let mut remote = Remote::new();
    remote.settings.cache_bytes = 1;
    let store = remote.open();
    let write = async |n: u64| {
        let entries = Entries::new(vec![id(HOUR, n)], Vec::new());
        store.write_run(&entries).await.expect("a run")
    };
    let kept = write(1).await;
    drop(write(2).await);
    drop(write(3).await);
    let copies = remote.copies();
    let names: Vec<_> = copies
        .iter()
        .filter_map(|path| path.file_stem()?.to_str())
        .collect();
    // The newest is still open while room is made for it.
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&kept.file().name.as_str()), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn merges_and_garbage_work_over_the_network() {
    let remote = Remote::new();
    let store = remote.open();
    let mut set = RunSet::default();
    for n in 0..12 {
        let entries = Entries::new(vec![id(HOUR, n)], Vec::new());
        set = set.with(store.write_run(&entries).await.expect("a run"));
    }
    let keep = Keep {
        answer_floor: EventTime(i64::MIN),
        levels_to: Stamp::default(),
    };
    let merged = store
        .merge(&set, keep)
        .await
        .expect("merged")
        .expect("a plan");
    let set = set.replace(&merged).expect("the same history");
    assert_has(&set, &ids(12));
    let key = store.identity_key().await.expect("a key").digest();
    for position in 1..=5 {
        let manifest = manifest(set.files(), key.clone(), 0, position);
        store.publish(&manifest).await.expect("published");
    }
    let partition = super::PARTITION;
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(2 * 24 * 3_600);
    let garbage = store
        .collect_garbage(partition, later)
        .await
        .expect("collected");
    assert_eq!(garbage.manifests, 2);
    assert_eq!(garbage.files, merged.replaced.len());
    let newest = store.newest(partition, None).await.expect("listed");
    store
        .load(&newest.expect("kept"))
        .await
        .expect("its files are there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_an_error_without_secrets_and_then_works() {
    let mut remote = Remote::new();
    let published = remote.publish(ids(10), 100).await;
    let endpoint = remote.server.s3_url();
    // Nobody listens there.
    let away = format!("http://127.0.0.1:{}", meterline_stack::free_port());
    remote
        .settings
        .options
        .insert("aws_endpoint".to_owned(), away);
    let error = remote
        .open()
        .identity_key()
        .await
        .expect_err("nobody is there");
    assert_eq!(error.next(), Next::Retry);
    let text = error.chain();
    assert!(
        text.contains("identity-key") && !text.contains("hidden"),
        "{text}"
    );
    remote
        .settings
        .options
        .insert("aws_endpoint".to_owned(), endpoint);
    // A server that takes the request and does not answer.
    remote
        .settings
        .options
        .insert("timeout".to_owned(), "200ms".to_owned());
    remote.server.signal(Service::S3, "STOP");
    let silent = remote.open().newest(published.log_partition(), None).await;
    remote.server.signal(Service::S3, "CONT");
    assert!(
        matches!(silent, Err(StoreError::Object { .. })),
        "{silent:?}"
    );
    remote.settings.options.remove("timeout");
    let newest = remote.open().newest(published.log_partition(), None).await;
    assert_eq!(newest.expect("listed"), Some(published));
}
