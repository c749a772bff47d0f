//! Pushes and carries: repeats are the same row, the newest step counts, pages are complete.

use crate::fixtures::{NEW_YEAR, partition, quantity, stamp};
use crate::queries::HOSTILE;
use crate::stack::Database;
use meterline_clickhouse::{ClickHouse, Projection, PushFilter};
use meterline_core::carry::{CarriedWindow, Carry, CarryKey, CarryRecord};
use meterline_core::position::{LogPartition, MAX_OFFSET, Offset, TopicId};
use meterline_core::push::{Intent, Outcome, PushKey, PushRecord, Stamps, Step, identifier};
use meterline_core::pushes::State;
use meterline_core::time::{EventTime, Hour, LogTime, Millis};
use meterline_schemas::rows::{CarryRow, LogPlace, PushCountRow, PushRow};

const PUSHES: LogPartition = LogPartition {
    topic_id: TopicId(u128::MAX - 4),
    partition: 5,
};

/// A millisecond of append time per offset.
fn place(offset: Offset) -> LogPlace {
    LogPlace {
        log_partition: PUSHES,
        offset,
        append_time: at(offset),
    }
}

fn at(offset: Offset) -> LogTime {
    LogTime(1_767_225_600_000 + i64::try_from(offset).unwrap())
}

/// Start of the hour window so many hours into the year.
fn window(hour: i32) -> EventTime {
    Hour(NEW_YEAR.0 + hour).start()
}

fn stamps() -> Stamps {
    Stamps::new(vec![
        (partition(1), stamp(u16::MAX, MAX_OFFSET)),
        (partition(2), stamp(0, 1)),
    ])
}

fn intent(value: &str, attempt: u32) -> Intent {
    Intent {
        customer: "cus_1".to_owned(),
        event_name: "acme_calls".to_owned(),
        quantity: quantity(value),
        stamps: stamps(),
        attempt,
        call_within: Millis(60_000),
    }
}

fn push(offset: Offset, tenant: &str, hour: i32, step: Step) -> PushRow {
    let record = PushRecord {
        write_id: u128::MAX - u128::from(offset),
        head: offset.checked_sub(1),
        key: PushKey {
            tenant: tenant.to_owned(),
            meter: "calls".to_owned(),
            window: window(hour),
        },
        step,
        instance: "stripe-0".to_owned(),
    };
    PushRow::new(place(offset), &record, &intent("2.5", 1))
}

fn refused() -> Step {
    Step::Outcome(Outcome::Refused {
        detail: "no such customer".to_owned(),
    })
}

async fn insert(sink: &ClickHouse, rows: &[PushRow]) {
    sink.insert_pushes(rows, &[], PUSHES, 100).await.unwrap();
}

/// Two tenants' windows: confirmed, refused and called; received, of the hostile one.
async fn insert_windows(sink: &ClickHouse) -> Vec<PushRow> {
    let intent = || Step::Intent(intent("2.5", 1));
    let rows = vec![
        push(1, "acme", 0, intent()),
        push(2, "acme", 0, Step::Outcome(Outcome::Received)),
        push(3, "acme", 0, Step::Confirmed),
        push(4, "acme", 1, intent()),
        push(7, "acme", 1, refused()),
        push(8, "acme", 2, intent()),
        push(5, HOSTILE, 0, intent()),
        push(6, HOSTILE, 0, Step::Outcome(Outcome::Received)),
    ];
    // In parts and in disorder, and again.
    let (newer, older) = rows.split_at(4);
    for part in [older, newer, older] {
        insert(sink, part).await;
    }
    rows
}

