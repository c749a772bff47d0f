//! Rows of `alerts`, `open_alerts` and `alert_deliveries`: what `usage.alerts` says, projected.

use super::judged::{JudgedUsage, judged, usage_of};
use super::place::LogPlace;
use super::{codes, columns};
use clickhouse::Row;
use meterline_core::alert::{AlertKey, AlertState, Delivery, DeliveryOutcome, Judged, Transition};
use meterline_core::catalog::plans::Severity;
use meterline_core::position::{LogPartition, Offset, TopicId};
use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, LogTime};
use serde::{Deserialize, Serialize};

/// A transition in force. The column `percentage` is filled by the server.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct AlertRow {
    /// Who is billed.
    pub tenant: String,
    /// The meter or derived quantity.
    pub meter: String,
    /// First second of the period.
    #[serde(with = "columns::seconds")]
    pub period_start: EventTime,
    /// First second after it.
    #[serde(with = "columns::seconds")]
    pub period_end: EventTime,
    /// Name of the threshold.
    pub threshold: String,
    /// What became of the alert.
    #[serde(with = "codes::alert_state")]
    pub state: AlertState,
    /// From 1; each opening counts up.
    pub episode: u32,
    /// How bad it is.
    #[serde(with = "codes::severity")]
    pub severity: Severity,
    /// What receivers call it.
    pub kind: String,
    /// Use that it was judged by.
    #[serde(with = "columns::quantity")]
    pub used: Quantity,
    /// What the share is taken of.
    #[serde(with = "columns::quantity")]
    pub limit: Quantity,
    /// The plan in force.
    pub plan: String,
    /// Log partitions of usage that it was judged by.
    pub judged_usage: Vec<JudgedUsage>,
    /// Catalog version that it was judged by.
    pub judged_catalog: Offset,
    /// The newest version of the account that was read.
    pub judged_account: Option<Offset>,
    /// The version of the account in effect.
    pub judged_effective: Option<Offset>,
    /// Id of its notification.
    pub notification: u128,
    /// The process that wrote the record.
    pub instance: String,
    /// When the broker took the record.
    pub append_time: LogTime,
    /// Incarnation of `usage.alerts`.
    #[serde(with = "columns::topic_id")]
    pub topic_id: TopicId,
    /// Partition of `usage.alerts`.
    pub log_partition: u32,
    /// Offset of the record.
    pub offset: Offset,
}

impl AlertRow {
    /// The row of a transition in force; `notification` is
    /// `meterline_core::limits::notification_id` of it.
    #[must_use]
    pub fn new(place: LogPlace, transition: &Transition, notification: u128) -> Self {
        let key = &transition.key;
        Self {
            tenant: key.tenant.clone(),
            meter: key.meter.clone(),
            period_start: key.period_start,
            period_end: transition.period_end,
            threshold: key.threshold.clone(),
            state: transition.state,
            episode: transition.episode,
            severity: transition.severity,
            kind: transition.kind.clone(),
            used: transition.used,
            limit: transition.limit,
            plan: transition.plan.clone(),
            judged_usage: usage_of(&transition.judged),
            judged_catalog: transition.judged.catalog,
            judged_account: transition.judged.account,
            judged_effective: transition.judged.effective,
            notification,
            instance: transition.instance.clone(),
            append_time: place.append_time,
            topic_id: place.log_partition.topic_id,
            log_partition: place.log_partition.partition,
            offset: place.offset,
        }
    }

    /// Which alert it is of.
    #[must_use]
    pub fn key(&self) -> AlertKey {
        AlertKey {
            tenant: self.tenant.clone(),
            meter: self.meter.clone(),
            period_start: self.period_start,
            threshold: self.threshold.clone(),
        }
    }

    /// What it was judged by.
    #[must_use]
    pub fn judged(&self) -> Judged {
        judged(
            &self.judged_usage,
            self.judged_catalog,
            [self.judged_account, self.judged_effective],
        )
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

/// An alert that is open.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct OpenAlertRow {
    /// Who is billed.
    pub tenant: String,
    /// The meter or derived quantity.
    pub meter: String,
    /// First second of the period.
    #[serde(with = "columns::seconds")]
    pub period_start: EventTime,
    /// First second after it.
    #[serde(with = "columns::seconds")]
    pub period_end: EventTime,
    /// Name of the threshold.
    pub threshold: String,
    /// From 1; each opening counts up.
    pub episode: u32,
    /// How bad it is.
    #[serde(with = "codes::severity")]
    pub severity: Severity,
    /// What receivers call it.
    pub kind: String,
    /// Use that it was opened by.
    #[serde(with = "columns::quantity")]
    pub used: Quantity,
    /// What the share is taken of.
    #[serde(with = "columns::quantity")]
    pub limit: Quantity,
    /// `used` of `limit`, cut off after nine decimals; `None` where the limit is 0.
    #[serde(with = "columns::optional_quantity")]
    pub percentage: Option<Quantity>,
    /// The plan in force.
    pub plan: String,
    /// Id of its notification.
    pub notification: u128,
    /// When the broker took the record that opened it.
    pub append_time: LogTime,
    /// Partition of `usage.alerts`.
    pub log_partition: u32,
    /// Offset of the record that opened it.
    pub offset: Offset,
}

/// Outcome of an attempt to tell a route of an alert.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct DeliveryRow {
    /// Id of the notification.
    pub notification: u128,
    /// Who is billed.
    pub tenant: String,
    /// The route.
    pub route: String,
    /// What became of the attempt.
    #[serde(with = "codes::delivery_outcome")]
    pub outcome: DeliveryOutcome,
    /// From 1.
    pub attempt: u32,
    /// When it was made.
    pub at: LogTime,
    /// The process that made it.
    pub instance: String,
    /// What the receiver said, or why there was no answer.
    pub detail: String,
    /// When the broker took the record.
    pub append_time: LogTime,
    /// Incarnation of `usage.alerts`.
    #[serde(with = "columns::topic_id")]
    pub topic_id: TopicId,
    /// Partition of `usage.alerts`.
    pub log_partition: u32,
    /// Offset of the record.
    pub offset: Offset,
}

impl DeliveryRow {
    /// The row of an outcome.
    #[must_use]
    pub fn new(place: LogPlace, delivery: &Delivery) -> Self {
        Self {
            notification: delivery.notification,
            tenant: delivery.tenant.clone(),
            route: delivery.route.clone(),
            outcome: delivery.outcome,
            attempt: delivery.attempt,
            at: delivery.at,
            instance: delivery.instance.clone(),
            detail: delivery.detail.clone(),
            append_time: place.append_time,
            topic_id: place.log_partition.topic_id,
            log_partition: place.log_partition.partition,
            offset: place.offset,
        }
    }

    /// Where it lies.
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

/// Up to where a partition of a log is projected.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct ProjectionPositionRow {
    /// The projection: `alerts`, `audit_log` or `stripe_pushes`.
    pub name: String,
    /// Incarnation of the log's topic.
    #[serde(with = "columns::topic_id")]
    pub topic_id: TopicId,
    /// Partition of the log.
    pub log_partition: u32,
    /// First offset that is not projected.
    pub position: Offset,
}
