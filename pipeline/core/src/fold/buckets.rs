//! The buckets in memory: which series have which value in which window, and what changed since.
//!
//! Buckets that nobody touches leave memory once they are flushed and checkpointed; the runs
//! bring them back. Where a bucket lives never changes a result (INV-REPLAY). A lookup that the
//! runs cannot answer is an error and changes nothing.

mod lanes;
mod series;

pub(super) use lanes::Lane;
pub(super) use series::{SeriesRef, SeriesTable};

use crate::bucket::{Bucket, BucketRow, Kind, Series};
use crate::runs::{BucketEntry, LookupFailed, Runs};
use crate::time::{EventTime, Level, Window};
use hashbrown::HashMap;
use lanes::{LANES, Lanes};

/// Place of a bucket in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SlotRef(u32);

#[derive(Debug)]
struct Slot {
    series: SeriesRef,
    window: Window,
    /// First moment after the window: a month's takes calendar work, and every event asks.
    end_time: EventTime,
    bucket: Bucket,
    /// Whether the bucket exists; an absent one is kept to remember that the runs lack it.
    exists: bool,
    /// Lanes that have not taken the last change, one bit each.
    dirty: u8,
    /// The generation that touched it last; see [`Buckets::settle`].
    touched: u32,
}

/// All buckets in memory.
#[derive(Debug, Default)]
pub(super) struct Buckets {
    series: SeriesTable,
    slots: Vec<Slot>,
    free: Vec<SlotRef>,
    index: HashMap<(SeriesRef, Window), SlotRef, foldhash::fast::FixedState>,
    lanes: Lanes,
    generation: u32,
}

/// A series' buckets in the three windows of one hour.
pub(super) type Trio = [SlotRef; 3];

impl Buckets {
    /// Finds or makes the series whose key is given; `make` is called for a new one.
    pub(super) fn series(&mut self, key: &[u8], make: impl FnOnce() -> Series) -> SeriesRef {
        self.series.find_or_make(key, make)
    }

    /// First 64 bits of the content hash of the series' key.
    pub(super) fn series_tag(&self, series: SeriesRef) -> u64 {
        self.series.tag(series)
    }

    /// Brings the series' buckets of these windows into memory; new ones are noted in `made`.
    pub(super) fn locate(
        &mut self,
        series: SeriesRef,
        windows: &[Window; 3],
        runs: &impl Runs,
        made: &mut Vec<SlotRef>,
    ) -> Result<Trio, LookupFailed> {
        let mut trio = [SlotRef(0); 3];
        for (place, window) in trio.iter_mut().zip(windows) {
            *place = self.locate_one(series, *window, runs, made)?;
        }
        Ok(trio)
    }

    fn locate_one(
        &mut self,
        series: SeriesRef,
        window: Window,
        runs: &impl Runs,
        made: &mut Vec<SlotRef>,
    ) -> Result<SlotRef, LookupFailed> {
        if let Some(slot) = self.series.recent(series, window) {
            return Ok(slot);
        }
        let slot = match self.index.get(&(series, window)) {
            Some(slot) => *slot,
            None => {
                let stored = runs.bucket(window, self.series.key(series))?;
                let decoded = stored
                    .as_deref()
                    .map(|bytes| decode(window, bytes))
                    .transpose()?;
                let slot = self.insert(series, window, decoded);
                made.push(slot);
                slot
            }
        };
        self.series.remember(series, window, slot);
        Ok(slot)
    }

    fn insert(&mut self, series: SeriesRef, window: Window, stored: Option<Bucket>) -> SlotRef {
        let slot = Slot {
            series,
            window,
            end_time: window.end_time(),
            bucket: stored.unwrap_or_default(),
            exists: stored.is_some(),
            dirty: 0,
            touched: self.generation,
        };
        let place = match self.free.pop() {
            Some(place) => {
                self.slots[place.0 as usize] = slot;
                place
            }
            None => {
                let next = u32::try_from(self.slots.len()).expect("bounded far below 2³² buckets");
                self.slots.push(slot);
                SlotRef(next)
            }
        };
        self.index.insert((series, window), place);
        self.series.retain(series);
        place
    }

    /// The bucket, where it exists.
    pub(super) fn get(&self, slot: SlotRef) -> Option<&Bucket> {
        let slot = &self.slots[slot.0 as usize];
        slot.exists.then_some(&slot.bucket)
    }

    /// The series' bucket of a window, wherever it lives; brings nothing into memory.
    pub(super) fn look_up(
        &self,
        series: SeriesRef,
        window: Window,
        runs: &impl Runs,
    ) -> Result<Option<Bucket>, LookupFailed> {
        if let Some(slot) = self.index.get(&(series, window)) {
            return Ok(self.get(*slot).copied());
        }
        let stored = runs.bucket(window, self.series.key(series))?;
        let decoded = stored.as_deref().map(|bytes| decode(window, bytes));
        decoded.transpose()
    }

