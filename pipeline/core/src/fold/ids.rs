//! The head of the hour segments: identities recorded since the last settled checkpoint.
//!
//! Older identities are in the runs. An identity is found by its hour and 128-bit hash; the head
//! never forgets one before a settled checkpoint made it durable, and a lookup that the runs
//! cannot answer is an error, never "absent".

use super::moment::{Moment, touched_hours};
use crate::hash::Identity;
use crate::runs::{IdEntry, LookupFailed, Runs};
use crate::time::{EventTime, Hour, Millis};
use hashbrown::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// Identities are uniform hashes already: the low 64 bits serve the table as they are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Uniform(u64);

impl Hasher for Uniform {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("an identity is hashed as one u128");
    }

    fn write_u128(&mut self, value: u128) {
        #[allow(
            clippy::cast_possible_truncation,
            reason = "the low half is what is wanted"
        )]
        let low = value as u64;
        self.0 = low;
    }
}

type IdSet = HashSet<Identity, BuildHasherDefault<Uniform>>;

/// One hour's identities in memory.
#[derive(Debug, Default)]
struct HourHead {
    /// Recorded since the last cut.
    active: IdSet,
    /// Recorded before the last cut, whose checkpoint is not settled yet.
    frozen: IdSet,
}

/// What is known of an identity before its event is folded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    /// In no hour that touches its time.
    Never,
    /// In its own hour.
    InItsHour,
    /// In a neighbouring hour only: it is to be recorded in its own too.
    InANeighbour,
}

/// All identities in memory, and those that the next checkpoint has to write.
#[derive(Debug, Default)]
pub(super) struct Ids {
    hours: HashMap<Hour, HourHead, foldhash::fast::FixedState>,
    pending: Vec<IdEntry>,
    /// What the last cut took and is not settled yet, without the empty notes: those say the same
    /// of every id that has none here.
    frozen_notes: Vec<IdEntry>,
}

impl Ids {
    /// Looks an identity up in every hour that touches its time.
    pub(super) fn seen(
        &self,
        id: Identity,
        time: EventTime,
        window: Millis,
        moment: &Moment,
        runs: &impl Runs,
    ) -> Result<Seen, LookupFailed> {
        let own = time.hour();
        if self.has(own, id, moment, runs)? {
            return Ok(Seen::InItsHour);
        }
        for hour in touched_hours(time, window).filter(|hour| *hour != own) {
            if self.has(hour, id, moment, runs)? {
                return Ok(Seen::InANeighbour);
            }
        }
        Ok(Seen::Never)
    }

    fn has(
        &self,
        hour: Hour,
        id: Identity,
        moment: &Moment,
        runs: &impl Runs,
    ) -> Result<bool, LookupFailed> {
        if !moment.answers(hour) {
            return Ok(false);
        }
        let head = self.hours.get(&hour);
        if head.is_some_and(|head| head.active.contains(&id) || head.frozen.contains(&id)) {
            return Ok(true);
        }
        runs.has_id(hour, id)
    }

    /// Records an identity in an hour.
    pub(super) fn record(&mut self, hour: Hour, id: Identity, note: Vec<u8>) {
        self.hours.entry(hour).or_default().active.insert(id);
        self.pending.push(IdEntry { hour, id, note });
    }

    /// Writes another note for an identity that is recorded in the hour.
    pub(super) fn replace(&mut self, hour: Hour, id: Identity, note: Vec<u8>) {
        // A run holds an id once, so the next checkpoint must not get two notes of it.
        let recorded = self.pending.iter_mut().rev();
        let mut of_id = recorded.filter(|entry| entry.id == id && entry.hour == hour);
        match of_id.next() {
            Some(entry) => entry.note = note,
            None => self.record(hour, id, note),
        }
    }

    /// The note of an identity in an hour; `None` where it is not recorded there.
    pub(super) fn note(
        &self,
        hour: Hour,
        id: Identity,
        moment: &Moment,
        runs: &impl Runs,
    ) -> Result<Option<Vec<u8>>, LookupFailed> {
        if !moment.answers(hour) {
            return Ok(None);
        }
        let head = self.hours.get(&hour);
        let in_memory = [
            (&self.pending, head.map(|head| &head.active)),
            (&self.frozen_notes, head.map(|head| &head.frozen)),
        ];
        for (notes, set) in in_memory {
            if set.is_some_and(|set| set.contains(&id)) {
                let of_id = notes.iter().find(|e| e.id == id && e.hour == hour);
                return Ok(Some(
                    of_id.map_or_else(Vec::new, |entry| entry.note.clone()),
                ));
            }
        }
        runs.note(hour, id)
    }

    /// Shows the newest note of every identity that is recorded in the hour and whose note is not
    /// empty.
    pub(super) fn notes(
        &self,
        hour: Hour,
        runs: &impl Runs,
        mut each: impl FnMut(Identity, &[u8]),
    ) -> Result<(), LookupFailed> {
        // An id whose note was replaced is in several places: the newest speaks.
        let mut shown = IdSet::default();
        for entry in self.pending.iter().chain(&self.frozen_notes) {
            if entry.hour == hour && !entry.note.is_empty() && shown.insert(entry.id) {
                each(entry.id, &entry.note);
            }
        }
        runs.notes(hour, &mut |id, note| {
            if !note.is_empty() && !shown.contains(&id) {
                each(id, note);
            }
        })
    }

    /// Takes what the next checkpoint has to write; it stays answerable until [`Ids::settle`].
    pub(super) fn cut(&mut self) -> Vec<IdEntry> {
        let noted = self.pending.iter().filter(|entry| !entry.note.is_empty());
        self.frozen_notes = noted.cloned().collect();
        for head in self.hours.values_mut() {
            assert!(head.frozen.is_empty(), "one checkpoint at a time");
            head.frozen = std::mem::take(&mut head.active);
        }
        std::mem::take(&mut self.pending)
    }

    /// Forgets what the last cut took: the runs answer for it now.
    pub(super) fn settle(&mut self) {
        self.frozen_notes = Vec::new();
        self.hours.retain(|_, head| {
            head.frozen = IdSet::default();
            !head.active.is_empty()
        });
    }
}
