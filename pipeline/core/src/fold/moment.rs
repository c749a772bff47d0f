//! What log time means for a record: which events it may bring, and which hours are sealed.
//!
//! Every bound here only ever rises, whatever a later catalog says: a window that was closed to
//! events, or an hour that segments no longer answer for, stays so.

use crate::catalog::Catalog;
use crate::time::{EventTime, Hour, LogTime, Millis};

/// The bounds that hold at one record, its own append time included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Moment {
    pub(super) log_time: LogTime,
    /// Events before this are too late.
    pub(super) accept_floor: EventTime,
    /// Segments of hours that end before this no longer answer.
    pub(super) answer_floor: EventTime,
    /// Hours that end at or before this are sealed.
    pub(super) sealed_to: EventTime,
}

impl Moment {
    /// The bounds before the first record: nothing after 1970 is closed.
    pub(super) const BEGIN: Self = Self {
        log_time: LogTime(0),
        accept_floor: EventTime(0),
        answer_floor: EventTime(0),
        sealed_to: EventTime(0),
    };

    /// The bounds at a record appended at `append_time` under `catalog`.
    pub(super) fn at(self, append_time: LogTime, catalog: &Catalog) -> Self {
        let log_time = self.log_time.max(append_time);
        let accept = log_time.before(catalog.acceptance).as_event_time();
        let answer = accept.before(catalog.restamp_window);
        let sealed = log_time
            .before(catalog.lateness)
            .as_event_time()
            .hour()
            .start();
        Self {
            log_time,
            accept_floor: self.accept_floor.max(accept),
            answer_floor: self.answer_floor.max(answer),
            sealed_to: self.sealed_to.max(sealed),
        }
    }

    /// Whether segments still answer for the hour.
    pub(super) fn answers(&self, hour: Hour) -> bool {
        hour.end() >= self.answer_floor
    }
}

/// The hours that touch `[time − window, time + window]`, first to last.
pub(super) fn touched_hours(time: EventTime, window: Millis) -> impl Iterator<Item = Hour> {
    (time.before(window).hour().0..=time.after(window).hour().0).map(Hour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_touches_the_hour_before_and_after_near_the_edges() {
        let minute = |m: i64| EventTime(m * 60_000_000);
        let check = |m: i64, expected: &[i32]| {
            let hours: Vec<_> = touched_hours(minute(m), Millis(900_000))
                .map(|h| h.0)
                .collect();
            assert_eq!(hours, expected, "minute {m}");
        };
        check(30, &[0]);
        check(14, &[-1, 0]);
        check(15, &[0]);
        check(45, &[0, 1]);
    }
}
