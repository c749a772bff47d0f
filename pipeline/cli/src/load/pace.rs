//! Keeps a rate: waits until the next record is due, and uses the wait for the client's work.

use super::sender::Sink;
use crate::stop::Stop;
use crate::units::Rate;
use std::time::{Duration, Instant};

/// Shortest wait: at high rates records go out in small bursts instead of a busy loop.
const SHORTEST: Duration = Duration::from_millis(1);
/// Longest wait: a stop is noticed after that.
const LONGEST: Duration = Duration::from_millis(100);

/// When records are due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    rate: Option<Rate>,
    start: Instant,
}

impl Pace {
    /// Begins now; without a rate nothing ever waits.
    pub(crate) fn start(rate: Option<Rate>) -> Self {
        Self {
            rate,
            start: Instant::now(),
        }
    }

    /// Waits until the record of this number (from 0) is due, or a stop is asked for.
    pub(crate) fn wait(&self, record: u64, sink: &mut impl Sink, stop: &Stop) {
        let Some(rate) = self.rate else { return };
        let due = Duration::from_micros(u64::try_from(rate.due_micros(record)).unwrap_or(u64::MAX));
        while !stop.is_requested() {
            let Some(pause) = due
                .checked_sub(self.start.elapsed())
                .filter(|p| !p.is_zero())
            else {
                return;
            };
            sink.wait(pause.clamp(SHORTEST, LONGEST));
        }
    }

    /// Time since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}