#[tokio::test]
async fn a_step_survives_the_table_and_a_repeat_is_the_same_row() {
    let (_database, sink) = Database::migrated().await;
    let widest = Intent {
        quantity: quantity("-99999999999999999999999999999.999999999"),
        ..intent("0", u32::MAX)
    };
    let record = PushRecord {
        write_id: u128::MAX,
        head: None,
        key: PushKey {
            tenant: HOSTILE.to_owned(),
            meter: HOSTILE.to_owned(),
            window: window(0),
        },
        step: Step::Intent(widest.clone()),
        instance: HOSTILE.to_owned(),
    };
    let row = PushRow::new(place(9), &record, &widest);
    for _ in 0..3 {
        insert(&sink, std::slice::from_ref(&row)).await;
    }
    let found = sink.pushes(&PushFilter::default(), None, 10).await.unwrap();
    assert_eq!(found, std::slice::from_ref(&row));
    assert_eq!((found[0].key(), found[0].place()), (record.key, place(9)));
    assert_eq!(found[0].version(), widest.stamps);
    let expected = identifier(&found[0].key(), &widest.stamps, u32::MAX);
    assert_eq!(found[0].identifier, expected);
}

#[tokio::test]
async fn steps_come_in_complete_pages_of_what_is_asked_for() {
    let (_database, sink) = Database::migrated().await;
    let rows = insert_windows(&sink).await;
    let mut found: Vec<PushRow> = Vec::new();
    loop {
        let after = found.last();
        let page = sink.pushes(&PushFilter::default(), after, 3).await;
        let page = page.unwrap();
        let is_last = page.len() < 3;
        found.extend(page);
        if is_last {
            break;
        }
    }
    let mut expected = rows.clone();
    expected.sort_by(|a, b| (&a.tenant, a.offset).cmp(&(&b.tenant, b.offset)));
    assert_eq!(found, expected);
    let acme = ["acme".to_owned()];
    let filter = PushFilter {
        tenants: Some(&acme),
        meter: Some("calls"),
        from: Some(window(1)),
        to: Some(window(2)),
    };
    let found = sink.pushes(&filter, None, 10).await.unwrap();
    assert_eq!(found, rows[3..5]);
    let none = PushFilter {
        meter: Some(HOSTILE),
        ..filter
    };
    assert_eq!(sink.pushes(&none, None, 10).await.unwrap(), []);
}

#[tokio::test]
async fn of_each_window_the_newest_step_counts() {
    let (_database, sink) = Database::migrated().await;
    let rows = insert_windows(&sink).await;
    let newest = [&rows[2], &rows[4], &rows[5], &rows[7]];
    let mut newest: Vec<PushRow> = newest.map(Clone::clone).into();
    newest.sort_by_key(PushRow::key);
    let filter = PushFilter::default();
    let found = sink.pushed_windows(&filter, &[], None, 10).await.unwrap();
    assert_eq!(found, newest);
    let rest = sink.pushed_windows(&filter, &[], Some(&found[1]), 10).await;
    assert_eq!(rest.unwrap(), newest[2..]);
    // A window is only found by the step that it has now.
    let open = [State::Refused, State::Received];
    let found = sink.pushed_windows(&filter, &open, None, 10).await.unwrap();
    let expected = newest.iter().filter(|row| open.contains(&row.step));
    assert!(found.iter().eq(expected), "{found:?}");
    let hostile = [HOSTILE.to_owned()];
    let filter = PushFilter {
        tenants: Some(&hostile),
        ..PushFilter::default()
    };
    let found = sink.pushed_windows(&filter, &[State::Called], None, 10);
    assert_eq!(found.await.unwrap(), []);
}

