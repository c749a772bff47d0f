//! The stage's clocks, which its engine is told the time by.
//!
//! Deadlines of calls are times of the steady clock. It counts whichever of the machine's two clocks
//! says that more time has passed: the monotonic one stands still while a machine is suspended, the
//! one that people set may be set back. So it never goes back, and a deadline comes too early rather
//! than too late.

use crate::engine::Now;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Both clocks.
#[derive(Debug)]
pub(crate) struct Clock(Mutex<Read>);

/// What the clocks said last.
#[derive(Clone, Copy, Debug)]
struct Read {
    monotonic: Instant,
    wall: SystemTime,
    steady: Duration,
}

impl Read {
    /// The same at a later moment.
    fn at(self, monotonic: Instant, wall: SystemTime) -> Self {
        let by_monotonic = monotonic.saturating_duration_since(self.monotonic);
        // One that was set back says nothing; the other one still does.
        let by_wall = wall.duration_since(self.wall).unwrap_or_default();
        Self {
            monotonic: self.monotonic.max(monotonic),
            wall,
            steady: self.steady.saturating_add(by_monotonic.max(by_wall)),
        }
    }
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Read {
            monotonic: Instant::now(),
            wall: SystemTime::now(),
            steady: Duration::ZERO,
        }))
    }

    /// The present.
    pub(crate) fn now(&self) -> Now {
        let mut read = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *read = read.at(Instant::now(), SystemTime::now());
        Now {
            wall: read.wall.into(),
            steady: u64::try_from(read.steady.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steady_clock_follows_whichever_clock_is_ahead_and_never_goes_back() {
        let second = Duration::from_secs(1);
        let start = Read {
            monotonic: Instant::now(),
            wall: SystemTime::now(),
            steady: Duration::ZERO,
        };
        let (mut monotonic, mut wall) = (start.monotonic, start.wall);
        let mut read = start;
        let mut check = |by_monotonic: Duration, set: &dyn Fn(SystemTime) -> SystemTime, s: u32| {
            monotonic += by_monotonic;
            wall = set(wall);
            read = read.at(monotonic, wall);
            assert_eq!(read.steady, s * second);
        };
        check(second, &|wall| wall + second, 1);
        // A machine was suspended for an hour.
        check(second, &|wall| wall + 3_600 * second, 3_601);
        // The clock was set back by a day, and then forward again.
        check(second, &|wall| wall - 86_400 * second, 3_602);
        check(second, &|wall| wall + second, 3_603);
    }
}
