//! A row of `bucket_hourly`, `bucket_daily` or `bucket_monthly`.
//!
//! This is the reading side and the yardstick of the fast encoder in the sink, which writes the
//! same bytes. The counters of `unique_count` are left out: nothing fills them yet.

use super::{WindowOutOfRange, columns, window_start};
use clickhouse::Row;
use meterline_core::bucket::{Bucket, BucketRow, Kind, Series};
use meterline_core::catalog::Aggregation;
use meterline_core::position::{LogPartition, Stamp, TopicId};
use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, Hour, Level, LogTime, Window};
use serde::{Deserialize, Serialize};

/// One bucket of one log partition, as its table holds it.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct BucketTableRow {
    /// Who is billed.
    pub tenant: String,
    /// Name of the meter.
    pub meter: String,
    /// First second of the window, since 1970-01-01 UTC.
    pub window_start: u32,
    /// Which of the meter's buckets.
    #[serde(with = "columns::kind")]
    pub kind: Kind,
    /// Dimensions sorted by key; empty but for parts.
    pub dimensions: Vec<(String, String)>,
    /// Hash of the dimensions; 0 where there are none.
    pub dimensions_hash: u128,
    /// Incarnation of the usage topic.
    #[serde(with = "columns::topic_id")]
    pub topic_id: TopicId,
    /// Partition of the usage topic.
    pub log_partition: u32,
    /// How the meter aggregates.
    #[serde(with = "columns::aggregation")]
    pub aggregation: Aggregation,
    /// Events counted.
    pub events: u64,
    /// Sum of quantities (sum, avg).
    #[serde(with = "columns::quantity")]
    pub sum: Quantity,
    /// Smallest quantity (min).
    #[serde(with = "columns::quantity")]
    pub min: Quantity,
    /// Largest quantity (max).
    #[serde(with = "columns::quantity")]
    pub max: Quantity,
    /// Quantity of the highest (event time, stamp) (latest).
    #[serde(with = "columns::quantity")]
    pub latest: Quantity,
    /// Event time of `latest`.
    pub latest_time: EventTime,
    /// Version of the stamp of the record of `latest`.
    pub latest_version: u64,
    /// Changes after the window was sealed.
    pub revision: u32,
    /// Log time of the last change.
    pub updated_at: LogTime,
    /// Version of the stamp of the last change.
    pub version: u64,
}

impl BucketTableRow {
    /// The row of a bucket of that log partition.
    ///
    /// # Errors
    /// [`WindowOutOfRange`] where the window does not fit a `DateTime` column.
    pub fn new(log_partition: LogPartition, row: &BucketRow) -> Result<Self, WindowOutOfRange> {
        let (series, bucket) = (&row.series, &row.bucket);
        Ok(Self {
            tenant: series.tenant.to_string(),
            meter: series.meter.to_string(),
            window_start: window_start(row.window)?,
            kind: series.kind,
            dimensions: series
                .dimensions
                .iter()
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect(),
            dimensions_hash: series.dimensions_hash,
            topic_id: log_partition.topic_id,
            log_partition: log_partition.partition,
            aggregation: series.aggregation,
            events: bucket.events,
            sum: bucket.sum,
            min: bucket.min,
            max: bucket.max,
            latest: bucket.latest,
            latest_time: bucket.latest_time,
            latest_version: bucket.latest_stamp.version(),
            revision: bucket.revision,
            updated_at: bucket.updated_at,
            version: bucket.changed.version(),
        })
    }

    /// What the row counts.
    #[must_use]
    pub fn series(&self) -> Series {
        let dimensions = self.dimensions.iter();
        Series {
            tenant: self.tenant.as_str().into(),
            meter: self.meter.as_str().into(),
            kind: self.kind,
            aggregation: self.aggregation,
            dimensions: dimensions
                .map(|(key, value)| (key.as_str().into(), value.as_str().into()))
                .collect(),
            dimensions_hash: self.dimensions_hash,
        }
    }

    /// The window of that level which the row's first hour lies in: its own, or a longer one.
    ///
    /// # Panics
    /// Never: a `DateTime` has fewer hours than 2³¹.
    #[must_use]
    pub fn window(&self, level: Level) -> Window {
        let hour = i32::try_from(self.window_start / 3_600).expect("a DateTime has 2²⁰ hours");
        Window::of(level, Hour(hour))
    }

    /// The value of the row. `parts` is in no table and 0 here.
    #[must_use]
    pub fn bucket(&self) -> Bucket {
        Bucket {
            events: self.events,
            sum: self.sum,
            min: self.min,
            max: self.max,
            latest: self.latest,
            latest_time: self.latest_time,
            latest_stamp: Stamp::from_version(self.latest_version),
            parts: 0,
            revision: self.revision,
            changed: Stamp::from_version(self.version),
            updated_at: self.updated_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_bucket_survives_its_row() {
        let partition = LogPartition {
            topic_id: TopicId(1),
            partition: 2,
        };
        let series = Series {
            tenant: "acme".into(),
            meter: "tokens".into(),
            kind: Kind::Part,
            aggregation: Aggregation::Latest,
            dimensions: Box::new([("model".into(), "m".into())]),
            dimensions_hash: 9,
        };
        let bucket = Bucket {
            events: 3,
            latest_time: EventTime(7),
            latest_stamp: Stamp {
                epoch: 1,
                offset: 2,
            },
            revision: 4,
            changed: Stamp {
                epoch: 1,
                offset: 5,
            },
            updated_at: LogTime(6),
            ..Bucket::default()
        };
        let window = Window::of(Level::Day, Hour(498_656));
        let row = BucketRow {
            series: Arc::new(series.clone()),
            window,
            bucket,
        };
        let row = BucketTableRow::new(partition, &row).expect("a window of 2026");
        assert_eq!(row.series(), series);
        assert_eq!(row.bucket(), bucket);
        assert_eq!(row.window(Level::Day), window);
        let hour = BucketTableRow {
            window_start: 498_656 * 3_600,
            ..row
        };
        assert_eq!(hour.window(Level::Day), window);
    }
}
