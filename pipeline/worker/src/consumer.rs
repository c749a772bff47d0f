//! The consumer: which partitions this process owns, and where it reads each from.
//!
//! One client for all partitions, polled by one thread that never touches a record: every
//! partition's records come out of a queue of its own, which is taken before the partition is
//! assigned, so that none can slip past it. Positions come from manifests, never from Kafka.

mod assign;
mod context;
mod gate;
mod message;
mod place;
mod queue;
mod slot;
mod supervise;
mod watch;

pub(crate) use context::Context;
pub(crate) use gate::Gate;
pub use supervise::ConsumerError;
pub(crate) use supervise::run;

use std::time::Duration;

/// How long one wait for a record or event is: what closing a gate may have to wait for.
pub(crate) const QUEUE_WAIT: Duration = Duration::from_millis(50);
