//! What a judgement knew, as transitions and standings carry it.

use super::RecordError;
use super::codec::{Codec, long};
use super::fields::{put_long, put_option};
use meterline_core::alert::Judged;
use meterline_core::position::{LogPartition, Stamp, TopicId};
use serde::{Deserialize, Serialize};

/// One log partition of usage, and the last change in it that was known.
#[derive(Serialize, Deserialize)]
pub(super) struct WireUsage {
    #[serde(with = "apache_avro::serde_avro_fixed")]
    topic_id: [u8; 16],
    partition: i64,
    epoch: i64,
    offset: i64,
}

/// Appends the array of log partitions: one block, then the empty one that ends it.
pub(super) fn put_usage(out: &mut Vec<u8>, judged: &Judged) {
    if !judged.usage.is_empty() {
        put_long(out, long(judged.usage.len() as u64));
    }
    for (log_partition, stamp) in &judged.usage {
        out.extend_from_slice(&log_partition.topic_id.0.to_be_bytes());
        put_long(out, log_partition.partition.into());
        put_long(out, stamp.epoch.into());
        put_long(out, long(stamp.offset));
    }
    put_long(out, 0);
}

/// Appends the catalog's offset and the account's.
pub(super) fn put_control(out: &mut Vec<u8>, judged: &Judged) {
    put_long(out, long(judged.catalog));
    put_option(out, judged.account, |out, offset| {
        put_long(out, long(offset));
    });
}

pub(super) fn read(
    codec: &Codec,
    usage: Vec<WireUsage>,
    catalog: i64,
    account: Option<i64>,
) -> Result<Judged, RecordError> {
    let usage: Vec<_> = usage
        .into_iter()
        .map(|wire| read_usage(codec, &wire))
        .collect::<Result<_, _>>()?;
    if !usage.is_sorted_by(|(one, _), (next, _)| one < next) {
        return Err(codec.malformed("judged_usage is not by ascending log partition"));
    }
    let account = account.map(|offset| codec.number("judged_account", offset));
    Ok(Judged {
        usage,
        catalog: codec.number("judged_catalog", catalog)?,
        account: account.transpose()?,
    })
}

fn read_usage(codec: &Codec, wire: &WireUsage) -> Result<(LogPartition, Stamp), RecordError> {
    let log_partition = LogPartition {
        topic_id: TopicId(u128::from_be_bytes(wire.topic_id)),
        partition: codec.number("partition", wire.partition)?,
    };
    Ok((
        log_partition,
        codec.stamp("offset", wire.epoch, wire.offset)?,
    ))
}

#[cfg(test)]
pub(super) fn wire_usage(judged: &Judged) -> Vec<WireUsage> {
    let usage = judged.usage.iter();
    usage
        .map(|(log_partition, stamp)| WireUsage {
            topic_id: log_partition.topic_id.0.to_be_bytes(),
            partition: log_partition.partition.into(),
            epoch: stamp.epoch.into(),
            offset: long(stamp.offset),
        })
        .collect()
}
