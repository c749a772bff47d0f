//! How long a start takes with a million accounts in the control log; prints one line for each.
//!
//! `cargo bench -p meterline-control`, with a real Kafka. `ACCOUNTS` sets another number.

use meterline_checkpoint::{Store, StoreSettings};
use meterline_control::{
    AccountLog, AccountsOptions, Author, ControlLog, InitSpec, Snapshots, init_topics,
    propose_after,
};
use meterline_core::account::{AccountChange, AccountStatus, AccountTerms, RunningPeriod};
use meterline_core::control::Decision;
use meterline_kafka::{Outgoing, Producer, Settings};
use meterline_schemas::catalog_yaml;
use meterline_schemas::records::encode_control;
use meterline_stack::{Service, Stack};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const TIMEOUT: Duration = Duration::from_secs(300);
/// Records that are encoded and on their way at once.
const BATCH: u64 = 50_000;
const CATALOG: &str = include_str!("../../../schemas/catalogs/stack.yaml");

fn main() {
    let accounts = std::env::var("ACCOUNTS")
        .ok()
        .and_then(|text| text.parse().ok());
    let accounts = accounts.unwrap_or(1_000_000);
    let stack = Stack::own(Service::Kafka);
    let settings = Settings {
        brokers: stack.brokers(),
        properties: BTreeMap::new(),
        topic_prefix: String::new(),
    };
    timed(&format!("write {accounts} accounts"), || {
        write(&settings, accounts)
    });
    timed("view without accounts, from the beginning", || {
        let log = ControlLog::connect(&settings).expect("a client");
        log.read_to_end(TIMEOUT).expect("readable");
    });
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = Runtime::new().expect("a runtime");
    let before = resident();
    let log = timed("accounts, from the beginning", || follow(&settings, None));
    let kept = log.accounts().len();
    println!("{kept} accounts take {} MiB", (resident() - before) >> 10);
    drop(log);
    write_snapshot(&settings, &snapshots(folder.path(), &runtime, Some(1)));
    let log = timed("accounts, from a snapshot", || {
        follow(&settings, Some(snapshots(folder.path(), &runtime, None)))
    });
    assert_eq!(log.accounts().len(), kept);
    held(&settings);
    slowest_lock(&settings);
}

fn timed<T>(what: &str, action: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let done = action();
    println!("{what}: {:.2?}", began.elapsed());
    done
}

/// Resident memory in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has one");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let line = line.expect("it says so");
    let number = line.split_whitespace().nth(1).expect("a number");
    number.parse().expect("a number")
}

fn write(settings: &Settings, accounts: u64) {
    let author = Author {
        actor: "bench".to_owned(),
        note: String::new(),
    };
    let spec = InitSpec {
        partitions: 1,
        replicas: None,
        author: author.clone(),
    };
    init_topics(settings, &spec, TIMEOUT).expect("topics");
    let log = ControlLog::connect(settings).expect("a client");
    let catalog = catalog_yaml::read("stack.yaml", CATALOG).expect("a catalog");
    let applied = log.apply_catalog(catalog, CATALOG, &author, TIMEOUT);
    applied.expect("in force");
    let producer = Producer::connect(settings).expect("a client");
    let topic = settings.topics().control();
    for first in (0..accounts).step_by(usize::try_from(BATCH).expect("it fits")) {
        let numbers = first..accounts.min(first + BATCH);
        let records: Vec<Vec<u8>> = numbers.map(|number| record(number, &author)).collect();
        let outgoing = records.iter().map(|bytes| Outgoing {
            topic: &topic,
            partition: Some(0),
            payload: Some(bytes),
            ..Outgoing::default()
        });
        producer.send_all_blocking(outgoing).expect("acknowledged");
    }
}

fn record(number: u64, author: &Author) -> Vec<u8> {
    let change = AccountChange {
        account: format!("tenant-{number:07}"),
        effective: None,
        running: RunningPeriod::Keep,
        origin: "10.0.0.1".to_owned(),
        terms: AccountTerms {
            name: format!("Customer number {number}"),
            plan: "standard".to_owned(),
            status: AccountStatus::Active,
            start: "2026-01-31".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            overrides: BTreeMap::new(),
            contacts: vec![format!("billing@customer-{number}.example")],
            stripe_customer: None,
        },
    };
    let record = propose_after(None, Decision::Account(Box::new(change)), author);
    let mut bytes = Vec::new();
    encode_control(&record, &mut bytes);
    bytes
}

fn follow(settings: &Settings, snapshots: Option<Snapshots>) -> AccountLog {
    let options = AccountsOptions {
        snapshots,
        feed: None,
    };
    let log = ControlLog::connect_with_accounts(settings, options).expect("a client");
    log.control().read_to_end(TIMEOUT).expect("readable");
    log
}

fn snapshots(folder: &std::path::Path, runtime: &Runtime, every: Option<u64>) -> Snapshots {
    let url = format!("file://{}", folder.display());
    Snapshots {
        store: Store::open(&StoreSettings::new(&url)).expect("a store"),
        runtime: runtime.handle().clone(),
        every,
    }
}

fn write_snapshot(settings: &Settings, snapshots: &Snapshots) {
    let log = follow(settings, Some(snapshots.clone()));
    let topic = log.control().topic_id().expect("connected");
    let began = Instant::now();
    let bytes = loop {
        let listed = snapshots.runtime.block_on(snapshots.store.snapshots(topic));
        if let Some(at) = listed.expect("a list").first() {
            let read = snapshots.store.snapshot(topic, *at);
            break snapshots
                .runtime
                .block_on(read)
                .expect("read")
                .expect("whole");
        }
        assert!(began.elapsed() < TIMEOUT, "no snapshot in time");
        std::thread::sleep(Duration::from_millis(1));
    };
    let (size, took) = (bytes.len() >> 20, began.elapsed());
    println!("a snapshot of {size} MiB, {took:.2?} after the log was read");
}

/// Reads while somebody takes the view all the time: it is copied once a batch.
fn held(settings: &Settings) {
    let done = AtomicBool::new(false);
    let log = ControlLog::connect(settings).expect("a client");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut held = log.view();
            while !done.load(Ordering::Relaxed) {
                held = log.view();
                std::thread::yield_now();
            }
            held
        });
        timed(
            "view without accounts, while it is held all the time",
            || {
                log.read_to_end(TIMEOUT).expect("readable");
            },
        );
        done.store(true, Ordering::Relaxed);
    });
}

/// The longest that a reader of accounts waits while a million of them are read.
fn slowest_lock(settings: &Settings) {
    let done = AtomicBool::new(false);
    let options = AccountsOptions::default();
    let log = ControlLog::connect_with_accounts(settings, options).expect("a client");
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut waits = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let began = Instant::now();
                let _ = log.accounts().account("tenant-0000001").is_some();
                waits.push(began.elapsed());
                std::thread::sleep(Duration::from_micros(100));
            }
            waits.sort_unstable();
            waits
        });
        log.control().read_to_end(TIMEOUT).expect("readable");
        done.store(true, Ordering::Relaxed);
        let waits = asking.join().expect("no panic");
        let at = |share: usize| waits[(waits.len() - 1) * share / 1_000];
        let (median, p99, most) = (at(500), at(990), at(1_000));
        println!("a reader of accounts meanwhile: p50 {median:.2?}, p99 {p99:.2?}, max {most:.2?}");
    });
}
