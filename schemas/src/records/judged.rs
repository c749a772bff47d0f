//! What a judgement knew, as transitions and standings carry it; the changes of usage in it are those
//! that steps of pushes carry too.

use super::RecordError;
use super::codec::long;
use super::fields::{put_long, put_option};
use super::reader::Reader;
use meterline_core::alert::Judged;
use meterline_core::position::{LogPartition, Stamp};

/// Appends the array of log partitions: one block, then the empty one that ends it.
pub(super) fn put_changes(out: &mut Vec<u8>, changes: &[(LogPartition, Stamp)]) {
    if !changes.is_empty() {
        put_long(out, long(changes.len() as u64));
    }
    for (log_partition, stamp) in changes {
        out.extend_from_slice(&log_partition.topic_id.0.to_be_bytes());
        put_long(out, log_partition.partition.into());
        put_long(out, stamp.epoch.into());
        put_long(out, long(stamp.offset));
    }
    put_long(out, 0);
}

/// Appends the offsets of the catalog and of the account's two versions.
pub(super) fn put_control(out: &mut Vec<u8>, judged: &Judged) {
    put_long(out, long(judged.catalog));
    for offset in [judged.account, judged.effective] {
        put_option(out, offset, |out, offset| put_long(out, long(offset)));
    }
}

/// Reads the array of log partitions that is this field.
pub(super) fn changes(
    reader: &mut Reader<'_>,
    field: &'static str,
) -> Result<Vec<(LogPartition, Stamp)>, RecordError> {
    let changes = reader.array(|reader| Ok((reader.log_partition()?, reader.stamp("offset")?)))?;
    if !changes.is_sorted_by(|(one, _), (next, _)| one < next) {
        return Err(reader.refuse(format!("{field} is not by ascending log partition")));
    }
    Ok(changes)
}

/// Reads the offsets of the catalog and of the account's two versions.
pub(super) fn with_control(
    reader: &mut Reader<'_>,
    usage: Vec<(LogPartition, Stamp)>,
) -> Result<Judged, RecordError> {
    Ok(Judged {
        usage,
        catalog: reader.number("judged_catalog")?,
        account: reader.option(|reader| reader.number("judged_account"))?,
        effective: reader.option(|reader| reader.number("judged_effective"))?,
    })
}
