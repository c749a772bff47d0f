//! Standings on `usage.standing`, and their progress.
//!
//! Every change of a tenant's use is one, tens of thousands a second, so they are written and read
//! field by field; a test holds that to the bytes of the schema-driven serializer.

use super::RecordError;
use super::codec::{Codec, long};
use super::fields::{put_long, put_option, put_quantity, put_symbol, put_text};
use super::judged::{self, put_changes, put_control};
use super::reader::Reader;
use meterline_core::alert::Judged;
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

/// The schema's symbols, in its order.
const CAPS: [Cap; 3] = [Cap::None, Cap::Soft, Cap::Hard];

/// The schema's symbols, in its order.
const HEALTHS: [Health; 4] = [
    Health::Healthy,
    Health::Caution,
    Health::Warning,
    Health::Critical,
];

#[derive(Serialize, Deserialize)]
struct WireProgress {
    #[serde(with = "apache_avro::serde_avro_fixed")]
    topic_id: [u8; 16],
    partition: i64,
    epoch: i64,
    to: i64,
    control: i64,
    // Not last: the decoder takes a record that ends before an optional field for one without it.
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
    put_symbol(out, &CAPS, standing.cap);
    put_symbol(out, &HEALTHS, standing.health);
    put_option(out, standing.crossed_at, |out, at| put_long(out, at.0));
    put_text(out, &standing.plan);
    put_control(out, &standing.judged);
    put_changes(out, &standing.judged.usage);
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
    let mut reader = Reader::new(&CODEC, body);
    let standing = Standing {
        tenant: reader.text()?.to_owned(),
        meter: reader.text()?.to_owned(),
        period_start: EventTime(reader.long()?),
        period_end: EventTime(reader.long()?),
        used: reader.quantity("used")?,
        included: reader.option(|reader| reader.quantity("included"))?,
        limit: reader.option(|reader| reader.quantity("limit"))?,
        cap: reader.symbol("cap", &CAPS)?,
        health: reader.symbol("health", &HEALTHS)?,
        crossed_at: reader.option(Reader::long)?.map(LogTime),
        plan: reader.text()?.to_owned(),
        judged: {
            let judged = judged::with_control(&mut reader, Vec::new())?;
            let usage = judged::changes(&mut reader, "judged_usage")?;
            Judged { usage, ..judged }
        },
    };
    reader.end()?;
    Ok(standing)
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
