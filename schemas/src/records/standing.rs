//! Standings on `usage.standing`, and their progress.
//!
//! Every change of a tenant's use is one, tens of thousands a second, so they are encoded field by
//! field; a test holds that to the bytes of the schema-driven serializer.

use super::RecordError;
use super::codec::{Codec, long};
use super::fields::{put_long, put_option, put_quantity, put_text};
use super::judged::{self, WireUsage, put_control, put_usage};
use apache_avro::Decimal;
use meterline_core::catalog::plans::Cap;
use meterline_core::position::{LogPartition, TopicId};
use meterline_core::standing::{Health, Standing, StandingProgress};
use meterline_core::time::{EventTime, LogTime};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

pub(super) static CODEC: LazyLock<Codec> = LazyLock::new(|| {
    let text = include_str!("../../avro/standing.avsc");
    Codec::new("standing", text)
});

pub(super) static PROGRESS: LazyLock<Codec> = LazyLock::new(|| {
    let text = include_str!("../../avro/standing_progress.avsc");
    Codec::new("progress record of standings", text)
});

#[derive(Serialize, Deserialize)]
struct Wire {
    tenant: String,
    meter: String,
    period_start: i64,
    period_end: i64,
    used: Decimal,
    included: Option<Decimal>,
    limit: Option<Decimal>,
    cap: Cap,
    health: Health,
    crossed_at: Option<i64>,
    plan: String,
    judged_catalog: i64,
    judged_account: Option<i64>,
    // Last: the decoder takes a record that ends before an optional field for one without it.
    judged_usage: Vec<WireUsage>,
}

#[derive(Serialize, Deserialize)]
struct WireProgress {
    #[serde(with = "apache_avro::serde_avro_fixed")]
    topic_id: [u8; 16],
    partition: i64,
    epoch: i64,
    to: i64,
    control: i64,
    // Not last, as above.
    standing_position: Option<i64>,
    log_time: i64,
}

/// Appends a standing.
///
/// # Panics
/// For an offset of 2⁶³ or above, which no log reaches.
pub fn encode_standing(standing: &Standing, out: &mut Vec<u8>) {
    out.extend_from_slice(CODEC.frame());
    put_text(out, &standing.tenant);
    put_text(out, &standing.meter);
    put_long(out, standing.period_start.0);
    put_long(out, standing.period_end.0);
    put_quantity(out, standing.used);
    put_option(out, standing.included, put_quantity);
    put_option(out, standing.limit, put_quantity);
    put_long(out, cap(standing.cap));
    put_long(out, standing.health as i64);
    put_option(out, standing.crossed_at, |out, at| put_long(out, at.0));
    put_text(out, &standing.plan);
    put_control(out, &standing.judged);
    put_usage(out, &standing.judged);
}

/// Place of a cap among the schema's symbols.
const fn cap(cap: Cap) -> i64 {
    match cap {
        Cap::None => 0,
        Cap::Soft => 1,
        Cap::Hard => 2,
    }
}

/// Appends a progress record of standings.
///
/// # Panics
/// For an offset of 2⁶³ or above, which no log reaches.
pub fn encode_standing_progress(progress: &StandingProgress, out: &mut Vec<u8>) {
    let wire = WireProgress {
        topic_id: progress.log_partition.topic_id.0.to_be_bytes(),
        partition: progress.log_partition.partition.into(),
        epoch: progress.to.epoch.into(),
        to: long(progress.to.offset),
        control: long(progress.control),
        standing_position: progress.standing_position.map(long),
        log_time: progress.log_time.0,
    };
    PROGRESS.encode(&wire, out);
}

pub(super) fn decode(body: &[u8]) -> Result<Standing, RecordError> {
    let wire: Wire = CODEC.decode(body)?;
    let optional = |field, value: Option<Decimal>| {
        let value = value.map(|value| CODEC.quantity(field, &value));
        value.transpose()
    };
    let judged = judged::read(
        &CODEC,
        wire.judged_usage,
        wire.judged_catalog,
        wire.judged_account,
    )?;
    Ok(Standing {
        tenant: wire.tenant,
        meter: wire.meter,
        period_start: EventTime(wire.period_start),
        period_end: EventTime(wire.period_end),
        used: CODEC.quantity("used", &wire.used)?,
        included: optional("included", wire.included)?,
        limit: optional("limit", wire.limit)?,
        cap: wire.cap,
        health: wire.health,
        crossed_at: wire.crossed_at.map(LogTime),
        plan: wire.plan,
        judged,
    })
}

pub(super) fn decode_progress(body: &[u8]) -> Result<StandingProgress, RecordError> {
    let wire: WireProgress = PROGRESS.decode(body)?;
    let position = wire
        .standing_position
        .map(|p| PROGRESS.number("standing_position", p));
    Ok(StandingProgress {
        log_partition: LogPartition {
            topic_id: TopicId(u128::from_be_bytes(wire.topic_id)),
            partition: PROGRESS.number("partition", wire.partition)?,
        },
        to: PROGRESS.stamp("to", wire.epoch, wire.to)?,
        log_time: LogTime(wire.log_time),
        control: PROGRESS.number("control", wire.control)?,
        standing_position: position.transpose()?,
    })
}

#[cfg(test)]
pub(super) fn encode_by_schema(standing: &Standing, out: &mut Vec<u8>) {
    use super::fields::decimal;

    let wire = Wire {
        tenant: standing.tenant.clone(),
        meter: standing.meter.clone(),
        period_start: standing.period_start.0,
        period_end: standing.period_end.0,
        used: decimal(standing.used),
        included: standing.included.map(decimal),
        limit: standing.limit.map(decimal),
        cap: standing.cap,
        health: standing.health,
        crossed_at: standing.crossed_at.map(|at| at.0),
        plan: standing.plan.clone(),
        judged_catalog: long(standing.judged.catalog),
        judged_account: standing.judged.account.map(long),
        judged_usage: judged::wire_usage(&standing.judged),
    };
    CODEC.encode(&wire, out);
}
