//! The series that have buckets in memory, each stored once.
//!
//! Series are found by their full key, so two can never be confused. Beside each stand its most
//! recent buckets: in a stream in order, one lookup finds all three levels.

use super::SlotRef;
use crate::bucket::{Kind, Series};
use crate::hash::content_hash;
use crate::time::{Level, Window};
use hashbrown::HashMap;
use std::sync::Arc;

/// Place of a series in memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct SeriesRef(u32);

#[derive(Debug)]
struct Entry {
    series: Arc<Series>,
    key: Arc<[u8]>,
    tag: u64,
    /// Number of its buckets in memory; at 0 the series leaves.
    resident: u32,
    recent: [Option<(i64, SlotRef)>; Level::ALL.len()],
}

/// All series with buckets in memory.
#[derive(Debug, Default)]
pub(crate) struct SeriesTable {
    entries: Vec<Entry>,
    free: Vec<SeriesRef>,
    by_key: HashMap<Arc<[u8]>, SeriesRef, foldhash::fast::FixedState>,
}

impl SeriesTable {
    pub(super) fn find_or_make(&mut self, key: &[u8], make: impl FnOnce() -> Series) -> SeriesRef {
        if let Some(found) = self.by_key.get(key) {
            return *found;
        }
        let key: Arc<[u8]> = key.into();
        let entry = Entry {
            series: Arc::new(make()),
            key: Arc::clone(&key),
            tag: u64::try_from(content_hash(&key) >> 64).expect("64 bits are left"),
            resident: 0,
            recent: [None; Level::ALL.len()],
        };
        let place = match self.free.pop() {
            Some(place) => {
                self.entries[place.0 as usize] = entry;
                place
            }
            None => {
                let next = u32::try_from(self.entries.len()).expect("bounded far below 2³² series");
                self.entries.push(entry);
                SeriesRef(next)
            }
        };
        self.by_key.insert(key, place);
        place
    }

    pub(super) fn key(&self, series: SeriesRef) -> &[u8] {
        &self.entries[series.0 as usize].key
    }

    pub(super) fn tag(&self, series: SeriesRef) -> u64 {
        self.entries[series.0 as usize].tag
    }

    pub(super) fn kind(&self, series: SeriesRef) -> Kind {
        self.entries[series.0 as usize].series.kind
    }

    pub(super) fn shared(&self, series: SeriesRef) -> Arc<Series> {
        Arc::clone(&self.entries[series.0 as usize].series)
    }

    pub(super) fn recent(&self, series: SeriesRef, window: Window) -> Option<SlotRef> {
        let recent = self.entries[series.0 as usize].recent[window.level as usize];
        recent
            .filter(|(start, _)| *start == window.start)
            .map(|(_, slot)| slot)
    }

    pub(super) fn remember(&mut self, series: SeriesRef, window: Window, slot: SlotRef) {
        let recent = &mut self.entries[series.0 as usize].recent;
        recent[window.level as usize] = Some((window.start, slot));
    }

    /// One more bucket of the series is in memory.
    pub(super) fn retain(&mut self, series: SeriesRef) {
        self.entries[series.0 as usize].resident += 1;
    }

    /// One bucket less; the last one takes the series along.
    pub(super) fn forget(&mut self, series: SeriesRef, window: Window, slot: SlotRef) {
        let entry = &mut self.entries[series.0 as usize];
        let recent = &mut entry.recent[window.level as usize];
        if recent.is_some_and(|(_, remembered)| remembered == slot) {
            *recent = None;
        }
        entry.resident -= 1;
        if entry.resident == 0 {
            self.by_key.remove(&entry.key);
            self.free.push(series);
        }
    }
}
