//! Progress of a usage partition on `usage.totals`.

use super::RecordError;
use super::codec::{Codec, long};
use meterline_core::counters::Counters;
use meterline_core::position::{LogPartition, Offset, TopicId};
use meterline_core::reason::Reason;
use meterline_core::time::{EventTime, LogTime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::LazyLock;

pub(super) static CODEC: LazyLock<Codec> = LazyLock::new(|| {
    let text = include_str!("../../avro/progress.avsc");
    Codec::new("progress record", text)
});

/// Up to where the values of a usage partition are complete.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Progress {
    /// The usage partition.
    pub log_partition: LogPartition,
    /// Number of verdicts applied.
    pub epoch: u16,
    /// Hour rows and totals are complete before this offset.
    pub to: Offset,
    /// Day and month rows are complete before this offset.
    pub levels_to: Offset,
    /// Log time before `to`.
    pub log_time: LogTime,
    /// Hours that end at or before this are sealed.
    pub sealed_to: EventTime,
    /// Sealed up to at `levels_to`: days and months that end at or before this are sealed.
    pub levels_sealed_to: EventTime,
    /// The catalog version in force at `to`.
    pub catalog_version: u32,
    /// What became of every record before `to`.
    pub counters: Counters,
    /// Offset in `usage.totals` from which a reader that has just read the tables misses nothing;
    /// `None`: its beginning.
    pub totals_position: Option<Offset>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(with = "apache_avro::serde_avro_fixed")]
    topic_id: [u8; 16],
    partition: i64,
    epoch: i64,
    to: i64,
    levels_to: i64,
    log_time: i64,
    sealed_to: i64,
    levels_sealed_to: i64,
    catalog_version: i64,
    // Not last: the decoder takes a record that ends before an optional field for one without it.
    totals_position: Option<i64>,
    counters: WireCounters,
}

#[derive(Serialize, Deserialize)]
struct WireCounters {
    delivered: i64,
    accepted: i64,
    duplicate: i64,
    ignored: i64,
    unmatched: i64,
    control: i64,
    late: i64,
    rejected: BTreeMap<String, i64>,
    matched: BTreeMap<String, i64>,
}

/// Appends a progress record.
pub fn encode_progress(progress: &Progress, out: &mut Vec<u8>) {
    let wire = Wire {
        topic_id: progress.log_partition.topic_id.0.to_be_bytes(),
        partition: progress.log_partition.partition.into(),
        epoch: progress.epoch.into(),
        to: long(progress.to),
        levels_to: long(progress.levels_to),
        log_time: progress.log_time.0,
        sealed_to: progress.sealed_to.0,
        levels_sealed_to: progress.levels_sealed_to.0,
        catalog_version: progress.catalog_version.into(),
        totals_position: progress.totals_position.map(long),
        counters: WireCounters::of(&progress.counters),
    };
    CODEC.encode(&wire, out);
}

pub(super) fn decode(body: &[u8]) -> Result<Progress, RecordError> {
    let wire: Wire = CODEC.decode(body)?;
    let totals_position = wire
        .totals_position
        .map(|p| CODEC.number("totals_position", p));
    Ok(Progress {
        log_partition: LogPartition {
            topic_id: TopicId(u128::from_be_bytes(wire.topic_id)),
            partition: CODEC.number("partition", wire.partition)?,
        },
        epoch: CODEC.number("epoch", wire.epoch)?,
        to: CODEC.number("to", wire.to)?,
        levels_to: CODEC.number("levels_to", wire.levels_to)?,
        log_time: LogTime(wire.log_time),
        sealed_to: EventTime(wire.sealed_to),
        levels_sealed_to: EventTime(wire.levels_sealed_to),
        catalog_version: CODEC.number("catalog_version", wire.catalog_version)?,
        counters: wire.counters.read()?,
        totals_position: totals_position.transpose()?,
    })
}

impl WireCounters {
    fn of(counters: &Counters) -> Self {
        let rejected = counters.rejected.iter();
        let matched = counters.counted();
        Self {
            delivered: long(counters.delivered),
            accepted: long(counters.accepted),
            duplicate: long(counters.duplicate),
            ignored: long(counters.ignored),
            unmatched: long(counters.unmatched),
            control: long(counters.control),
            late: long(counters.late),
            rejected: rejected
                .map(|(reason, n)| (reason.name().to_owned(), long(*n)))
                .collect(),
            matched: matched
                .into_iter()
                .map(|(meter, n)| (meter, long(n)))
                .collect(),
        }
    }

    fn read(self) -> Result<Counters, RecordError> {
        let mut counters = Counters {
            delivered: CODEC.number("delivered", self.delivered)?,
            accepted: CODEC.number("accepted", self.accepted)?,
            duplicate: CODEC.number("duplicate", self.duplicate)?,
            ignored: CODEC.number("ignored", self.ignored)?,
            unmatched: CODEC.number("unmatched", self.unmatched)?,
            control: CODEC.number("control", self.control)?,
            late: CODEC.number("late", self.late)?,
            ..Counters::default()
        };
        for (name, n) in self.rejected {
            let reason = reason(&CODEC, &name)?;
            counters
                .rejected
                .insert(reason, CODEC.number("rejected", n)?);
        }
        for (meter, n) in self.matched {
            counters.matched.insert(meter, CODEC.number("matched", n)?);
        }
        Ok(counters)
    }
}

pub(super) fn reason(codec: &Codec, name: &str) -> Result<Reason, RecordError> {
    let known = Reason::ALL.into_iter().find(|reason| reason.name() == name);
    known.ok_or_else(|| codec.malformed(format!("reason `{name}` is unknown")))
}
