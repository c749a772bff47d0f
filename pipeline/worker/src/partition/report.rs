//! What a partition tells the board and the metrics, about once a second.

use super::ledger::Lane;
use super::thread::Thread;
use crate::health::PartitionState;
use crate::metrics::Reading;
use crate::shared::clock;
use meterline_core::time::LogTime;
use std::time::{Duration, Instant};

impl Thread {
    /// Reports state, position and counters.
    pub(super) fn report(&mut self, now: Instant) {
        let (state, reason) = self.state();
        let position = self.partition.position();
        let complete_to = self.ledger.complete_to();
        let has_reached_end = self.idle.take_reached_end();
        let shared = &self.edges.shared;
        let partition = self.log_partition.partition;
        let mut lag_records = 0;
        let lanes = Lane::ALL.into_iter();
        let lanes = lanes.filter(|lane| !self.ledger.is_free(*lane));
        let lanes = lanes.map(|lane| (lane.name(), self.ledger.acked_to(lane).offset));
        shared.board.delivers(partition, self.ticket, now, lanes);
        shared.board.report(partition, self.ticket, now, |status| {
            status.state = state;
            status.reason = reason;
            status.epoch = position.epoch;
            status.position = position.offset;
            if has_reached_end {
                status.log_end = Some(position.offset);
            }
            status.log_time = self.partition.log_time().0;
            status.sealed_to = self.partition.sealed_to().0;
            status.complete_to = complete_to.offset;
            status.levels_to = self.ledger.acked_to(Lane::Levels).offset;
            status.catalog_version = self.partition.catalog().version;
            status.freshness_seconds = self.freshness().as_secs();
            status.checkpoint_offset = self.checkpointing.offset();
            status.checkpoint_age_seconds = self.checkpointing.age(now).map(|age| age.as_secs());
            let end = status.log_end.unwrap_or(position.offset);
            lag_records = end.saturating_sub(position.offset);
        });
        let reading = self.reading(lag_records, now);
        let metrics = shared.metrics.partitions();
        metrics.read(partition, &reading);
        let is_stalled = state == PartitionState::Stalled;
        metrics.stopped(partition, "stalled", is_stalled);
        metrics.stopped(partition, "paused", self.is_paused);
        let counters = self.partition.counters();
        metrics.count(partition, &self.reported, &counters);
        self.reported = counters;
    }

    fn state(&self) -> (PartitionState, Option<String>) {
        if self.is_draining {
            return (PartitionState::Draining, None);
        }
        match &self.waiting {
            Some(waiting) => {
                let why = match &waiting.stall {
                    Some(stall) => stall.to_string(),
                    None => "control: a pointer waits for the control log".to_owned(),
                };
                (PartitionState::Stalled, Some(why))
            }
            None if self.is_paused => {
                let changes = self.partition.unflushed();
                let bytes = self.letters.bytes();
                let late = if self.is_checkpoint_late() {
                    ", and a checkpoint waits for rows or the store"
                } else {
                    ""
                };
                let why = format!("{changes} changes and {bytes} bytes of dead letters wait{late}");
                (PartitionState::Paused, Some(why))
            }
            None => (PartitionState::Running, None),
        }
    }

    /// How old the oldest change is that is not published.
    fn freshness(&self) -> Duration {
        if self.ledger.complete_to() == self.partition.position() {
            Duration::ZERO
        } else {
            since(self.ledger.complete_log_time(), clock())
        }
    }

    fn reading(&self, lag_records: u64, now: Instant) -> Reading {
        let position = self.partition.position();
        let clock = clock();
        let log_time_age = since(self.partition.log_time(), clock);
        let files = self.runs.files();
        Reading {
            position: position.offset,
            complete_to: self.ledger.complete_to().offset,
            lag_records,
            lag: if lag_records == 0 {
                Duration::ZERO
            } else {
                log_time_age
            },
            log_time_age,
            freshness: self.freshness(),
            unflushed: self.partition.unflushed(),
            letters_bytes: self.letters.bytes(),
            checkpoint_age: self.checkpointing.age(now).unwrap_or_default(),
            checkpoint_offset: self.checkpointing.offset().unwrap_or_default(),
            checkpoint_files: files.len(),
            checkpoint_bytes: files.iter().map(|file| file.length).sum(),
            checkpoint_ids: files.iter().map(|file| file.ids).sum(),
            filter_bytes: self.runs.filter_bytes(),
        }
    }
}

/// How long before the clock a moment of the log is; zero where the log is ahead, or where no
/// record gave it a time yet.
fn since(log_time: LogTime, clock: LogTime) -> Duration {
    if log_time.0 <= 0 {
        return Duration::ZERO;
    }
    let millis = clock.0.saturating_sub(log_time.0);
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
