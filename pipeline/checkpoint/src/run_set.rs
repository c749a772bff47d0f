//! The runs of one partition: what the fold asks for ids and buckets that left its memory.
//!
//! A set is immutable; a checkpoint or a merge makes another one, and whoever holds the old one
//! goes on with it. The invariant: an answer is that of all runs together, the highest version
//! winning, or an error; damage in any run that had to be asked is never "absent".

use crate::error::StoreError;
use crate::manifest::FileRef;
use crate::merge::{self, Keep, Merged, MergedEntries, Plan};
use crate::run::{Entry, RunFile, bucket_key};
use meterline_core::hash::Identity;
use meterline_core::runs::{BucketEntry, IdEntry, LookupFailed, Runs};
use meterline_core::time::{Hour, Level, Window};
use std::ops::Range;
use std::sync::Arc;

/// The open runs of one partition, oldest first: immutable, cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct RunSet(Arc<Indexed>);

#[derive(Debug, Default)]
struct Indexed {
    runs: Vec<RunFile>,
    hours: Index<IdEntry>,
    windows: Index<BucketEntry>,
}

impl RunSet {
    /// The set with one newer run; a run without entries, or one that is there, adds nothing.
    #[must_use]
    pub fn with(&self, run: RunFile) -> Self {
        let mut runs = self.0.runs.clone();
        insert(&mut runs, self.0.runs.len(), run);
        Self::of(runs)
    }

    /// The set of these runs, oldest first.
    pub(crate) fn of(runs: Vec<RunFile>) -> Self {
        let (hours, windows) = (Index::of(&runs), Index::of(&runs));
        Self(Arc::new(Indexed {
            runs,
            hours,
            windows,
        }))
    }

    /// What a manifest says of the runs, oldest first.
    #[must_use]
    pub fn files(&self) -> Vec<FileRef> {
        self.0.runs.iter().map(|run| run.file().clone()).collect()
    }

    /// Memory that the filters of the runs take, in bytes.
    #[must_use]
    pub fn filter_bytes(&self) -> usize {
        self.0.runs.iter().map(RunFile::filter_bytes).sum()
    }

    /// The newest state of every day and month bucket whose version is at least `version`
    /// ([`meterline_core::position::Stamp::version`]), sorted by window and key.
    ///
    /// # Errors
    /// When a page cannot be read.
    pub fn levels_since(&self, version: u64) -> Result<Vec<BucketEntry>, StoreError> {
        let newest_first = self.0.runs.iter().rev();
        let cursors = newest_first.map(|run| {
            run.entries::<BucketEntry>(|section| {
                section.group.level != Level::Hour && section.highest >= version
            })
        });
        let newest = MergedEntries::new(cursors.collect())?;
        newest
            .filter(|bucket| {
                bucket
                    .as_ref()
                    .map_or(true, |bucket| bucket.version >= version)
            })
            .collect()
    }

    /// The files that should be merged next, oldest first; `None` where there is nothing to do.
    #[must_use]
    pub fn merge_plan(&self, keep: Keep) -> Option<Vec<FileRef>> {
        let plan = self.plan(keep)?;
        Some(plan.runs.iter().map(|run| run.file().clone()).collect())
    }

    pub(crate) fn plan(&self, keep: Keep) -> Option<Plan> {
        merge::plan(&self.0.runs, keep)
    }

    /// The set with the merged files replaced; right also when newer runs came meanwhile.
    ///
    /// `None` where the set does not hold all files that were merged: the merge belongs to
    /// another history and is dropped.
    #[must_use]
    pub fn replace(&self, merged: &Merged) -> Option<Self> {
        let is_replaced = |run: &RunFile| merged.replaced.iter().any(|f| f.name == run.file().name);
        let place = self.0.runs.iter().position(is_replaced)?;
        let mut runs = self.0.runs.clone();
        runs.retain(|run| !is_replaced(run));
        if runs.len() + merged.replaced.len() != self.0.runs.len() {
            return None;
        }
        insert(&mut runs, place, merged.run.clone());
        Some(Self::of(runs))
    }

