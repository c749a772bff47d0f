//! Hour buckets and held values of levels, as limits take them from the tables at their start.

use super::columns;
use crate::records::Total;
use clickhouse::Row;
use meterline_core::bucket::{Bucket, BucketRow, Kind, Series};
use meterline_core::catalog::Aggregation;
use meterline_core::position::{LogPartition, Stamp, TopicId};
use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, Level, LogTime, Window};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An hour bucket of kind `only` or `whole` of one log partition.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct HourTotalRow {
    /// Who is billed.
    pub tenant: String,
    /// Name of the meter.
    pub meter: String,
    /// First second of the hour.
    #[serde(with = "columns::seconds")]
    pub window_start: EventTime,
    /// Which of the meter's buckets.
    #[serde(with = "columns::kind")]
    pub kind: Kind,
    /// Incarnation of the usage topic.
    #[serde(with = "columns::topic_id")]
    pub topic_id: TopicId,
    /// Partition of the usage topic.
    pub log_partition: u32,
    /// How the meter aggregates: which of the value columns count.
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
    /// Changes after the hour was sealed.
    pub revision: u32,
    /// Log time of the last change.
    pub updated_at: LogTime,
    /// Version of the stamp of the last change.
    pub version: u64,
}

impl HourTotalRow {
    /// The log partition that it counts.
    #[must_use]
    pub fn partition(&self) -> LogPartition {
        LogPartition {
            topic_id: self.topic_id,
            partition: self.log_partition,
        }
    }

    /// The value. `parts` is in no table and 0 here.
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

impl From<HourTotalRow> for Total {
    /// What the record of the same bucket on `usage.totals` reads as.
    fn from(row: HourTotalRow) -> Self {
        let bucket = row.bucket();
        let log_partition = row.partition();
        let window = Window::of(Level::Hour, row.window_start.hour());
        let series = Series {
            tenant: row.tenant.into(),
            meter: row.meter.into(),
            kind: row.kind,
            aggregation: row.aggregation,
            dimensions: Box::default(),
            dimensions_hash: 0,
        };
        Self {
            log_partition,
            row: BucketRow {
                series: Arc::new(series),
                window,
                bucket,
            },
        }
    }
}

/// What a level held before a moment, by one log partition: the value of the highest (event time,
/// stamp).
///
/// What limits judge by it is stamped with the last change of any of the level's buckets before
/// the moment, the value's own or another: whoever read them all as totals knows just that.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct HeldLevelRow {
    /// Who is billed.
    pub tenant: String,
    /// Name of the meter.
    pub meter: String,
    /// Incarnation of the usage topic.
    #[serde(with = "columns::topic_id")]
    pub topic_id: TopicId,
    /// Partition of the usage topic.
    pub log_partition: u32,
    /// The value.
    #[serde(with = "columns::quantity")]
    pub latest: Quantity,
    /// Event time of the value.
    pub latest_time: EventTime,
    /// Version of the stamp of the record of the value.
    pub latest_version: u64,
    /// Events of the largest of the buckets; 0: all were restated as nothing, there is no value.
    pub events: u64,
    /// Version of the stamp of the last change of any of the buckets.
    pub version: u64,
}

impl HeldLevelRow {
    /// The log partition that it is of.
    #[must_use]
    pub fn partition(&self) -> LogPartition {
        LogPartition {
            topic_id: self.topic_id,
            partition: self.log_partition,
        }
    }

    /// The bucket that the value would be the only one of.
    #[must_use]
    pub fn bucket(&self) -> Bucket {
        Bucket {
            events: self.events,
            latest: self.latest,
            latest_time: self.latest_time,
            latest_stamp: Stamp::from_version(self.latest_version),
            changed: Stamp::from_version(self.version),
            ..Bucket::default()
        }
    }
}
