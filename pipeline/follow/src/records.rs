//! The records of `usage.totals`, and what all logs of decisions share.
//!
//! A record of another kind in a log is a halt, never skipped.

use meterline_core::halt::Halt;
use meterline_core::time::LogTime;
use meterline_schemas::records::{Progress, Record, Total, decode};

/// A record of a decision log, and when the broker took it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Appended<R> {
    /// Its append time.
    pub at: LogTime,
    /// What it says.
    pub record: R,
}

/// A record of `usage.totals`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TotalsRecord {
    /// A bucket.
    Total(Box<Total>),
    /// Up to where buckets are complete.
    Progress(Box<Progress>),
}

/// Reads a record of `usage.totals`.
///
/// # Errors
/// [`Halt`] where it is none of this binary's.
pub fn totals(_at: Option<LogTime>, bytes: &[u8]) -> Result<TotalsRecord, Halt> {
    match decode(bytes)? {
        Record::Total(total) => Ok(TotalsRecord::Total(Box::new(total))),
        Record::Progress(progress) => Ok(TotalsRecord::Progress(progress)),
        _ => Err(foreign("usage.totals")),
    }
}

/// The append time of a decision: decisions are forgotten by log time, so a log of them must have
/// it.
///
/// # Errors
/// [`Halt::TimestampType`] where the topic carries another kind of time.
pub fn append_time(at: Option<LogTime>) -> Result<LogTime, Halt> {
    let missing = "the record has no append time; set message.timestamp.type=LogAppendTime";
    at.ok_or_else(|| Halt::TimestampType(missing.to_owned()))
}

/// The halt for a record that belongs into another log.
#[must_use]
pub fn foreign(log: &str) -> Halt {
    Halt::UnknownFormat(format!("{log} holds a record of another log"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_record_of_totals_and_what_has_no_append_time_halts_by_name() {
        let name = |halt: Halt| halt.name();
        let at = Some(LogTime(5));
        assert_eq!(totals(at, b"{}").map_err(name), Err("unknown_format"));
        assert_eq!(append_time(at).map_err(name), Ok(LogTime(5)));
        assert_eq!(append_time(None).map_err(name), Err("timestamp_type"));
    }
}
