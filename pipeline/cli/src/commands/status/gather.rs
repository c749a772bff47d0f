//! What is known of every partition, and from whom.
//!
//! The log's ends come from Kafka, positions from ClickHouse's progress, checkpoints from their
//! store, and states from a worker's `/status` if one listens. Connections are made once and
//! asked as often as wanted.

use super::super::KAFKA_TIMEOUT;
use super::stages::{Archived, Incoming, archived};
use crate::config::Settings;
use crate::failure::chain;
use anyhow::{Context as _, Result};
use meterline_checkpoint::{Manifest, Store};
use meterline_clickhouse::ClickHouse;
use meterline_core::position::LogPartition;
use meterline_kafka::{Admin, TopicDescription};
use meterline_schemas::rows::ProgressRow;
use meterline_worker::{PartitionStatus, StatusReport};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::runtime::Handle;

/// How long a worker may take to answer.
const WORKER_TIMEOUT: Duration = Duration::from_secs(3);

/// What is known of one partition.
#[derive(Default)]
pub(super) struct Known {
    /// First offset of the log, and the one after its last record.
    pub(super) ends: Option<(u64, u64)>,
    pub(super) progress: Option<ProgressRow>,
    pub(super) checkpoint: Option<Manifest>,
    pub(super) worker: Option<PartitionStatus>,
    /// `None` where the archive stage is not in use.
    pub(super) archived: Option<Archived>,
    /// Records of this partition of the incoming topic that are not re-keyed; `None` where the
    /// rekey stage is not in use.
    pub(super) rekey_lag: Option<u64>,
}

impl Known {
    /// Up to where values are published: what is in a checkpoint was flushed.
    pub(super) fn published(&self) -> Option<u64> {
        let progress = self.progress.as_ref().map(|p| p.to_offset);
        progress.or(self.checkpoint.as_ref().map(|c| c.header.position))
    }

    /// Records that are not published; without progress or checkpoint nothing is known to be read.
    pub(super) fn lag(&self) -> Option<u64> {
        let (first, end) = self.ends?;
        Some(end.saturating_sub(self.published().unwrap_or(first)))
    }

    /// Records that are not archived.
    pub(super) fn archive_lag(&self) -> Option<u64> {
        let (_, end) = self.ends?;
        Some(end.saturating_sub(self.archived?.to_offset))
    }
}

/// What all sources together know.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) partitions: BTreeMap<u32, Known>,
    /// What could not be asked, and what workers complain of.
    pub(super) warnings: Vec<String>,
    /// Whether a source that should always answer did not.
    pub(super) is_incomplete: bool,
}

/// Everything that knows something.
pub(super) struct Sources {
    runtime: Handle,
    admin: Admin,
    topic: String,
    clickhouse: ClickHouse,
    incoming: Incoming,
    store: Option<Store>,
    worker: Option<String>,
    http: reqwest::Client,
}

impl Sources {
    /// Makes the clients; nothing is asked yet.
    pub(super) fn connect(settings: &Settings, runtime: &Handle) -> Result<Self> {
        let http = reqwest::Client::builder().timeout(WORKER_TIMEOUT).build()?;
        Ok(Self {
            runtime: runtime.clone(),
            admin: Admin::connect(&settings.kafka)?,
            topic: settings.kafka.topics().usage_events(),
            clickhouse: ClickHouse::connect(settings.clickhouse.clone())?,
            incoming: Incoming::connect(settings)?,
            store: settings.checkpoint.as_ref().map(Store::open).transpose()?,
            worker: settings
                .http_listen
                .map(|address| format!("http://{address}/status")),
            http,
        })
    }

