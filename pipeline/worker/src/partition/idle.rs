//! The end of the log: ticks, pointers, and what the broker says of the log's bounds.
//!
//! Log time must move for windows to close, so the owner writes a tick at the end of an idle log,
//! and nowhere else. A catalog version that is newer than the partition's is pointed at, and so are
//! voids that it has not taken; copies by others race, and do no harm.

use super::Exit;
use super::thread::Thread;
use super::voids::PointedVoids;
use crate::health::Need;
use meterline_core::halt::Halt;
use meterline_core::position::{Offset, TopicId};
use meterline_core::verdicts;
use meterline_kafka::{AfterLeader, TopicDescription, is_replaced};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A pointer that was written is given this long to come back before it is written again.
pub(super) const POINTER_WAIT: Duration = Duration::from_secs(30);

/// How long one question to the brokers may take.
const ANSWER: Duration = Duration::from_secs(5);

/// How long writing a tick or pointer may take before it is left to the next time.
pub(super) const WRITE: Duration = Duration::from_secs(20);

/// What a partition knows of its log's end.
#[derive(Debug)]
pub(super) struct Idle {
    pub(super) is_at_end: bool,
    /// The end was reached since the last report.
    has_reached_end: bool,
    /// When the last record came, or the last tick was written.
    quiet_since: Instant,
    /// Catalog version that was pointed at, and when.
    pointed: Option<(u32, Instant)>,
    pub(super) pointed_voids: PointedVoids,
    /// The position was refused: ask the broker for the log's bounds.
    refused: Option<Refused>,
}

/// How the client library said that a position cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Refused {
    /// The broker that was asked does not have it; another leader may.
    OutOfRange,
    /// It would go on from another position, if it were allowed to.
    Reset,
}

impl Idle {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            is_at_end: false,
            has_reached_end: false,
            quiet_since: now,
            pointed: None,
            pointed_voids: PointedVoids::default(),
            refused: None,
        }
    }

    /// A record came; the moment is that of reaching the end after it, which is what counts.
    ///
    /// None comes after a refusal of this assignment's position, so a refusal before it was left
    /// in the queue by an earlier assignment.
    pub(super) fn saw_record(&mut self) {
        self.is_at_end = false;
        self.refused = None;
    }

    /// The broker has no more records for now.
    pub(super) fn reached_end(&mut self, now: Instant) {
        if !self.is_at_end {
            self.is_at_end = true;
            self.quiet_since = now;
        }
        self.has_reached_end = true;
    }

    /// The position was refused; the stronger word is kept until the bounds are known.
    pub(super) fn was_refused(&mut self, refused: Refused) {
        self.refused = self.refused.max(Some(refused));
    }

    /// Whether the end was reached since this was last asked.
    pub(super) fn take_reached_end(&mut self) -> bool {
        std::mem::take(&mut self.has_reached_end)
    }

    fn is_tick_due(&mut self, interval: Duration, now: Instant) -> bool {
        let is_due = self.is_at_end && now.saturating_duration_since(self.quiet_since) >= interval;
        if is_due {
            self.quiet_since = now;
        }
        is_due
    }

    fn is_pointer_due(&mut self, version: u32, now: Instant) -> bool {
        let is_due = match self.pointed {
            Some((pointed, at)) if pointed == version => {
                self.is_at_end && now.saturating_duration_since(at) >= POINTER_WAIT
            }
            _ => true,
        };
        if is_due {
            self.pointed = Some((version, now));
        }
        is_due
    }
}

impl Thread {
    /// Writes ticks and pointers that are due, and asks for the log's bounds where needed.
    pub(super) fn keep_log_moving(&mut self, now: Instant) -> Result<(), Exit> {
        if let Some(refused) = self.idle.refused {
            self.check_log(refused)?;
        }
        if self.waiting.is_some() {
            return Ok(());
        }
        self.point_at_newest_catalog(now);
        self.point_at_voids(now);
        let interval = self.edges.shared.settings.rollup.tick_interval;
        if self.idle.is_tick_due(interval, now) {
            let partition = self.log_partition.partition;
            self.write("tick", move |log| log.tick(partition, WRITE));
        }
        Ok(())
    }

