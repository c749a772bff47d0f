//! Rows of `stripe_carries`: the carries that `meterline.pushes` has in force, projected.

use super::columns;
use super::judged::{JudgedUsage, changes_of, columns_of};
use super::place::LogPlace;
use clickhouse::Row;
use meterline_core::carry::{CarriedWindow, Carry, CarryKey, CarryRecord};
use meterline_core::position::{LogPartition, Offset, TopicId};
use meterline_core::push::Stamps;
use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, LogTime};
use serde::{Deserialize, Serialize};

/// A difference that is billed with a later window.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct CarryRow {
    /// Who is billed.
    pub tenant: String,
    /// The meter.
    pub meter: String,
    /// What was billed otherwise, as [`meterline_core::carry::CarryKey`] has it.
    pub source: String,
    /// Id of the customer at Stripe.
    pub customer: String,
    /// Event name of the meter at Stripe.
    pub event_name: String,
    /// First second of the hour window whose pushed value it is added to.
    #[serde(with = "columns::seconds")]
    pub window_start: EventTime,
    /// What is added; may be negative.
    #[serde(with = "columns::quantity")]
    pub quantity: Quantity,
    /// What the source's windows come to.
    #[serde(with = "columns::quantity")]
    pub wanted: Quantity,
    /// What Stripe billed for them.
    #[serde(with = "columns::quantity")]
    pub billed: Quantity,
    /// The versions that `wanted` was judged by.
    pub stamps: Vec<JudgedUsage>,
    /// The windows that differ from what was confirmed last.
    pub windows: Vec<WindowColumns>,
    /// The process that wrote the record.
    pub instance: String,
    /// Chosen at random by the writer.
    pub write_id: u128,
    /// When the broker took the record.
    pub append_time: LogTime,
    /// Incarnation of `meterline.pushes`.
    #[serde(with = "columns::topic_id")]
    pub topic_id: TopicId,
    /// Partition of `meterline.pushes`.
    pub log_partition: u32,
    /// Offset of the record.
    pub offset: Offset,
}

/// A [`CarriedWindow`]: its start, its value before and after, and its version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(from = "Columns", into = "Columns")]
pub struct WindowColumns {
    /// First second of the window.
    pub window_start: EventTime,
    /// Its value as it was confirmed last.
    pub before: Quantity,
    /// Its value now.
    pub after: Quantity,
    /// The version that has the value of now.
    pub stamps: Vec<JudgedUsage>,
}

/// As the wire has it: `Tuple(DateTime, Decimal, Decimal, Array(Tuple(UUID, UInt32, UInt64)))`.
type Columns = (Seconds, Decimal, Decimal, Vec<JudgedUsage>);

#[derive(Serialize, Deserialize)]
struct Seconds(#[serde(with = "columns::seconds")] EventTime);

#[derive(Serialize, Deserialize)]
struct Decimal(#[serde(with = "columns::quantity")] Quantity);

impl From<Columns> for WindowColumns {
    fn from((window, before, after, stamps): Columns) -> Self {
        Self {
            window_start: window.0,
            before: before.0,
            after: after.0,
            stamps,
        }
    }
}

impl From<WindowColumns> for Columns {
    fn from(window: WindowColumns) -> Self {
        (
            Seconds(window.window_start),
            Decimal(window.before),
            Decimal(window.after),
            window.stamps,
        )
    }
}

impl CarryRow {
    /// The row of a carry in force.
    #[must_use]
    pub fn new(place: LogPlace, record: &CarryRecord) -> Self {
        let (key, carry) = (&record.key, &record.carry);
        let windows = carry.windows.iter().map(|window| WindowColumns {
            window_start: window.window,
            before: window.before,
            after: window.after,
            stamps: columns_of(window.stamps.changes()),
        });
        Self {
            tenant: key.tenant.clone(),
            meter: key.meter.clone(),
            source: key.source.clone(),
            customer: carry.customer.clone(),
            event_name: carry.event_name.clone(),
            window_start: carry.window,
            quantity: carry.quantity,
            wanted: carry.wanted,
            billed: carry.billed,
            stamps: columns_of(carry.stamps.changes()),
            windows: windows.collect(),
            instance: record.instance.clone(),
            write_id: record.write_id,
            append_time: place.append_time,
            topic_id: place.log_partition.topic_id,
            log_partition: place.log_partition.partition,
            offset: place.offset,
        }
    }

    /// Which difference it is.
    #[must_use]
    pub fn key(&self) -> CarryKey {
        CarryKey {
            tenant: self.tenant.clone(),
            meter: self.meter.clone(),
            source: self.source.clone(),
        }
    }

    /// What it says.
    #[must_use]
    pub fn carry(&self) -> Carry {
        let stamps = |columns: &[JudgedUsage]| Stamps::new(changes_of(columns).collect());
        let windows = self.windows.iter().map(|window| CarriedWindow {
            window: window.window_start,
            before: window.before,
            after: window.after,
            stamps: stamps(&window.stamps),
        });
        Carry {
            customer: self.customer.clone(),
            event_name: self.event_name.clone(),
            window: self.window_start,
            quantity: self.quantity,
            wanted: self.wanted,
            billed: self.billed,
            stamps: stamps(&self.stamps),
            windows: windows.collect(),
        }
    }

    /// Where its record is.
    #[must_use]
    pub fn place(&self) -> LogPlace {
        LogPlace {
            log_partition: LogPartition {
                topic_id: self.topic_id,
                partition: self.log_partition,
            },
            offset: self.offset,
            append_time: self.append_time,
        }
    }
}
