//! Snapshots of accounts: a reader that starts from one knows what one from the beginning knows.

use crate::accounts::{account, follow, offset, set, with_plans};
use crate::support::*;
use meterline_checkpoint::{Store, StoreSettings};
use meterline_control::{
    AccountLog, AccountsOptions, ControlEvent, ControlLog, Expected, Snapshots,
};
use meterline_kafka::Settings;
use std::path::Path;
use std::thread;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// Writes a snapshot of what is in the log now, as a stage would.
pub(crate) fn write_snapshot(settings: &Settings, folder: &Path, runtime: &Runtime) {
    let options = AccountsOptions {
        snapshots: Some(snapshots(folder, runtime, Some(1))),
        feed: None,
    };
    let log = ControlLog::connect_with_accounts(settings, options).expect("a client");
    let view = log.control().read_to_end(TIMEOUT).expect("readable");
    let store = store(folder);
    let topic = log.control().topic_id().expect("connected");
    let deadline = std::time::Instant::now() + TIMEOUT;
    while runtime
        .block_on(store.snapshots(topic))
        .expect("a list")
        .first()
        != Some(&view.position())
    {
        assert!(std::time::Instant::now() < deadline, "no snapshot in time");
        thread::yield_now();
    }
}

fn store(folder: &Path) -> Store {
    let url = format!("file://{}", folder.display());
    Store::open(&StoreSettings::new(&url)).expect("a store")
}

fn snapshots(folder: &Path, runtime: &Runtime, every: Option<u64>) -> Snapshots {
    Snapshots {
        store: store(folder),
        runtime: runtime.handle().clone(),
        every,
    }
}

pub(crate) fn restored(settings: &Settings, folder: &Path, runtime: &Runtime) -> AccountLog {
    let options = AccountsOptions {
        snapshots: Some(snapshots(folder, runtime, None)),
        feed: None,
    };
    let log = ControlLog::connect_with_accounts(settings, options).expect("a client");
    log.control().read_to_end(TIMEOUT).expect("readable");
    log
}

#[test]
fn a_reader_from_a_snapshot_knows_what_one_from_the_beginning_knows() {
    let (settings, log) = with_plans();
    for number in 0..300 {
        let changes = (0..10).map(|n| (account(&format!("t{number}-{n}"), "free"), Expected::Any));
        let changed = log.change_all(changes.collect(), &author("import"), TIMEOUT);
        changed.expect("written");
    }
    publish_more(&log, "b");
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = Runtime::new().expect("a runtime");
    write_snapshot(&settings, folder.path(), &runtime);
    let at = end_of(&settings);
    for more in [false, true] {
        if more {
            offset(set(&log, "acme", "pro"));
            publish_more(&log, "c");
        }
        let (sender, mut events) = mpsc::channel(100_000);
        let options = AccountsOptions {
            snapshots: Some(snapshots(folder.path(), &runtime, None)),
            feed: Some(sender),
        };
        let restored = ControlLog::connect_with_accounts(&settings, options).expect("a client");
        let whole = follow(&settings);
        let read = [&restored, &whole].map(|log| {
            let view = log.control().read_to_end(TIMEOUT).expect("readable");
            (summary(&view), log.accounts().snapshot())
        });
        assert!(read[0] == read[1], "the readers differ");
        let Some(ControlEvent::Restored(start)) = events.blocking_recv() else {
            panic!("it began at the log's beginning");
        };
        assert_eq!((start.position, start.accounts.len()), (at, 3_000));
        let kinds = start
            .records
            .iter()
            .map(|entry| entry.record().decision.kind());
        assert_eq!(kinds.collect::<Vec<_>>(), ["topic", "catalog", "catalog"]);
    }
}

/// Publishes the catalog in force with one meter more.
fn publish_more(log: &AccountLog, event_type: &str) {
    let view = log.control().read_to_end(TIMEOUT).expect("readable");
    let mut more = view.catalog().expect("published").compiled.catalog.clone();
    more.meters.extend(catalog(&[event_type]).meters);
    let applied = log
        .control()
        .apply_catalog(more, "", &author("admin"), TIMEOUT);
    applied.expect("in force");
}

#[test]
fn a_snapshot_that_does_not_fit_is_passed_over() {
    let (settings, log) = with_plans();
    offset(set(&log, "acme", "free"));
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = Runtime::new().expect("a runtime");
    let (topic, end) = (
        log.control().topic_id().expect("connected"),
        end_of(&settings),
    );
    let foreign = [&2u32.to_le_bytes()[..], &end.to_le_bytes()].concat();
    for (position, content) in [(end, foreign), (end - 1, b"cut".to_vec())] {
        let store = store(folder.path());
        let put = store.put_snapshot(topic, position, content);
        runtime.block_on(put).expect("stored");
    }
    let restored = restored(&settings, folder.path(), &runtime);
    assert_eq!(restored.accounts().snapshot(), log.accounts().snapshot());
}