#[tokio::test]
async fn windows_are_counted_by_their_newest_step() {
    let (_database, sink) = Database::migrated().await;
    insert_windows(&sink).await;
    insert(&sink, &[push(9, "acme", 3, refused())]).await;
    let count = |step, windows, hour, offset| PushCountRow {
        step,
        windows,
        oldest_window: window(hour),
        since: at(offset),
    };
    let found = sink.push_counts(&PushFilter::default()).await.unwrap();
    let expected = [
        count(State::Called, 1, 2, 8),
        count(State::Received, 1, 0, 6),
        count(State::Refused, 2, 1, 7),
        count(State::Confirmed, 1, 0, 3),
    ];
    assert_eq!(found, expected);
    let filter = PushFilter {
        from: Some(window(2)),
        ..PushFilter::default()
    };
    let found = sink.push_counts(&filter).await.unwrap();
    let expected = [
        count(State::Called, 1, 2, 8),
        count(State::Refused, 1, 3, 9),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn windows_of_a_topic_that_is_gone_are_history() {
    let (_database, sink) = Database::migrated().await;
    insert_windows(&sink).await;
    let mut newer = push(50, "acme", 7, Step::Confirmed);
    newer.topic_id = TopicId(3);
    insert(&sink, std::slice::from_ref(&newer)).await;
    let filter = PushFilter::default();
    let found = sink.pushed_windows(&filter, &[], None, 10).await.unwrap();
    assert_eq!(found, [newer]);
    assert_eq!(sink.pushes(&filter, None, 10).await.unwrap().len(), 9);
}

fn carry(offset: Offset, source: &str, hour: i32) -> (CarryRecord, CarryRow) {
    let carried = |hour| CarriedWindow {
        window: window(hour),
        before: quantity("1"),
        after: quantity("-99999999999999999999999999999.999999999"),
        stamps: stamps(),
    };
    let record = CarryRecord {
        write_id: u128::MAX,
        head: None,
        key: CarryKey {
            tenant: HOSTILE.to_owned(),
            meter: "calls".to_owned(),
            source: source.to_owned(),
        },
        carry: Carry {
            customer: "cus_1".to_owned(),
            event_name: "acme_calls".to_owned(),
            window: window(hour),
            quantity: quantity("-0.000000001"),
            wanted: quantity("7"),
            billed: quantity("7.000000001"),
            stamps: stamps(),
            windows: vec![carried(1), carried(2)],
        },
        instance: "stripe-0".to_owned(),
    };
    let row = CarryRow::new(place(offset), &record);
    (record, row)
}

#[tokio::test]
async fn carries_survive_the_table_and_are_found_by_the_window_that_bills_them() {
    let (_database, sink) = Database::migrated().await;
    let (record, first) = carry(1, "in_1", 10);
    let rows = [first, carry(2, "in_1", 11).1, carry(3, "window:9", 12).1];
    for _ in 0..2 {
        sink.insert_pushes(&[], &rows, PUSHES, 4).await.unwrap();
    }
    let filter = PushFilter::default();
    let found = sink.carries(&filter, None, 2).await.unwrap();
    assert_eq!(found, rows[..2]);
    assert_eq!(
        (found[0].key(), found[0].carry()),
        (record.key, record.carry)
    );
    assert_eq!(found[0].place(), place(1));
    let rest = sink.carries(&filter, found.last(), 2).await.unwrap();
    assert_eq!(rest, rows[2..]);
    let hostile = [HOSTILE.to_owned()];
    let filter = PushFilter {
        tenants: Some(&hostile),
        meter: Some("calls"),
        from: Some(window(11)),
        to: Some(window(12)),
    };
    let found = sink.carries(&filter, None, 10).await.unwrap();
    assert_eq!(found, rows[1..2]);
}

#[tokio::test]
async fn a_projection_of_pushes_goes_on_where_it_was() {
    let (_database, sink) = Database::migrated().await;
    let position = || sink.projection_position(Projection::Pushes, PUSHES);
    assert_eq!(position().await.unwrap(), 0);
    insert(&sink, &[push(1, "acme", 0, Step::Confirmed)]).await;
    assert_eq!(position().await.unwrap(), 100);
    sink.insert_pushes(&[], &[], PUSHES, 90).await.unwrap();
    assert_eq!(position().await.unwrap(), 100);
    let alerts = sink.projection_position(Projection::Alerts, PUSHES).await;
    assert_eq!(alerts.unwrap(), 0);
}
