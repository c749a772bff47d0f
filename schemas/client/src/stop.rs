//! Deadlines, and the order to the sending thread to end.
//!
//! Invariant: a deadline that was given is never moved to a later time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Longer waits are cut to this: no process waits so long, and every clock can count it.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The end of a wait that begins now. Callers say "for ever" by [`Duration::MAX`], which cannot be
/// added to a time.
pub(crate) fn end_of(wait: Duration) -> Instant {
    Instant::now() + wait.min(LONGEST)
}

/// What closing callers and the sending thread tell each other.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    /// Asked on every round of the sending thread, so without the lock.
    is_ordered: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// When what is not delivered is given up.
    deadline: Option<Instant>,
    has_ended: bool,
}

/// Says that the thread has ended once it is dropped, also by a panic.
#[derive(Debug)]
pub(crate) struct Ending<'a>(&'a Stop);

impl Stop {
    /// Orders the end; of several orders the earliest deadline counts.
    pub(crate) fn order(&self, deadline: Instant) {
        let mut state = self.state();
        let earlier = state.deadline.map_or(deadline, |held| held.min(deadline));
        state.deadline = Some(earlier);
        self.is_ordered.store(true, Ordering::SeqCst);
    }

    /// When what is not delivered is given up, where the end is ordered.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if !self.is_ordered.load(Ordering::SeqCst) {
            return None;
        }
        self.state().deadline
    }

    /// What the thread holds while it runs.
    pub(crate) fn ending(&self) -> Ending<'_> {
        Ending(self)
    }

    /// Waits until the thread has ended, no longer than this.
    pub(crate) fn wait_ended(&self, end: Instant) {
        let mut state = self.state();
        while !state.has_ended {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let woken = self.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the thread that sends usage events panicked");
        }
        self.0.state().has_ended = true;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_for_ever_is_a_time_far_away() {
        assert!(end_of(Duration::MAX) > Instant::now() + LONGEST / 2);
    }

    #[test]
    fn the_earliest_deadline_counts_whichever_came_first() {
        let (soon, late) = (end_of(Duration::from_secs(1)), end_of(Duration::MAX));
        for orders in [[soon, late], [late, soon]] {
            let stop = Stop::default();
            assert_eq!(stop.deadline(), None);
            orders.iter().for_each(|deadline| stop.order(*deadline));
            assert_eq!(stop.deadline(), Some(soon));
        }
    }

    #[test]
    fn a_thread_that_panics_has_ended_too() {
        let stop = Stop::default();
        let panicked = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let _ending = stop.ending();
                panic!("a mistake");
            });
            thread.join().is_err()
        });
        assert!(panicked);
        // Returns at once, or this test never ends.
        stop.wait_ended(end_of(Duration::MAX));
    }
}
