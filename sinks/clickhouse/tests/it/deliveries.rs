//! What was told of alerts: by notification, and what is parked.

use crate::alerts::{ALERTS, place};
use crate::queries::HOSTILE;
use crate::stack::Database;
use meterline_core::alert::{Delivery, DeliveryOutcome};
use meterline_core::position::Offset;
use meterline_core::time::LogTime;
use meterline_schemas::rows::DeliveryRow;

fn delivery(
    offset: Offset,
    notification: u128,
    route: &str,
    outcome: DeliveryOutcome,
) -> DeliveryRow {
    let delivery = Delivery {
        notification,
        tenant: if route == HOSTILE { HOSTILE } else { "acme" }.to_owned(),
        route: route.to_owned(),
        outcome,
        attempt: 1,
        at: LogTime(1_767_225_600_123),
        instance: "notify-0".to_owned(),
        detail: "503".to_owned(),
    };
    DeliveryRow::new(place(offset), &delivery)
}

#[tokio::test]
async fn deliveries_are_found_by_their_notifications() {
    let (_database, sink) = Database::migrated().await;
    let big = u128::MAX;
    let rows = [
        delivery(1, big, "ops", DeliveryOutcome::Failed),
        delivery(4, big, "ops", DeliveryOutcome::Delivered),
        delivery(2, big, HOSTILE, DeliveryOutcome::Failed),
        delivery(3, 7, "ops", DeliveryOutcome::Requested),
    ];
    for _ in 0..2 {
        sink.insert_alerts(&[], &rows, ALERTS, 5).await.unwrap();
    }
    let found = sink.alert_deliveries(None, &[big, 8]).await.unwrap();
    assert_eq!(found, [rows[2].clone(), rows[0].clone(), rows[1].clone()]);
    let hostile = [HOSTILE.to_owned()];
    let found = sink.alert_deliveries(Some(&hostile), &[big, 7]).await;
    assert_eq!(found.unwrap(), rows[2..3]);
    assert_eq!(sink.alert_deliveries(None, &[]).await.unwrap(), []);
}

#[tokio::test]
async fn parked_is_what_nobody_asked_for_again() {
    let (_database, sink) = Database::migrated().await;
    let parked = DeliveryOutcome::Parked;
    let rows = [
        delivery(1, 1, "ops", DeliveryOutcome::Failed),
        delivery(2, 1, "ops", parked),
        delivery(3, 2, "ops", parked),
        delivery(4, 2, "ops", DeliveryOutcome::Requested),
        delivery(5, 2, HOSTILE, parked),
        delivery(6, 3, "ops", parked),
        delivery(7, 3, "ops", DeliveryOutcome::Requested),
        delivery(8, 3, "ops", parked),
    ];
    sink.insert_alerts(&[], &rows, ALERTS, 9).await.unwrap();
    sink.insert_alerts(&[], &rows[..4], ALERTS, 9)
        .await
        .unwrap();
    let first = sink.parked_deliveries(None, None, 2).await.unwrap();
    assert_eq!(first, [rows[7].clone(), rows[4].clone()]);
    let after = Some(place(5));
    let rest = sink.parked_deliveries(None, after, 2).await.unwrap();
    assert_eq!(rest, rows[1..2]);
    let hostile = [HOSTILE.to_owned()];
    let found = sink.parked_deliveries(Some(&hostile), None, 9).await;
    assert_eq!(found.unwrap(), rows[4..5]);
}
