//! Drafts: buckets as they will be once an event is taken back and another put in its place.
//!
//! Counts and sums are undone from the event itself. Where it was the minimum, maximum or latest,
//! the bucket is folded again ([`super::refold`]). Nothing here changes a bucket.

use super::apply::Touch;
use super::buckets::SlotRef;
use super::judge::Judged;
use super::note::KeptValue;
use super::partition::Partition;
use super::values::{adds_up, keeps_value, take_in};
use super::void::{Scene, Subject, Unfit, refused};
use crate::bucket::Bucket;
use crate::catalog::Aggregation;
use crate::quantity::Quantity;
use crate::runs::Runs;
use crate::time::EventTime;

/// A bucket as it will be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft {
    pub(super) slot: SlotRef,
    pub(super) bucket: Bucket,
}

impl Partition {
    /// Takes the event back from every bucket that it touches.
    pub(super) fn undo(
        &mut self,
        scene: &Scene<'_>,
        subject: &Subject,
        event: &Judged<'_>,
        touches: &[Touch],
        runs: &impl Runs,
    ) -> Result<Vec<Draft>, Unfit> {
        if touches.is_empty() {
            return refused("no meter counts the record it carries, but one counted the event");
        }
        let mut drafts = Vec::new();
        let mut gone = Vec::new();
        for touch in touches {
            let kept = self.kept_of(subject, touch, event.time)?;
            for slot in touch.trio {
                let Some(bucket) = self.buckets.get(slot).filter(|bucket| bucket.events > 0) else {
                    return refused(self.named(scene, touch, slot, "holds no event"));
                };
                let mut bucket = *bucket;
                let is_value = kept.is_some_and(|kept| is_value(&bucket, touch.aggregation, &kept));
                take_out(&mut bucket, touch)
                    .ok_or_else(|| Unfit::Refused(self.out_of_range(scene, touch, slot)))?;
                if is_value && bucket.events > 0 {
                    gone.push((*touch, slot));
                }
                drafts.push(Draft { slot, bucket });
            }
        }
        self.refold(scene, subject, event.time.hour(), &gone, &mut drafts, runs)?;
        Ok(drafts)
    }

    /// The value that the identity keeps of the event in a bucket of min, max or latest. That it is
    /// the record's shows that the right record is carried.
    fn kept_of(
        &self,
        subject: &Subject,
        touch: &Touch,
        time: EventTime,
    ) -> Result<Option<KeptValue>, Unfit> {
        if !keeps_value(touch.aggregation) {
            return Ok(None);
        }
        let tag = self.buckets.series_tag(touch.series);
        let mut kept = subject.note.kept.iter().filter(|kept| kept.series == tag);
        match kept.next() {
            Some(kept) if (kept.quantity, kept.time) == (touch.quantity, time) => Ok(Some(*kept)),
            _ => refused("the record it carries is not the one that was counted"),
        }
    }

    /// Counts the replacement in every bucket that it touches.
    pub(super) fn redo(
        &self,
        scene: &Scene<'_>,
        event: &Judged<'_>,
        touches: &[Touch],
        drafts: &mut Vec<Draft>,
    ) -> Result<(), Unfit> {
        let mut whole = None;
        for touch in touches {
            for slot in touch.trio {
                let draft = self.draft(slot, drafts);
                let bucket = &mut drafts[draft].bucket;
                let is_summable = bucket.sum.plus(touch.quantity).is_ok();
                if bucket.events == u64::MAX || adds_up(touch.aggregation) && !is_summable {
                    return refused(self.out_of_range(scene, touch, slot));
                }
                take_in(
                    bucket,
                    touch.aggregation,
                    touch.quantity,
                    event.time,
                    scene.stamp,
                );
            }
            if let Some(whole) = whole.filter(|_| touch.new_part) {
                let draft = self.draft(whole, drafts);
                drafts[draft].bucket.parts += 1;
            }
            // A whole stands right before its part.
            whole = Some(touch.trio[0]);
        }
        Ok(())
    }

    /// Where the draft of a bucket stands; made from the bucket where there is none.
    fn draft(&self, slot: SlotRef, drafts: &mut Vec<Draft>) -> usize {
        let known = drafts.iter().position(|draft| draft.slot == slot);
        known.unwrap_or_else(|| {
            let bucket = self.buckets.get(slot).copied().unwrap_or_default();
            drafts.push(Draft { slot, bucket });
            drafts.len() - 1
        })
    }

    /// Gives every draft the stamp of its change, and one revision where its window is sealed.
    pub(super) fn date(&self, scene: &Scene<'_>, drafts: &mut [Draft]) -> Result<(), Unfit> {
        for draft in drafts {
            let sealed = self.buckets.end_time(draft.slot) <= scene.moment.sealed_to;
            let bucket = &mut draft.bucket;
            let Some(revision) = bucket.revision.checked_add(u32::from(sealed)) else {
                return refused("a bucket has 2³² revisions already");
            };
            bucket.revision = revision;
            bucket.changed = scene.stamp;
            bucket.updated_at = scene.moment.log_time;
        }
        Ok(())
    }

    fn out_of_range(&self, scene: &Scene<'_>, touch: &Touch, slot: SlotRef) -> String {
        self.named(scene, touch, slot, "would leave the range of its columns")
    }

    /// A sentence about a bucket.
    pub(super) fn named(
        &self,
        scene: &Scene<'_>,
        touch: &Touch,
        slot: SlotRef,
        what: &str,
    ) -> String {
        let meter = &scene.catalog.meters[touch.meter].meter.name;
        format!(
            "the {} of meter `{meter}` {what}",
            self.buckets.level(slot).name()
        )
    }
}

/// Whether the bucket's value may be the event's.
fn is_value(bucket: &Bucket, aggregation: Aggregation, kept: &KeptValue) -> bool {
    match aggregation {
        Aggregation::Min => bucket.min == kept.quantity,
        Aggregation::Max => bucket.max == kept.quantity,
        Aggregation::Latest => (bucket.latest_time, bucket.latest_stamp) == (kept.time, kept.stamp),
        Aggregation::Count | Aggregation::Sum | Aggregation::Avg | Aggregation::UniqueCount => {
            false
        }
    }
}

/// Undoes what is additive; a bucket without events has no value. `None` where a sum would leave
/// its range.
fn take_out(bucket: &mut Bucket, touch: &Touch) -> Option<()> {
    bucket.events -= 1;
    if adds_up(touch.aggregation) {
        let negated = Quantity::from_raw(-touch.quantity.raw()).ok()?;
        bucket.sum = bucket.sum.plus(negated).ok()?;
    }
    if bucket.events == 0 {
        let none = Bucket::default();
        (bucket.min, bucket.max) = (none.min, none.max);
        (bucket.latest, bucket.latest_time) = (none.latest, none.latest_time);
        bucket.latest_stamp = none.latest_stamp;
    }
    Some(())
}
