//! Projections: what logs of decisions say, as rows for people.
//!
//! Each has a reader of its own and a fold of its own, so that ClickHouse may be away for as long
//! as it likes without holding up a judgement, and without a queue that could overflow. Rows are
//! keyed by the place of their record, so any instance may write them again; the position up to
//! which they are there is kept beside them. It refuses to write a position before its rows.

use crate::Follower;
use crate::read::{Batch, Read};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use meterline_clickhouse::{ClickHouse, Error, Projection};
use meterline_core::causes::chain;
use meterline_core::halt::Halt;
use meterline_core::position::{LogPartition, Offset, TopicId};
use meterline_kafka::Backoff;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long a wait for records lasts before the thread looks at whether it should stop.
const LOOK: Duration = Duration::from_millis(50);

/// Rows that are written before the interval is over: a few megabytes.
const ROWS_MAX: usize = 10_000;

/// What health calls ClickHouse.
const NEED: &str = "clickhouse";

/// The half of a projection that differs: the fold, and the rows it gives.
pub trait Project {
    /// A record of the log.
    type Record: Send + 'static;

    /// Which projection it is.
    const PROJECTION: Projection;

    /// Folds a record, and keeps its row where `is_wanted`: below the position that was projected
    /// before, only the fold needs it.
    ///
    /// # Errors
    /// [`Halt`] where the record cannot be folded; the projection ends then.
    fn take(
        &mut self,
        partition: u32,
        offset: Offset,
        record: Self::Record,
        is_wanted: bool,
    ) -> Result<(), Halt>;

    /// How many rows wait.
    fn waiting(&self) -> usize;

    /// Makes one attempt to write the rows of a partition, and its position after them.
    fn write(
        &self,
        clickhouse: &ClickHouse,
        log_partition: LogPartition,
        position: Offset,
    ) -> impl Future<Output = Result<(), Error>>;

    /// Forgets the rows of a partition: they are written.
    fn written(&mut self, partition: u32);
}

/// A projection's thread.
#[derive(Debug)]
pub struct Projector<P> {
    pub(crate) project: P,
    pub(crate) topic_id: TopicId,
    pub(crate) interval: Duration,
    pub(crate) clickhouse: ClickHouse,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) follower: Follower,
}

/// How far a partition is read and projected.
#[derive(Clone, Copy, Debug)]
struct Reach {
    read: Offset,
    projected: Offset,
}

impl<P: Project> Projector<P> {
    /// Projects until it is told to stop, or the log ends for good. Blocks its thread.
    pub(crate) fn run(mut self, records: &Receiver<Read<P::Record>>) {
        let mut reaches: BTreeMap<u32, Reach> = BTreeMap::new();
        let mut due = Instant::now() + self.interval;
        while !self.follower.stop.load(Ordering::Acquire) {
            match records.recv_timeout(LOOK) {
                Ok(Read::Batch(batch)) => {
                    if !self.take(batch, &mut reaches) {
                        return;
                    }
                }
                Ok(Read::Stale(_) | Read::CaughtUp) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if Instant::now() >= due || self.project.waiting() >= ROWS_MAX {
                self.write(&mut reaches);
                due = Instant::now() + self.interval;
            }
        }
        self.write(&mut reaches);
    }

    /// Takes records; false where the stage stops first, or cannot read on.
    fn take(&mut self, batch: Batch<P::Record>, reaches: &mut BTreeMap<u32, Reach>) -> bool {
        let partition = batch.partition;
        let reach = match reaches.entry(partition) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => match self.position(partition) {
                Some(projected) => place.insert(Reach { read: 0, projected }),
                None => return false,
            },
        };
        for (offset, record) in batch.records {
            let is_wanted = offset >= reach.projected;
            if self
                .project
                .take(partition, offset, record, is_wanted)
                .is_err()
            {
                // The judge's own reader says which record it is, and stops the stage.
                return false;
            }
        }
        reach.read = batch.position;
        true
    }

    fn log_partition(&self, partition: u32) -> LogPartition {
        LogPartition {
            topic_id: self.topic_id,
            partition,
        }
    }

    /// Up to where the partition is projected; `None` where the stage stops first.
    fn position(&self, partition: u32) -> Option<Offset> {
        let mut position = None;
        self.until_done(|| {
            let log_partition = self.log_partition(partition);
            let asked = self
                .clickhouse
                .projection_position(P::PROJECTION, log_partition);
            position = Some(self.runtime.block_on(asked)?);
            Ok(())
        })
        .then_some(position?)
    }

    /// Writes what is there, however long that takes.
    fn write(&mut self, reaches: &mut BTreeMap<u32, Reach>) {
        for (partition, reach) in reaches {
            if reach.read <= reach.projected {
                continue;
            }
            let log_partition = self.log_partition(*partition);
            let is_done = self.until_done(|| {
                let write = self
                    .project
                    .write(&self.clickhouse, log_partition, reach.read);
                self.runtime.block_on(write)
            });
            if !is_done {
                return;
            }
            self.project.written(*partition);
            reach.projected = reach.read;
        }
    }

    /// Makes attempts until one succeeds; false where the stage stops first: at least one is made.
    fn until_done(&self, mut attempt: impl FnMut() -> Result<(), Error>) -> bool {
        let mut backoff = Backoff::new();
        loop {
            let error = match attempt() {
                Ok(()) => {
                    self.follower.health.works(P::PROJECTION.name());
                    return true;
                }
                Err(error) => chain(&error),
            };
            tracing::warn!(
                stage = self.follower.stage(),
                need = NEED,
                error,
                "failed, trying again"
            );
            self.follower.metrics.failed(NEED);
            self.follower
                .health
                .fails(P::PROJECTION.name(), &error, Instant::now());
            let until = Instant::now() + backoff.pause();
            while Instant::now() < until {
                if self.follower.stop.load(Ordering::Acquire) {
                    return false;
                }
                std::thread::sleep(LOOK);
            }
        }
    }
}
