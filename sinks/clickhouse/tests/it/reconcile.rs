//! Buckets beside the ledger: every way to differ, page by page.

use crate::fixtures::{NEW_YEAR, partition, progress, quantity, row, series, stamp};
use crate::queries::HOSTILE;
use crate::stack::Database;
use meterline_clickhouse::{ClickHouse, Comparison, LineKey, LineSum, PairKey, PairRange};
use meterline_core::carry::{Carry, CarryKey, CarryRecord};
use meterline_core::catalog::Aggregation;
use meterline_core::position::{LogPartition, TopicId};
use meterline_core::push::{Intent, Outcome, PushKey, PushRecord, Stamps, Step};
use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, Hour, Level, LogTime, Millis};
use meterline_schemas::rows::{
    Amount, CarryRow, DifferenceKind, LogPlace, PairRow, PushRow, WindowDifference,
};

const PUSHES: LogPartition = LogPartition {
    topic_id: TopicId(u128::MAX - 9),
    partition: 0,
};
/// What changed later is left out.
const SETTLED: LogTime = LogTime(1_767_300_000_000);

fn start(hour: i32) -> EventTime {
    Hour(NEW_YEAR.0 + hour).start()
}

fn comparison() -> Comparison {
    Comparison {
        hours: NEW_YEAR..Hour(NEW_YEAR.0 + 48),
        days_to: Hour(NEW_YEAR.0 + 24),
        meters: vec!["calls".to_owned()],
        since: None,
        settled: SETTLED,
        ours: EventTime(0),
        began: Hour(0),
        shadow: false,
        pushes: PUSHES.topic_id,
    }
}

async fn bucket(sink: &ClickHouse, tenant: &str, hour: i32, events: u64, changed: LogTime) {
    let series = series(tenant, "calls", Aggregation::Count, &[]);
    let mut row = row(&series, Level::Hour, Hour(NEW_YEAR.0 + hour), events);
    row.bucket.updated_at = changed;
    let rows = [row];
    sink.insert_buckets(Level::Hour, partition(1), &rows)
        .await
        .unwrap();
}

async fn pushed(sink: &ClickHouse, tenant: &str, hour: i32, value: &str, steps: &[Step]) {
    let intent = Intent {
        customer: "cus_1".to_owned(),
        event_name: "acme_calls".to_owned(),
        quantity: quantity(value),
        stamps: Stamps::default(),
        attempt: 1,
        call_within: Millis(60_000),
    };
    let offset = u64::try_from(hour).unwrap() * 10;
    let steps = [&[Step::Intent(intent.clone())], steps].concat();
    let rows = (offset..).zip(steps).map(|(offset, step)| {
        let key = PushKey {
            tenant: tenant.to_owned(),
            meter: "calls".to_owned(),
            window: start(hour),
        };
        let record = PushRecord {
            write_id: 1,
            head: None,
            key,
            step,
            instance: "one".to_owned(),
        };
        PushRow::new(place(offset), &record, &intent)
    });
    let rows: Vec<_> = rows.collect();
    sink.insert_pushes(&rows, &[], PUSHES, 1).await.unwrap();
}

fn place(offset: u64) -> LogPlace {
    LogPlace {
        log_partition: PUSHES,
        offset,
        append_time: LogTime(SETTLED.0 - 5),
    }
}

/// A carry of a source of a tenant's meter.
async fn carried(sink: &ClickHouse, of: [&str; 3], hour: i32, value: &str) {
    let [tenant, meter, source] = of;
    let record = CarryRecord {
        write_id: 1,
        head: None,
        key: CarryKey {
            tenant: tenant.to_owned(),
            meter: meter.to_owned(),
            source: source.to_owned(),
        },
        carry: Carry {
            customer: "cus_1".to_owned(),
            event_name: "acme_calls".to_owned(),
            window: start(hour),
            quantity: quantity(value),
            wanted: quantity(value),
            billed: Quantity::ZERO,
            stamps: Stamps::default(),
            windows: Vec::new(),
        },
        instance: "one".to_owned(),
    };
    let rows = [CarryRow::new(place(900), &record)];
    sink.insert_pushes(&[], &rows, PUSHES, 1).await.unwrap();
}

fn received() -> Step {
    Step::Outcome(Outcome::Received)
}

async fn sealed(sink: &ClickHouse) {
    let sealed_to = Hour(NEW_YEAR.0 + 30);
    let row = progress("usage.events", partition(1), stamp(0, 1), 0, sealed_to);
    sink.insert_progress(&row).await.unwrap();
}

