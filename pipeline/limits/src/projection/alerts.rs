//! Of `usage.alerts`: transitions in force and outcomes of deliveries.

use crate::metrics::{Metrics, Place};
use crate::records::AlertRecord;
use meterline_clickhouse::{ClickHouse, Error, Projection};
use meterline_core::chain::Ruling;
use meterline_core::halt::Halt;
use meterline_core::limits::{Alerts, notification_id};
use meterline_core::position::{LogPartition, Offset, TopicId};
use meterline_follow::{Appended, Project};
use meterline_schemas::rows::{AlertRow, DeliveryRow, LogPlace};
use std::collections::BTreeMap;

/// The fold, and the rows that wait, by partition.
pub(crate) struct AlertsProjection {
    topic_id: TopicId,
    metrics: Metrics,
    alerts: Alerts,
    rows: BTreeMap<u32, Rows>,
}

#[derive(Default)]
struct Rows {
    alerts: Vec<AlertRow>,
    deliveries: Vec<DeliveryRow>,
}

impl AlertsProjection {
    /// The state before the first record of a log of so many partitions.
    pub(crate) fn new(topic_id: TopicId, partitions: u32, metrics: Metrics) -> Self {
        Self {
            topic_id,
            metrics,
            alerts: Alerts::new(partitions),
            rows: BTreeMap::new(),
        }
    }
}

impl Project for AlertsProjection {
    type Record = Appended<AlertRecord>;

    const PROJECTION: Projection = Projection::Alerts;

    fn take(
        &mut self,
        partition: u32,
        offset: Offset,
        record: Self::Record,
        is_wanted: bool,
    ) -> Result<(), Halt> {
        let Appended { at, record } = record;
        let place = LogPlace {
            log_partition: LogPartition {
                topic_id: self.topic_id,
                partition,
            },
            offset,
            append_time: at,
        };
        let rows = self.rows.entry(partition).or_default();
        match record {
            AlertRecord::Transition(transition) => {
                let ruling = self.alerts.apply(partition, offset, at, &transition)?;
                if is_wanted && ruling == Ruling::InForce {
                    let id = notification_id(&transition.key, transition.episode, transition.state);
                    rows.alerts.push(AlertRow::new(place, &transition, id));
                }
            }
            AlertRecord::Delivery(delivery) => {
                self.alerts.pass(partition, offset, at)?;
                if is_wanted {
                    rows.deliveries.push(DeliveryRow::new(place, &delivery));
                }
            }
        }
        Ok(())
    }

    fn waiting(&self) -> usize {
        let rows = self.rows.values();
        rows.map(|rows| rows.alerts.len() + rows.deliveries.len())
            .sum()
    }

    async fn write(
        &self,
        clickhouse: &ClickHouse,
        log_partition: LogPartition,
        position: Offset,
    ) -> Result<(), Error> {
        let none = Rows::default();
        let rows = self.rows.get(&log_partition.partition).unwrap_or(&none);
        let inserted =
            clickhouse.insert_alerts(&rows.alerts, &rows.deliveries, log_partition, position);
        inserted.await
    }

    fn written(&mut self, partition: u32) {
        let rows = self.rows.remove(&partition).unwrap_or_default();
        self.metrics.written(Place::Alerts, rows.alerts.len());
        self.metrics
            .written(Place::Deliveries, rows.deliveries.len());
    }
}
