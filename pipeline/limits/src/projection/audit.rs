//! Of the control log: every decision, in force or not.

use crate::metrics::{Metrics, Place};
use meterline_clickhouse::{ClickHouse, Error, Projection};
use meterline_core::chain::{Chains, Ruling};
use meterline_core::control::{ChainKey, ControlRecord};
use meterline_core::halt::Halt;
use meterline_core::hash::content_hash;
use meterline_core::position::{LogPartition, Offset, TopicId};
use meterline_follow::{Appended, Project};
use meterline_schemas::rows::AuditRow;

/// The heads, and the rows that wait.
///
/// Chains go by the hashes of their keys: a million accounts cost 30 bytes each, and nothing but
/// equality is asked of them.
pub(crate) struct AuditProjection {
    topic_id: TopicId,
    metrics: Metrics,
    chains: Chains<u128>,
    rows: Vec<AuditRow>,
}

impl AuditProjection {
    /// The state before the log's first record.
    pub(crate) fn new(topic_id: TopicId, metrics: Metrics) -> Self {
        Self {
            topic_id,
            metrics,
            chains: Chains::default(),
            rows: Vec::new(),
        }
    }
}

impl Project for AuditProjection {
    type Record = Appended<ControlRecord>;

    const PROJECTION: Projection = Projection::AuditLog;

    fn take(
        &mut self,
        _partition: u32,
        offset: Offset,
        record: Self::Record,
        is_wanted: bool,
    ) -> Result<(), Halt> {
        let Appended { at, record } = record;
        let key = format!("{:?}", ChainKey::of(&record.decision));
        let key = content_hash(key.as_bytes());
        let ruling = self.chains.offer(key, record.head, offset, at)?;
        if is_wanted {
            let is_in_force = ruling == Ruling::InForce;
            let row = AuditRow::new(self.topic_id, offset, at, &record, is_in_force);
            self.rows.push(row);
        }
        Ok(())
    }

    fn waiting(&self) -> usize {
        self.rows.len()
    }

    async fn write(
        &self,
        clickhouse: &ClickHouse,
        log_partition: LogPartition,
        position: Offset,
    ) -> Result<(), Error> {
        let inserted = clickhouse.insert_audit(&self.rows, log_partition, position);
        inserted.await
    }

    fn written(&mut self, _partition: u32) {
        self.metrics.written(Place::Audit, self.rows.len());
        self.rows.clear();
    }
}
