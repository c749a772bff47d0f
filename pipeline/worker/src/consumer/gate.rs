//! The door between a partition's queue and the thread that reads it.
//!
//! librdkafka keeps one queue per partition for ever. If an earlier owner's thread still read it
//! after the partition was assigned again, a record could go to the wrong thread, and the right
//! one would take the hole for a normal one. So a queue can be read through its gate only, and
//! closing the gate returns once nobody does.

use super::queue::Queue;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One assignment's access to its partition's queue.
pub(crate) struct Gate {
    queue: Mutex<Option<Queue>>,
    is_closed: AtomicBool,
    deadline: Mutex<Option<Instant>>,
}

/// The right to read the queue; closing waits for its end, so it is held for one batch at most.
pub(crate) struct Entered<'a>(MutexGuard<'a, Option<Queue>>);

impl Entered<'_> {
    /// The queue; `None` where the gate was closed meanwhile.
    pub(crate) fn queue(&mut self) -> Option<&mut Queue> {
        self.0.as_mut()
    }
}

impl Gate {
    /// A gate to a queue that was taken before its partition was assigned.
    pub(crate) fn new(queue: Queue) -> Self {
        Self {
            queue: Mutex::new(Some(queue)),
            is_closed: AtomicBool::new(false),
            deadline: Mutex::new(None),
        }
    }

    /// Whether the partition was taken away: finish and end.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Until when a closed partition may write what it has.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the queue for one batch.
    pub(crate) fn enter(&self) -> Entered<'_> {
        // A panic while reading leaves the queue as it was; the partition is loaded again.
        Entered(self.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells the thread to end, and gives it this long for what it has.
    pub(crate) fn announce(&self, grace: Duration) {
        let deadline = Instant::now() + grace;
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = Some(deadline);
        self.is_closed.store(true, Ordering::Release);
    }

    /// Takes the queue away, after [`Gate::announce`].
    ///
    /// Waits for the batch under way: the reader looks at the gate before every message, and
    /// waits for one no longer than [`super::QUEUE_WAIT`].
    pub(crate) fn close(&self) {
        debug_assert!(self.is_closed(), "a reader that was not told reads on");
        drop(self.enter().0.take());
    }
}
