//! The records that are written by hand, once more through the schema-driven serializer.

use crate::records::codec::long;
use crate::records::fields::decimal;
use crate::records::{Total, carry, push, standing, total, transition};
use apache_avro::Decimal;
use meterline_core::alert::{AlertState, Judged, Transition};
use meterline_core::bucket::Kind;
use meterline_core::carry::CarryRecord;
use meterline_core::catalog::Aggregation;
use meterline_core::catalog::plans::{Cap, Severity};
use meterline_core::position::{LogPartition, Stamp};
use meterline_core::push::{Outcome, PushRecord, Step};
use meterline_core::standing::{Health, Standing};
use meterline_core::time::Level;
use serde::Serialize;

const MICROS_PER_SECOND: i64 = 1_000_000;

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum WireKind {
    Only,
    Whole,
}

#[derive(Serialize)]
struct WireTotal {
    tenant: String,
    meter: String,
    level: Level,
    window_start: i64,
    kind: WireKind,
    aggregation: Aggregation,
    #[serde(with = "apache_avro::serde_avro_fixed")]
    topic_id: [u8; 16],
    partition: i64,
    epoch: i64,
    offset: i64,
    events: i64,
    sum: Decimal,
    min: Decimal,
    max: Decimal,
    latest: Decimal,
    latest_time: i64,
    latest_epoch: i64,
    latest_offset: i64,
    revision: i64,
    updated_at: i64,
}

pub(super) fn encode_total(total: &Total, out: &mut Vec<u8>) {
    let (series, bucket) = (&*total.row.series, &total.row.bucket);
    let wire = WireTotal {
        tenant: series.tenant.to_string(),
        meter: series.meter.to_string(),
        level: total.row.window.level,
        window_start: total.row.window.start * MICROS_PER_SECOND,
        kind: if series.kind == Kind::Only {
            WireKind::Only
        } else {
            WireKind::Whole
        },
        aggregation: series.aggregation,
        topic_id: total.log_partition.topic_id.0.to_be_bytes(),
        partition: total.log_partition.partition.into(),
        epoch: bucket.changed.epoch.into(),
        offset: long(bucket.changed.offset),
        events: long(bucket.events),
        sum: decimal(bucket.sum),
        min: decimal(bucket.min),
        max: decimal(bucket.max),
        latest: decimal(bucket.latest),
        latest_time: bucket.latest_time.0,
        latest_epoch: bucket.latest_stamp.epoch.into(),
        latest_offset: long(bucket.latest_stamp.offset),
        revision: bucket.revision.into(),
        updated_at: bucket.updated_at.0,
    };
    total::CODEC.encode(&wire, out);
}

/// One log partition of usage, and the last change in it that was known.
#[derive(Serialize)]
struct WireUsage {
    #[serde(with = "apache_avro::serde_avro_fixed")]
    topic_id: [u8; 16],
    partition: i64,
    epoch: i64,
    offset: i64,
}

fn wire_usage(judged: &Judged) -> Vec<WireUsage> {
    wire_changes(&judged.usage)
}

fn wire_changes(changes: &[(LogPartition, Stamp)]) -> Vec<WireUsage> {
    changes
        .iter()
        .map(|(log_partition, stamp)| WireUsage {
            topic_id: log_partition.topic_id.0.to_be_bytes(),
            partition: log_partition.partition.into(),
            epoch: stamp.epoch.into(),
            offset: long(stamp.offset),
        })
        .collect()
}

#[derive(Serialize)]
struct WireTransition {
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
    judged_effective: Option<i64>,
    instance: String,
}

pub(super) fn encode_transition(transition: &Transition, out: &mut Vec<u8>) {
    let wire = WireTransition {
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
        judged_usage: wire_usage(&transition.judged),
        judged_catalog: long(transition.judged.catalog),
        judged_account: transition.judged.account.map(long),
        judged_effective: transition.judged.effective.map(long),
        instance: transition.instance.clone(),
    };
    transition::CODEC.encode(&wire, out);
}

#[derive(Serialize)]
struct WireStanding {
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
    judged_effective: Option<i64>,
    judged_usage: Vec<WireUsage>,
}

