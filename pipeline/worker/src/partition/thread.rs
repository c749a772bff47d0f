//! The loop of a partition's thread.

use super::checkpoint::Checkpointing;
use super::deliver::Courier;
use super::flush::Rhythm;
use super::idle::Idle;
use super::intake::{Rulings, Waiting};
use super::ledger::Ledger;
use super::letters::Letters;
use super::{Exit, Wake};
use crate::consumer::{Context, Gate, QUEUE_WAIT};
use crate::shared::Edges;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use meterline_checkpoint::RunSet;
use meterline_core::control::View;
use meterline_core::counters::Counters;
use meterline_core::fold::Partition;
use meterline_core::position::LogPartition;
use meterline_core::time::Millis;
use rdkafka::consumer::BaseConsumer;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How often a partition looks at the control log's view and reports what it does.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// A partition and everything that its thread works with.
pub(super) struct Thread {
    pub(super) edges: Arc<Edges>,
    pub(super) log_partition: LogPartition,
    pub(super) ticket: u64,
    pub(super) gate: Arc<Gate>,
    pub(super) consumer: Weak<BaseConsumer<Context>>,
    pub(super) wakes: Receiver<Wake>,
    pub(super) courier: Courier,
    /// Deliveries under way; they end with the thread.
    pub(super) tasks: JoinSet<()>,
    pub(super) partition: Partition,
    /// Epoch of the leader that appended the record before the position; −1 where unknown.
    pub(super) leader_epoch: i32,
    pub(super) runs: RunSet,
    pub(super) view: Arc<View>,
    pub(super) rulings: Rulings,
    pub(super) clock_tolerance: Millis,
    /// The record that waits, and why.
    pub(super) waiting: Option<Waiting>,
    pub(super) letters: Letters,
    pub(super) ledger: Ledger,
    pub(super) rhythm: Rhythm,
    pub(super) checkpointing: Checkpointing,
    pub(super) idle: Idle,
    pub(super) is_paused: bool,
    pub(super) is_draining: bool,
    pub(super) reported: Counters,
    pub(super) report_at: Instant,
}

impl Thread {
    /// Folds until the partition is taken away, halts or must be loaded again.
    pub(super) fn run(mut self) -> Exit {
        let exit = loop {
            if self.gate.is_closed() {
                break Exit::Closed;
            }
            if let Err(exit) = self.turn() {
                break exit;
            }
        };
        // A halt writes nothing: it may be the news that what was folded is not the log any more.
        // Whatever was right is published by the replay after the verdict.
        if matches!(exit, Exit::Closed) {
            self.drain();
        }
        exit
    }

    fn turn(&mut self) -> Result<(), Exit> {
        self.take_wakes()?;
        let now = Instant::now();
        self.keep_time(now)?;
        if self.is_blocked(now) {
            self.wait(QUEUE_WAIT)
        } else {
            self.take_batch()
        }
    }

    /// Everything that is due by time rather than by a record.
    fn keep_time(&mut self, now: Instant) -> Result<(), Exit> {
        if now >= self.report_at {
            self.report_at = now + REPORT_INTERVAL;
            self.refresh_view()?;
            self.keep_log_moving(now)?;
            self.report(now);
            self.reap_tasks()?;
        }
        self.retry_waiting(now)?;
        self.flush_due(now);
        self.checkpoint_due(now);
        Ok(())
    }

    fn is_blocked(&mut self, now: Instant) -> bool {
        let rollup = &self.edges.shared.settings.rollup;
        let is_full = self.partition.unflushed() > rollup.unflushed_max
            || self.letters.bytes() > rollup.dead_letters_bytes
            || self.is_checkpoint_late();
        if is_full != self.is_paused {
            self.is_paused = is_full;
            self.report(now);
        }
        is_full || self.waiting.is_some()
    }

    /// Waits for an answer, so that a blocked partition goes on as soon as it can.
    fn wait(&mut self, timeout: Duration) -> Result<(), Exit> {
        match self.wakes.recv_timeout(timeout) {
            Ok(wake) => self.wake(wake),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(()),
        }
    }

    fn take_wakes(&mut self) -> Result<(), Exit> {
        while let Ok(wake) = self.wakes.try_recv() {
            self.wake(wake)?;
        }
        Ok(())
    }

    fn wake(&mut self, wake: Wake) -> Result<(), Exit> {
        match wake {
            Wake::Flushed(lane) => self.ledger.acked(lane),
            Wake::Told(offset) => self.ledger.progress_acked(offset),
            Wake::RunWritten(result) => return self.run_written(result),
            Wake::Published(result) => return self.published(result),
            Wake::Merged(result) => self.merged(result),
            Wake::Topic(described) => return self.check_topic(described.as_deref()),
            Wake::Reload(why) => return Err(Exit::Again(why.to_owned())),
        }
        Ok(())
    }

    /// Lets go of deliveries that ended; one that panicked will never answer.
    fn reap_tasks(&mut self) -> Result<(), Exit> {
        while let Some(ended) = self.tasks.try_join_next() {
            if let Err(error) = ended {
                return Err(Exit::Again(format!("a delivery failed: {error}")));
            }
        }
        Ok(())
    }

    /// Writes what the partition has, within the time it is given.
    fn drain(&mut self) {
        let rollup = &self.edges.shared.settings.rollup;
        let deadline = Instant::now() + rollup.stop_timeout;
        let deadline = self.gate.deadline().unwrap_or(deadline);
        self.is_draining = true;
        let is_done = loop {
            let now = Instant::now();
            if now >= deadline {
                break false;
            }
            self.report(now);
            if self.take_wakes().is_err() {
                break false;
            }
            self.flush_due(now);
            if self.ledger.is_quiet() && self.is_flushed() {
                self.checkpoint_due(now);
                if self.is_checkpointed() {
                    break true;
                }
            }
            if self.wait(QUEUE_WAIT).is_err() {
                break false;
            }
        };
        let (position, complete_to) = (self.partition.position(), self.ledger.complete_to());
        tracing::info!(
            topic = self.edges.shared.topic,
            partition = self.log_partition.partition,
            epoch = position.epoch,
            offset = position.offset,
            complete_to = complete_to.offset,
            checkpoint = self.checkpointing.offset(),
            is_done,
            "partition drained"
        );
    }
}
