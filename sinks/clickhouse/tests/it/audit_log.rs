//! The audit log: repeats are the same row, pages are complete, filters narrow.

use crate::queries::HOSTILE;
use crate::stack::Database;
use meterline_clickhouse::{AuditFilter, ClickHouse, Projection};
use meterline_core::account::{
    AccountChange, AccountStatus, AccountTerms, ApiKey, Role, RunningPeriod, TenantScope,
};
use meterline_core::control::{ControlRecord, Decision};
use meterline_core::position::{LogPartition, Offset, TopicId};
use meterline_core::time::LogTime;
use meterline_schemas::rows::AuditRow;

const CONTROL: LogPartition = LogPartition {
    topic_id: TopicId(u128::MAX - 4),
    partition: 0,
};

fn account(id: &str) -> Decision {
    Decision::Account(Box::new(AccountChange {
        account: id.to_owned(),
        effective: None,
        running: RunningPeriod::Keep,
        origin: "10.0.0.1".to_owned(),
        terms: AccountTerms {
            name: HOSTILE.to_owned(),
            plan: "pro".to_owned(),
            status: AccountStatus::Active,
            start: "2026-01-31".to_owned(),
            time_zone: "UTC".to_owned(),
            overrides: std::collections::BTreeMap::new(),
            contacts: Vec::new(),
            stripe_customer: None,
        },
    }))
}

fn api_key() -> Decision {
    Decision::ApiKey(Box::new(ApiKey {
        id: "k1k1k1k1k1k1".to_owned(),
        name: String::new(),
        hash: "5eb63bbbe01eeed093cb22bb8f5acdc3".to_owned(),
        previous: None,
        roles: vec![Role::Admin],
        tenants: TenantScope::All,
        rate: None,
        revoked: false,
        expires: None,
    }))
}

/// A record, a millisecond of append time per offset; every fourth was too late.
fn row(offset: Offset, actor: &str, decision: Decision) -> AuditRow {
    let record = ControlRecord {
        write_id: 5,
        actor: actor.to_owned(),
        note: "asked for".to_owned(),
        head: offset.checked_sub(1),
        decision,
    };
    let append_time = LogTime(1_767_225_600_000 + i64::try_from(offset).unwrap());
    AuditRow::new(
        CONTROL.topic_id,
        offset,
        append_time,
        &record,
        !offset.is_multiple_of(4),
    )
}

async fn offsets(sink: &ClickHouse, filter: AuditFilter<'_>) -> Vec<Offset> {
    let mut found: Vec<AuditRow> = Vec::new();
    loop {
        let rows = sink.audit(&filter, found.last(), 3).await.unwrap();
        let is_last = rows.len() < 3;
        found.extend(rows);
        if is_last {
            return found.iter().map(|row| row.offset).collect();
        }
    }
}

#[tokio::test]
async fn decisions_are_filtered_and_paged_and_a_repeat_is_the_same_row() {
    let (database, sink) = Database::migrated().await;
    let rows: Vec<_> = (0..9)
        .map(|offset| match offset % 3 {
            0 => row(offset, HOSTILE, account("acme")),
            1 => row(offset, "admin", account(HOSTILE)),
            _ => row(offset, "admin", api_key()),
        })
        .collect();
    for _ in 0..2 {
        sink.insert_audit(&rows, CONTROL, 9).await.unwrap();
    }
    sink.insert_audit(&[], CONTROL, 4).await.unwrap();
    let position = sink
        .projection_position(Projection::AuditLog, CONTROL)
        .await;
    assert_eq!(position.unwrap(), 9);
    let all = AuditFilter::default();
    let ids = [HOSTILE.to_owned(), "nobody".to_owned()];
    let cases: [(AuditFilter<'_>, &[Offset]); 7] = [
        (all, &[8, 7, 6, 5, 4, 3, 2, 1, 0]),
        (
            AuditFilter {
                kind: Some("api_key"),
                ..all
            },
            &[8, 5, 2],
        ),
        (
            AuditFilter {
                kind: Some("account"),
                ids: Some(&ids),
                ..all
            },
            &[7, 4, 1],
        ),
        (
            AuditFilter {
                actor: Some(HOSTILE),
                ..all
            },
            &[6, 3, 0],
        ),
        (
            AuditFilter {
                from: Some(rows[7].append_time),
                ..all
            },
            &[8, 7],
        ),
        (
            AuditFilter {
                to: Some(rows[1].append_time),
                ..all
            },
            &[0],
        ),
        (
            AuditFilter {
                in_force: Some(false),
                ..all
            },
            &[8, 4, 0],
        ),
    ];
    for (filter, expected) in cases {
        assert_eq!(offsets(&sink, filter).await, expected, "{filter:?}");
    }
    let found = sink.audit(&all, None, 100).await.unwrap();
    assert!(found.iter().eq(rows.iter().rev()));
    let sql = "SELECT count() FROM audit_log WHERE position(body, '5eb63') > 0";
    assert_eq!(
        database.fetch::<u64>(sql).await,
        [0],
        "no hash is in the table"
    );
}
