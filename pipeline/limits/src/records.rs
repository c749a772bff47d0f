//! The records that the stage reads, as its logs carry them.
//!
//! A record of another kind in one of them is a halt, never skipped.

use meterline_core::alert::{Delivery, Transition};
use meterline_core::control::ControlRecord;
use meterline_core::halt::Halt;
use meterline_core::time::LogTime;
use meterline_schemas::records::{Progress, Record, Total, decode, decode_control};

/// A record of a decision log, and when the broker took it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Appended<R> {
    pub(crate) at: LogTime,
    pub(crate) record: R,
}

/// A record of `usage.alerts`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum AlertRecord {
    /// A decision.
    Transition(Box<Transition>),
    /// What became of an attempt to tell somebody: a plain record.
    Delivery(Box<Delivery>),
}

/// A record of `usage.totals`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum TotalsRecord {
    /// A bucket.
    Total(Box<Total>),
    /// Up to where buckets are complete.
    Progress(Box<Progress>),
}

/// Reads a record of `usage.totals`.
pub(crate) fn totals(_at: Option<LogTime>, bytes: &[u8]) -> Result<TotalsRecord, Halt> {
    match decode(bytes)? {
        Record::Total(total) => Ok(TotalsRecord::Total(Box::new(total))),
        Record::Progress(progress) => Ok(TotalsRecord::Progress(progress)),
        _ => Err(foreign("usage.totals")),
    }
}

/// Reads a record of `usage.alerts`.
pub(crate) fn alerts(at: Option<LogTime>, bytes: &[u8]) -> Result<Appended<AlertRecord>, Halt> {
    let at = append_time(at)?;
    let record = match decode(bytes)? {
        Record::Transition(transition) => AlertRecord::Transition(transition),
        Record::Delivery(delivery) => AlertRecord::Delivery(delivery),
        _ => return Err(foreign("usage.alerts")),
    };
    Ok(Appended { at, record })
}

/// Reads a record of the control log.
pub(crate) fn control(at: Option<LogTime>, bytes: &[u8]) -> Result<Appended<ControlRecord>, Halt> {
    let (at, record) = (append_time(at)?, decode_control(bytes)?);
    Ok(Appended { at, record })
}

/// Decisions are forgotten by log time, so a log of them must have it.
fn append_time(at: Option<LogTime>) -> Result<LogTime, Halt> {
    let missing = "the record has no append time; set message.timestamp.type=LogAppendTime";
    at.ok_or_else(|| Halt::TimestampType(missing.to_owned()))
}

fn foreign(log: &str) -> Halt {
    Halt::UnknownFormat(format!("{log} holds a record of another log"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::standing;
    use meterline_schemas::records::encode_standing;

    #[test]
    fn records_of_other_logs_and_without_an_append_time_halt_by_name() {
        let mut foreign = Vec::new();
        encode_standing(&standing("acme", "calls", 1, 2), &mut foreign);
        let at = Some(LogTime(5));
        let name = |halt: Halt| halt.name();
        assert_eq!(totals(at, &foreign).map_err(name), Err("unknown_format"));
        assert_eq!(alerts(at, &foreign).map_err(name), Err("unknown_format"));
        assert_eq!(alerts(at, b"{}").map_err(name), Err("unknown_format"));
        assert_eq!(alerts(None, &foreign).map_err(name), Err("timestamp_type"));
        assert_eq!(control(None, &foreign).map_err(name), Err("timestamp_type"));
    }
}
