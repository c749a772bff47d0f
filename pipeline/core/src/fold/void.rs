//! Voids and amends where their pointers lie: who is meant, what is undone, and all or nothing.
//!
//! A void acts once. The partition takes the voids of the control log in its order and remembers
//! the last one, so that copies of a pointer may repeat and race; and an identity remembers what
//! became of it, so that it is never taken back twice and never accepted again. An event is undone
//! by the catalog that counted it, as it is counted now: after an amend, that is the replacement.
//! What cannot be undone exactly is refused, and changes nothing.

use super::Outcome;
use super::apply::Touch;
use super::judge::{Judged, judge_again};
use super::moment::Moment;
use super::note::{IdNote, IdState};
use super::partition::Partition;
use super::undo::Draft;
use crate::catalog::CompiledCatalog;
use crate::control::{CatalogDecision, EventRecord, Void, VoidDecision};
use crate::hash::{Identity, identity};
use crate::position::{Offset, Stamp};
use crate::reason::{Reason, Rejection};
use crate::runs::{LookupFailed, Runs};
use crate::time::Hour;
use std::sync::Arc;

/// Why a void is not carried out.
pub(super) enum Unfit {
    /// Now and in every replay; the sentence says why.
    Refused(String),
    /// The runs could not answer: to be tried again.
    Failed(LookupFailed),
}

impl From<LookupFailed> for Unfit {
    fn from(failed: LookupFailed) -> Self {
        Self::Failed(failed)
    }
}

pub(super) fn refused<T>(why: impl Into<String>) -> Result<T, Unfit> {
    Err(Unfit::Refused(why.into()))
}

/// The identity that a void is about, as its hour segment knows it.
pub(super) struct Subject {
    pub(super) id: Identity,
    /// The hour that it is recorded in.
    pub(super) hour: Hour,
    pub(super) note: IdNote,
}

/// Everything that a void changes; made before the first change.
pub(super) struct Plan {
    subject: Subject,
    drafts: Vec<Draft>,
    /// Meters that lose the event, and those that count its replacement.
    undone: Vec<String>,
    counted: Vec<String>,
}

/// What planning a void needs beside the state.
pub(super) struct Scene<'a> {
    pub(super) decision: &'a VoidDecision,
    /// The catalog that counted the event.
    pub(super) catalog: &'a CompiledCatalog,
    /// Whether any catalog so far takes an id's hour from the id.
    pub(super) has_id_rules: bool,
    pub(super) stamp: Stamp,
    pub(super) moment: &'a Moment,
}

impl Partition {
    /// Takes the void that a pointer names, if it is its turn; the number stands for what changed.
    pub(super) fn place_void(
        &mut self,
        offset: Offset,
        decision: &VoidDecision,
        catalogs: &[Arc<CatalogDecision>],
        moment: &Moment,
        runs: &impl Runs,
    ) -> Result<(Outcome, u64), LookupFailed> {
        let void = &decision.void;
        if void.log_partition != self.log_partition {
            let why = format!("the void is one of partition {}", void.log_partition);
            return Ok((
                Outcome::Rejected(Rejection::new(Reason::BadPointer, why)),
                0,
            ));
        }
        if decision.follows != self.voids_to {
            return Ok((Outcome::VoidPassed, decision.offset));
        }
        self.scratch.made.clear();
        let stamp = Stamp {
            epoch: self.position.epoch,
            offset,
        };
        let planned = self.scene(decision, catalogs, stamp, moment);
        let planned = planned.and_then(|scene| self.plan(&scene, runs));
        let outcome = match planned {
            Ok(plan) => {
                let digest = plan.digest(decision.offset);
                self.carry_out(plan);
                let is_amend = void.replacement.is_some();
                let outcome = if is_amend {
                    Outcome::Amended
                } else {
                    Outcome::Voided
                };
                (outcome, digest)
            }
            Err(Unfit::Refused(why)) => {
                self.release_made();
                let why = format!("void at control offset {}: {why}", decision.offset);
                let rejection = Rejection::new(Reason::VoidRefused, why);
                (
                    Outcome::Rejected(rejection.of_tenant(&void.tenant)),
                    decision.offset,
                )
            }
            Err(Unfit::Failed(failed)) => return Err(failed),
        };
        self.voids_to = Some(decision.offset);
        Ok(outcome)
    }

