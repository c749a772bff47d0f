//! Outcomes of notifications on `usage.alerts`.

use super::RecordError;
use super::codec::Codec;
use meterline_core::alert::{Delivery, DeliveryOutcome};
use meterline_core::time::LogTime;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

pub(super) static CODEC: LazyLock<Codec> = LazyLock::new(|| {
    let text = include_str!("../../avro/alert_delivery.avsc");
    Codec::new("delivery of an alert", text)
});

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(with = "apache_avro::serde_avro_fixed")]
    notification: [u8; 16],
    tenant: String,
    route: String,
    outcome: DeliveryOutcome,
    attempt: i64,
    at: i64,
    instance: String,
    detail: String,
}

/// Appends the outcome of an attempt.
pub fn encode_delivery(delivery: &Delivery, out: &mut Vec<u8>) {
    let wire = Wire {
        notification: delivery.notification.to_be_bytes(),
        tenant: delivery.tenant.clone(),
        route: delivery.route.clone(),
        outcome: delivery.outcome,
        attempt: delivery.attempt.into(),
        at: delivery.at.0,
        instance: delivery.instance.clone(),
        detail: delivery.detail.clone(),
    };
    CODEC.encode(&wire, out);
}

pub(super) fn decode(body: &[u8]) -> Result<Delivery, RecordError> {
    let wire: Wire = CODEC.decode(body)?;
    Ok(Delivery {
        notification: u128::from_be_bytes(wire.notification),
        tenant: wire.tenant,
        route: wire.route,
        outcome: wire.outcome,
        attempt: CODEC.number("attempt", wire.attempt)?,
        at: LogTime(wire.at),
        instance: wire.instance,
        detail: wire.detail,
    })
}
