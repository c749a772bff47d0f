//! Alerts: repeats are the same row, pages are complete, only open ones are open.

use crate::fixtures::{NEW_YEAR, partition, quantity, stamp};
use crate::queries::HOSTILE;
use crate::stack::Database;
use meterline_clickhouse::{AlertFilter, ClickHouse, OpenAlertFilter, Projection};
use meterline_core::alert::{AlertKey, AlertState, Judged, Transition};
use meterline_core::catalog::plans::Severity;
use meterline_core::position::{LogPartition, MAX_OFFSET, Offset, TopicId};
use meterline_core::time::{EventTime, Hour, LogTime};
use meterline_schemas::rows::{AlertRow, LogPlace, OpenAlertRow};

pub(crate) const ALERTS: LogPartition = LogPartition {
    topic_id: TopicId(u128::MAX - 3),
    partition: 2,
};

/// A millisecond of append time per offset.
pub(crate) fn place(offset: Offset) -> LogPlace {
    LogPlace {
        log_partition: ALERTS,
        offset,
        append_time: LogTime(1_767_225_600_000 + i64::try_from(offset).unwrap()),
    }
}

fn transition(tenant: &str, threshold: &str, state: AlertState, episode: u32) -> Transition {
    Transition {
        write_id: 1,
        head: None,
        key: AlertKey {
            tenant: tenant.to_owned(),
            meter: "calls".to_owned(),
            period_start: NEW_YEAR.start(),
            threshold: threshold.to_owned(),
        },
        state,
        episode,
        severity: Severity::Warning,
        kind: "usage.threshold".to_owned(),
        period_end: Hour(NEW_YEAR.0 + 24).start(),
        used: quantity("80"),
        limit: quantity("100"),
        plan: "pro".to_owned(),
        judged: Judged::default(),
        instance: "limits-0".to_owned(),
    }
}

fn alert(offset: Offset, transition: &Transition) -> AlertRow {
    AlertRow::new(place(offset), transition, u128::MAX - u128::from(offset))
}

async fn insert(sink: &ClickHouse, rows: &[AlertRow]) {
    let position = rows.last().map_or(0, |row| row.offset + 1);
    sink.insert_alerts(rows, &[], ALERTS, position)
        .await
        .unwrap();
}

/// Ten transitions: every third is critical and of a hostile tenant, every fourth resolves.
async fn insert_ten(sink: &ClickHouse) -> Vec<AlertRow> {
    let rows: Vec<_> = (0..10)
        .map(|offset| {
            let tenant = if offset % 3 == 0 { HOSTILE } else { "acme" };
            let state = if offset % 4 == 0 {
                AlertState::Resolved
            } else {
                AlertState::Opened
            };
            let mut transition = transition(tenant, &format!("{offset}"), state, 1);
            if offset % 3 == 0 {
                transition.severity = Severity::Critical;
            }
            alert(offset, &transition)
        })
        .collect();
    insert(sink, &rows).await;
    rows
}

/// Offsets of all pages of three.
async fn offsets(sink: &ClickHouse, filter: AlertFilter<'_>) -> Vec<Offset> {
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let rows = sink.alerts(&filter, after, 3).await.unwrap();
        found.extend(rows.iter().map(|row| row.offset));
        match rows.last() {
            Some(last) if rows.len() == 3 => after = Some(last.place()),
            _ => return found,
        }
    }
}

