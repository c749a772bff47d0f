//! When to try again: capped exponential backoff with jitter.

use rand::Rng;
use std::time::Duration;

/// The first pause: long enough for a leader election to begin, short enough not to be felt.
const FIRST: Duration = Duration::from_millis(100);
/// The longest pause: after an outage, work goes on within seconds of the broker's return.
const LONGEST: Duration = Duration::from_secs(5);

/// Pauses between attempts at one action.
#[derive(Clone, Debug)]
pub struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

impl Backoff {
    /// Pauses for an action that has not failed yet.
    #[must_use]
    pub fn new() -> Self {
        Self { next: FIRST }
    }

    /// How long to wait before the next attempt: between half and all of a doubling pause.
    ///
    /// Jitter keeps workers that failed together from coming back together.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST);
        let half = pause / 2;
        half + rand::rng().random_range(Duration::ZERO..=half)
    }

    /// Begins again: the action succeeded.
    pub fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_cap_and_begin_again() {
        let mut backoff = Backoff::new();
        let mut whole = FIRST;
        for _ in 0..10 {
            let pause = backoff.pause();
            assert!(
                whole / 2 <= pause && pause <= whole,
                "{pause:?} of {whole:?}"
            );
            whole = (whole * 2).min(LONGEST);
        }
        assert_eq!(whole, LONGEST);
        backoff.reset();
        assert!(backoff.pause() <= FIRST);
    }
}
