//! One owned partition: what is being done about it, and the thread that does it.

use super::gate::Gate;
use super::place::Start;
use crate::partition::{self, Assignment, Exit, Wake};
use crossbeam_channel::Sender;
use meterline_core::control::View;
use meterline_core::position::LogPartition;
use meterline_kafka::Backoff;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A thread that folded this long did not fail at once: the next failure is a new one.
pub(super) const STEADY: Duration = Duration::from_secs(60);

/// The end of a partition's thread.
pub(super) struct Ended {
    pub(super) partition: u32,
    pub(super) ticket: u64,
    pub(super) exit: Exit,
}

pub(super) enum State {
    /// To be placed at this moment.
    Waiting(Instant),
    /// Its thread runs, and it is assigned in the client library.
    Running {
        gate: Arc<Gate>,
        wake: Sender<Wake>,
        since: Instant,
    },
    /// It waits for a decision on it, an adoption or a verdict, beyond those that were there.
    Halted {
        name: &'static str,
        decisions: usize,
    },
}

pub(super) struct Slot {
    pub(super) ticket: u64,
    pub(super) backoff: Backoff,
    pub(super) state: State,
}

/// A partition that is about to be assigned.
pub(super) struct Opened {
    pub(super) partition: u32,
    pub(super) gate: Arc<Gate>,
    pub(super) start: Start,
}

/// Starts the partition's thread; its end, or that there is none, is sent to `end`.
pub(super) fn spawn(assignment: Assignment, end: &Sender<Ended>) -> Option<JoinHandle<()>> {
    let (partition, ticket) = (assignment.log_partition.partition, assignment.ticket);
    let ended = move |exit| Ended {
        partition,
        ticket,
        exit,
    };
    let name = format!("partition-{partition}");
    let thread_end = end.clone();
    let body = move || {
        let exit = catch_unwind(AssertUnwindSafe(|| partition::run(assignment)));
        let exit = exit.unwrap_or_else(|_| Exit::Again("its thread panicked".to_owned()));
        // The supervisor may be gone; then nobody waits for this.
        let _ = thread_end.send(ended(exit));
    };
    match std::thread::Builder::new().name(name).spawn(body) {
        Ok(thread) => Some(thread),
        Err(error) => {
            let exit = Exit::Again(format!("no thread can be had: {error}"));
            let _ = end.send(ended(exit));
            None
        }
    }
}

/// How many decisions in force end halts of the partition: its adoption and its verdicts.
pub(super) fn decisions(view: &View, log_partition: &LogPartition) -> usize {
    usize::from(view.adoption(log_partition).is_some()) + view.verdicts(log_partition).len()
}