async fn compared(sink: &ClickHouse, comparison: &Comparison, to: &str) -> Vec<PairRow> {
    let to = PairKey {
        tenant: to.to_owned(),
        meter: "calls".to_owned(),
    };
    let range = PairRange {
        after: PairKey::default(),
        to,
    };
    let mut rows = sink.compare_pairs(comparison, &range).unwrap();
    rows.next().await.unwrap().unwrap_or_default()
}

#[tokio::test]
async fn each_way_to_differ_is_told_from_the_others_and_from_what_is_in_work() {
    let (_database, sink) = Database::migrated().await;
    sealed(&sink).await;
    let before = LogTime(SETTLED.0 - 1);
    for (hour, events) in [
        (0, 5),
        (1, 7),
        (2, 7),
        (3, 4),
        (4, 4),
        (5, 0),
        (6, 3),
        (7, 9),
    ] {
        bucket(&sink, "acme", hour, events, before).await;
    }
    // The hour is open; another changed a moment ago.
    bucket(&sink, "acme", 31, 1, before).await;
    bucket(&sink, "acme", 8, 6, LogTime(SETTLED.0 + 1)).await;
    pushed(&sink, "acme", 0, "5", &[received(), Step::Confirmed]).await;
    pushed(&sink, "acme", 2, "5", &[received(), Step::Confirmed]).await;
    pushed(&sink, "acme", 3, "4", &[received()]).await;
    let refused = Step::Outcome(Outcome::Refused {
        detail: "no such customer".to_owned(),
    });
    pushed(&sink, "acme", 4, "4", &[refused]).await;
    carried(&sink, ["acme", "calls", "in_1/1"], 6, "2").await;
    pushed(&sink, "acme", 6, "5", &[received(), Step::Confirmed]).await;
    let away = format!("window/{}", NEW_YEAR.0 + 7);
    carried(&sink, ["acme", "calls", &away], 40, "9").await;
    pushed(&sink, "acme", 40, "9", &[received(), Step::Confirmed]).await;
    let found = compared(&sink, &comparison(), "acme").await;
    let differs = |hour, kind, wanted, pushed: Option<&str>, detail: &str| WindowDifference {
        window_start: start(hour),
        kind,
        wanted: quantity(wanted),
        pushed: pushed.map(quantity),
        detail: detail.to_owned(),
    };
    let pair = |customer: &str, differences: Vec<WindowDifference>, pushed: &[(i32, &str)]| {
        let seconds = |hour: i32| u32::try_from(start(hour).0 / 1_000_000).unwrap();
        let sum = differences.iter().map(|difference| difference.wanted);
        PairRow {
            tenant: "acme".to_owned(),
            meter: "calls".to_owned(),
            customer: customer.to_owned(),
            event_name: customer.replace("cus_1", "acme_calls"),
            windows: 0,
            in_work: 0,
            differing: differences.len() as u64,
            differing_sum: sum.fold(Quantity::ZERO, |a, b| a.plus(b).unwrap()),
            differences,
            pushed: (
                pushed.iter().map(|(hour, _)| seconds(*hour)).collect(),
                pushed.iter().map(|(_, q)| Amount(quantity(q))).collect(),
            ),
        }
    };
    let never = vec![differs(1, DifferenceKind::NotPushed, "7", None, "")];
    let other = vec![
        differs(2, DifferenceKind::Stale, "7", Some("5"), ""),
        differs(3, DifferenceKind::Unconfirmed, "4", Some("4"), ""),
        differs(
            4,
            DifferenceKind::NotPushed,
            "4",
            Some("4"),
            "no such customer",
        ),
    ];
    let expected = [
        PairRow {
            windows: 5,
            in_work: 2,
            ..pair("", never, &[])
        },
        PairRow {
            windows: 6,
            in_work: 0,
            ..pair("cus_1", other, &[(0, "23"), (40, "9")])
        },
    ];
    assert_eq!(found, expected);
    let key = PairKey {
        tenant: "acme".to_owned(),
        meter: "calls".to_owned(),
    };
    let windows = sink.compare_windows(&comparison(), &key).await.unwrap();
    let in_work: Vec<_> = windows.iter().filter(|window| window.is_in_work).collect();
    let starts: Vec<_> = in_work.iter().map(|window| window.window_start).collect();
    assert_eq!((windows.len(), starts), (11, vec![start(8), start(31)]));
    assert_eq!(windows[6].wanted, quantity("5"));
    assert_eq!(
        (windows[1].pushed, windows[2].pushed),
        (None, Some(quantity("5")))
    );
}

