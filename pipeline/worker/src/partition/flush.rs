//! Cutting the lanes: which are due, what they carry, and the progress that follows.

use super::ledger::{Lane, Ledger, Mark};
use super::pace::{Pace, Percent, flush_cost};
use super::thread::Thread;
use crate::settings::RollupSettings;
use meterline_core::position::Stamp;
use meterline_core::time::{EventTime, Level};
use std::time::Instant;
use tracing::Instrument;

/// When the lanes are due.
#[derive(Debug)]
pub(super) struct Rhythm {
    lanes: [Pace; 4],
    /// Sealed up to, at the last cut of day and month rows.
    levels_sealed_to: EventTime,
}

impl Rhythm {
    /// All lanes are due one interval from now; day and month rows that were restored because
    /// they may be missing are due at once.
    pub(super) fn new(rollup: &RollupSettings, ledger: &Ledger, now: Instant) -> Self {
        let is_behind = ledger.sent_to(Lane::Levels) < ledger.complete_to();
        let lanes = Lane::ALL.map(|lane| {
            let interval = match lane {
                Lane::Levels if is_behind => return Pace::due(rollup.levels_interval, now),
                Lane::Levels => rollup.levels_interval,
                Lane::Hours | Lane::Totals | Lane::DeadLetters => rollup.flush_interval,
            };
            Pace::new(interval, now)
        });
        Self {
            lanes,
            levels_sealed_to: ledger.acked_sealed_to(Lane::Levels),
        }
    }
}

impl Thread {
    /// Cuts every lane that is due and has no batch in flight, then tells of progress.
    pub(super) fn flush_due(&mut self, now: Instant) {
        let mut mark = None;
        for lane in Lane::ALL {
            if self.ledger.is_free(lane) && self.is_due(lane, now) {
                let mark = mark.get_or_insert_with(|| Mark::new(self.partition.header()));
                self.cut(lane, mark.clone(), now);
            }
        }
        if let Some(progress) = self.ledger.take_progress() {
            self.tasks
                .spawn_on(self.courier.clone().progress(progress), &self.edges.runtime);
        }
    }

    fn is_due(&self, lane: Lane, now: Instant) -> bool {
        let sent_to = self.ledger.sent_to(lane);
        if sent_to == self.partition.position() {
            return false;
        }
        let pace = &self.rhythm.lanes[lane as usize];
        let is_wanted = match lane {
            Lane::Levels => {
                // Nothing to write: told at once, so that an idle partition is not always behind.
                let is_wanted = self.has_sealed_an_hour() || !self.partition.has_level_changes();
                is_wanted && pace.is_affordable(now) || self.has_new_epoch(sent_to)
            }
            Lane::Hours | Lane::Totals | Lane::DeadLetters => {
                self.checkpointing.wants().is_some_and(|at| sent_to < at)
            }
        };
        is_wanted || pace.is_due(now) || self.is_pressed(now) || self.is_draining
    }

    fn has_sealed_an_hour(&self) -> bool {
        self.partition.sealed_to() > self.rhythm.levels_sealed_to
    }

    /// Checkpoints name `levels_to` by its offset alone, so it must be of the state's epoch.
    fn has_new_epoch(&self, sent_to: Stamp) -> bool {
        sent_to.epoch != self.partition.position().epoch
    }

    /// Half of what may wait is waiting: freshness no longer matters, room does.
    fn is_pressed(&self, now: Instant) -> bool {
        let rollup = &self.edges.shared.settings.rollup;
        let is_half_full = self.partition.unflushed() > rollup.unflushed_max / 2
            || self.letters.bytes() > rollup.dead_letters_bytes / 2;
        let is_affordable = |lane: Lane| self.rhythm.lanes[lane as usize].is_affordable(now);
        is_half_full && (self.is_paused || Lane::ALL.into_iter().all(is_affordable))
    }

    fn cut(&mut self, lane: Lane, mark: Mark, now: Instant) {
        let started = Instant::now();
        let rows = match lane {
            Lane::Hours => self.cut_hours(),
            Lane::Levels => self.cut_levels(),
            Lane::Totals => self.cut_totals(),
            Lane::DeadLetters => self.cut_letters(),
        };
        self.ledger.cut(lane, mark, rows == 0);
        let shared = &self.edges.shared;
        let percent = shared.settings.rollup.flush_share_percent;
        let share = Percent::split(percent, shared.board.owned());
        let took = started.elapsed();
        shared.metrics.work().cut(lane.name(), took);
        let cost = flush_cost(took, rows);
        self.rhythm.lanes[lane as usize].ran(now, cost, share);
    }

    fn cut_hours(&mut self) -> usize {
        let rows = self.partition.cut_hour_rows();
        let count = rows.len();
        if count > 0 {
            let courier = self.courier.clone();
            let delivery = courier.rows(Lane::Hours, &[Level::Hour], rows);
            self.deliver(Lane::Hours, count, delivery);
        }
        count
    }

    fn cut_levels(&mut self) -> usize {
        self.rhythm.levels_sealed_to = self.partition.sealed_to();
        let rows = self.partition.cut_level_rows();
        let count = rows.len();
        if count > 0 {
            let courier = self.courier.clone();
            let delivery = courier.rows(Lane::Levels, &[Level::Day, Level::Month], rows);
            self.deliver(Lane::Levels, count, delivery);
        }
        count
    }

    fn cut_totals(&mut self) -> usize {
        let rows = self.partition.cut_totals();
        let count = rows.len();
        if count > 0 {
            let delivery = self.courier.clone().totals(rows);
            self.deliver(Lane::Totals, count, delivery);
        }
        count
    }

    fn cut_letters(&mut self) -> usize {
        let letters = self.letters.cut();
        let count = letters.len();
        if count > 0 {
            let delivery = self.courier.clone().letters(letters);
            self.deliver(Lane::DeadLetters, count, delivery);
        }
        count
    }

    /// Runs a delivery beside the fold; its trace ends with the acknowledgement.
    fn deliver<D>(&mut self, lane: Lane, rows: usize, delivery: D)
    where
        D: Future<Output = ()> + Send + 'static,
    {
        let (partition, lane) = (self.log_partition.partition, lane.name());
        let span = tracing::info_span!(parent: None, "flush", partition, lane, rows);
        self.tasks
            .spawn_on(delivery.instrument(span), &self.edges.runtime);
    }

    /// Whether every lane has had everything acknowledged.
    pub(super) fn is_flushed(&self) -> bool {
        let position = self.partition.position();
        Lane::ALL
            .into_iter()
            .all(|lane| self.ledger.acked_to(lane) == position)
    }
}
