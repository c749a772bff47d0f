//! All or nothing: an event's last checks, which need state, and then its changes.
//!
//! Every check of every matching meter comes before the first change. A bucket or a series may be
//! brought into memory by a check; that changes no result.

use super::buckets::{SeriesRef, SlotRef, Trio};
use super::ids::Seen;
use super::judge::{Judged, Match};
use super::moment::Moment;
use super::note::{IdNote, IdState, KeptValue};
use super::partition::Partition;
use super::values::{adds_up, keeps_value, take_in};
use crate::bucket::{Bucket, Kind, Series, write_series_key};
use crate::catalog::{Aggregation, CompiledCatalog, Meter};
use crate::event::Event;
use crate::hash::{dimensions_hash, identity};
use crate::position::Stamp;
use crate::quantity::Quantity;
use crate::reason::{Reason, Rejection};
use crate::runs::{LookupFailed, Runs};
use crate::time::{Level, Window};
use siphasher::sip::SipHasher13;
use smallvec::SmallVec;
use std::hash::Hasher;

/// What became of an event that passed the judge.
#[derive(Debug)]
pub(super) enum Applied {
    Counted { late: bool, digest: u64 },
    Unmatched,
    Duplicate,
    Rejected(Rejection),
}

/// Buffers that live on between records.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    key: Vec<u8>,
    pub(super) made: Vec<SlotRef>,
    touches: Vec<Touch>,
}

/// One series that the event changes, with its three buckets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Touch {
    pub(super) meter: usize,
    pub(super) kind: Kind,
    pub(super) aggregation: Aggregation,
    pub(super) quantity: Quantity,
    pub(super) series: SeriesRef,
    pub(super) trio: Trio,
    /// The event brings a new part to its hour.
    pub(super) new_part: bool,
}

impl Partition {
    /// Checks what needs state and then, if nothing speaks against it, counts the event.
    pub(super) fn apply(
        &mut self,
        judged: &Judged<'_>,
        catalog: &CompiledCatalog,
        stamp: Stamp,
        moment: &Moment,
        runs: &impl Runs,
    ) -> Result<Applied, LookupFailed> {
        let event = &judged.event;
        let id = identity(&self.key, &event.tenant, &event.source, &event.id);
        let hour = judged.id_time.hour();
        let window = catalog.catalog.restamp_window;
        match self.ids.seen(id, judged.id_time, window, moment, runs)? {
            Seen::Never => {}
            Seen::InItsHour => return Ok(Applied::Duplicate),
            Seen::InANeighbour => {
                let note = IdNote {
                    state: IdState::Duplicate,
                    kept: Vec::new(),
                };
                self.ids.record(hour, id, note.encode());
                return Ok(Applied::Duplicate);
            }
        }
        if judged.matches.is_empty() {
            let note = IdNote {
                state: IdState::Unmatched,
                kept: Vec::new(),
            };
            self.ids.record(hour, id, note.encode());
            return Ok(Applied::Unmatched);
        }
        let mut touches = std::mem::take(&mut self.scratch.touches);
        let checked = self.check(judged, catalog, moment, runs, &mut touches);
        let applied = checked.map(|fits| match fits {
            Err(rejection) => Applied::Rejected(rejection.of_tenant(&event.tenant)),
            Ok(()) => {
                let note = self.note(judged, stamp, &touches);
                self.ids.record(hour, id, note.encode());
                self.change(judged, stamp, moment, &touches)
            }
        });
        touches.clear();
        self.scratch.touches = touches;
        applied
    }

    /// Finds every bucket that the event changes and checks that each change fits.
    fn check(
        &mut self,
        judged: &Judged<'_>,
        catalog: &CompiledCatalog,
        moment: &Moment,
        runs: &impl Runs,
        touches: &mut Vec<Touch>,
    ) -> Result<Result<(), Rejection>, LookupFailed> {
        self.scratch.made.clear();
        self.touch(judged, catalog, runs, touches)?;
        let fits = self
            .check_dimensions(catalog, touches)
            .and_then(|()| self.check_range(catalog, moment, touches));
        if fits.is_err() {
            self.release_made();
        }
        Ok(fits)
    }

    /// Finds every bucket that the event changes; those that were not in memory are noted.
    pub(super) fn touch(
        &mut self,
        judged: &Judged<'_>,
        catalog: &CompiledCatalog,
        runs: &impl Runs,
        touches: &mut Vec<Touch>,
    ) -> Result<(), LookupFailed> {
        let windows = Level::ALL.map(|level| Window::of(level, judged.time.hour()));
        for matched in &judged.matches {
            let meter = &catalog.meters[matched.meter].meter;
            for kind in kinds_of(meter) {
                let touch = self.locate(judged, *matched, meter, *kind, &windows, runs)?;
                touches.push(touch);
            }
        }
        Ok(())
    }

    /// Lets go of the buckets that were brought into memory for nothing.
    pub(super) fn release_made(&mut self) {
        let made = std::mem::take(&mut self.scratch.made);
        self.buckets.release(&made);
        self.scratch.made = made;
    }

    fn locate(
        &mut self,
        judged: &Judged<'_>,
        matched: Match,
        meter: &Meter,
        kind: Kind,
        windows: &[Window; 3],
        runs: &impl Runs,
    ) -> Result<Touch, LookupFailed> {
        let event = &judged.event;
        let (tenant, aggregation) = (event.tenant.as_ref(), meter.aggregation);
        let key = &mut self.scratch.key;
        key.clear();
        write_series_key(
            key,
            tenant,
            &meter.name,
            kind,
            aggregation,
            pairs(event, meter, kind),
        );
        let series = self.buckets.series(key, || make_series(event, meter, kind));
        let trio = self
            .buckets
            .locate(series, windows, runs, &mut self.scratch.made)?;
        let new_part = kind == Kind::Part && self.buckets.get(trio[0]).is_none();
        let Match { meter, quantity } = matched;
        Ok(Touch {
            meter,
            kind,
            aggregation,
            quantity,
            series,
            trio,
            new_part,
        })
    }

