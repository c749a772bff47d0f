//! Hour values of one meter of one tenant in one log partition.

use super::super::measure::Measure;
use crate::bucket::Bucket;
use crate::time::{EventTime, Hour};
use ethnum::I256;

/// `within` of an hour whose events are all gone: a restatement said that there is nothing.
const NOTHING: u32 = u32::MAX;

/// The value of one hour, in 40 bytes: half of what is in memory is made of these.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    hour: i32,
    /// Microseconds from the hour's start to the event of a level's value; or [`NOTHING`].
    within: u32,
    /// The raw value in two halves: an `i128` would be padded to 48 bytes.
    low: u64,
    high: i64,
    /// Version of the last change.
    changed: u64,
    /// Version of the record of a level's value.
    latest: u64,
}

const _: () = assert!(size_of::<Value>() == 40);

impl Value {
    pub(super) fn of(hour: Hour, bucket: &Bucket, raw: i128) -> Self {
        let within = bucket.latest_time.0 - hour.start().0;
        let within = u32::try_from(within).unwrap_or(0); // Not a level: its time is not set.
        let [low, high] = halves(raw);
        Self {
            hour: hour.0,
            within: if bucket.events == 0 { NOTHING } else { within },
            low,
            high: high.cast_signed(),
            changed: bucket.changed.version(),
            latest: bucket.latest_stamp.version(),
        }
    }

    fn raw(&self) -> i128 {
        (i128::from(self.high) << 64) | i128::from(self.low)
    }

    fn is_nothing(&self) -> bool {
        self.within == NOTHING
    }

    fn latest(&self) -> Latest {
        Latest {
            at: EventTime(Hour(self.hour).start().0 + i64::from(self.within)),
            stamp: self.latest,
            value: self.raw(),
        }
    }
}

/// The two 64-bit halves of a raw value, low first.
fn halves(raw: i128) -> [u64; 2] {
    let bytes = raw.to_le_bytes();
    let (low, high) = bytes.split_at(8);
    [low, high].map(|half| u64::from_le_bytes(half.try_into().expect("8 of 16 bytes")))
}

/// A level's value; the order is that of event time, then of the record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Latest {
    pub(super) at: EventTime,
    pub(super) stamp: u64,
    pub(super) value: i128,
}

/// All hours of one meter in one log partition.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) meter: u32,
    pub(super) partition: u16,
    pub(super) measure: Measure,
    /// Version of the last change of any hour, dropped ones too.
    pub(super) high: u64,
    /// Of a level, the latest value from before the hours that are kept.
    held: Option<Box<Latest>>,
    /// By rising hour.
    hours: Vec<Value>,
    sum: Option<Box<Sum>>,
}

/// The sum over the span that was asked for last; kept up to date, so that a tenant in use costs
/// no walk over a month's hours for each of its flushes.
#[derive(Clone, Copy, Debug)]
struct Sum {
    start: i32,
    end: i32,
    total: I256,
    hours: u32,
}

impl Series {
    pub(super) fn new(meter: u32, partition: u16, measure: Measure) -> Self {
        Self {
            meter,
            partition,
            measure,
            high: 0,
            held: None,
            hours: Vec::new(),
            sum: None,
        }
    }

    pub(super) fn is_of(&self, meter: u32, partition: u16) -> bool {
        self.meter == meter && self.partition == partition
    }

    pub(super) fn len(&self) -> usize {
        self.hours.len()
    }

    pub(super) fn last_hour(&self) -> Option<Hour> {
        self.hours.last().map(|value| Hour(value.hour))
    }

    /// Takes an hour's value; whether it was newer than what was known.
    pub(super) fn take(&mut self, value: Value) -> bool {
        self.high = self.high.max(value.changed);
        let place = self.hours.binary_search_by_key(&value.hour, |v| v.hour);
        let before = match place {
            Ok(place) if self.hours[place].changed >= value.changed => return false,
            Ok(place) => Some(std::mem::replace(&mut self.hours[place], value)),
            Err(place) => {
                self.hours.insert(place, value);
                None
            }
        };
        if let Some(sum) = self.sum.as_deref_mut()
            && sum.start <= value.hour
            && value.hour < sum.end
        {
            let before_raw = before.map_or(0, |before| before.raw());
            sum.total += I256::new(value.raw()) - I256::new(before_raw);
            sum.hours += u32::from(before.is_none());
        }
        true
    }

    /// Takes the value of an hour that is no longer kept; whether a level's held value changed.
    pub(super) fn hold(&mut self, value: Value) -> bool {
        self.high = self.high.max(value.changed);
        if self.measure != Measure::Level || value.is_nothing() {
            return false;
        }
        let latest = value.latest();
        if self.held.as_deref().is_some_and(|held| *held >= latest) {
            return false;
        }
        self.held = Some(Box::new(latest));
        true
    }

    /// The sum of the hours from `start` to before `end`; `None` where there is none.
    pub(super) fn sum(&mut self, start: Hour, end: Hour) -> Option<I256> {
        let kept = self.sum.as_deref().copied();
        let kept = kept.filter(|sum| sum.start == start.0 && sum.end == end.0);
        let sum = kept.unwrap_or_else(|| {
            let hours = self.between(start, end);
            let total = hours
                .iter()
                .fold(I256::ZERO, |sum, v| sum + I256::new(v.raw()));
            let sum = Sum {
                start: start.0,
                end: end.0,
                total,
                hours: u32::try_from(hours.len()).expect("a period has few hours"),
            };
            self.sum = Some(Box::new(sum));
            sum
        });
        (sum.hours > 0).then_some(sum.total)
    }

    /// The highest value of the hours from `start` to before `end`.
    pub(super) fn highest(&self, start: Hour, end: Hour) -> Option<i128> {
        let hours = self.between(start, end).iter();
        hours.filter(|v| !v.is_nothing()).map(Value::raw).max()
    }

    /// The latest value of the hours before `end`.
    pub(super) fn latest(&self, end: Hour) -> Option<Latest> {
        let before = &self.hours[..self.place(end)];
        let last = before.iter().rev().find(|value| !value.is_nothing());
        last.map(Value::latest).max(self.held.as_deref().copied())
    }

    /// Drops hours before an edge; a level's latest of them is held.
    pub(super) fn drop_before(&mut self, edge: Hour) {
        let count = self.place(edge);
        if count == 0 {
            return;
        }
        if self.measure == Measure::Level {
            self.held = self.latest(edge).map(Box::new);
        }
        self.hours.drain(..count);
        self.hours.shrink_to_fit();
        self.sum = None;
    }

    fn between(&self, start: Hour, end: Hour) -> &[Value] {
        let end = self.place(end);
        &self.hours[self.place(start).min(end)..end]
    }

    fn place(&self, hour: Hour) -> usize {
        self.hours.partition_point(|value| value.hour < hour.0)
    }
}