#[tokio::test]
async fn alerts_survive_the_table_and_a_repeat_is_the_same_row() {
    let (database, sink) = Database::migrated().await;
    let mut transition = transition(HOSTILE, ">100", AlertState::Resolved, u32::MAX);
    transition.severity = Severity::Critical;
    transition.used = quantity("-99999999999999999999999999999.999999999");
    transition.limit = quantity("0.000000001");
    transition.judged = Judged {
        usage: vec![(partition(1), stamp(u16::MAX, MAX_OFFSET))],
        catalog: 9,
        account: Some(7),
        effective: Some(7),
    };
    let row = alert(5, &transition);
    for _ in 0..3 {
        insert(&sink, std::slice::from_ref(&row)).await;
    }
    let found = sink
        .alerts(&AlertFilter::default(), None, 10)
        .await
        .unwrap();
    assert_eq!(found, std::slice::from_ref(&row));
    assert_eq!(found[0].judged(), transition.judged);
    assert_eq!(found[0].key(), transition.key);
    assert_eq!(found[0].place(), place(5));
    // A share that does not fit its column is none, and no error.
    let sql = "SELECT percentage FROM alerts FINAL";
    assert_eq!(database.fetch::<Option<i128>>(sql).await, [None]);
}

#[tokio::test]
async fn the_share_is_cut_off_after_nine_decimals() {
    let (database, sink) = Database::migrated().await;
    let rows: Vec<_> = (0..)
        .zip([("2", "3"), ("1", "1"), ("7", "0"), ("0", "5"), ("-1", "3")])
        .map(|(offset, (used, limit))| {
            let mut transition = transition("acme", &offset.to_string(), AlertState::Opened, 1);
            transition.used = quantity(used);
            transition.limit = quantity(limit);
            alert(offset, &transition)
        })
        .collect();
    insert(&sink, &rows).await;
    let sql = "SELECT toString(percentage) FROM alerts FINAL ORDER BY offset";
    let found = database.fetch::<Option<String>>(sql).await;
    let found: Vec<_> = found.iter().map(Option::as_deref).collect();
    assert_eq!(
        found,
        [
            Some("66.666666666"),
            Some("100"),
            None,
            Some("0"),
            Some("-33.333333333")
        ]
    );
}

