//! Merging runs: several sorted files into one, newest state first.
//!
//! Runs are merged in size tiers: when a tier holds [`TIER_RUNS`] of them they become one of the
//! next tier, so an entry is rewritten once per tier, and a lookup asks at most a few dozen
//! filters. What nobody can ask for any more is dropped on the way, section by section and unread.
//! A merge changes no answer: it names the files that it stands for, and is dropped where they are
//! no longer all there.

use crate::error::StoreError;
use crate::manifest::FileRef;
use crate::run::{Cursor, Entry, RunFile, RunWriter, WriteFailed};
use meterline_core::position::Stamp;
use meterline_core::runs::{BucketEntry, IdEntry};
use meterline_core::time::EventTime;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::io::Write;

/// Runs of one tier that are merged into one of the next: at one checkpoint in 30 s the sixth tier
/// spans more than the 35 days that an id is kept.
const TIER_RUNS: usize = 8;

/// What a merge must keep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keep {
    /// Hours and windows that end before this are dropped: the header's `answer_floor`.
    pub answer_floor: EventTime,
    /// Buckets with a change at or after this are kept whatever their window, because their rows
    /// may not be in ClickHouse yet: epoch and `levels_to` of the newest published manifest.
    pub levels_to: Stamp,
}

/// A finished merge; [`crate::RunSet::replace`] takes it.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The files whose content it holds.
    pub replaced: Vec<FileRef>,
    /// The new run.
    pub run: RunFile,
}

/// What is to be merged.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The runs, oldest first.
    pub(crate) runs: Vec<RunFile>,
    /// Tier of the new run.
    pub(crate) tier: u8,
}

/// The next merge of a list of runs (oldest first): the lowest tier that is full, else the first
/// run of which at least half has expired.
pub(crate) fn plan(runs: &[RunFile], keep: Keep) -> Option<Plan> {
    let full_tier = |tier: u8| {
        let of_tier = || runs.iter().filter(|run| run.file().tier == tier);
        (of_tier().count() >= TIER_RUNS).then(|| of_tier().cloned().collect())
    };
    let tiers = 0..=runs.iter().map(|run| run.file().tier).max()?;
    for tier in tiers {
        if let Some(runs) = full_tier(tier) {
            let tier = tier.saturating_add(1);
            return Some(Plan { runs, tier });
        }
    }
    let run = runs.iter().find(|run| is_half_expired(run, keep))?;
    let tier = run.file().tier;
    Some(Plan {
        runs: vec![run.clone()],
        tier,
    })
}

fn is_half_expired(run: &RunFile, keep: Keep) -> bool {
    let FileRef { ids, buckets, .. } = run.file();
    let expired = expired_entries::<IdEntry>(run, keep) + expired_entries::<BucketEntry>(run, keep);
    expired > 0 && expired * 2 >= ids + buckets
}

fn expired_entries<E: Entry>(run: &RunFile, keep: Keep) -> u64 {
    let sections = run.sections::<E>().iter();
    sections
        .filter(|s| E::is_expired(s, keep))
        .map(|s| u64::from(s.entries))
        .sum()
}

/// Writes what the plan's runs hold together, without what may be dropped.
pub(crate) fn write<W: Write>(
    plan: &Plan,
    keep: Keep,
    out: &mut RunWriter<W>,
) -> Result<(), WriteFailed> {
    for id in kept::<IdEntry>(plan, keep).map_err(WriteFailed::Store)? {
        out.id(&id.map_err(WriteFailed::Store)?)?;
    }
    for bucket in kept::<BucketEntry>(plan, keep).map_err(WriteFailed::Store)? {
        out.bucket(&bucket.map_err(WriteFailed::Store)?)?;
    }
    Ok(())
}

fn kept<E: Entry>(plan: &Plan, keep: Keep) -> Result<MergedEntries<E>, StoreError> {
    let newest_first = plan.runs.iter().rev();
    let cursors = newest_first.map(|run| run.entries::<E>(|section| !E::is_expired(section, keep)));
    MergedEntries::new(cursors.collect())
}

/// The entries of several sorted sources in order, each key once.
///
/// Of entries with one key the one of the highest version is taken, and of those the one of the
/// first source: sources come newest first.
pub(crate) struct MergedEntries<E: Entry> {
    sources: Vec<Cursor<E>>,
    heads: BinaryHeap<Reverse<Head<E>>>,
}

/// The next entry of one source.
struct Head<E: Entry> {
    entry: E,
    source: usize,
}

impl<E: Entry> MergedEntries<E> {
    pub(crate) fn new(sources: Vec<Cursor<E>>) -> Result<Self, StoreError> {
        let heads = BinaryHeap::with_capacity(sources.len());
        let mut merged = Self { sources, heads };
        for source in 0..merged.sources.len() {
            merged.advance(source)?;
        }
        Ok(merged)
    }

    fn advance(&mut self, source: usize) -> Result<(), StoreError> {
        if let Some(entry) = self.sources[source].next().transpose()? {
            self.heads.push(Reverse(Head { entry, source }));
        }
        Ok(())
    }

    /// Takes the first entry and drops the others of its key.
    fn take(&mut self) -> Result<Option<E>, StoreError> {
        let Some(Reverse(first)) = self.heads.pop() else {
            return Ok(None);
        };
        self.advance(first.source)?;
        while let Some(Reverse(next)) = self.heads.peek() {
            if next.entry.by_key(&first.entry) != Ordering::Equal {
                break;
            }
            let source = next.source;
            self.heads.pop();
            self.advance(source)?;
        }
        Ok(Some(first.entry))
    }
}

impl<E: Entry> Iterator for MergedEntries<E> {
    type Item = Result<E, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.take().transpose()
    }
}

impl<E: Entry> Ord for Head<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_version = || other.entry.version().cmp(&self.entry.version());
        let by_age = || self.source.cmp(&other.source);
        self.entry
            .by_key(&other.entry)
            .then_with(by_version)
            .then_with(by_age)
    }
}

impl<E: Entry> PartialOrd for Head<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E: Entry> PartialEq for Head<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E: Entry> Eq for Head<E> {}
