//! The tables of differences and reconciliations: the newest judgement counts.

use crate::fixtures::{NEW_YEAR, quantity};
use crate::queries::HOSTILE;
use crate::stack::Database;
use meterline_clickhouse::DifferenceFilter;
use meterline_core::time::{EventTime, Hour, LogTime};
use meterline_schemas::rows::{DifferenceKind, DifferenceRow, ReconciliationRow};

fn start(hour: i32) -> EventTime {
    Hour(NEW_YEAR.0 + hour).start()
}

fn difference(tenant: &str, hour: i32, kind: DifferenceKind, judged_at: i64) -> DifferenceRow {
    DifferenceRow {
        tenant: tenant.to_owned(),
        meter: "calls".to_owned(),
        window_start: start(hour),
        kind,
        subject: HOSTILE.to_owned(),
        window_end: start(hour + 1),
        windows: 3,
        reason: HOSTILE.to_owned(),
        bucket: Some(quantity("-99999999999999999999999999999.999999999")),
        ledger: None,
        stripe: Some(quantity("0.000000001")),
        billed: None,
        first_seen: LogTime(5),
        last_seen: LogTime(judged_at),
        is_open: true,
        run: u128::MAX,
        judged_at: LogTime(judged_at),
    }
}

#[tokio::test]
async fn the_newest_judgement_of_a_difference_counts() {
    let (database, sink) = Database::migrated().await;
    let one = difference("acme", 1, DifferenceKind::Stale, 10);
    let two = difference(HOSTILE, 2, DifferenceKind::InvoiceDiffers, 10);
    let rows = [one.clone(), two.clone(), one.clone()];
    sink.insert_differences(&rows).await.unwrap();
    let filter = DifferenceFilter::default();
    let found = sink.open_differences(&filter, 10).await.unwrap();
    let mut expected = vec![one.clone(), two.clone()];
    expected.sort_by_key(DifferenceRow::key);
    assert_eq!(found, expected);
    let counts = sink.difference_counts(&filter).await.unwrap();
    let counts: Vec<_> = counts.iter().map(|c| (c.kind, c.differences)).collect();
    let both = [
        (DifferenceKind::Stale, 3),
        (DifferenceKind::InvoiceDiffers, 3),
    ];
    assert_eq!(counts, both);
    let mut lines = sink.open_differences_of(&filter, None, true).unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap(), [two]);
    let closed = DifferenceRow {
        is_open: false,
        judged_at: LogTime(11),
        ..one.clone()
    };
    // An older judgement that arrives later changes nothing.
    for row in [closed, one] {
        sink.insert_differences(&[row]).await.unwrap();
    }
    let ended = DifferenceFilter {
        tenant: Some("acme"),
        meter: Some("calls"),
        ends_after: Some(start(0)),
        ends_to: Some(start(2)),
    };
    assert_eq!(sink.open_differences(&ended, 10).await.unwrap(), []);
    let view = "SELECT count() FROM stripe_differences_open";
    assert_eq!(database.fetch::<u64>(view).await, [1]);
}

#[tokio::test]
async fn a_reconciliation_is_as_far_as_its_newest_row_says() {
    let (_database, sink) = Database::migrated().await;
    let period = (start(0), start(744));
    let first = ReconciliationRow {
        run: 7,
        period_start: period.0,
        period_end: period.1,
        scope: HOSTILE.to_owned(),
        started_at: LogTime(10),
        updated_at: LogTime(20),
        is_finished: false,
        after_tenant: HOSTILE.to_owned(),
        after_meter: "calls".to_owned(),
        slices: 1,
        pairs: 2,
        windows: 3,
        in_work: 4,
        readings: 5,
        invoice_lines: 7,
        found: 6,
    };
    let second = ReconciliationRow {
        slices: 2,
        is_finished: true,
        ..first.clone()
    };
    let older = ReconciliationRow {
        run: 8,
        started_at: LogTime(9),
        ..first.clone()
    };
    let newer = ReconciliationRow {
        run: 9,
        started_at: LogTime(11),
        ..first.clone()
    };
    for row in [&first, &second, &first, &older] {
        sink.insert_reconciliation(row).await.unwrap();
    }
    let newest = |finished| sink.newest_reconciliation(period, HOSTILE, finished);
    assert_eq!(newest(false).await.unwrap(), Some(second.clone()));
    sink.insert_reconciliation(&newer).await.unwrap();
    assert_eq!(newest(false).await.unwrap(), Some(newer));
    assert_eq!(newest(true).await.unwrap(), Some(second));
    let none = sink.newest_reconciliation(period, "all", false).await;
    assert_eq!(none.unwrap(), None);
}
