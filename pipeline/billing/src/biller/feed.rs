//! What was read goes to the engine.

use super::{Biller, Input};
use crate::engine::Append;
use meterline_follow::{Appended, Batch, LogHalt, Read, TotalsRecord};
use meterline_schemas::records::Progress;

impl Biller {
    /// Takes one input.
    pub(super) fn take(&mut self, input: Input) {
        match input {
            Input::Totals(Read::Batch(batch)) => self.take_totals(batch),
            Input::Totals(Read::Stale(partition)) => self.follower.health.is_stale(partition),
            Input::Totals(Read::CaughtUp) => {
                self.behind.totals = false;
                self.caught_up();
            }
            Input::Pushes(Read::Batch(batch)) => self.take_pushes(batch),
            // A log of decisions that lost records halts; it is never read on.
            Input::Pushes(Read::Stale(_)) => {}
            Input::Pushes(Read::CaughtUp) => {
                self.behind.pushes = false;
                self.caught_up();
            }
            Input::Control(event) => self.take_control(event),
        }
    }

    fn take_totals(&mut self, batch: Batch<TotalsRecord>) {
        let now = self.clock.now();
        let (partition, position) = (batch.partition, batch.position);
        for (_, record) in batch.records {
            match record {
                TotalsRecord::Total(total) => {
                    self.engine.total(total.log_partition, &total.row, now);
                }
                TotalsRecord::Progress(progress) => self.take_progress(&progress),
            }
        }
        let health = &self.follower.health;
        health.reads(&self.topics.totals, partition, position);
    }

    fn take_progress(&mut self, progress: &Progress) {
        let (log_partition, now) = (progress.log_partition, self.clock.now());
        self.engine.progress(log_partition, progress.sealed_to, now);
        if log_partition.topic_id == self.topics.usage {
            let (partition, to) = (log_partition.partition, progress.to);
            let health = &self.follower.health;
            health.judges(partition, to, progress.log_time);
        }
    }

    fn take_pushes(&mut self, batch: Batch<Appended<Append>>) {
        let (partition, position) = (batch.partition, batch.position);
        for (offset, Appended { at, record }) in batch.records {
            let (engine, now) = (&mut self.engine, self.clock.now());
            let taken = match &record {
                Append::Push(record) => engine.push(partition, offset, at, record, now),
                Append::Carry(record) => engine.carry(partition, offset, at, record, now),
            };
            if let Err(source) = taken {
                return self.follower.halts(&LogHalt {
                    topic: self.topics.pushes.clone(),
                    partition,
                    offset,
                    source,
                });
            }
        }
        let health = &self.follower.health;
        health.reads(&self.topics.pushes, partition, position);
    }

    /// Says what is still to be read.
    pub(super) fn caught_up(&mut self) {
        let behind = self.behind;
        let missing = [
            (behind.control > 0, "reading the control log"),
            (behind.pushes, "reading meterline.pushes"),
            (behind.totals, "reading usage.totals"),
        ];
        let missing = missing.iter().find(|(is_missing, _)| *is_missing);
        let phase = missing.map(|(_, phase)| *phase);
        self.follower.health.phase(phase);
    }
}
