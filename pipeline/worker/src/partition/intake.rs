//! Records into the fold: batches from the queue, pointers, verdicts, the clock, stalls.
//!
//! A record that cannot be folded yet is copied and waits outside of the queue, with nothing
//! after it taken; the state is as if it had not been seen (INV-HALT).

use super::Exit;
use super::idle::Refused;
use super::record::{HeldRecord, RawRecord};
use super::thread::Thread;
use crate::consumer::QUEUE_WAIT;
use crate::health::Need;
use crate::shared::clock;
use meterline_control::ControlError;
use meterline_core::control::{Verdict, VerdictAction};
use meterline_core::fold::Outcome;
use meterline_core::halt::{Halt, Refusal, Stall};
use meterline_core::position::{Offset, Stamp};
use meterline_core::record::Placement;
use meterline_core::time::{LogTime, Millis};
use meterline_core::verdicts;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most records between two looks at the clock, the answers and what is due: some milliseconds
/// of work, so that flushes stay punctual and a revoked partition stops at once.
const BATCH: usize = 1_000;

/// How often a record that waits is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How long one reading of the control log to its end may take.
const CONTROL_WAIT: Duration = Duration::from_secs(5);

/// Log time that moves further than this at once is worth a loud line.
const JUMP: Millis = Millis(24 * 3_600 * 1_000);

/// A record that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    record: HeldRecord,
    next: Instant,
    /// Why; `None` where it names a control record that was not read yet.
    pub(super) stall: Option<Stall>,
}

/// What the partition knows of verdicts on it.
#[derive(Clone, Debug, Default)]
pub(super) struct Rulings {
    /// Offset of the verdict that it meets next.
    pub(super) next: Option<Offset>,
    /// The log time that a verdict gives to the next record.
    log_time: Option<LogTime>,
    /// Records whose log time a verdict gives, in the order of the control log: of ranges that
    /// overlap the last one counts, whether they were met one by one or loaded together.
    log_times: Vec<(Range<Offset>, LogTime)>,
    /// Records before this are skipped, because a verdict says so.
    pub(super) skip_before: Offset,
}

impl Rulings {
    /// What a verdict means for the records to come.
    pub(super) fn apply(&mut self, verdict: &Verdict) {
        match verdict.action {
            VerdictAction::ContinueAt(offset) => self.skip_before = offset,
            VerdictAction::LogTime(log_time) => self.log_time = Some(log_time),
            VerdictAction::LogTimeUntil { until, log_time } => {
                self.log_times.push((verdict.offset..until, log_time));
            }
            VerdictAction::Partitions(_) => {}
        }
    }

    /// The log time that a verdict gives to the record at `offset`.
    fn log_time_at(&self, offset: Offset) -> Option<LogTime> {
        let ranges = self.log_times.iter().rev();
        let mut given = ranges.filter(|(range, _)| range.contains(&offset));
        self.log_time.or_else(|| given.next().map(|(_, at)| *at))
    }

    /// The record at `offset` was folded: what was said of it is spent.
    fn spend(&mut self, offset: Offset) {
        self.log_time = None;
        if !self.log_times.is_empty() {
            self.log_times.retain(|(range, _)| range.end > offset + 1);
        }
    }
}

impl Thread {
    /// Folds what the queue has, up to one batch; waits a moment where it has nothing.
    pub(super) fn take_batch(&mut self) -> Result<(), Exit> {
        let gate = Arc::clone(&self.gate);
        let mut entered = gate.enter();
        let Some(queue) = entered.queue() else {
            return Ok(());
        };
        let clock = clock();
        let mut timeout = QUEUE_WAIT;
        let mut began = None;
        for _ in 0..BATCH {
            if gate.is_closed() || self.waiting.is_some() {
                break;
            }
            match queue.poll(timeout) {
                None => break,
                Some(Ok(record)) => {
                    began.get_or_insert_with(Instant::now);
                    self.take(&record, clock)?;
                }
                Some(Err(error)) => self.queue_failed(&error)?,
            }
            timeout = Duration::ZERO;
        }
        if let Some(began) = began {
            self.edges.shared.metrics.work().batch(began.elapsed());
        }
        Ok(())
    }

