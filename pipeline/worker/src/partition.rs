//! One partition of the usage log while this process owns it: a plain thread that folds.
//!
//! The thread alone touches the partition's state. Everything slow (inserts, writes of records,
//! the checkpoint store) runs beside it as a delivery and answers over a channel; nothing here
//! waits for ClickHouse. A second thread for the same partition, here or elsewhere, is harmless:
//! both write the same values.

mod checkpoint;
mod deliver;
mod flush;
mod idle;
mod intake;
mod ledger;
mod letters;
mod load;
mod pace;
mod record;
mod report;
mod thread;
mod voids;

pub(crate) use load::{Assignment, run};
pub(crate) use record::RawRecord;

use ledger::Lane;
use meterline_checkpoint::{Merged, RunFile, StoreError};
use meterline_core::halt::Halt;
use meterline_core::position::Offset;
use meterline_kafka::TopicDescription;
use std::sync::Arc;

/// Everything that can wake a partition's thread beside records and time.
#[derive(Debug)]
pub(crate) enum Wake {
    /// The lane's batch in flight is acknowledged.
    Flushed(Lane),
    /// The progress record lies at this offset of the totals topic, and its row in ClickHouse.
    Told(Offset),
    /// The run of the checkpoint under way is durable, or is not.
    RunWritten(Result<RunFile, StoreError>),
    /// The manifest of the checkpoint under way is durable, or cannot be.
    Published(Result<(), StoreError>),
    /// Runs were merged, or could not be.
    Merged(Result<Option<Merged>, StoreError>),
    /// The usage topic as it is now; `None`: it is gone.
    Topic(Option<Arc<TopicDescription>>),
    /// Something may have been missed: load the state again.
    Reload(&'static str),
}

/// Why a partition's thread ended.
#[derive(Debug)]
pub(crate) enum Exit {
    /// The partition was taken away, or the process stops.
    Closed,
    /// A person must decide.
    Halted(Halt),
    /// To be loaded again from its newest checkpoint; the text says why.
    Again(String),
}
