//! Rows of `stripe_pushes` and `stripe_windows`: the steps of pushes that `meterline.pushes` has in
//! force, projected.

use super::judged::{JudgedUsage, changes_of, columns_of};
use super::place::LogPlace;
use super::{codes, columns};
use clickhouse::Row;
use meterline_core::position::{LogPartition, Offset, TopicId};
use meterline_core::push::{Intent, Outcome, PushKey, PushRecord, Stamps, Step, identifier};
use meterline_core::pushes::State;
use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, LogTime};
use serde::{Deserialize, Serialize};

/// A step in force, with the intent that it is about.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct PushRow {
    /// Who is billed.
    pub tenant: String,
    /// The meter.
    pub meter: String,
    /// First second of the hour window.
    #[serde(with = "columns::seconds")]
    pub window_start: EventTime,
    /// What became of the intent with this record.
    #[serde(with = "codes::push_step")]
    pub step: State,
    /// Id of the customer at Stripe.
    pub customer: String,
    /// Event name of the meter at Stripe.
    pub event_name: String,
    /// Value of the whole window that is pushed.
    #[serde(with = "columns::quantity")]
    pub quantity: Quantity,
    /// The version of the window that has this value.
    pub stamps: Vec<JudgedUsage>,
    /// From 1 for each version.
    pub attempt: u32,
    /// What Stripe knows the attempt by.
    pub identifier: String,
    /// What Stripe said, or why it is not known.
    pub detail: String,
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

impl PushRow {
    /// The row of a step in force; `intent` is the one in force with it, which is its own where
    /// the step is an intent: `meterline_core::pushes::Head::intent` after the record.
    #[must_use]
    pub fn new(place: LogPlace, record: &PushRecord, intent: &Intent) -> Self {
        let key = &record.key;
        let (step, detail) = state_of(&record.step);
        Self {
            tenant: key.tenant.clone(),
            meter: key.meter.clone(),
            window_start: key.window,
            step,
            customer: intent.customer.clone(),
            event_name: intent.event_name.clone(),
            quantity: intent.quantity,
            stamps: columns_of(intent.stamps.changes()),
            attempt: intent.attempt,
            identifier: identifier(key, &intent.stamps, intent.attempt),
            detail: detail.to_owned(),
            instance: record.instance.clone(),
            write_id: record.write_id,
            append_time: place.append_time,
            topic_id: place.log_partition.topic_id,
            log_partition: place.log_partition.partition,
            offset: place.offset,
        }
    }

    /// Which push it is of.
    #[must_use]
    pub fn key(&self) -> PushKey {
        PushKey {
            tenant: self.tenant.clone(),
            meter: self.meter.clone(),
            window: self.window_start,
        }
    }

    /// The version of the window that has its value.
    #[must_use]
    pub fn version(&self) -> Stamps {
        Stamps::new(changes_of(&self.stamps).collect())
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

/// What a step makes of its chain, and what it says about it.
fn state_of(step: &Step) -> (State, &str) {
    match step {
        Step::Intent(_) => (State::Called, ""),
        Step::Outcome(Outcome::Received) => (State::Received, ""),
        Step::Outcome(Outcome::NotTaken { detail }) => (State::NotTaken, detail),
        Step::Outcome(Outcome::Unknown { detail }) => (State::Unknown, detail),
        Step::Outcome(Outcome::Refused { detail }) => (State::Refused, detail),
        Step::Confirmed => (State::Confirmed, ""),
    }
}

/// How many windows of `stripe_windows` have a step as their newest, and since when.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct PushCountRow {
    /// The newest step of these windows.
    #[serde(with = "codes::push_step")]
    pub step: State,
    /// How many windows.
    pub windows: u64,
    /// First second of the oldest window of them.
    #[serde(with = "columns::seconds")]
    pub oldest_window: EventTime,
    /// When the first of these steps was written.
    pub since: LogTime,
}
