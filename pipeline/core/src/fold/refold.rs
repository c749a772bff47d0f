//! Minimum, maximum and latest, folded again without one event.
//!
//! An hour's value is folded from the values that its identities keep, a day's from its hours, a
//! month's from its days. Each time the events that were found must be all that the bucket counts;
//! where something is no longer kept, by log time and never by what files happen to hold, the
//! void is refused: a value is never guessed.

use super::apply::Touch;
use super::buckets::SlotRef;
use super::note::{IdNote, IdState, KeptValue};
use super::partition::Partition;
use super::undo::Draft;
use super::void::{Scene, Subject, Unfit, refused};
use crate::bucket::Bucket;
use crate::catalog::Aggregation;
use crate::position::Stamp;
use crate::quantity::Quantity;
use crate::runs::{LookupFailed, Runs};
use crate::time::{EventTime, Hour, Level, Millis, Window};

/// Seconds of an hour and of a day: windows are in UTC, where all of them are as long.
const HOUR_SECONDS: i64 = 3_600;
const DAY_SECONDS: i64 = 24 * HOUR_SECONDS;

/// No catalog lets events be further ahead of log time.
const AHEAD_MAX: Millis = Millis(24 * 3_600 * 1_000);

/// What a fold over values or buckets has come to.
#[derive(Clone, Copy, Debug, Default)]
struct Folded {
    events: u64,
    /// The value, with the place that decides between latest values.
    value: Option<(EventTime, Stamp, Quantity)>,
}

impl Folded {
    fn take(&mut self, aggregation: Aggregation, events: u64, new: (EventTime, Stamp, Quantity)) {
        self.events += events;
        let is_better = |old: (EventTime, Stamp, Quantity)| match aggregation {
            Aggregation::Min => new.2 < old.2,
            Aggregation::Max => new.2 > old.2,
            _ => (new.0, new.1) > (old.0, old.1),
        };
        if self.value.is_none_or(is_better) {
            self.value = Some(new);
        }
    }

    fn take_bucket(&mut self, aggregation: Aggregation, bucket: &Bucket) {
        if bucket.events == 0 {
            return;
        }
        let quantity = match aggregation {
            Aggregation::Min => bucket.min,
            Aggregation::Max => bucket.max,
            _ => bucket.latest,
        };
        let new = (bucket.latest_time, bucket.latest_stamp, quantity);
        self.take(aggregation, bucket.events, new);
    }

    /// Writes the value into a bucket that counts as many events; `false` where it counts others.
    fn write(&self, aggregation: Aggregation, bucket: &mut Bucket) -> bool {
        let Some((time, stamp, quantity)) = self.value else {
            return false;
        };
        match aggregation {
            Aggregation::Min => bucket.min = quantity,
            Aggregation::Max => bucket.max = quantity,
            _ => {
                (bucket.latest, bucket.latest_time, bucket.latest_stamp) = (quantity, time, stamp);
            }
        }
        self.events == bucket.events
    }
}

/// A series whose hour is folded again.
struct Wanted {
    tag: u64,
    aggregation: Aggregation,
    /// Events that the hour counts without the one that is gone.
    events: u64,
    folded: Folded,
}

impl Partition {
    /// Folds the buckets again whose value may have been the event's: hours, then days, then
    /// months, each from the drafts of the level below.
    pub(super) fn refold(
        &self,
        scene: &Scene<'_>,
        subject: &Subject,
        hour: Hour,
        gone: &[(Touch, SlotRef)],
        drafts: &mut [Draft],
        runs: &impl Runs,
    ) -> Result<(), Unfit> {
        let at = |level: Level| {
            gone.iter()
                .filter(move |g| self.buckets.level(g.1) == level)
        };
        let mut wanted = Vec::new();
        for (touch, slot) in at(Level::Hour) {
            wanted.push(Wanted {
                tag: self.buckets.series_tag(touch.series),
                aggregation: touch.aggregation,
                events: draft_of(*slot, drafts).bucket.events,
                folded: Folded::default(),
            });
        }
        if !wanted.is_empty() {
            self.fold_hour(scene, subject, hour, &mut wanted, runs)?;
        }
        for ((touch, slot), wanted) in at(Level::Hour).zip(&wanted) {
            let draft = draft_of(*slot, drafts);
            if !wanted.folded.write(touch.aggregation, &mut draft.bucket) {
                let what = "counts events whose values are not kept; give a credit instead";
                return refused(self.named(scene, touch, *slot, what));
            }
        }
        for level in [Level::Day, Level::Month] {
            for (touch, slot) in at(level) {
                let folded = self.fold_below(scene, touch, *slot, drafts, runs)?;
                let draft = draft_of(*slot, drafts);
                if !folded.write(touch.aggregation, &mut draft.bucket) {
                    let what = "counts other events than its parts";
                    return refused(self.named(scene, touch, *slot, what));
                }
            }
        }
        Ok(())
    }