    /// Finds the catalog that was in force at the event's record.
    fn scene<'a>(
        &self,
        decision: &'a VoidDecision,
        catalogs: &'a [Arc<CatalogDecision>],
        stamp: Stamp,
        moment: &'a Moment,
    ) -> Result<Scene<'a>, Unfit> {
        let void = &decision.void;
        if let Some(excess) = void.excess() {
            return refused(excess);
        }
        if void.offset >= stamp.offset {
            return refused(format!(
                "its event at offset {} is still to come",
                void.offset
            ));
        }
        let places = self.catalogs.iter().rev();
        let mut in_force = places.filter(|place| place.from <= void.offset);
        let version = in_force.next().map(|place| place.version);
        let Some(catalog) = catalogs.iter().find(|c| Some(c.version) == version) else {
            return refused(format!(
                "the catalog in force at offset {} is not known here",
                void.offset
            ));
        };
        let has_rules = |c: &Arc<CatalogDecision>| !c.compiled.catalog.sources.is_empty();
        let has_id_rules = catalogs.iter().any(has_rules) || has_rules(&self.catalog);
        Ok(Scene {
            decision,
            catalog: &catalog.compiled,
            has_id_rules,
            stamp,
            moment,
        })
    }

    /// Works out every change, and changes nothing but which buckets are in memory.
    fn plan(&mut self, scene: &Scene<'_>, runs: &impl Runs) -> Result<Plan, Unfit> {
        let void = &scene.decision.void;
        let subject = self.subject(scene, runs)?;
        let content = match subject.note.state {
            IdState::Counted => &void.record,
            IdState::Amended(by) => match scene.decision.replacement_of(by) {
                Some(replacement) => replacement,
                None => return refused(format!("it was amended at control offset {by}, by whom?")),
            },
            IdState::Void => return refused("the event is void already"),
            IdState::Unmatched => return refused("no meter counted the event"),
            IdState::Duplicate => return refused("its record is a repeat; name the first one"),
        };
        let headers = content.headers();
        let record = content.at(void.offset, scene.moment.log_time, &headers);
        let undone = judged(&record, scene.catalog, void)?;
        let mut undo = Vec::new();
        self.touch(&undone, scene.catalog, runs, &mut undo)?;
        let mut drafts = self.undo(scene, &subject, &undone, &undo, runs)?;
        let mut counted = Vec::new();
        let mut note = IdNote {
            state: IdState::Void,
            kept: Vec::new(),
        };
        if let Some(replacement) = &void.replacement {
            let redo = self.replace(scene, replacement, &undone, &mut drafts, runs)?;
            note.state = IdState::Amended(scene.decision.offset);
            note.kept = redo.1;
            counted = names(&redo.0, scene.catalog);
        }
        self.date(scene, &mut drafts)?;
        Ok(Plan {
            subject: Subject { note, ..subject },
            drafts,
            undone: names(&undo, scene.catalog),
            counted,
        })
    }

    /// Finds the identity in its hour, by the rule that recorded it there.
    fn subject(&self, scene: &Scene<'_>, runs: &impl Runs) -> Result<Subject, Unfit> {
        let void = &scene.decision.void;
        let headers = void.record.headers();
        let record = void.record.at(void.offset, scene.moment.log_time, &headers);
        let first = judged(&record, scene.catalog, void)?;
        let floor = scene.moment.accept_floor;
        if first.time < floor || first.id_time < floor {
            return refused(format!(
                "the event of {} is before {floor}, outside of the acceptance window; give a \
                 credit on the next statement instead",
                first.time
            ));
        }
        let id = identity(&self.key, &void.tenant, &void.source, &void.id);
        let hour = first.id_time.hour();
        let Some(note) = self.ids.note(hour, id, scene.moment, runs)? else {
            return refused(format!(
                "no such event is recorded in the hour of {}",
                hour.start()
            ));
        };
        match IdNote::decode(&note) {
            Some(note) => Ok(Subject { id, hour, note }),
            None => refused("what is recorded of the event is not in a known format"),
        }
    }

    /// Counts the replacement in the drafts; gives its touches, and what its identity keeps.
    fn replace(
        &mut self,
        scene: &Scene<'_>,
        replacement: &EventRecord,
        undone: &Judged<'_>,
        drafts: &mut Vec<Draft>,
        runs: &impl Runs,
    ) -> Result<(Vec<Touch>, Vec<super::KeptValue>), Unfit> {
        let void = &scene.decision.void;
        let headers = replacement.headers();
        let record = replacement.at(void.offset, scene.moment.log_time, &headers);
        let event = judged(&record, scene.catalog, void)?;
        if event.time != undone.time {
            return refused(format!(
                "the replacement is of {}, the event of {}; void the event and publish another \
                 under a new id instead",
                event.time, undone.time
            ));
        }
        if event.matches.is_empty() {
            return refused("no meter counts the replacement; void the event instead");
        }
        let mut redo = Vec::new();
        self.touch(&event, scene.catalog, runs, &mut redo)?;
        self.check_dimensions(scene.catalog, &redo)
            .map_err(|rejection| Unfit::Refused(rejection.detail))?;
        self.redo(scene, &event, &redo, drafts)?;
        let kept = self.kept(&event, scene.stamp, &redo);
        Ok((redo, kept))
    }

    fn carry_out(&mut self, plan: Plan) {
        for draft in &plan.drafts {
            self.buckets
                .change(draft.slot, |bucket| *bucket = draft.bucket);
        }
        let Subject { id, hour, note } = plan.subject;
        self.ids.replace(hour, id, note.encode());
        for meter in plan.undone {
            *self.counters.voided.entry(meter).or_default() += 1;
        }
        for meter in plan.counted {
            *self.counters.matched.entry(meter).or_default() += 1;
        }
    }
}

/// Judges a record that a void carries; it must be of the void's event.
fn judged<'a>(
    record: &crate::record::Record<'a>,
    catalog: &CompiledCatalog,
    void: &Void,
) -> Result<Judged<'a>, Unfit> {
    let judged = judge_again(record, catalog).map_err(|rejection| {
        Unfit::Refused(format!("a record it carries: {}", rejection.detail))
    })?;
    let event = &judged.event;
    let named = (void.tenant.as_str(), void.source.as_str(), void.id.as_str());
    if (
        event.tenant.as_ref(),
        event.source.as_ref(),
        event.id.as_ref(),
    ) != named
    {
        return refused("a record it carries is another event's");
    }
    Ok(judged)
}

/// The meters that are touched, each once.
fn names(touches: &[Touch], catalog: &CompiledCatalog) -> Vec<String> {
    let once = touches
        .iter()
        .filter(|touch| touch.kind != crate::bucket::Kind::Part);
    once.map(|touch| catalog.meters[touch.meter].meter.name.clone())
        .collect()
}

impl Plan {
    /// Stands for everything that changes, in the running hash.
    fn digest(&self, decision: Offset) -> u64 {
        use std::hash::Hasher;
        let mut digest = siphasher::sip::SipHasher13::new();
        digest.write_u64(decision);
        for draft in &self.drafts {
            digest.write(&draft.bucket.encode());
        }
        digest.finish()
    }
}
