//! The bound on events that are taken and not settled yet, in number and in memory.
//!
//! It covers an event from `emit` to its delivery report, whichever queue it waits in.
//!
//! Invariant: what is admitted never exceeds the bounds, and every admission is given back once.

use crate::stop::end_of;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a waiting caller goes without looking: another caller that is refused takes room for
/// an instant, and nobody is woken when it gives that back.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How the events in flight are bounded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

/// Room for events.
#[derive(Debug)]
pub(crate) struct Buffer {
    limits: Limits,
    events: AtomicU64,
    bytes: AtomicU64,
    /// Callers that wait for a change; nobody is woken where there are none.
    waiting: AtomicUsize,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Buffer {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            events: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            lock: Mutex::new(()),
            changed: Condvar::new(),
        }
    }

    /// Takes room for one event; says whether there was any.
    pub(crate) fn admit(&self, bytes: u64) -> bool {
        let events = self.events.fetch_add(1, Ordering::SeqCst) + 1;
        let total = self.bytes.fetch_add(bytes, Ordering::SeqCst) + bytes;
        let fits = events <= self.limits.events && total <= self.limits.bytes;
        if !fits {
            self.give_back(bytes);
        }
        fits
    }

    /// Takes room for one event, waiting for it no longer than this.
    pub(crate) fn admit_within(&self, bytes: u64, wait: Duration) -> bool {
        self.admit(bytes) || self.wait_until(wait, || self.admit(bytes))
    }

    /// Gives the room of one event back.
    pub(crate) fn release(&self, bytes: u64) {
        self.give_back(bytes);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            let _held = self.held();
            self.changed.notify_all();
        }
    }

    /// Whether at least half of the room is taken.
    pub(crate) fn is_half_full(&self) -> bool {
        self.events.load(Ordering::Relaxed) >= self.limits.events / 2
            || self.bytes.load(Ordering::Relaxed) >= self.limits.bytes / 2
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.load(Ordering::SeqCst) == 0
    }

    /// Waits until nothing is in flight; says whether that came within this time.
    pub(crate) fn wait_empty(&self, wait: Duration) -> bool {
        self.wait_until(wait, || self.is_empty())
    }

    fn give_back(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::SeqCst);
        self.events.fetch_sub(1, Ordering::SeqCst);
    }

    fn wait_until(&self, wait: Duration, mut holds: impl FnMut() -> bool) -> bool {
        let end = end_of(wait);
        // Said before looking, so that a release after the look wakes this caller.
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let mut held = self.held();
        let came = loop {
            if holds() {
                break true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break false;
            }
            let woken = self.changed.wait_timeout(held, left.min(LOOK_AGAIN));
            held = woken.unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(held);
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        came
    }

    fn held(&self) -> MutexGuard<'_, ()> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const LIMITS: Limits = Limits {
        events: 2,
        bytes: 100,
    };

    #[test]
    fn events_and_bytes_are_bounded() {
        let buffer = Buffer::new(LIMITS);
        assert!(buffer.admit(60) && !buffer.admit(41) && buffer.admit(40));
        assert!(!buffer.admit(0), "a third event");
        buffer.release(60);
        assert!(buffer.admit(60) && !buffer.is_empty() && buffer.is_half_full());
    }

    #[test]
    fn a_caller_waits_for_room_and_no_longer_than_it_may() {
        let buffer = Arc::new(Buffer::new(LIMITS));
        assert!(buffer.admit(100));
        let started = Instant::now();
        let wait = Duration::from_millis(50);
        assert!(!buffer.admit_within(1, wait) && started.elapsed() >= wait);
        let waiter = Arc::clone(&buffer);
        let waits = std::thread::spawn(move || waiter.admit_within(1, Duration::MAX));
        while buffer.waiting.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        buffer.release(100);
        assert!(waits.join().expect("it does not panic"));
        buffer.release(1);
        assert!(buffer.wait_empty(Duration::ZERO));
    }
}
