//! The periods of one account and meter, across its versions.

use super::{Period, PeriodRule, hour_of};
use crate::account::RunningPeriod;
use crate::time::{EVENT_TIME_END, EventTime, Hour, LogTime};
use smallvec::SmallVec;

/// Rules that follow each other, each from a full hour on.
///
/// It is total: before the first version the first version's rule holds. One rule takes no
/// allocation, and a look-up costs that rule's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timeline {
    /// By rising, distinct hours; the first piece's is the lowest there is.
    pieces: SmallVec<[Piece; 2]>,
}

/// A rule, and the hour that it governs from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Piece {
    from: Hour,
    rule: PeriodRule,
}

impl Timeline {
    /// One rule for ever.
    #[must_use]
    pub fn new(rule: PeriodRule) -> Self {
        let from = Hour(i32::MIN);
        Self {
            pieces: SmallVec::from_iter([Piece { from, rule }]),
        }
    }

    /// Appends a version: another rule that takes effect at a moment later than those before.
    ///
    /// Keep: the period that runs then ends by the rules before, and the new rule's first period
    /// goes from there to its next boundary. Restart: the running period ends at the full hour that
    /// holds the moment, and the new rule's first period goes from there to its next boundary.
    pub fn change(&mut self, effective: LogTime, running: RunningPeriod, rule: PeriodRule) {
        let at = effective.as_event_time();
        let cut = match running {
            RunningPeriod::Keep if self.last().rule == rule => return,
            RunningPeriod::Keep => hour_of(self.period_at(at).end),
            RunningPeriod::Restart => hour_of(at),
        };
        let from = Hour(i32::try_from(cut).expect("event times are within years 1900 to 2299"));
        // A rule that was to govern from then on never does.
        while self.pieces.len() > 1 && self.last().from >= from {
            self.pieces.pop();
        }
        self.pieces.push(Piece { from, rule });
    }

    /// The period that holds a moment.
    #[must_use]
    pub fn period_at(&self, at: EventTime) -> Period {
        if let [only] = self.pieces.as_slice() {
            return only.rule.period_at(at);
        }
        let hour = hour_of(at);
        let next = self
            .pieces
            .partition_point(|piece| i64::from(piece.from.0) <= hour);
        let governing = &self.pieces[next - 1];
        let mut period = governing.rule.period_at(at);
        if next > 1 {
            period.start = period.start.max(governing.from.start());
        }
        if let Some(piece) = self.pieces.get(next) {
            period.end = period.end.min(piece.from.start());
        }
        period
    }

    /// The periods that share a moment with the span from `from` to before `to`, by time.
    #[must_use]
    pub fn periods_between(&self, from: EventTime, to: EventTime) -> Periods<'_> {
        Periods {
            timeline: self,
            next: from,
            to: to.min(EVENT_TIME_END),
        }
    }

    fn last(&self) -> &Piece {
        self.pieces.last().expect("there is a first rule")
    }
}

/// Periods by time: see [`Timeline::periods_between`].
#[derive(Clone, Debug)]
pub struct Periods<'t> {
    timeline: &'t Timeline,
    next: EventTime,
    to: EventTime,
}

impl Iterator for Periods<'_> {
    type Item = Period;

    fn next(&mut self) -> Option<Period> {
        if self.next >= self.to {
            return None;
        }
        let period = self.timeline.period_at(self.next);
        self.next = period.end;
        Some(period)
    }
}