    /// Folds one hour's values, but for those of the identity that is taken back.
    fn fold_hour(
        &self,
        scene: &Scene<'_>,
        subject: &Subject,
        hour: Hour,
        wanted: &mut [Wanted],
        runs: &impl Runs,
    ) -> Result<(), LookupFailed> {
        self.fold_segment(hour, subject, hour, wanted, runs)?;
        if !scene.has_id_rules {
            return Ok(());
        }
        // Where sources promise a time in their ids, an identity may lie in any hour that answers;
        // most lie near, and a count that is reached has no more to come.
        let last = scene.moment.log_time.after(AHEAD_MAX).as_event_time();
        let (first, last) = (scene.moment.answer_floor.hour().0, last.hour().0);
        let furthest = (hour.0 - first).max(last - hour.0);
        let near_first = (1..=furthest).flat_map(|away| [hour.0 - away, hour.0 + away]);
        for segment in near_first.filter(|segment| (first..=last).contains(segment)) {
            if wanted.iter().all(|w| w.folded.events == w.events) {
                break;
            }
            let segment = Hour(segment);
            if scene.moment.answers(segment) {
                self.fold_segment(segment, subject, hour, wanted, runs)?;
            }
        }
        Ok(())
    }

    fn fold_segment(
        &self,
        segment: Hour,
        subject: &Subject,
        hour: Hour,
        wanted: &mut [Wanted],
        runs: &impl Runs,
    ) -> Result<(), LookupFailed> {
        let mut unreadable = false;
        self.ids.notes(segment, runs, |id, note| {
            if (segment, id) == (subject.hour, subject.id) {
                return;
            }
            let Some(note) = IdNote::decode(note) else {
                unreadable = true;
                return;
            };
            if matches!(note.state, IdState::Counted | IdState::Amended(_)) {
                take_kept(&note.kept, hour, wanted);
            }
        })?;
        if unreadable {
            let what = format!(
                "a note in hour {} is not in a known format",
                segment.start()
            );
            return Err(LookupFailed(what));
        }
        Ok(())
    }

    /// Folds a day from its hours or a month from its days, the drafted one included.
    fn fold_below(
        &self,
        scene: &Scene<'_>,
        touch: &Touch,
        slot: SlotRef,
        drafts: &[Draft],
        runs: &impl Runs,
    ) -> Result<Folded, Unfit> {
        let window = self.buckets.window(slot);
        let (level, below, seconds) = if window.level == Level::Day {
            (Level::Hour, touch.trio[0], HOUR_SECONDS)
        } else {
            (Level::Day, touch.trio[1], DAY_SECONDS)
        };
        let drafted = self.buckets.window(below);
        let mut folded = Folded::default();
        let mut start = window.start;
        while start < window.end() {
            let part = Window { level, start };
            start += seconds;
            if part == drafted {
                let draft = drafts.iter().find(|draft| draft.slot == below);
                let draft = draft.expect("all levels of a touch are drafted");
                folded.take_bucket(touch.aggregation, &draft.bucket);
                continue;
            }
            if part.end_time() < scene.moment.answer_floor {
                let what = "reaches back to hours that are no longer kept; give a credit on the \
                            next statement instead";
                return refused(self.named(scene, touch, slot, what));
            }
            if let Some(bucket) = self.buckets.look_up(touch.series, part, runs)? {
                folded.take_bucket(touch.aggregation, &bucket);
            }
        }
        Ok(folded)
    }
}

fn draft_of(slot: SlotRef, drafts: &mut [Draft]) -> &mut Draft {
    let draft = drafts.iter_mut().find(|draft| draft.slot == slot);
    draft.expect("what is gone was drafted")
}

fn take_kept(kept: &[KeptValue], hour: Hour, wanted: &mut [Wanted]) {
    for value in kept.iter().filter(|value| value.time.hour() == hour) {
        let series = wanted.iter_mut().filter(|w| w.tag == value.series);
        for wanted in series {
            let new = (value.time, value.stamp, value.quantity);
            wanted.folded.take(wanted.aggregation, 1, new);
        }
    }
}
