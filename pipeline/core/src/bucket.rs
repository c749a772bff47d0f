//! Series, buckets and rows: what is stored of usage.
//!
//! A *series* is what a bucket counts (tenant, meter, kind, dimensions); a *bucket* is its value
//! in one window; a *row* is both, as tables and totals carry them. A bucket keeps only what its
//! aggregation defines; the other columns stay zero. Encodings are durable formats: checkpoints
//! hold them.

use crate::catalog::Aggregation;
use crate::hash::dimensions_hash;
use crate::position::Stamp;
use crate::quantity::Quantity;
use crate::time::{EventTime, LogTime, Window};
use std::sync::Arc;

/// First byte of an encoded bucket; another one is another format.
const BUCKET_FORMAT: u8 = 1;

/// Which of a meter's buckets it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    /// The one bucket of a meter without group-by.
    Only = 1,
    /// All dimensions together, of a meter with group-by.
    Whole = 2,
    /// One combination of dimensions.
    Part = 3,
}

impl Kind {
    /// The name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Only => "only",
            Self::Whole => "whole",
            Self::Part => "part",
        }
    }
}

/// What a bucket counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Series {
    /// Who is billed.
    pub tenant: Box<str>,
    /// The meter's name.
    pub meter: Box<str>,
    /// Which of the meter's buckets.
    pub kind: Kind,
    /// How the meter aggregates.
    pub aggregation: Aggregation,
    /// Dimensions sorted by key; empty but for parts.
    pub dimensions: Box<[(Box<str>, Box<str>)]>,
    /// [`dimensions_hash`] of `dimensions`; 0 where there are none.
    pub dimensions_hash: u128,
}

/// Appends the key of a series: kind, aggregation, then length-prefixed parts.
///
/// Parts are below 64 KiB each: the catalog's bounds are checked to be far below that.
pub fn write_series_key<'a>(
    out: &mut Vec<u8>,
    tenant: &str,
    meter: &str,
    kind: Kind,
    aggregation: Aggregation,
    dimensions: impl Iterator<Item = (&'a str, &'a str)>,
) {
    out.extend_from_slice(&[kind as u8, aggregation as u8]);
    let mut part = |text: &str| {
        let length = u16::try_from(text.len()).expect("bounds of the catalog are below 64 KiB");
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    };
    part(tenant);
    part(meter);
    for (key, value) in dimensions {
        part(key);
        part(value);
    }
}

impl Series {
    /// The series' key in runs; unambiguous, see [`write_series_key`].
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        let pairs = self
            .dimensions
            .iter()
            .map(|(k, v)| (k.as_ref(), v.as_ref()));
        write_series_key(
            &mut out,
            &self.tenant,
            &self.meter,
            self.kind,
            self.aggregation,
            pairs,
        );
        out
    }

    /// Reads a key back; `None` where it is not one that this binary writes.
    #[must_use]
    pub fn from_key(key: &[u8]) -> Option<Self> {
        let (kind, rest) = key.split_first()?;
        let (aggregation, mut rest) = rest.split_first()?;
        let kind = [Kind::Only, Kind::Whole, Kind::Part]
            .into_iter()
            .find(|k| *k as u8 == *kind)?;
        let aggregation = AGGREGATIONS
            .into_iter()
            .find(|a| *a as u8 == *aggregation)?;
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let (length, after) = rest.split_at_checked(2)?;
            let length = u16::from_be_bytes(length.try_into().ok()?);
            let (text, after) = after.split_at_checked(usize::from(length))?;
            parts.push(std::str::from_utf8(text).ok()?);
            rest = after;
        }
        let [tenant, meter, pairs @ ..] = parts.as_slice() else {
            return None;
        };
        let (pairs, []) = pairs.as_chunks::<2>() else {
            return None;
        };
        let dimensions: Box<[_]> = pairs
            .iter()
            .map(|[k, v]| ((*k).into(), (*v).into()))
            .collect();
        let dimensions_hash = dimensions_hash(pairs.iter().map(|[k, v]| (*k, *v)));
        let (tenant, meter) = ((*tenant).into(), (*meter).into());
        Some(Self {
            tenant,
            meter,
            kind,
            aggregation,
            dimensions,
            dimensions_hash,
        })
    }
}

const AGGREGATIONS: [Aggregation; 7] = [
    Aggregation::Count,
    Aggregation::Sum,
    Aggregation::Min,
    Aggregation::Max,
    Aggregation::Avg,
    Aggregation::Latest,
    Aggregation::UniqueCount,
];