    /// A batch that cannot be read is skipped by the client library: the partition is read again
    /// from its checkpoint before the next record could make that look like a hole.
    fn queue_failed(&mut self, error: &KafkaError) -> Result<(), Exit> {
        match error {
            KafkaError::MessageConsumption(
                RDKafkaErrorCode::BadMessage
                | RDKafkaErrorCode::BadCompression
                | RDKafkaErrorCode::NotImplemented
                | RDKafkaErrorCode::MessageSizeTooLarge,
            ) => {
                let position = self.partition.position().offset;
                let what = format!("records at or after offset {position} cannot be read: {error}");
                return Err(Exit::Again(what));
            }
            KafkaError::PartitionEOF(_) => self.idle.reached_end(Instant::now()),
            KafkaError::MessageConsumption(RDKafkaErrorCode::AutoOffsetReset) => {
                self.idle.was_refused(Refused::Reset);
            }
            KafkaError::MessageConsumption(RDKafkaErrorCode::OffsetOutOfRange) => {
                self.idle.was_refused(Refused::OutOfRange);
            }
            _ => {
                let partition = self.log_partition.partition;
                tracing::warn!(partition, %error, "failed to read the partition, going on");
            }
        }
        Ok(())
    }

    fn take(&mut self, raw: &RawRecord<'_>, clock: LogTime) -> Result<(), Exit> {
        self.idle.saw_record();
        let Some(header) = raw.control_header() else {
            return self.offer(raw, None, clock);
        };
        match self.view.placement(header) {
            Some(placement) => self.offer(raw, Some(&placement), clock),
            None => {
                self.hold(raw, None);
                Ok(())
            }
        }
    }

    fn hold(&mut self, raw: &RawRecord<'_>, stall: Option<Stall>) {
        let pause = if stall.is_some() {
            RETRY
        } else {
            Duration::ZERO
        };
        self.waiting = Some(Waiting {
            record: HeldRecord::copy(raw),
            next: Instant::now() + pause,
            stall,
        });
    }

    /// Tries the record that waits again, once it is time.
    pub(super) fn retry_waiting(&mut self, now: Instant) -> Result<(), Exit> {
        let Some(waiting) = self.waiting.take_if(|waiting| now >= waiting.next) else {
            return Ok(());
        };
        let raw = waiting.record.raw();
        let Some(header) = raw.control_header() else {
            return self.offer(&raw, None, clock());
        };
        match self.resolve(header).map_err(Exit::Halted)? {
            Some(placement) => self.offer(&raw, Some(&placement), clock()),
            None => {
                self.hold(&raw, waiting.stall.clone());
                if let Some(waiting) = &mut self.waiting {
                    waiting.next = now + RETRY;
                }
                Ok(())
            }
        }
    }

    /// Reads the control log to the end that it has now; `None` while that cannot be done.
    fn resolve(&mut self, header: &[u8]) -> Result<Option<Placement>, Halt> {
        let board = &self.edges.shared.board;
        match self.edges.control.placement(header, CONTROL_WAIT) {
            Ok(placement) => {
                board.works(Need::Control);
                Ok(Some(placement))
            }
            Err(ControlError::Halted { source, .. }) => Err(source),
            Err(error) => {
                board.fails(
                    Need::Control,
                    &meterline_core::causes::chain(&error),
                    Instant::now(),
                );
                Ok(None)
            }
        }
    }

    fn offer(
        &mut self,
        raw: &RawRecord<'_>,
        placement: Option<&Placement>,
        clock: LogTime,
    ) -> Result<(), Exit> {
        if self.rulings.next.is_some_and(|at| at <= raw.offset) {
            self.meet_verdicts(raw.offset)?;
        }
        if raw.offset < self.rulings.skip_before {
            return Ok(());
        }
        self.refuse_repeat(raw)?;
        match self.fold(raw, placement, clock) {
            Ok(()) => Ok(()),
            Err(Refusal::Halt(halt)) => Err(Exit::Halted(halt)),
            Err(Refusal::Stall(stall)) => {
                self.stalled(raw.offset, &stall);
                self.hold(raw, Some(stall));
                Ok(())
            }
        }
    }

    /// A pause of the client library that meets a reader between taking a record and noting it
    /// delivers the record again. By the same leader it is the same record, and the partition is
    /// loaded again; by another one it is for the fold to halt on.
    fn refuse_repeat(&self, raw: &RawRecord<'_>) -> Result<(), Exit> {
        let position = self.partition.position().offset;
        if raw.offset >= position || raw.leader_epoch != self.leader_epoch {
            return Ok(());
        }
        let offset = raw.offset;
        Err(Exit::Again(format!(
            "the client library gave offset {offset} again, before position {position}"
        )))
    }