#[tokio::test]
async fn alerts_are_filtered_and_paged() {
    let (_database, sink) = Database::migrated().await;
    let rows = insert_ten(&sink).await;
    let all = AlertFilter::default();
    let tenants = [HOSTILE.to_owned(), "nobody".to_owned()];
    let cases: [(AlertFilter<'_>, &[Offset]); 9] = [
        (all, &[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        (
            AlertFilter {
                tenants: Some(&tenants),
                ..all
            },
            &[9, 6, 3, 0],
        ),
        (
            AlertFilter {
                tenants: Some(&tenants[1..]),
                ..all
            },
            &[],
        ),
        (
            AlertFilter {
                tenants: Some(&[]),
                ..all
            },
            &[],
        ),
        (
            AlertFilter {
                meter: Some("calls"),
                state: Some(AlertState::Resolved),
                ..all
            },
            &[8, 4, 0],
        ),
        (
            AlertFilter {
                meter: Some(HOSTILE),
                ..all
            },
            &[],
        ),
        (
            AlertFilter {
                severity: Some(Severity::Critical),
                ..all
            },
            &[9, 6, 3, 0],
        ),
        (
            AlertFilter {
                severity: Some(Severity::Warning),
                from: Some(rows[8].append_time),
                ..all
            },
            &[9, 8],
        ),
        (
            AlertFilter {
                to: Some(rows[2].append_time),
                ..all
            },
            &[1, 0],
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(offsets(&sink, filter).await, expected, "{filter:?}");
    }
}

async fn open(sink: &ClickHouse, filter: OpenAlertFilter<'_>) -> Vec<OpenAlertRow> {
    let mut found: Vec<OpenAlertRow> = Vec::new();
    loop {
        let rows = sink.open_alerts(&filter, found.last(), 2).await.unwrap();
        let is_last = rows.len() < 2;
        found.extend(rows);
        if is_last {
            return found;
        }
    }
}

#[tokio::test]
async fn open_are_those_whose_newest_transition_opened_them() {
    let (_database, sink) = Database::migrated().await;
    let of = |tenant: &str, threshold: &str, state, episode| {
        transition(tenant, threshold, state, episode)
    };
    let opened = AlertState::Opened;
    let resolved = AlertState::Resolved;
    // Inserted in another order than they are in the log, and some twice.
    let rows = [
        alert(9, &of("acme", "80", opened, 2)),
        alert(3, &of("acme", "80", opened, 1)),
        alert(5, &of("acme", "80", resolved, 1)),
        alert(6, &of("acme", "90", resolved, 1)),
        alert(4, &of("acme", "90", opened, 1)),
        alert(7, &of(HOSTILE, ">100", opened, 1)),
        alert(8, &of("zeta", "80", opened, 1)),
    ];
    insert(&sink, &rows).await;
    insert(&sink, &rows[1..3]).await;
    let all = OpenAlertFilter::default();
    let found = open(&sink, all).await;
    let keys: Vec<_> = found
        .iter()
        .map(|row| {
            (
                row.tenant.as_str(),
                row.threshold.as_str(),
                row.episode,
                row.offset,
            )
        })
        .collect();
    assert_eq!(
        keys,
        [
            (HOSTILE, ">100", 1, 7),
            ("acme", "80", 2, 9),
            ("zeta", "80", 1, 8)
        ]
    );
    let row = &found[1];
    assert_eq!(row.notification, rows[0].notification);
    assert_eq!(row.append_time, rows[0].append_time);
    assert_eq!(
        (row.period_start, row.period_end),
        (rows[0].period_start, rows[0].period_end)
    );
    assert_eq!(
        (row.used, row.limit, row.percentage),
        (quantity("80"), quantity("100"), Some(quantity("80")))
    );
    assert_eq!(
        (row.severity, row.plan.as_str(), row.kind.as_str()),
        (Severity::Warning, "pro", "usage.threshold")
    );
    let end = rows[0].period_end;
    let tenants = ["acme".to_owned()];
    for (filter, expected) in [
        (
            OpenAlertFilter {
                tenants: Some(&tenants),
                ..all
            },
            1,
        ),
        (
            OpenAlertFilter {
                meter: Some("calls"),
                ..all
            },
            3,
        ),
        (
            OpenAlertFilter {
                meter: Some("tokens"),
                ..all
            },
            0,
        ),
        (
            OpenAlertFilter {
                severity: Some(Severity::Critical),
                ..all
            },
            0,
        ),
        (
            OpenAlertFilter {
                running_at: Some(EventTime(end.0 - 1)),
                ..all
            },
            3,
        ),
        (
            OpenAlertFilter {
                running_at: Some(end),
                ..all
            },
            0,
        ),
    ] {
        assert_eq!(open(&sink, filter).await.len(), expected, "{filter:?}");
    }
}

#[tokio::test]
async fn alerts_of_a_topic_that_is_gone_are_not_open() {
    let (_database, sink) = Database::migrated().await;
    let opened = transition("acme", "80", AlertState::Opened, 1);
    let mut old = alert(90, &opened);
    old.topic_id = TopicId(1);
    old.append_time = LogTime(1_000);
    let other = transition("zeta", "80", AlertState::Opened, 1);
    insert(&sink, &[old, alert(0, &other)]).await;
    let found = open(&sink, OpenAlertFilter::default()).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].tenant, "zeta");
}

#[tokio::test]
async fn positions_of_projections_only_rise() {
    let (_database, sink) = Database::migrated().await;
    for position in [20, 20, 11] {
        sink.insert_alerts(&[], &[], ALERTS, position)
            .await
            .unwrap();
    }
    let other = LogPartition {
        partition: 3,
        ..ALERTS
    };
    for (projection, log_partition, expected) in [
        (Projection::Alerts, ALERTS, 20),
        (Projection::Alerts, other, 0),
        (Projection::AuditLog, ALERTS, 0),
    ] {
        let found = sink.projection_position(projection, log_partition).await;
        assert_eq!(found.unwrap(), expected, "{projection:?} {log_partition}");
    }
}