    fn find_id(&self, hour: Hour, id: Identity) -> Result<bool, StoreError> {
        for place in self.0.hours.newest_first(hour) {
            if self.0.runs[place.run].has_id(place.sections.clone(), id)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn find_note(&self, hour: Hour, id: Identity) -> Result<Option<Vec<u8>>, StoreError> {
        for place in self.0.hours.newest_first(hour) {
            let note = self.0.runs[place.run].note(place.sections.clone(), id)?;
            if note.is_some() {
                return Ok(note);
            }
        }
        Ok(None)
    }

    fn show_notes(
        &self,
        hour: Hour,
        each: &mut dyn FnMut(Identity, &[u8]),
    ) -> Result<(), StoreError> {
        let newest_first = self.0.hours.newest_first(hour).iter();
        let cursors = newest_first.map(|place| {
            self.0.runs[place.run].entries::<IdEntry>(|section| section.group == hour)
        });
        for entry in MergedEntries::new(cursors.collect())? {
            let entry = entry?;
            each(entry.id, &entry.note);
        }
        Ok(())
    }

    fn find_bucket(&self, window: Window, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let places = self.0.windows.newest_first(window);
        if places.is_empty() {
            return Ok(None);
        }
        let filter_key = bucket_key(key);
        let mut newest: Option<(u64, Vec<u8>)> = None;
        for place in places {
            if newest
                .as_ref()
                .is_some_and(|(version, _)| *version >= place.highest)
            {
                continue;
            }
            let run = &self.0.runs[place.run];
            let found = run.bucket(place.sections.clone(), key, filter_key)?;
            let best = newest.as_ref().map(|(version, _)| *version);
            if let Some(found) =
                found.filter(|(version, _)| best.is_none_or(|best| *version > best))
            {
                newest = Some(found);
            }
        }
        Ok(newest.map(|(_, state)| state))
    }
}

impl Runs for RunSet {
    fn has_id(&self, hour: Hour, id: Identity) -> Result<bool, LookupFailed> {
        self.find_id(hour, id)
            .map_err(|error| LookupFailed(error.chain()))
    }

    fn note(&self, hour: Hour, id: Identity) -> Result<Option<Vec<u8>>, LookupFailed> {
        self.find_note(hour, id)
            .map_err(|error| LookupFailed(error.chain()))
    }

    fn notes(&self, hour: Hour, each: &mut dyn FnMut(Identity, &[u8])) -> Result<(), LookupFailed> {
        self.show_notes(hour, each)
            .map_err(|error| LookupFailed(error.chain()))
    }

    fn bucket(&self, window: Window, key: &[u8]) -> Result<Option<Vec<u8>>, LookupFailed> {
        self.find_bucket(window, key)
            .map_err(|error| LookupFailed(error.chain()))
    }
}

/// Inserts a run unless it is empty, or its content is there already.
fn insert(runs: &mut Vec<RunFile>, at: usize, run: RunFile) {
    let is_empty = run.file().ids == 0 && run.file().buckets == 0;
    let is_known = runs
        .iter()
        .any(|known| known.file().name == run.file().name);
    if !is_empty && !is_known {
        runs.insert(at, run);
    }
}

/// Which runs hold which hour or window: what makes a lookup in none of them nearly free.
#[derive(Debug)]
struct Index<E: Entry> {
    /// The groups, ascending, each with its range of places.
    groups: Vec<(E::Group, Range<usize>)>,
    /// By group, and newest run first.
    places: Vec<Place>,
}

/// The sections of one run that hold one group.
#[derive(Clone, Debug)]
struct Place {
    run: usize,
    sections: Range<usize>,
    highest: u64,
}

impl<E: Entry> Default for Index<E> {
    fn default() -> Self {
        Self {
            groups: Vec::new(),
            places: Vec::new(),
        }
    }
}

impl<E: Entry> Index<E> {
    fn of(runs: &[RunFile]) -> Self {
        let mut found: Vec<(E::Group, Place)> = Vec::new();
        for (run, opened) in runs.iter().enumerate().rev() {
            let mut end = 0;
            for sections in opened.sections::<E>().chunk_by(|a, b| a.group == b.group) {
                let start = end;
                end += sections.len();
                let highest = sections.iter().map(|s| s.highest).max().unwrap_or(0);
                found.push((
                    sections[0].group,
                    Place {
                        run,
                        sections: start..end,
                        highest,
                    },
                ));
            }
        }
        // Stable: within a group the newest run stays first.
        found.sort_by_key(|(group, _)| *group);
        let mut index = Self::default();
        for (group, place) in found {
            let at = index.places.len();
            index.places.push(place);
            match index.groups.last_mut() {
                Some((last, range)) if *last == group => range.end = at + 1,
                _ => index.groups.push((group, at..at + 1)),
            }
        }
        index
    }

    fn newest_first(&self, group: E::Group) -> &[Place] {
        match self
            .groups
            .binary_search_by_key(&group, |(group, _)| *group)
        {
            Ok(at) => &self.places[self.groups[at].1.clone()],
            Err(_) => &[],
        }
    }
}
