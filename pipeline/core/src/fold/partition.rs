//! The state of one partition: how it begins, steps, is cut and is restored.

use super::apply::Applied;
use super::buckets::{Buckets, Lane};
use super::ids::Ids;
use super::judge::{Early, judge};
use super::moment::Moment;
use super::trace::Trace;
use super::{CatalogPlace, CheckpointCut, Header, Outcome};
use crate::bucket::BucketRow;
use crate::control::{CatalogDecision, VerdictAction};
use crate::counters::Counters;
use crate::halt::{Halt, Refusal, Stall};
use crate::hash::IdentityKey;
use crate::position::{LogPartition, MAX_OFFSET, Offset, Stamp};
use crate::reason::{Reason, Rejection};
use crate::record::{Placement, Record};
use crate::runs::{LookupFailed, Runs};
use crate::time::{EventTime, LogTime};
use std::sync::Arc;

/// State of one partition of the usage log; see [`super`].
#[derive(Debug)]
pub struct Partition {
    pub(super) log_partition: LogPartition,
    pub(super) partitions: u32,
    /// Epoch, and the next record's offset.
    pub(super) position: Stamp,
    pub(super) moment: Moment,
    pub(super) catalogs: Vec<CatalogPlace>,
    pub(super) catalog: Arc<CatalogDecision>,
    pub(super) key: IdentityKey,
    /// See [`Header::voids_to`].
    pub(super) voids_to: Option<Offset>,
    pub(super) counters: Counters,
    /// Events matched by the meters of the catalog in force, in its order, that
    /// [`Counters::matched`] does not hold yet.
    pub(super) matched: Vec<u64>,
    pub(super) trace: Trace,
    pub(super) ids: Ids,
    pub(super) buckets: Buckets,
    pub(super) scratch: super::apply::Scratch,
}

impl Partition {
    /// Folds one record.
    ///
    /// # Errors
    /// A halt `order` for a record below the position, `unknown_format` for an offset that no
    /// stamp can hold, a stall where the runs cannot answer. Nothing has changed then.
    pub fn step(&mut self, record: &Record<'_>, runs: &impl Runs) -> Result<Outcome, Refusal> {
        if record.offset < self.position.offset {
            let (offset, position) = (record.offset, self.position.offset);
            return Err(Halt::Order { offset, position }.into());
        }
        if record.offset > MAX_OFFSET {
            let what = format!("offset {} needs more than 48 bits", record.offset);
            return Err(Halt::UnknownFormat(what).into());
        }
        let moment = self
            .moment
            .at(record.append_time, &self.catalog.compiled.catalog);
        let (outcome, digest) = match record.placement {
            Some(Placement::Void { decision, catalogs }) => self
                .place_void(record.offset, decision, catalogs, &moment, runs)
                .map_err(stall)?,
            Some(placement) => (self.place(record.offset, placement), 0),
            None => self.fold_event(record, &moment, runs).map_err(stall)?,
        };
        self.moment = moment;
        self.count(&outcome);
        self.trace.record(record.offset, &outcome, digest);
        self.position.offset = record.offset + 1;
        Ok(outcome)
    }

    fn fold_event(
        &mut self,
        record: &Record<'_>,
        moment: &Moment,
        runs: &impl Runs,
    ) -> Result<(Outcome, u64), LookupFailed> {
        let catalog = Arc::clone(&self.catalog);
        let judged = judge(
            record,
            self.log_partition,
            self.partitions,
            &catalog.compiled,
            moment,
        );
        match judged {
            Err(Early::Ignored) => Ok((Outcome::Ignored, 0)),
            Err(Early::Rejected(rejection)) => Ok((Outcome::Rejected(rejection), 0)),
            Ok(judged) => {
                let stamp = Stamp {
                    epoch: self.position.epoch,
                    offset: record.offset,
                };
                let applied = self.apply(&judged, &catalog.compiled, stamp, moment, runs)?;
                Ok(match applied {
                    Applied::Counted { late, digest } => (Outcome::Accepted { late }, digest),
                    Applied::Unmatched => (Outcome::Unmatched, 0),
                    Applied::Duplicate => (Outcome::Duplicate, 0),
                    Applied::Rejected(rejection) => (Outcome::Rejected(rejection), 0),
                })
            }
        }
    }

    fn place(&mut self, offset: Offset, placement: &Placement) -> Outcome {
        match placement {
            Placement::Tick => Outcome::Tick,
            Placement::Bad(why) => {
                Outcome::Rejected(Rejection::new(Reason::BadPointer, why.as_str()))
            }
            Placement::Catalog(catalog) if catalog.version > self.catalog.version => {
                self.counters = self.counters();
                self.matched = vec![0; catalog.compiled.meters.len()];
                self.catalog = Arc::clone(catalog);
                let (version, control_offset) = (catalog.version, catalog.offset);
                let from = offset + 1;
                self.catalogs.push(CatalogPlace {
                    version,
                    control_offset,
                    from,
                });
                Outcome::Placed(version)
            }
            Placement::Catalog(catalog) => Outcome::PlacedAgain(catalog.version),
            Placement::Void { .. } => unreachable!("voids need state and are taken apart"),
        }
    }

