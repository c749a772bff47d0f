//! Adoption: the decision that a usage partition begins with.

use crate::decide::{Author, Decided, propose};
use crate::error::ControlError;
use crate::log::ControlLog;
use meterline_core::control::{Adoption, Decision, View};
use meterline_core::halt::Halt;
use meterline_core::position::{LogPartition, Offset};
use meterline_kafka::TopicDescription;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Where the partitions of a topic that was there before Meterline begin to count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AdoptStart {
    /// Each at its end as of now.
    End,
    /// Each at the given offset; every partition must be named.
    At(BTreeMap<u32, Offset>),
}

impl ControlLog {
    /// The adoption of a partition; written now where `init` created the topic.
    ///
    /// Workers that race end with the same adoption. Blocks.
    ///
    /// # Errors
    /// [`ControlError::NoCatalog`]: wait for one. [`ControlError::NotCreatedByInit`]: an admin
    /// must adopt it. [`ControlError::Topic`] where its partition count changed since `init`.
    /// Those of [`ControlLog::decide`].
    pub fn adopt_created(
        &self,
        topic: &TopicDescription,
        partition: u32,
        author: &Author,
        timeout: Duration,
    ) -> Result<Adoption, ControlError> {
        let deadline = Instant::now() + timeout;
        let log_partition = LogPartition {
            topic_id: topic.topic_id,
            partition,
        };
        let view = self.read_to_end(timeout)?;
        if let Some(adoption) = view.adoption(&log_partition) {
            return Ok(adoption.clone());
        }
        let created = view.topic_created(&topic.name);
        let Some(created) = created.filter(|c| c.topic_id == topic.topic_id) else {
            return Err(ControlError::NotCreatedByInit {
                topic: topic.name.clone(),
                log_partition,
            });
        };
        if created.partitions != topic.partition_count() {
            return Err(ControlError::Topic {
                topic: topic.name.clone(),
                reason: Halt::PartitionsChanged(format!(
                    "it was created with {} partitions and has {}",
                    created.partitions,
                    topic.partition_count()
                ))
                .to_string(),
            });
        }
        self.adopt_at(&view, topic, log_partition, 0, author, deadline)
    }

    /// Adopts all partitions of a topic that was there before Meterline.
    ///
    /// A partition that is adopted already keeps its adoption. Blocks.
    ///
    /// # Errors
    /// [`ControlError::NoCatalog`]; [`ControlError::Adoption`] where `start` does not name every
    /// partition, or names an offset that it does not have; those of [`ControlLog::decide`].
    pub fn adopt(
        &self,
        topic: &TopicDescription,
        start: &AdoptStart,
        author: &Author,
        timeout: Duration,
    ) -> Result<Vec<Adoption>, ControlError> {
        let deadline = Instant::now() + timeout;
        let mut view = self.read_to_end(timeout)?;
        if view.catalog().is_none() {
            return Err(ControlError::NoCatalog);
        }
        let first_offsets = self.first_offsets(topic, start, timeout)?;
        let mut adoptions = Vec::with_capacity(first_offsets.len());
        for (partition, first) in (0u32..).zip(first_offsets) {
            let log_partition = LogPartition {
                topic_id: topic.topic_id,
                partition,
            };
            let adoption = match view.adoption(&log_partition) {
                Some(adoption) => adoption.clone(),
                None => self.adopt_at(&view, topic, log_partition, first, author, deadline)?,
            };
            adoptions.push(adoption);
            view = self.view();
        }
        Ok(adoptions)
    }

    fn adopt_at(
        &self,
        view: &View,
        topic: &TopicDescription,
        log_partition: LogPartition,
        first_offset: Offset,
        author: &Author,
        deadline: Instant,
    ) -> Result<Adoption, ControlError> {
        let catalog = view.catalog().ok_or(ControlError::NoCatalog)?;
        let adoption = Adoption {
            topic: topic.name.clone(),
            log_partition,
            partitions: topic.partition_count(),
            first_offset,
            catalog_version: catalog.version,
        };
        let record = propose(view, Decision::Adoption(adoption), author);
        let left = deadline.saturating_duration_since(Instant::now());
        let (Decided::InForce { view, .. } | Decided::Lost { view, .. }) =
            self.decide(&record, left)?;
        let adoption = view.adoption(&log_partition);
        Ok(adoption
            .expect("a decided adoption, ours or another, is in the view")
            .clone())
    }

    fn first_offsets(
        &self,
        topic: &TopicDescription,
        start: &AdoptStart,
        timeout: Duration,
    ) -> Result<Vec<Offset>, ControlError> {
        let refused = |reason: String| ControlError::Adoption {
            topic: topic.name.clone(),
            reason,
        };
        let count = topic.partition_count();
        if let AdoptStart::At(offsets) = start {
            let strange = offsets.keys().find(|partition| **partition >= count);
            if let Some(partition) = strange {
                return Err(refused(format!("it has no partition {partition}")));
            }
        }
        let mut first_offsets = Vec::new();
        for partition in 0..count {
            let (low, high) = self.admin().watermarks(&topic.name, partition, timeout)?;
            let first = match start {
                AdoptStart::End => high,
                AdoptStart::At(offsets) => *offsets
                    .get(&partition)
                    .ok_or_else(|| refused(format!("name an offset for partition {partition}")))?,
            };
            if first < low || first > high {
                return Err(refused(format!(
                    "partition {partition} has offsets from {low} to {high}, not {first}"
                )));
            }
            first_offsets.push(first);
        }
        Ok(first_offsets)
    }
}