pub(super) fn encode_standing(standing: &Standing, out: &mut Vec<u8>) {
    let wire = WireStanding {
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
        judged_effective: standing.judged.effective.map(long),
        judged_usage: wire_usage(&standing.judged),
    };
    standing::CODEC.encode(&wire, out);
}

#[derive(Serialize)]
struct WireIntent {
    customer: String,
    event_name: String,
    quantity: Decimal,
    stamps: Vec<WireUsage>,
    attempt: i64,
    call_within: i64,
}

#[derive(Serialize)]
struct WirePush {
    #[serde(with = "apache_avro::serde_avro_fixed")]
    write_id: [u8; 16],
    head: Option<i64>,
    tenant: String,
    meter: String,
    window: i64,
    step: WireStep,
    intent: Option<WireIntent>,
    detail: String,
    instance: String,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum WireStep {
    Intent,
    Received,
    NotTaken,
    Unknown,
    Refused,
    Confirmed,
}

pub(super) fn encode_push(record: &PushRecord, out: &mut Vec<u8>) {
    let (step, detail) = match &record.step {
        Step::Intent(_) => (WireStep::Intent, ""),
        Step::Outcome(Outcome::Received) => (WireStep::Received, ""),
        Step::Outcome(Outcome::NotTaken { detail }) => (WireStep::NotTaken, detail.as_str()),
        Step::Outcome(Outcome::Unknown { detail }) => (WireStep::Unknown, detail.as_str()),
        Step::Outcome(Outcome::Refused { detail }) => (WireStep::Refused, detail.as_str()),
        Step::Confirmed => (WireStep::Confirmed, ""),
    };
    let intent = match &record.step {
        Step::Intent(intent) => Some(WireIntent {
            customer: intent.customer.clone(),
            event_name: intent.event_name.clone(),
            quantity: decimal(intent.quantity),
            stamps: wire_changes(intent.stamps.changes()),
            attempt: intent.attempt.into(),
            call_within: intent.call_within.0.into(),
        }),
        _ => None,
    };
    let wire = WirePush {
        write_id: record.write_id.to_be_bytes(),
        head: record.head.map(long),
        tenant: record.key.tenant.clone(),
        meter: record.key.meter.clone(),
        window: record.key.window.0,
        step,
        intent,
        detail: detail.to_owned(),
        instance: record.instance.clone(),
    };
    push::CODEC.encode(&wire, out);
}

#[derive(Serialize)]
struct WireWindow {
    window: i64,
    before: Decimal,
    after: Decimal,
    stamps: Vec<WireUsage>,
}

#[derive(Serialize)]
struct WireCarry {
    #[serde(with = "apache_avro::serde_avro_fixed")]
    write_id: [u8; 16],
    head: Option<i64>,
    tenant: String,
    meter: String,
    source: String,
    customer: String,
    event_name: String,
    window: i64,
    quantity: Decimal,
    wanted: Decimal,
    billed: Decimal,
    stamps: Vec<WireUsage>,
    windows: Vec<WireWindow>,
    instance: String,
}

pub(super) fn encode_carry(record: &CarryRecord, out: &mut Vec<u8>) {
    let windows = record.carry.windows.iter().map(|window| WireWindow {
        window: window.window.0,
        before: decimal(window.before),
        after: decimal(window.after),
        stamps: wire_changes(window.stamps.changes()),
    });
    let wire = WireCarry {
        write_id: record.write_id.to_be_bytes(),
        head: record.head.map(long),
        tenant: record.key.tenant.clone(),
        meter: record.key.meter.clone(),
        source: record.key.source.clone(),
        customer: record.carry.customer.clone(),
        event_name: record.carry.event_name.clone(),
        window: record.carry.window.0,
        quantity: decimal(record.carry.quantity),
        wanted: decimal(record.carry.wanted),
        billed: decimal(record.carry.billed),
        stamps: wire_changes(record.carry.stamps.changes()),
        windows: windows.collect(),
        instance: record.instance.clone(),
    };
    carry::CODEC.encode(&wire, out);
}