    fn count(&mut self, outcome: &Outcome) {
        let counters = &mut self.counters;
        counters.delivered += 1;
        match outcome {
            Outcome::Accepted { late } => {
                counters.accepted += 1;
                counters.late += u64::from(*late);
            }
            Outcome::Duplicate => counters.duplicate += 1,
            Outcome::Ignored => counters.ignored += 1,
            Outcome::Unmatched => counters.unmatched += 1,
            Outcome::Rejected(rejection) => {
                *counters.rejected.entry(rejection.reason).or_default() += 1;
            }
            Outcome::Tick
            | Outcome::Placed(_)
            | Outcome::PlacedAgain(_)
            | Outcome::Voided
            | Outcome::Amended
            | Outcome::VoidPassed => counters.control += 1,
        }
    }

    /// Applies a verdict at the current position: the epoch rises by one.
    ///
    /// A verdict's log time is used by whoever builds the record; here it only marks the epoch.
    ///
    /// # Panics
    /// After 65,535 verdicts on one partition.
    pub fn apply_verdict(&mut self, action: &VerdictAction) {
        let epoch = self.position.epoch.checked_add(1);
        self.position.epoch = epoch.expect("fewer than 2¹⁶ verdicts on one partition");
        match action {
            VerdictAction::ContinueAt(offset) => {
                self.position.offset = self.position.offset.max(*offset);
            }
            VerdictAction::Partitions(partitions) => self.partitions = *partitions,
            VerdictAction::LogTime(_) | VerdictAction::LogTimeUntil { .. } => {}
        }
    }

    /// The small part of the state as it is now. `levels_to` and `levels_sealed_to` are 0: how far
    /// rows have come is known to whoever publishes them.
    #[must_use]
    pub fn header(&self) -> Header {
        Header {
            log_partition: self.log_partition,
            epoch: self.position.epoch,
            position: self.position.offset,
            partitions: self.partitions,
            log_time: self.moment.log_time,
            sealed_to: self.moment.sealed_to,
            accept_floor: self.moment.accept_floor,
            answer_floor: self.moment.answer_floor,
            levels_to: 0,
            levels_sealed_to: EventTime(0),
            catalogs: self.catalogs.clone(),
            voids_to: self.voids_to,
            counters: self.counters(),
            outcome_hash: self.trace.hash_text(),
            hash_samples: self.trace.sample_texts(),
            identity_key: self.key.digest(),
        }
    }

    /// Epoch and the next record's offset.
    #[must_use]
    pub fn position(&self) -> Stamp {
        self.position
    }

    /// Log time before the next record.
    #[must_use]
    pub fn log_time(&self) -> LogTime {
        self.moment.log_time
    }

    /// Hours that end at or before this are sealed.
    #[must_use]
    pub fn sealed_to(&self) -> EventTime {
        self.moment.sealed_to
    }

    /// Segments of hours that end before this no longer answer; merges may drop them.
    #[must_use]
    pub fn answer_floor(&self) -> EventTime {
        self.moment.answer_floor
    }

    /// Conservation counters.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut counters = self.counters.clone();
        for (compiled, events) in self.catalog.compiled.meters.iter().zip(&self.matched) {
            if *events > 0 {
                *counters
                    .matched
                    .entry(compiled.meter.name.clone())
                    .or_default() += events;
            }
        }
        counters
    }

    /// Control offset of the last void or amend that was taken.
    #[must_use]
    pub fn voids_to(&self) -> Option<Offset> {
        self.voids_to
    }

    /// The catalog version in force.
    #[must_use]
    pub fn catalog(&self) -> &Arc<CatalogDecision> {
        &self.catalog
    }

    /// Changes that the publishing lanes have not taken yet: what INV-BOUND bounds.
    #[must_use]
    pub fn unflushed(&self) -> usize {
        self.buckets.unflushed()
    }

    /// Takes the hour rows (all kinds) that changed since the last such cut.
    pub fn cut_hour_rows(&mut self) -> Vec<BucketRow> {
        self.buckets.cut_rows(Lane::HourRows)
    }

    /// Whether [`Partition::cut_level_rows`] would take any row.
    #[must_use]
    pub fn has_level_changes(&self) -> bool {
        self.buckets.has_level_changes()
    }

    /// Takes the day and month rows (all kinds) that changed since the last such cut.
    pub fn cut_level_rows(&mut self) -> Vec<BucketRow> {
        self.buckets.cut_rows(Lane::LevelRows)
    }

    /// Takes the rows of kind `whole` and `only`, of all levels, that changed since the last
    /// such cut.
    pub fn cut_totals(&mut self) -> Vec<BucketRow> {
        self.buckets.cut_rows(Lane::Totals)
    }

    /// Takes everything that changed since the last cut, for a checkpoint at the position.
    ///
    /// `levels` is where day and month rows are complete up to, and the `sealed_to` there. The ids
    /// stay answerable from memory until [`Partition::settle_checkpoint`].
    ///
    /// # Panics
    /// When the cut before was not settled: one checkpoint at a time.
    pub fn cut_checkpoint(&mut self, levels: (Offset, EventTime)) -> CheckpointCut {
        let mut header = self.header();
        (header.levels_to, header.levels_sealed_to) = levels;
        CheckpointCut {
            header,
            ids: self.ids.cut(),
            buckets: self.buckets.cut_checkpoint(),
        }
    }

    /// Tells that the runs of the last cut are part of what is passed to [`Partition::step`] from
    /// now on: its ids, and buckets that nobody touched since, leave memory.
    pub fn settle_checkpoint(&mut self) {
        self.ids.settle();
        self.buckets.settle();
    }
}

fn stall(failed: LookupFailed) -> Refusal {
    Stall::Lookup(failed.0).into()
}