#[tokio::test]
async fn a_line_comes_to_the_windows_that_were_pushed_for_its_customer() {
    let (_database, sink) = Database::migrated().await;
    sealed(&sink).await;
    let before = LogTime(SETTLED.0 - 1);
    for (hour, events) in [(1, 5), (2, 7), (3, 11), (9, 13)] {
        bucket(&sink, HOSTILE, hour, events, before).await;
    }
    for hour in [1, 2, 9] {
        pushed(&sink, HOSTILE, hour, "5", &[Step::Confirmed]).await;
    }
    carried(&sink, [HOSTILE, "calls", "in_1/0"], 40, "-2").await;
    // Lines of other meters begin in the same hour of the same invoice.
    carried(&sink, [HOSTILE, "bytes", "in_1/0"], 40, "3").await;
    let line = |customer: &str, hours: std::ops::Range<i32>| LineKey {
        tenant: HOSTILE.to_owned(),
        meter: "calls".to_owned(),
        customer: customer.to_owned(),
        hours: Hour(NEW_YEAR.0 + hours.start)..Hour(NEW_YEAR.0 + hours.end),
        source: format!("in_1/{}", hours.start),
    };
    let lines = [
        line("cus_1", 0..3),
        line("cus_2", 0..9),
        line("cus_1", 2..10),
    ];
    let sums = sink.line_sums(&comparison(), &lines).await.unwrap();
    let sum = |wanted, carried| LineSum {
        wanted: quantity(wanted),
        carried: quantity(carried),
        in_work: 0,
    };
    assert_eq!(sums, [sum("12", "-2"), sum("0", "-2"), sum("20", "0")]);
    let later = Comparison {
        settled: LogTime(1),
        ..comparison()
    };
    let sums = sink.line_sums(&later, &lines[..1]).await.unwrap();
    assert_eq!(sums[0].in_work, 2);
    // A window that was carried alone while its first intent was on its way: not billed twice.
    let away = format!("window/{}", NEW_YEAR.0 + 2);
    carried(&sink, [HOSTILE, "calls", &away], 40, "7").await;
    let sums = sink.line_sums(&comparison(), &lines).await.unwrap();
    assert_eq!(sums, [sum("5", "-2"), sum("0", "-2"), sum("13", "0")]);
    let mut owners = sink.ledger_customers(&comparison()).unwrap();
    let owner = owners.next().await.unwrap().unwrap();
    assert_eq!((&*owner[0].customer, &*owner[0].tenant), ("cus_1", HOSTILE));
}

#[tokio::test]
async fn pairs_come_in_key_order_page_by_page_and_each_once() {
    let (_database, sink) = Database::migrated().await;
    sealed(&sink).await;
    for tenant in ["b", "a", HOSTILE] {
        bucket(&sink, tenant, 3, 5, LogTime(1)).await;
    }
    pushed(&sink, "a", 3, "5", &[Step::Confirmed]).await;
    pushed(&sink, "c", 4, "5", &[Step::Confirmed]).await;
    let mut found: Vec<PairKey> = Vec::new();
    loop {
        let after = found.last().cloned().unwrap_or_default();
        let page = sink.pairs(&comparison(), None, &after, 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    let found: Vec<_> = found.into_iter().map(|pair| pair.tenant).collect();
    let mut expected = vec![HOSTILE, "a", "b", "c"];
    expected.sort_unstable();
    assert_eq!(found, expected);
    let (all, first) = (comparison(), PairKey::default());
    let one = sink.pairs(&all, Some(HOSTILE), &first, 9).await;
    assert_eq!(one.unwrap().len(), 1);
    let recent = |since| Comparison {
        since: Some(LogTime(since)),
        ..comparison()
    };
    for (since, expected) in [(SETTLED.0 - 6, 2), (SETTLED.0, 0)] {
        let found = sink.pairs(&recent(since), None, &first, 9).await;
        assert_eq!(found.unwrap().len(), expected, "{since}");
        let found = compared(&sink, &recent(since), "z").await;
        assert_eq!(found.len(), expected, "{since}");
    }
    let other = Comparison {
        meters: vec![HOSTILE.to_owned()],
        ..comparison()
    };
    let none = sink.pairs(&other, None, &first, 9).await;
    assert_eq!(none.unwrap(), []);
}

#[tokio::test]
async fn what_another_biller_was_told_counts_in_shadow_mode_only() {
    let (_database, sink) = Database::migrated().await;
    sealed(&sink).await;
    bucket(&sink, "acme", 1, 7, LogTime(1)).await;
    let shadow = Step::Outcome(Outcome::NotTaken {
        detail: "shadow".to_owned(),
    });
    pushed(&sink, "acme", 1, "7", &[shadow]).await;
    let found = compared(&sink, &comparison(), "acme").await;
    assert_eq!(found[0].differences[0].kind, DifferenceKind::Unconfirmed);
    let beside = Comparison {
        shadow: true,
        ..comparison()
    };
    assert_eq!(compared(&sink, &beside, "acme").await[0].differing, 0);
}
