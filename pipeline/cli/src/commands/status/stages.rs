//! How far the stages without state are: the archive, by the positions beside its rows, and rekey,
//! by what its group committed.
//!
//! A stage that was never run has left nothing, and nothing is said of it.

use super::super::KAFKA_TIMEOUT;
use crate::config::Settings;
use anyhow::{Context as _, Result};
use meterline_clickhouse::ClickHouse;
use meterline_core::position::TopicId;
use meterline_kafka::Admin;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::topic_partition_list::TopicPartitionList;
use std::collections::BTreeMap;

/// How far one partition is archived.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Archived {
    /// The next record to archive.
    pub(super) to_offset: u64,
    /// Ranges of records that the archive does not have.
    pub(super) holes: u64,
}

/// How far each partition is archived; empty where the archive was never run.
pub(super) async fn archived(
    clickhouse: &ClickHouse,
    topic_id: TopicId,
) -> Result<BTreeMap<u32, Archived>> {
    let rows = clickhouse.archive_progress(topic_id).await?;
    if rows.is_empty() {
        return Ok(BTreeMap::new());
    }
    let holes: BTreeMap<u32, u64> = clickhouse.archive_holes(topic_id).await?;
    let archived = rows.into_iter().map(|row| {
        let holes = holes.get(&row.log_partition).copied().unwrap_or(0);
        let to_offset = row.to_offset;
        (row.log_partition, Archived { to_offset, holes })
    });
    Ok(archived.collect())
}

/// Asks for the positions of the rekey stage; never joins its group.
pub(super) struct Incoming {
    topic: String,
    consumer: BaseConsumer,
}

impl Incoming {
    /// Makes the client; nothing is asked yet.
    pub(super) fn connect(settings: &Settings) -> Result<Self> {
        let config = settings.kafka.consumer_config(&settings.rekey.group);
        Ok(Self {
            topic: settings.kafka.topics().usage_incoming(),
            consumer: config
                .create()
                .context("failed to make a client for the positions of rekey")?,
        })
    }

    /// Records that are not re-keyed, by partition of the incoming topic; empty where nobody ever
    /// committed a position of that very topic.
    pub(super) fn lags(&self, admin: &Admin) -> Result<BTreeMap<u32, u64>> {
        let Some(topic) = admin.describe_topic(&self.topic, KAFKA_TIMEOUT)? else {
            return Ok(BTreeMap::new());
        };
        let committed = self.committed(topic.topic_id, topic.partition_count())?;
        if committed.is_empty() {
            return Ok(committed);
        }
        let lag = |partition| {
            let (low, end) = admin.watermarks(&self.topic, partition, KAFKA_TIMEOUT)?;
            let position = committed.get(&partition).copied().unwrap_or(low).max(low);
            Ok((partition, end.saturating_sub(position)))
        };
        (0..topic.partition_count()).map(lag).collect()
    }

    /// Committed positions that are bound to that topic id, as the stage itself believes them.
    fn committed(&self, topic_id: TopicId, partitions: u32) -> Result<BTreeMap<u32, u64>> {
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition(&self.topic, i32::try_from(partition)?);
        }
        let list = self.consumer.committed_offsets(list, KAFKA_TIMEOUT);
        let list = list.context("failed to ask for the positions of the rekey stage")?;
        let bound = topic_id.to_string();
        let ours = list
            .elements()
            .into_iter()
            .filter(|place| place.metadata() == bound);
        let ours = ours.filter_map(|place| {
            let offset = u64::try_from(place.offset().to_raw()?).ok()?;
            Some((u32::try_from(place.partition()).ok()?, offset))
        });
        Ok(ours.collect())
    }
}
