//! Transitions of alerts on `usage.alerts`.
//!
//! A storm of crossings is tens of thousands of them, so they are encoded field by field; a test
//! holds that to the bytes of the schema-driven serializer.

use super::RecordError;
use super::codec::{Codec, long};
use super::fields::{put_long, put_option, put_quantity, put_text};
use super::judged::{self, WireUsage, put_control, put_usage};
use apache_avro::Decimal;
use meterline_core::alert::{AlertKey, AlertState, Transition};
use meterline_core::catalog::plans::Severity;
use meterline_core::time::EventTime;
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

pub(super) static CODEC: LazyLock<Codec> = LazyLock::new(|| {
    let text = include_str!("../../avro/alert_transition.avsc");
    Codec::new("transition of an alert", text)
});

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(with = "apache_avro::serde_avro_fixed")]
    write_id: [u8; 16],
    head: Option<i64>,
    tenant: String,
    meter: String,
    period_start: i64,
    threshold: String,
    state: AlertState,
    episode: i64,
    severity: Severity,
    kind: String,
    period_end: i64,
    used: Decimal,
    limit: Decimal,
    plan: String,
    judged_usage: Vec<WireUsage>,
    judged_catalog: i64,
    judged_account: Option<i64>,
    instance: String,
}

/// Appends a transition. Equal transitions have equal bytes.
///
/// # Panics
/// For an offset of 2⁶³ or above, which no log reaches.
pub fn encode_transition(transition: &Transition, out: &mut Vec<u8>) {
    let key = &transition.key;
    out.extend_from_slice(CODEC.frame());
    out.extend_from_slice(&transition.write_id.to_be_bytes());
    put_option(out, transition.head, |out, head| put_long(out, long(head)));
    put_text(out, &key.tenant);
    put_text(out, &key.meter);
    put_long(out, key.period_start.0);
    put_text(out, &key.threshold);
    put_long(out, state(transition.state));
    put_long(out, transition.episode.into());
    put_long(out, severity(transition.severity));
    put_text(out, &transition.kind);
    put_long(out, transition.period_end.0);
    put_quantity(out, transition.used);
    put_quantity(out, transition.limit);
    put_text(out, &transition.plan);
    put_usage(out, &transition.judged);
    put_control(out, &transition.judged);
    put_text(out, &transition.instance);
}

/// Place of a state among the schema's symbols.
const fn state(state: AlertState) -> i64 {
    match state {
        AlertState::Opened => 0,
        AlertState::Resolved => 1,
    }
}

/// Place of a severity among the schema's symbols.
const fn severity(severity: Severity) -> i64 {
    match severity {
        Severity::Info => 0,
        Severity::Medium => 1,
        Severity::Warning => 2,
        Severity::Critical => 3,
    }
}

pub(super) fn decode(body: &[u8]) -> Result<Transition, RecordError> {
    let wire: Wire = CODEC.decode(body)?;
    let head = wire.head.map(|head| CODEC.number("head", head));
    let judged = judged::read(
        &CODEC,
        wire.judged_usage,
        wire.judged_catalog,
        wire.judged_account,
    )?;
    Ok(Transition {
        write_id: u128::from_be_bytes(wire.write_id),
        head: head.transpose()?,
        key: AlertKey {
            tenant: wire.tenant,
            meter: wire.meter,
            period_start: EventTime(wire.period_start),
            threshold: wire.threshold,
        },
        state: wire.state,
        episode: CODEC.number("episode", wire.episode)?,
        severity: wire.severity,
        kind: wire.kind,
        period_end: EventTime(wire.period_end),
        used: CODEC.quantity("used", &wire.used)?,
        limit: CODEC.quantity("limit", &wire.limit)?,
        plan: wire.plan,
        judged,
        instance: wire.instance,
    })
}

#[cfg(test)]
pub(super) fn encode_by_schema(transition: &Transition, out: &mut Vec<u8>) {
    use super::fields::decimal;

    let wire = Wire {
        write_id: transition.write_id.to_be_bytes(),
        head: transition.head.map(long),
        tenant: transition.key.tenant.clone(),
        meter: transition.key.meter.clone(),
        period_start: transition.key.period_start.0,
        threshold: transition.key.threshold.clone(),
        state: transition.state,
        episode: transition.episode.into(),
        severity: transition.severity,
        kind: transition.kind.clone(),
        period_end: transition.period_end.0,
        used: decimal(transition.used),
        limit: decimal(transition.limit),
        plan: transition.plan.clone(),
        judged_usage: judged::wire_usage(&transition.judged),
        judged_catalog: long(transition.judged.catalog),
        judged_account: transition.judged.account.map(long),
        instance: transition.instance.clone(),
    };
    CODEC.encode(&wire, out);
}
