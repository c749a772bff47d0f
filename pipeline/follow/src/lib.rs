//! Reading logs whole: what stages that judge from everything share.
//!
//! Such a stage reads tables, then every partition of its logs from where the tables or the log's
//! beginning say, joins no group and commits nothing; a pure engine judges what was read. Here is
//! what does not depend on the engine: readers and their positions ([`Reader`], [`Place`]), waiting
//! for what must be there first ([`Follower::until_kafka`] and its like), the watch over the topics
//! ([`Watched`]), projections into tables ([`Project`]), and what the stage knows of itself
//! ([`Health`], [`Metrics`]).
//!
//! It refuses to skip a record that it cannot read and to go on in a log that lost decisions or was
//! made again: that is a [`LogHalt`], which [`Health::is_halted`] keeps until the process is started
//! again. What a record means is none of its business.
//!
//! Invariant: records of a partition are handed over in its order, each once, and without a gap
//! that nobody is told of.

mod error;
mod follower;
mod health;
mod metrics;
mod projection;
mod read;
mod records;
mod tables;
mod wait;
mod watch;

pub use error::{FollowError, LogHalt};
pub use follower::{Follower, Link, spawn};
pub use health::{Health, UsagePartition};
pub use metrics::Metrics;
pub use projection::{Project, Projector};
pub use read::{Batch, Ends, Place, Read, Reader, Source, ends_of, places, places_from_beginning};
pub use records::{Appended, TotalsRecord, append_time, foreign, totals};
pub use tables::Reached;
pub use wait::{Missing, Stopped, described};
pub use watch::Watched;

use meterline_core::time::LogTime;
use std::time::SystemTime;

/// This machine's clock, as log time: the moment that is judged at.
#[must_use]
pub fn clock() -> LogTime {
    SystemTime::now().into()
}
