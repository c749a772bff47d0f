//! The records of `meterline.pushes`, as the log carries them.
//!
//! A record of another kind in it is a halt, never skipped.

use crate::engine::Append;
use meterline_core::halt::Halt;
use meterline_core::time::LogTime;
use meterline_follow::{Appended, append_time, foreign};
use meterline_schemas::records::{Record, decode, encode_carry, encode_push};

/// Reads a record of `meterline.pushes`.
pub(crate) fn pushes(at: Option<LogTime>, bytes: &[u8]) -> Result<Appended<Append>, Halt> {
    let at = append_time(at)?;
    let record = match decode(bytes)? {
        Record::Push(record) => Append::Push(record),
        Record::Carry(record) => Append::Carry(record),
        _ => return Err(foreign("meterline.pushes")),
    };
    Ok(Appended { at, record })
}

/// The bytes of a record for `meterline.pushes`.
pub(crate) fn encode(append: &Append) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    match append {
        Append::Push(record) => encode_push(record, &mut bytes),
        Append::Carry(record) => encode_carry(record, &mut bytes),
    }
    bytes
}

/// What a record is called in metrics.
pub(crate) const fn kind(append: &Append) -> &'static str {
    match append {
        Append::Push(_) => "push",
        Append::Carry(_) => "carry",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::push::{PushKey, PushRecord, Step};
    use meterline_core::time::EventTime;

    #[test]
    fn what_is_written_is_what_is_read_and_anything_else_halts_by_name() {
        let step = Append::Push(Box::new(PushRecord {
            write_id: 7,
            head: Some(3),
            key: PushKey {
                tenant: "acme".to_owned(),
                meter: "calls".to_owned(),
                window: EventTime(3_600_000_000),
            },
            step: Step::Confirmed,
            instance: "a".to_owned(),
        }));
        let at = Some(LogTime(5));
        let read = pushes(at, &encode(&step)).map(|appended| appended.record);
        assert_eq!(read, Ok(step.clone()));
        let name = |halt: Halt| halt.name();
        assert_eq!(
            pushes(None, &encode(&step)).map_err(name),
            Err("timestamp_type")
        );
        assert_eq!(pushes(at, b"{}").map_err(name), Err("unknown_format"));
    }
}