    /// No meter may get more parts in a tenant's hour than its bound.
    pub(super) fn check_dimensions(
        &self,
        catalog: &CompiledCatalog,
        touches: &[Touch],
    ) -> Result<(), Rejection> {
        for pair in touches.windows(2) {
            let [whole, part] = pair else { continue };
            if !(part.new_part && whole.meter == part.meter) {
                continue;
            }
            let meter = &catalog.meters[part.meter].meter;
            let parts = self
                .buckets
                .get(whole.trio[0])
                .map_or(0, |bucket| bucket.parts);
            if parts >= meter.max_dimensions {
                let detail = format!(
                    "meter `{}` has {parts} combinations of {:?} in this tenant's hour already",
                    meter.name, meter.group_by
                );
                return Err(Rejection::new(Reason::TooManyDimensions, detail));
            }
        }
        Ok(())
    }

    /// No bucket may leave the range of its columns.
    fn check_range(
        &self,
        catalog: &CompiledCatalog,
        moment: &Moment,
        touches: &[Touch],
    ) -> Result<(), Rejection> {
        let empty = Bucket::default();
        for touch in touches {
            for slot in touch.trio {
                let bucket = self.buckets.get(slot).unwrap_or(&empty);
                let sealed = self.buckets.end_time(slot) <= moment.sealed_to;
                let fits = bucket.events < u64::MAX
                    && (!sealed || bucket.revision < u32::MAX)
                    && (!adds_up(touch.aggregation) || bucket.sum.plus(touch.quantity).is_ok());
                if !fits {
                    let detail = format!(
                        "the {} of meter `{}` would leave the range of its columns",
                        self.buckets.level(slot).name(),
                        catalog.meters[touch.meter].meter.name
                    );
                    return Err(Rejection::new(Reason::Overflow, detail));
                }
            }
        }
        Ok(())
    }

    /// What the segment keeps of the event: the values that sums could not give back.
    fn note(&self, judged: &Judged<'_>, stamp: Stamp, touches: &[Touch]) -> IdNote {
        IdNote {
            state: IdState::Counted,
            kept: self.kept(judged, stamp, touches),
        }
    }

    /// The values that an event brings to buckets of min, max and latest.
    pub(super) fn kept(
        &self,
        judged: &Judged<'_>,
        stamp: Stamp,
        touches: &[Touch],
    ) -> Vec<KeptValue> {
        touches
            .iter()
            .filter(|touch| keeps_value(touch.aggregation))
            .map(|touch| KeptValue {
                series: self.buckets.series_tag(touch.series),
                quantity: touch.quantity,
                time: judged.time,
                stamp,
            })
            .collect()
    }

    /// Makes the changes that [`Partition::check`] allowed.
    fn change(
        &mut self,
        judged: &Judged<'_>,
        stamp: Stamp,
        moment: &Moment,
        touches: &[Touch],
    ) -> Applied {
        let mut digest = SipHasher13::new();
        for (place, touch) in touches.iter().enumerate() {
            for slot in touch.trio {
                let sealed = self.buckets.end_time(slot) <= moment.sealed_to;
                self.buckets.change(slot, |bucket| {
                    take_in(
                        bucket,
                        touch.aggregation,
                        touch.quantity,
                        judged.time,
                        stamp,
                    );
                    bucket.revision += u32::from(sealed);
                    bucket.changed = stamp;
                    bucket.updated_at = moment.log_time;
                });
            }
            if touch.new_part {
                // The whole stands right before its part, and was changed by this event already.
                let whole = touches[place - 1].trio[0];
                self.buckets.change(whole, |bucket| bucket.parts += 1);
            }
            if touch.kind != Kind::Part {
                self.matched[touch.meter] += 1;
            }
            digest.write_usize(touch.meter);
            digest.write_i128(touch.quantity.raw());
        }
        let late = judged.time.hour().end() <= moment.sealed_to;
        Applied::Counted {
            late,
            digest: digest.finish(),
        }
    }
}

/// The buckets a meter keeps; a whole comes right before its part.
fn kinds_of(meter: &Meter) -> &'static [Kind] {
    if meter.group_by.is_empty() {
        &[Kind::Only]
    } else {
        &[Kind::Whole, Kind::Part]
    }
}

/// The dimensions of a part, sorted by key as `group_by` is; a missing property is ''.
fn pairs<'a>(
    event: &'a Event<'_>,
    meter: &'a Meter,
    kind: Kind,
) -> impl Iterator<Item = (&'a str, &'a str)> + Clone {
    let keys = if kind == Kind::Part {
        meter.group_by.as_slice()
    } else {
        &[]
    };
    keys.iter()
        .map(|key| (key.as_str(), event.property(key).unwrap_or("")))
}

fn make_series(event: &Event<'_>, meter: &Meter, kind: Kind) -> Series {
    let dimensions: SmallVec<[_; 4]> = pairs(event, meter, kind).collect();
    Series {
        tenant: event.tenant.as_ref().into(),
        meter: meter.name.as_str().into(),
        kind,
        aggregation: meter.aggregation,
        dimensions: dimensions
            .iter()
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect(),
        dimensions_hash: dimensions_hash(dimensions.iter().copied()),
    }
}
