//! Who may use the machine: light tests side by side, heavy ones alone.
//!
//! A heavy test measures intervals against a steady load; a neighbour would only make it slow
//! and its failures hard to read.

use std::io::Write as _;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Tests at once: two cores, and light tests mostly wait.
const PLACES: usize = 2;

static TAKEN: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

/// Places on the machine, given back when dropped, with a line that says how long they were held:
/// whoever finds the tests slow sees at once which of them are.
#[derive(Debug)]
pub(crate) struct Turn {
    places: usize,
    since: Instant,
}

impl Turn {
    /// Waits for a place beside other light tests.
    pub(crate) fn light() -> Self {
        Self::take(1)
    }

    /// Waits until no other test runs.
    pub(crate) fn alone() -> Self {
        Self::take(PLACES)
    }

    fn take(places: usize) -> Self {
        let mut taken = taken();
        while *taken + places > PLACES {
            taken = FREED.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken += places;
        Self {
            places,
            since: Instant::now(),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *taken() -= self.places;
        FREED.notify_all();
        let thread = std::thread::current();
        let (test, seconds) = (thread.name().unwrap_or("?"), self.since.elapsed().as_secs());
        // Not through the macros, whose text is shown of failing tests only; a closed stream must
        // not fail a test.
        let _ = writeln!(std::io::stderr(), "held {seconds} s: {test}");
    }
}

fn taken() -> MutexGuard<'static, usize> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}