    /// The window that the bucket covers.
    pub(super) fn window(&self, slot: SlotRef) -> Window {
        self.slots[slot.0 as usize].window
    }

    /// Length of the window that the bucket covers.
    pub(super) fn level(&self, slot: SlotRef) -> Level {
        self.slots[slot.0 as usize].window.level
    }

    /// First moment after the window that the bucket covers.
    pub(super) fn end_time(&self, slot: SlotRef) -> EventTime {
        self.slots[slot.0 as usize].end_time
    }

    /// Changes a bucket and marks it in every lane that carries it.
    pub(super) fn change(&mut self, slot: SlotRef, change: impl FnOnce(&mut Bucket)) {
        let place = slot;
        let slot = &mut self.slots[place.0 as usize];
        change(&mut slot.bucket);
        slot.exists = true;
        slot.touched = self.generation;
        let carried = lanes_of(slot.window.level, self.series.kind(slot.series));
        self.lanes.mark(place, &mut slot.dirty, carried);
    }

    /// Lets go of slots that a rejected event brought in.
    pub(super) fn release(&mut self, made: &[SlotRef]) {
        for place in made {
            self.remove(*place);
        }
    }

    fn remove(&mut self, place: SlotRef) {
        let slot = &mut self.slots[place.0 as usize];
        assert_eq!(
            slot.dirty, 0,
            "a changed bucket never leaves memory unflushed"
        );
        slot.exists = false;
        self.index.remove(&(slot.series, slot.window));
        self.series.forget(slot.series, slot.window, place);
        self.free.push(place);
    }

    /// Number of changes that the publishing lanes have not taken.
    pub(super) fn unflushed(&self) -> usize {
        self.lanes.unflushed()
    }

    /// Whether a day's or month's row changed since those were last taken.
    pub(super) fn has_level_changes(&self) -> bool {
        self.lanes.has_changes(Lane::LevelRows)
    }

    /// Takes the rows that changed in a lane since they were last taken.
    pub(super) fn cut_rows(&mut self, lane: Lane) -> Vec<BucketRow> {
        let taken = self.lanes.take(lane);
        let mut rows = Vec::with_capacity(taken.len());
        for place in taken {
            let slot = &mut self.slots[place.0 as usize];
            slot.dirty &= !lane.bit();
            let series = self.series.shared(slot.series);
            rows.push(BucketRow {
                series,
                window: slot.window,
                bucket: slot.bucket,
            });
        }
        rows
    }

    /// Takes the buckets that changed since the last checkpoint cut.
    pub(super) fn cut_checkpoint(&mut self) -> Vec<BucketEntry> {
        let taken = self.lanes.take(Lane::Checkpoint);
        let mut entries = Vec::with_capacity(taken.len());
        for place in taken {
            let slot = &mut self.slots[place.0 as usize];
            slot.dirty &= !Lane::Checkpoint.bit();
            entries.push(BucketEntry {
                window: slot.window,
                key: self.series.key(slot.series).to_vec(),
                version: slot.bucket.changed.version(),
                state: slot.bucket.encode(),
            });
        }
        entries
    }

    /// Drops clean buckets that were not touched since the settle before the last.
    ///
    /// A bucket that a checkpoint cut took after its last touch is in the runs by then: between
    /// that touch and now lies a whole generation, and with it a settled cut.
    pub(super) fn settle(&mut self) {
        for index in 0..self.slots.len() {
            let slot = &self.slots[index];
            let cold = slot.touched < self.generation && slot.dirty == 0;
            let place = SlotRef(u32::try_from(index).expect("indices are made from u32"));
            if cold && self.index.get(&(slot.series, slot.window)) == Some(&place) {
                self.remove(place);
            }
        }
        self.generation += 1;
    }

    /// Puts a stored day or month bucket back as changed, but for totals and checkpoints.
    pub(super) fn restore_level(&mut self, series: Series, window: Window, bucket: Bucket) {
        let key = series.key();
        let series = self.series(&key, || series);
        let place = self.insert(series, window, Some(bucket));
        let dirty = &mut self.slots[place.0 as usize].dirty;
        self.lanes.mark(place, dirty, Lane::LevelRows.bit());
    }
}

fn decode(window: Window, bytes: &[u8]) -> Result<Bucket, LookupFailed> {
    Bucket::decode(bytes).ok_or_else(|| {
        let level = window.level.name();
        LookupFailed(format!(
            "bucket of {level} {} is not in a known format",
            window.start
        ))
    })
}

/// The lanes that carry a bucket of this level and kind.
fn lanes_of(level: Level, kind: Kind) -> u8 {
    let rows = if level == Level::Hour {
        Lane::HourRows
    } else {
        Lane::LevelRows
    };
    let totals = if kind == Kind::Part {
        0
    } else {
        Lane::Totals.bit()
    };
    rows.bit() | totals | Lane::Checkpoint.bit()
}

const _: () = assert!(LANES <= 8, "one bit each in `Slot::dirty`");
