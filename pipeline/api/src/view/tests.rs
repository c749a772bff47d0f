//! What the view keeps, what it costs, and that readers and writers do not disagree.

use super::*;
use meterline_core::alert::Judged;
use meterline_core::position::{LogPartition, Stamp, TopicId};
use std::sync::Arc;

fn standing(tenant: &str, meter: &str, offset: u64, used: i128) -> Standing {
    let partition = LogPartition {
        topic_id: TopicId(1),
        partition: 0,
    };
    Standing {
        tenant: tenant.to_owned(),
        meter: meter.to_owned(),
        period_start: EventTime(0),
        period_end: EventTime(3_600_000_000),
        used: Quantity::from_raw(used).expect("small"),
        included: None,
        limit: Some(Quantity::ONE),
        cap: Cap::Hard,
        health: Health::Caution,
        crossed_at: None,
        plan: "free".to_owned(),
        judged: Judged {
            usage: vec![(partition, Stamp { epoch: 0, offset })],
            catalog: 1,
            account: None,
            effective: None,
        },
    }
}

#[test]
fn the_highest_version_stays_whatever_the_order() {
    let check = |offsets: &[u64]| {
        let view = Standings::new();
        for offset in offsets {
            view.take(&standing("acme", "calls", *offset, i128::from(*offset)));
        }
        let known = view.of_tenant("acme");
        assert_eq!(known.len(), 1, "{offsets:?}");
        assert_eq!(known[0].used.raw(), 9, "{offsets:?}");
        assert_eq!(view.len(), 1);
    };
    check(&[9]);
    check(&[1, 5, 9]);
    check(&[9, 5, 1]);
    check(&[5, 9, 9, 1]);
}

#[test]
fn everything_that_a_standing_says_is_kept() {
    let view = Standings::new();
    let mut one = standing("acme", "calls", 1, 7);
    one.crossed_at = Some(LogTime(-5));
    one.included = Some(Quantity::ZERO);
    one.limit = None;
    assert!(view.take(&one));
    assert!(view.take(&standing("acme", "bytes", 1, 8)));
    assert!(!view.take(&one));
    let known = view.of_tenant("acme");
    let meters: Vec<_> = known.iter().map(|known| known.meter.as_str()).collect();
    assert_eq!(meters, ["bytes", "calls"]);
    let calls = &known[1];
    assert_eq!((calls.included, calls.limit), (one.included, one.limit));
    assert_eq!((calls.cap, calls.health), (one.cap, one.health));
    assert_eq!(calls.crossed_at, one.crossed_at);
    assert_eq!(calls.plan, one.plan);
    let held = view.held("acme", "calls").expect("known");
    assert_eq!(held, Held::from(&one));
    assert_eq!(view.held("acme", "storage"), None);
    assert_eq!(view.held("other", "calls"), None);
    assert_eq!(view.health("acme"), Some(Health::Caution));
    assert_eq!(view.health("other"), None);
    assert_eq!(view.len(), 2);
}

#[test]
fn readers_see_whole_entries_while_they_are_written() {
    let view = Arc::new(Standings::new());
    view.take(&standing("acme", "calls", 0, 0));
    std::thread::scope(|scope| {
        let writer = Arc::clone(&view);
        scope.spawn(move || {
            for offset in 1..20_000 {
                writer.take(&standing("acme", "calls", offset, i128::from(offset)));
            }
        });
        scope.spawn(|| {
            let mut last = 0;
            while last < 19_999 {
                let used = view.held("acme", "calls").expect("known").used.raw();
                assert!(used >= last, "{used} after {last}");
                last = used;
            }
        });
    });
}

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|kib| kib.parse::<u64>().ok())
        .expect("a number")
        * 1_024
}

#[test]
fn half_a_million_tenant_meters_take_less_than_500_bytes_each() {
    const TENANTS: usize = 100_000;
    const METERS: [&str; 5] = ["calls", "bytes", "minutes", "storage_gb", "user_seats"];
    let before = resident();
    let view = Standings::new();
    for tenant in 0..TENANTS {
        for meter in METERS {
            view.take(&standing(&format!("tenant-{tenant:09}"), meter, 1, 1));
        }
    }
    let entries = (TENANTS * METERS.len()) as u64;
    assert_eq!(view.len() as u64, entries);
    let each = resident().saturating_sub(before) / entries;
    println!("{entries} tenant-meters take {each} bytes each");
    assert!((50..500).contains(&each), "{each} bytes");
}