    fn point_at_newest_catalog(&mut self, now: Instant) {
        let in_force = self.partition.catalog().version;
        let Some(newest) = self.view.catalog().filter(|c| c.version > in_force) else {
            return;
        };
        if self.idle.is_pointer_due(newest.version, now) {
            let (newest, partition) = (Arc::clone(newest), self.log_partition.partition);
            self.write("pointer", move |log| {
                log.place_in(&newest, &[partition], WRITE)
            });
        }
    }

    pub(super) fn write(
        &mut self,
        what: &'static str,
        write: impl FnOnce(
            &meterline_control::ControlLog,
        ) -> Result<(), meterline_control::ControlError>
        + Send
        + 'static,
    ) {
        let (control, partition) = (self.edges.control.clone(), self.log_partition.partition);
        let write = async move {
            if let Err(error) = control.off_thread(write).await {
                let error = meterline_core::causes::chain(&error);
                tracing::warn!(
                    partition,
                    what,
                    error,
                    "failed to write, trying again later"
                );
            }
        };
        self.tasks.spawn_on(write, &self.edges.runtime);
    }

    /// The position was refused: is the log gone there, or shorter?
    fn check_log(&mut self, refused: Refused) -> Result<(), Exit> {
        let shared = &self.edges.shared;
        let partition = self.log_partition.partition;
        match self
            .edges
            .admin
            .watermarks(&shared.topic, partition, ANSWER)
        {
            Ok((low, high)) => {
                self.idle.refused = None;
                let position = self.partition.position().offset;
                judge_bounds(position, low, high).map_err(Exit::Halted)?;
                self.check_leader(refused, position)
            }
            Err(error) => {
                let text = meterline_core::causes::chain(&error);
                shared.board.fails(Need::Kafka, &text, Instant::now());
                Ok(())
            }
        }
    }

    /// The broker has the position and refused it: are the records before it those that were
    /// folded? Until that is known the refusal stands: a later reload begins at the checkpoint,
    /// which may lie before what was replaced.
    fn check_leader(&mut self, refused: Refused, position: Offset) -> Result<(), Exit> {
        let shared = &self.edges.shared;
        let is_replaced = if must_ask(refused, self.leader_epoch) {
            let place = AfterLeader {
                topic: &shared.topic,
                partition: self.log_partition.partition,
                offset: position,
                leader_epoch: self.leader_epoch,
            };
            is_replaced(&shared.settings.kafka, place, ANSWER)
        } else {
            Ok(false)
        };
        match is_replaced {
            Ok(is_replaced) => Err(refusal(is_replaced, position, self.leader_epoch)),
            Err(error) => {
                let text = meterline_core::causes::chain(&error);
                shared.board.fails(Need::Kafka, &text, Instant::now());
                self.idle.refused = Some(refused);
                Ok(())
            }
        }
    }

    /// Compares the topic as it is now with what the partition was adopted as.
    pub(super) fn check_topic(&mut self, now: Option<&TopicDescription>) -> Result<(), Exit> {
        let verdicts = self.view.verdicts(&self.log_partition);
        let partitions = verdicts::partitions(verdicts, self.partition.header().partitions);
        judge_topic(now, self.edges.topic_id, partitions).map_err(Exit::Halted)
    }
}

/// Whether a log that has the offsets from `low` to `high` can be read on from `position`.
pub(super) fn judge_bounds(position: Offset, low: Offset, high: Offset) -> Result<(), Halt> {
    if position < low {
        return Err(Halt::LogGap(format!(
            "the log begins at {low}, records from {position} on are gone; was retention shorter \
             than the time nobody ran?"
        )));
    }
    if position > high {
        return Err(Halt::Truncated(format!(
            "the log ends at {high}, records before {position} had been folded; did an unclean \
             leader election lose them?"
        )));
    }
    Ok(())
}

/// Whether a position that the broker has and refused may be one whose records were replaced: only
/// with a leader epoch are those compared, and a client that could not compare them says the same.
fn must_ask(refused: Refused, leader_epoch: i32) -> bool {
    refused == Refused::Reset && leader_epoch >= 0
}

