//! The records of `usage.alerts` and of the control log, as the logs carry them.
//!
//! A record of another kind in one of them is a halt, never skipped.

use meterline_core::alert::{Delivery, Transition};
use meterline_core::control::ControlRecord;
use meterline_core::halt::Halt;
use meterline_core::time::LogTime;
use meterline_follow::{Appended, append_time, foreign};
use meterline_schemas::records::{Record, decode, decode_control};

/// A record of `usage.alerts`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum AlertRecord {
    /// A decision.
    Transition(Box<Transition>),
    /// What became of an attempt to tell somebody: a plain record.
    Delivery(Box<Delivery>),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::standing;
    use meterline_follow::totals;
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
