//! Who may use the machine: light tests side by side, heavy ones alone.
//!
//! A heavy test measures intervals against a steady load; a neighbour would only make it slow
//! and its failures hard to read.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Tests at once: two cores, and light tests mostly wait.
const PLACES: usize = 2;

static TAKEN: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

/// Places on the machine, given back when dropped.
#[derive(Debug)]
pub(crate) struct Turn(usize);

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
        Self(places)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *taken() -= self.0;
        FREED.notify_all();
    }
}

fn taken() -> MutexGuard<'static, usize> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}