/// The value of one series in one window.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bucket {
    /// Events counted.
    pub events: u64,
    /// Sum of quantities (sum, avg).
    pub sum: Quantity,
    /// Smallest quantity (min).
    pub min: Quantity,
    /// Largest quantity (max).
    pub max: Quantity,
    /// Quantity of the highest (event time, stamp) (latest).
    pub latest: Quantity,
    /// Event time of `latest`.
    pub latest_time: EventTime,
    /// Stamp of the record of `latest`.
    pub latest_stamp: Stamp,
    /// Distinct parts of this hour; kept in hour buckets of kind `whole` only.
    pub parts: u32,
    /// Changes after the window was sealed.
    pub revision: u32,
    /// The record of the last change.
    pub changed: Stamp,
    /// Log time of the last change.
    pub updated_at: LogTime,
}

impl Bucket {
    /// Encodes the bucket for a run: a format byte, then fixed-width little-endian fields.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(121);
        out.push(BUCKET_FORMAT);
        out.extend_from_slice(&self.events.to_le_bytes());
        for quantity in [self.sum, self.min, self.max, self.latest] {
            out.extend_from_slice(&quantity.raw().to_le_bytes());
        }
        out.extend_from_slice(&self.latest_time.0.to_le_bytes());
        out.extend_from_slice(&self.latest_stamp.version().to_le_bytes());
        out.extend_from_slice(&self.parts.to_le_bytes());
        out.extend_from_slice(&self.revision.to_le_bytes());
        out.extend_from_slice(&self.changed.version().to_le_bytes());
        out.extend_from_slice(&self.updated_at.0.to_le_bytes());
        out
    }

    /// Reads [`Bucket::encode`] back; `None` where the bytes are no bucket of this format.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.take::<1>()? != [BUCKET_FORMAT] {
            return None;
        }
        let mut bucket = Self {
            events: u64::from_le_bytes(reader.take()?),
            ..Self::default()
        };
        for field in [
            &mut bucket.sum,
            &mut bucket.min,
            &mut bucket.max,
            &mut bucket.latest,
        ] {
            *field = Quantity::from_raw(i128::from_le_bytes(reader.take()?)).ok()?;
        }
        bucket.latest_time = EventTime(i64::from_le_bytes(reader.take()?));
        bucket.latest_stamp = Stamp::from_version(u64::from_le_bytes(reader.take()?));
        bucket.parts = u32::from_le_bytes(reader.take()?);
        bucket.revision = u32::from_le_bytes(reader.take()?);
        bucket.changed = Stamp::from_version(u64::from_le_bytes(reader.take()?));
        bucket.updated_at = LogTime(i64::from_le_bytes(reader.take()?));
        reader.0.is_empty().then_some(bucket)
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_at_checked(N)?;
        self.0 = rest;
        taken.try_into().ok()
    }
}

/// A bucket with what it counts and when: what tables and totals carry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BucketRow {
    /// What is counted.
    pub series: Arc<Series>,
    /// The span of event time.
    pub window: Window,
    /// The value.
    pub bucket: Bucket,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_survive_their_keys() {
        let dimensions: Box<[_]> =
            Box::new([("model".into(), "".into()), ("region".into(), "eu".into())]);
        let hash = dimensions_hash([("model", ""), ("region", "eu")].into_iter());
        let series = Series {
            tenant: "acme".into(),
            meter: "tokens".into(),
            kind: Kind::Part,
            aggregation: Aggregation::Sum,
            dimensions,
            dimensions_hash: hash,
        };
        assert_eq!(Series::from_key(&series.key()), Some(series.clone()));
        assert_eq!(Series::from_key(&series.key()[..9]), None);
        assert_eq!(Series::from_key(&[]), None);
    }

    #[test]
    fn buckets_survive_their_encoding() {
        let bucket = Bucket {
            events: 3,
            sum: Quantity::parse("-1.5").expect("a quantity"),
            latest_stamp: Stamp {
                epoch: 2,
                offset: 77,
            },
            changed: Stamp {
                epoch: 2,
                offset: 78,
            },
            updated_at: LogTime(5),
            ..Bucket::default()
        };
        assert_eq!(Bucket::decode(&bucket.encode()), Some(bucket));
        assert_eq!(Bucket::decode(&bucket.encode()[1..]), None);
    }
}
