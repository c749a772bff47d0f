//! Standings: the highest version stays, all of them are read, half of an answer is an error.

use crate::fixtures::{NEW_YEAR, TOPIC, partition, quantity, stamp};
use crate::queries::HOSTILE;
use crate::stack::Database;
use meterline_clickhouse::{ClickHouse, Error};
use meterline_core::alert::Judged;
use meterline_core::catalog::plans::Cap;
use meterline_core::position::{MAX_OFFSET, Offset, Stamp};
use meterline_core::standing::{Health, Standing, StandingProgress};
use meterline_core::time::LogTime;
use meterline_schemas::rows::StandingRow;
use serde_json::json;

/// A standing judged by the usage before that offset.
fn standing(tenant: &str, meter: &str, offset: Offset) -> Standing {
    Standing {
        tenant: tenant.to_owned(),
        meter: meter.to_owned(),
        period_start: NEW_YEAR.start(),
        period_end: NEW_YEAR.end(),
        used: quantity("0.000000001"),
        included: None,
        limit: None,
        cap: Cap::None,
        health: Health::Healthy,
        crossed_at: None,
        plan: String::new(),
        judged: Judged {
            usage: vec![(partition(0), stamp(0, offset))],
            catalog: 3,
            account: None,
            effective: None,
        },
    }
}

/// A standing in which no column has its default.
fn full() -> Standing {
    Standing {
        used: quantity("-99999999999999999999999999999.999999999"),
        included: Some(quantity("99999999999999999999999999999.999999999")),
        limit: Some(quantity("0")),
        cap: Cap::Hard,
        health: Health::Critical,
        crossed_at: Some(LogTime(1_767_225_600_123)),
        plan: HOSTILE.to_owned(),
        judged: Judged {
            usage: vec![
                (partition(1), stamp(u16::MAX, MAX_OFFSET)),
                (partition(2), stamp(0, 1)),
            ],
            catalog: u64::MAX >> 25,
            account: Some(7),
            effective: Some(7),
        },
        ..standing(HOSTILE, "ü", 0)
    }
}

async fn all(sink: &ClickHouse) -> Vec<Standing> {
    let mut found = Vec::new();
    let mut rows = sink.standings().unwrap();
    while let Some(piece) = rows.next().await.unwrap() {
        assert!(!piece.is_empty());
        found.extend(piece.into_iter().map(Standing::from));
    }
    found.sort_by(|a, b| (&a.tenant, &a.meter).cmp(&(&b.tenant, &b.meter)));
    found
}

#[tokio::test]
async fn standings_survive_the_table() {
    let (_database, sink) = Database::migrated().await;
    let expected = [full(), standing("acme", "calls", 5)];
    sink.insert_standings(&expected).await.unwrap();
    assert_eq!(all(&sink).await, expected);
    assert_eq!(sink.standings_of(HOSTILE).await.unwrap(), expected[..1]);
    assert_eq!(sink.standings_of("nobody").await.unwrap(), []);
    sink.insert_standings(&[]).await.unwrap();
}

#[tokio::test]
async fn a_standing_that_knew_less_never_replaces_one_that_knew_more() {
    let (_database, sink) = Database::migrated().await;
    let newer = standing("acme", "calls", 9);
    for older in [
        standing("acme", "calls", 8),
        Standing {
            period_start: meterline_core::time::Hour(NEW_YEAR.0 - 1).start(),
            ..standing("acme", "calls", 100)
        },
    ] {
        sink.insert_standings(std::slice::from_ref(&newer))
            .await
            .unwrap();
        sink.insert_standings(&[older]).await.unwrap();
        assert_eq!(all(&sink).await, std::slice::from_ref(&newer));
    }
    let crossed = Standing {
        crossed_at: Some(LogTime(1)),
        ..newer
    };
    for _ in 0..2 {
        sink.insert_standings(std::slice::from_ref(&crossed))
            .await
            .unwrap();
        assert_eq!(all(&sink).await, std::slice::from_ref(&crossed));
    }
}

#[tokio::test]
async fn the_period_is_the_first_thing_that_orders_standings() {
    let (database, sink) = Database::migrated().await;
    let rows = [full(), standing("acme", "calls", 5)];
    sink.insert_standings(&rows).await.unwrap();
    let sql = "SELECT toString(version) FROM standing ORDER BY tenant";
    let versions = rows.map(|row| row.version().to_string());
    assert_eq!(database.fetch::<String>(sql).await, versions);
}

fn progress(log: u32, to: Stamp, control: Offset) -> StandingProgress {
    StandingProgress {
        log_partition: partition(log),
        to,
        log_time: LogTime(1_767_225_600_123),
        control,
        standing_position: to.offset.checked_sub(1),
    }
}

#[tokio::test]
async fn progress_of_standings_only_rises() {
    let (_database, sink) = Database::migrated().await;
    let newest = progress(1, stamp(1, 5), 9);
    let other = progress(2, stamp(0, 0), 0);
    for rows in [
        vec![newest.clone(), other.clone()],
        vec![progress(1, stamp(0, 50), 99)],
        vec![progress(1, stamp(1, 5), 8), other.clone()],
        vec![],
    ] {
        sink.insert_standing_progress(&rows).await.unwrap();
    }
    let found = sink.standing_progress().await.unwrap();
    assert_eq!(found, [newest, other]);
    assert_eq!(found[0].log_partition.topic_id, TOPIC);
}

#[tokio::test]
async fn every_standing_of_many_pieces_is_read() {
    const TENANTS: u64 = 20_000;
    let (_database, sink) = Database::migrated().await;
    let rows: Vec<_> = (0..TENANTS)
        .map(|n| standing(&format!("tenant {n:05}"), "calls", n))
        .collect();
    sink.insert_standings(&rows).await.unwrap();
    sink.insert_standings(&rows[..9_000]).await.unwrap();
    assert_eq!(all(&sink).await, rows);
}

#[tokio::test]
async fn half_of_the_standings_is_an_error() {
    let (database, sink) = Database::migrated().await;
    let rows: Vec<_> = (0..30_000)
        .map(|n| standing(&n.to_string(), "calls", n))
        .collect();
    sink.insert_standings(&rows).await.unwrap();
    let rule = json!({"match": "FROM standing FINAL", "kind": "cut", "times": 1});
    let rule = database.fault(rule).await;
    let mut rows = sink.standings().unwrap();
    let error = loop {
        match rows.next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a part was taken for the whole"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    assert_eq!(database.hits(rule).await, 1);
    let _whole: Vec<Standing> = all(&sink).await;
}

#[test]
fn a_row_of_a_standing_is_that_standing() {
    let standing = full();
    assert_eq!(Standing::from(StandingRow::new(&standing)), standing);
}
