//! What a million accounts cost: memory, snapshots, look-ups; prints one line for each.
//!
//! `cargo bench -p meterline-core --bench accounts`

#![allow(clippy::disallowed_methods, reason = "a benchmark reads a clock")]
#![allow(
    clippy::cast_precision_loss,
    clippy::float_arithmetic,
    reason = "figures for people"
)]

use meterline_core::account::{AccountChange, AccountStatus, AccountTerms, RunningPeriod};
use meterline_core::accounts::Accounts;
use meterline_core::catalog::plans::{PeriodZone, Reset};
use meterline_core::control::{ControlRecord, Decision};
use meterline_core::period::{Period, Zone};
use meterline_core::time::LogTime;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

const ACCOUNTS: u64 = 1_000_000;
const LOOKUPS: u64 = 1_000_000;
const NOW: LogTime = LogTime(1_790_000_000_000);

fn main() {
    let before = resident_bytes();
    let mut accounts = Accounts::default();
    timed("fold of 1,000,000 accounts", 1, || {
        for offset in 0..ACCOUNTS {
            let ruling = accounts.apply(offset, NOW, &record(offset));
            ruling.expect("plain accounts");
        }
    });
    each("resident memory after the fold", resident_bytes() - before);
    let bytes = timed("snapshot", 1, || accounts.snapshot());
    each("snapshot", bytes.len() as u64);
    drop(accounts);
    let accounts = timed("restore", 1, || Accounts::restore(&bytes).expect("its own"));
    assert_eq!(accounts.len() as u64, ACCOUNTS);
    let ids: Vec<String> = (0..LOOKUPS).map(|n| id(n * 611_953 % ACCOUNTS)).collect();
    timed("find an account and its version", LOOKUPS, || {
        for id in &ids {
            let account = accounts.account(id).expect("there");
            black_box(account.at(NOW).expect("in effect"));
        }
    });
    for (name, zone) in [
        ("UTC", PeriodZone::Utc),
        ("Europe/Berlin", PeriodZone::Account),
    ] {
        periods(&accounts, name, zone);
    }
    timed("read a zone's name", LOOKUPS, || {
        for _ in 0..LOOKUPS {
            black_box(Zone::parse(black_box("Europe/Berlin")).expect("known"));
        }
    });
}

fn periods(accounts: &Accounts, name: &str, zone: PeriodZone) {
    let account = accounts.account(&id(0)).expect("there");
    let rule =
        |reset| move |version: &meterline_core::accounts::Version| Some(version.rule(reset, zone));
    for reset in [Reset::Hour, Reset::Day, Reset::Month, Reset::BillingMonth] {
        let what = format!("make a timeline and find its period: {reset:?}, {name}");
        timed(&what, LOOKUPS, || {
            for _ in 0..LOOKUPS {
                let timeline = black_box(account).timeline(rule(reset)).expect("a rule");
                let period: Period = timeline.period_at(black_box(NOW).as_event_time());
                black_box(period);
            }
        });
    }
}

fn id(n: u64) -> String {
    format!("customer-{n:08}")
}

fn record(offset: u64) -> ControlRecord {
    let terms = AccountTerms {
        name: format!("Customer {offset} Ltd"),
        plan: "standard".to_owned(),
        status: AccountStatus::Active,
        start: "2026-01-31".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        overrides: BTreeMap::new(),
        contacts: vec![format!("billing@customer-{offset}.example")],
        stripe_customer: None,
    };
    ControlRecord {
        write_id: u128::from(offset),
        actor: "import".to_owned(),
        note: String::new(),
        head: None,
        decision: Decision::Account(Box::new(AccountChange {
            account: id(offset),
            effective: None,
            running: RunningPeriod::Keep,
            origin: "192.0.2.1".to_owned(),
            terms,
        })),
    }
}

fn timed<T>(what: &str, times: u64, action: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = action();
    let took = start.elapsed();
    match times {
        1 => println!("{what}: {took:.2?}"),
        _ => println!("{what}: {} ns", took.as_nanos() / u128::from(times)),
    }
    result
}

fn each(what: &str, bytes: u64) {
    println!("{what}: {} bytes an account", bytes / ACCOUNTS);
}

/// What the process holds in memory, by the kernel's count of 4 KiB pages.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let resident = pages.split(' ').nth(1).expect("its second number");
    resident.parse::<u64>().expect("a number") * 4_096
}