    /// Name of the usage topic.
    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    /// Asks all; waits for the slowest.
    ///
    /// # Errors
    /// When Kafka does not tell of the topic: without it there are no partitions to speak of.
    pub(super) fn ask(&self) -> Result<Gathered> {
        let (topic, partitions) = self.ask_kafka()?;
        let mut gathered = Gathered {
            partitions,
            ..Gathered::default()
        };
        let parts = &mut gathered.partitions;
        for result in [
            self.add_progress(&topic, parts),
            self.add_archive(&topic, parts),
            self.add_checkpoints(&topic, parts),
        ] {
            gathered.is_incomplete |= result.is_err();
            gathered
                .warnings
                .extend(result.err().map(|e| chain(e.as_ref())));
        }
        // Whoever may look at usage may have no right to the rekey group.
        let rekey = self.add_rekey(parts).err();
        gathered.warnings.extend(rekey.map(|e| chain(e.as_ref())));
        match self.add_worker(parts) {
            Ok(problems) => gathered.warnings.extend(problems),
            Err(error) => gathered.warnings.push(chain(error.as_ref())),
        }
        Ok(gathered)
    }

    fn ask_kafka(&self) -> Result<(TopicDescription, BTreeMap<u32, Known>)> {
        let name = &self.topic;
        let topic = self.admin.describe_topic(name, KAFKA_TIMEOUT)?;
        let topic = topic
            .with_context(|| format!("topic {name} does not exist; `meterline init` creates it"))?;
        let mut partitions = BTreeMap::new();
        for partition in 0..topic.partition_count() {
            let known = Known {
                ends: Some(self.admin.watermarks(name, partition, KAFKA_TIMEOUT)?),
                ..Known::default()
            };
            partitions.insert(partition, known);
        }
        Ok((topic, partitions))
    }

    fn add_progress(
        &self,
        topic: &TopicDescription,
        partitions: &mut BTreeMap<u32, Known>,
    ) -> Result<()> {
        let rows = self.runtime.block_on(self.clickhouse.progress())?;
        let of_topic = |row: &ProgressRow| row.topic_id == topic.topic_id;
        for row in rows.into_iter().filter(of_topic) {
            let known = partitions.entry(row.log_partition).or_default();
            known.progress = Some(row);
        }
        Ok(())
    }

    fn add_archive(
        &self,
        topic: &TopicDescription,
        partitions: &mut BTreeMap<u32, Known>,
    ) -> Result<()> {
        let archived = archived(&self.clickhouse, topic.topic_id);
        for (partition, archived) in self.runtime.block_on(archived)? {
            let known = partitions.entry(partition).or_default();
            known.archived = Some(archived);
        }
        Ok(())
    }

    fn add_rekey(&self, partitions: &mut BTreeMap<u32, Known>) -> Result<()> {
        for (partition, lag) in self.incoming.lags(&self.admin)? {
            partitions.entry(partition).or_default().rekey_lag = Some(lag);
        }
        Ok(())
    }

    fn add_checkpoints(
        &self,
        topic: &TopicDescription,
        partitions: &mut BTreeMap<u32, Known>,
    ) -> Result<()> {
        let Some(store) = &self.store else {
            return Ok(());
        };
        for (partition, known) in partitions {
            let log_partition = LogPartition {
                topic_id: topic.topic_id,
                partition: *partition,
            };
            known.checkpoint = self.runtime.block_on(store.newest(log_partition, None))?;
        }
        Ok(())
    }

    /// Adds what a worker says; what it complains of.
    fn add_worker(&self, partitions: &mut BTreeMap<u32, Known>) -> Result<Vec<String>> {
        let Some(url) = &self.worker else {
            return Ok(Vec::new());
        };
        let answer = async {
            let answer = self.http.get(url).send().await?;
            answer.error_for_status()?.json().await
        };
        let report: StatusReport = self
            .runtime
            .block_on(answer)
            .with_context(|| format!("no worker answers on {url}"))?;
        for status in report.partitions {
            let known = partitions.entry(status.partition).or_default();
            known.worker = Some(status);
        }
        let instance = &report.instance;
        let problems = report.problems.iter();
        let problems = problems.map(|it| format!("worker {instance} is not ready: {it}"));
        Ok(problems.collect())
    }
}
