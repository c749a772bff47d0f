//! Deadlines of calls: until when a request may begin to be written.
//!
//! Others may take a push over once its deadline has passed, so a call that begins later could
//! overtake theirs. Invariant: a deadline passes at the earlier of two clocks. The monotonic clock
//! does not jump, but stands still while a machine is suspended; the wall clock goes on then, but
//! may be set back.

use std::time::{Duration, Instant, SystemTime};

/// A moment after which a call must not begin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deadline {
    monotonic: Instant,
    wall: SystemTime,
    within: Duration,
}

impl Deadline {
    /// Begins to count now. Make it *before* the intent is written: others count from the intent's
    /// append time, which can only be later.
    #[must_use]
    pub fn begin(within: Duration) -> Self {
        Self {
            monotonic: Instant::now(),
            wall: SystemTime::now(),
            within,
        }
    }

    /// Whether either clock says that the time is over.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        self.has_passed_at(Instant::now(), SystemTime::now())
    }

    fn has_passed_at(&self, monotonic: Instant, wall: SystemTime) -> bool {
        let by_monotonic = monotonic.saturating_duration_since(self.monotonic);
        // A wall clock that was set back says nothing; the other one still does.
        let by_wall = wall.duration_since(self.wall).unwrap_or_default();
        by_monotonic.max(by_wall) >= self.within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_clock_ends_it() {
        let second = Duration::from_secs(1);
        let deadline = Deadline::begin(10 * second);
        let check = |monotonic: Duration, wall: Duration, expected| {
            let passed =
                deadline.has_passed_at(deadline.monotonic + monotonic, deadline.wall + wall);
            assert_eq!(passed, expected, "{monotonic:?} {wall:?}");
        };
        check(9 * second, 9 * second, false);
        check(10 * second, 9 * second, true);
        // A machine was suspended.
        check(second, 10 * second, true);
        let set_back = deadline.wall - 3_600 * second;
        assert!(!deadline.has_passed_at(deadline.monotonic + 9 * second, set_back));
        assert!(deadline.has_passed_at(deadline.monotonic + 10 * second, set_back));
    }

    #[test]
    fn one_of_no_time_has_passed_at_once() {
        assert!(Deadline::begin(Duration::ZERO).has_passed());
        assert!(!Deadline::begin(Duration::from_secs(3_600)).has_passed());
    }
}