    fn stalled(&self, offset: Offset, stall: &Stall) {
        let shared = &self.edges.shared;
        if matches!(stall, Stall::Lookup(_)) {
            let partitions = shared.metrics.partitions();
            partitions.lookup_failed(self.log_partition.partition);
        }
        let epoch = self.partition.position().epoch;
        let partition = self.log_partition.partition;
        let topic = &shared.topic;
        tracing::debug!(topic, partition, offset, epoch, %stall, "a record waits");
    }

    fn fold(
        &mut self,
        raw: &RawRecord<'_>,
        placement: Option<&Placement>,
        clock: LogTime,
    ) -> Result<(), Refusal> {
        let append_time = self.append_time(raw, clock)?;
        let before = self.partition.log_time();
        if before.0 > 0 && append_time > before.after(JUMP) {
            let partition = self.log_partition.partition;
            let (offset, clock) = (raw.offset, clock.0);
            let (from, to) = (before.0, append_time.0);
            tracing::warn!(
                partition,
                offset,
                from,
                to,
                clock,
                "log time jumps by over 24 h"
            );
        }
        let record = raw.to_fold(append_time, placement);
        let outcome = self.partition.step(&record, &self.runs)?;
        self.rulings.spend(raw.offset);
        self.leader_epoch = raw.leader_epoch;
        if let Outcome::Rejected(rejection) = outcome {
            let stamp = Stamp {
                epoch: self.partition.position().epoch,
                offset: raw.offset,
            };
            let topic = &self.edges.shared.topic;
            let log_time = self.partition.log_time();
            self.letters
                .take_in(topic, self.log_partition, stamp, log_time, rejection, raw);
        }
        Ok(())
    }

    /// The append time that counts: the broker's, checked by this machine's clock, or a verdict's.
    fn append_time(&self, raw: &RawRecord<'_>, clock: LogTime) -> Result<LogTime, Refusal> {
        if let Some(log_time) = self.rulings.log_time_at(raw.offset) {
            return Ok(log_time);
        }
        let append_time = raw.append_time.ok_or_else(|| {
            Halt::TimestampType(format!(
                "the record at offset {} has no append time of the broker; set \
                 message.timestamp.type=LogAppendTime on topic {}",
                raw.offset, self.edges.shared.topic
            ))
        })?;
        if append_time > clock.after(self.clock_tolerance) {
            return Err(Stall::LogTimeAhead { append_time, clock }.into());
        }
        Ok(append_time)
    }

    /// Applies the verdicts that act before the record at `offset`.
    pub(super) fn meet_verdicts(&mut self, offset: Offset) -> Result<(), Exit> {
        loop {
            let position = self.partition.position();
            let all = self.view.verdicts(&self.log_partition);
            let next = verdicts::next(all, position.epoch);
            self.rulings.next = next.map(|verdict| verdict.offset);
            let Some(verdict) = next.filter(|verdict| verdict.offset <= offset) else {
                return Ok(());
            };
            if verdict.offset < position.offset {
                let at = verdict.offset;
                return Err(Exit::Again(format!("a verdict on offset {at} was found")));
            }
            self.partition.apply_verdict(&verdict.action);
            self.rulings.apply(verdict);
            let (partition, epoch) = (self.log_partition.partition, position.epoch + 1);
            let (offset, action) = (verdict.offset, &verdict.action);
            tracing::info!(partition, offset, epoch, ?action, "verdict applied");
        }
    }

    /// Looks at what the control log says now.
    pub(super) fn refresh_view(&mut self) -> Result<(), Exit> {
        if let Some(halt) = self.edges.control.halted() {
            return Err(Exit::Halted(halt));
        }
        let view = self.edges.control.view();
        if view.position() == self.view.position() {
            return Ok(());
        }
        self.view = view;
        verdicts::check_order(self.view.verdicts(&self.log_partition)).map_err(Exit::Halted)?;
        let next = verdicts::next(
            self.view.verdicts(&self.log_partition),
            self.partition.position().epoch,
        );
        self.rulings.next = next.map(|verdict| verdict.offset);
        match self.rulings.next {
            Some(at) if at < self.partition.position().offset => {
                Err(Exit::Again(format!("a verdict on offset {at} was found")))
            }
            _ => Ok(()),
        }
    }
}