fn refusal(is_replaced: bool, position: Offset, leader_epoch: i32) -> Exit {
    if !is_replaced {
        return Exit::Again(format!(
            "the broker refused position {position}, which it has"
        ));
    }
    Exit::Halted(replaced(position, leader_epoch))
}

/// Other records lie where those before the position were.
pub(super) fn replaced(position: Offset, leader_epoch: i32) -> Halt {
    Halt::Truncated(format!(
        "the broker refuses position {position} after leader epoch {leader_epoch}: records before \
         it were replaced; did an unclean leader election lose them?"
    ))
}

/// Whether the topic is still the one that was adopted.
pub(super) fn judge_topic(
    now: Option<&TopicDescription>,
    topic_id: TopicId,
    partitions: u32,
) -> Result<(), Halt> {
    let Some(now) = now else {
        let text = format!("the topic with id {topic_id} is gone");
        return Err(Halt::TopicChanged(text));
    };
    let name = &now.name;
    if now.topic_id != topic_id {
        return Err(Halt::TopicChanged(format!(
            "topic {name} was made again: its id was {topic_id} and is {}",
            now.topic_id
        )));
    }
    if now.partition_count() != partitions {
        return Err(Halt::PartitionsChanged(format!(
            "topic {name} was adopted with {partitions} partitions and has {}; tenants are in \
             other partitions now",
            now.partition_count()
        )));
    }
    if !now.config.log_append_time {
        return Err(Halt::TimestampType(format!(
            "topic {name} must have message.timestamp.type=LogAppendTime"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_come_at_the_end_of_an_idle_log_only() {
        let start = Instant::now();
        let interval = Duration::from_secs(30);
        let mut idle = Idle::new(start);
        assert!(
            !idle.is_tick_due(interval, start + 2 * interval),
            "not at the end"
        );
        idle.reached_end(start);
        assert!(!idle.is_tick_due(interval, start + interval / 2));
        assert!(idle.is_tick_due(interval, start + interval));
        assert!(!idle.is_tick_due(interval, start + interval + interval / 2));
        idle.saw_record();
        assert!(
            !idle.is_tick_due(interval, start + 9 * interval),
            "records came"
        );
    }

    #[test]
    fn a_pointer_is_repeated_only_where_it_did_not_come_back() {
        let start = Instant::now();
        let mut idle = Idle::new(start);
        assert!(idle.is_pointer_due(2, start));
        assert!(
            !idle.is_pointer_due(2, start + 2 * POINTER_WAIT),
            "it may lie ahead"
        );
        idle.reached_end(start);
        assert!(idle.is_pointer_due(2, start + 2 * POINTER_WAIT));
        assert!(idle.is_pointer_due(3, start + 2 * POINTER_WAIT));
    }

    #[test]
    fn positions_outside_of_the_log_halt() {
        assert_eq!(judge_bounds(5, 5, 5), Ok(()));
        assert_eq!(judge_bounds(4, 5, 9).expect_err("gone").name(), "log_gap");
        assert_eq!(
            judge_bounds(9, 5, 8).expect_err("short").name(),
            "truncated"
        );
    }

    #[test]
    fn only_a_reset_after_a_known_leader_may_say_that_records_were_replaced() {
        let cases = [
            (Refused::OutOfRange, 3, false),
            (Refused::OutOfRange, -1, false),
            (Refused::Reset, -1, false),
            (Refused::Reset, 3, true),
        ];
        for (refused, leader_epoch, asks) in cases {
            assert_eq!(
                must_ask(refused, leader_epoch),
                asks,
                "{refused:?} {leader_epoch}"
            );
        }
        assert!(matches!(refusal(false, 7, 3), Exit::Again(_)));
        let halted = refusal(true, 7, 3);
        assert!(matches!(&halted, Exit::Halted(halt) if halt.name() == "truncated"));
        let mut idle = Idle::new(Instant::now());
        idle.was_refused(Refused::Reset);
        idle.was_refused(Refused::OutOfRange);
        assert_eq!(idle.refused, Some(Refused::Reset));
        idle.saw_record();
        assert_eq!(idle.refused, None, "it was an earlier assignment's");
    }
}
