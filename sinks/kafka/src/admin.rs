//! Topics: making them, and what they are now. Every call blocks its thread.

use crate::describe::{self, PartitionDescription};
use crate::error::Error;
use crate::last_failure::LastFailure;
use crate::retry::Backoff;
use crate::settings::Settings;
use meterline_core::position::{Offset, TopicId};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::FromClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::time::{Duration, Instant};

mod grow;

/// Makes and describes topics.
pub struct Admin {
    client: AdminClient<DefaultClientContext>,
    /// For messages.
    brokers: String,
    /// For messages as well.
    last_failure: LastFailure,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

/// A topic to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// Number of partitions.
    pub partitions: u32,
    /// Number of replicas.
    pub replicas: u16,
    /// Topic settings by their Kafka names.
    pub config: Vec<(&'static str, String)>,
}

/// What [`Admin::create_topic`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Created {
    /// The topic is new.
    Now,
    /// A topic of this name was there before; it was not changed.
    Before,
}

/// A topic as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Its id, which changes when it is deleted and made again.
    pub topic_id: TopicId,
    /// Its partitions by number, 0 first, without holes.
    pub partitions: Vec<PartitionDescription>,
    /// The settings that matter to Meterline.
    pub config: TopicConfig,
}

/// The settings of a topic that matter to Meterline.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicConfig {
    /// `message.timestamp.type` is `LogAppendTime`.
    pub log_append_time: bool,
    /// `retention.ms`; −1: for ever.
    pub retention_ms: i64,
    /// `retention.bytes`; −1: without bound.
    pub retention_bytes: i64,
    /// `cleanup.policy`.
    pub cleanup_policy: String,
    /// `max.message.bytes`.
    pub max_message_bytes: u64,
    /// `min.insync.replicas`.
    pub min_insync_replicas: u32,
    /// `unclean.leader.election.enable`.
    pub unclean_leader_election: bool,
}

impl TopicDescription {
    /// Number of partitions.
    #[must_use]
    pub fn partition_count(&self) -> u32 {
        u32::try_from(self.partitions.len()).expect("partition numbers are 32 bits")
    }

    /// Fewest replicas of any partition.
    #[must_use]
    pub fn replicas(&self) -> usize {
        let replicas = self.partitions.iter().map(|p| p.replicas.len());
        replicas.min().unwrap_or(0)
    }
}

impl Admin {
    /// Makes an admin client; connects in the background.
    ///
    /// # Errors
    /// [`Error::Client`] where the client library refuses the settings.
    pub fn connect(settings: &Settings) -> Result<Self, Error> {
        let client = AdminClient::from_config(&settings.admin_config()).map_err(Error::client)?;
        Ok(Self {
            client,
            brokers: settings.brokers.clone(),
            last_failure: LastFailure::default(),
        })
    }

    /// Number of brokers that the cluster has now.
    ///
    /// # Errors
    /// [`Error::Cluster`], or [`Error::NoAnswer`].
    pub fn brokers(&self, timeout: Duration) -> Result<usize, Error> {
        self.client
            .inner()
            .fetch_metadata(None, timeout)
            .map(|metadata| metadata.brokers().len())
            .map_err(|source| {
                let source = Box::new(source);
                Error::Cluster { source }.at(&self.brokers, self.last_failure())
            })
    }

    /// Describes a topic; `None` where there is none of this name.
    ///
    /// # Errors
    /// [`Error::Describe`] or [`Error::NoAnswer`], or [`Error::Answer`] where the brokers are too old to know topic ids.
    pub fn describe_topic(
        &self,
        name: &str,
        timeout: Duration,
    ) -> Result<Option<TopicDescription>, Error> {
        let failed = |source| {
            Error::Describe {
                topic: name.to_owned(),
                source: Box::new(source),
            }
            .at(&self.brokers, self.last_failure())
        };
        let answer = |what: &str| Error::Answer {
            topic: name.to_owned(),
            what: what.to_owned(),
        };
        let Some((topic_id, partitions)) = self.describe(name, timeout).map_err(failed)? else {
            return Ok(None);
        };
        if topic_id.0 == 0 {
            return Err(answer("no topic id"));
        }
        let dense = (0u32..).zip(&partitions).all(|(n, p)| n == p.partition);
        if partitions.is_empty() || !dense {
            return Err(answer("no partitions, or with holes between them"));
        }
        let config = self.topic_config(name, timeout)?;
        Ok(Some(TopicDescription {
            name: name.to_owned(),
            topic_id,
            partitions,
            config,
        }))
    }

    #[allow(unsafe_code)] // One of two calls that need a live handle.
    fn last_failure(&self) -> Option<String> {
        // SAFETY: the handle lives as long as `self.client`, which this call borrows.
        unsafe { self.last_failure.read(self.client.inner().native_ptr()) }
    }

    #[allow(unsafe_code)] // The other of them.
    fn describe(
        &self,
        name: &str,
        timeout: Duration,
    ) -> Result<Option<(TopicId, Vec<PartitionDescription>)>, KafkaError> {
        // SAFETY: the handle lives as long as `self.client`, which this call borrows.
        unsafe { describe::describe(self.client.inner().native_ptr(), name, timeout) }
    }

    fn topic_config(&self, name: &str, timeout: Duration) -> Result<TopicConfig, Error> {
        let options = AdminOptions::new().request_timeout(Some(timeout));
        let topic = ResourceSpecifier::Topic(name);
        let failed = |source| {
            Error::Describe {
                topic: name.to_owned(),
                source: Box::new(source),
            }
            .at(&self.brokers, self.last_failure())
        };
        let deadline = Instant::now() + timeout;
        let mut backoff = Backoff::new();
        let resource = loop {
            let described = self.client.describe_configs([&topic], &options);
            let resource = futures::executor::block_on(described)
                .map_err(failed)?
                .pop()
                .ok_or_else(|| failed(KafkaError::AdminOp(RDKafkaErrorCode::BadMessage)))?
                .map_err(|code| failed(KafkaError::AdminOp(code)))?;
            // A broker that has not heard of a new topic yet answers without any setting.
            let pause = backoff.pause();
            if !resource.entries.is_empty() || Instant::now() + pause >= deadline {
                break resource;
            }
            std::thread::sleep(pause);
        };
        let text = |key: &'static str| {
            let value = resource.get(key).and_then(|entry| entry.value.clone());
            value.ok_or_else(|| Error::Answer {
                topic: name.to_owned(),
                what: format!("no setting `{key}`"),
            })
        };
        Ok(TopicConfig {
            log_append_time: text("message.timestamp.type")? == "LogAppendTime",
            retention_ms: number(name, "retention.ms", &text("retention.ms")?)?,
            retention_bytes: number(name, "retention.bytes", &text("retention.bytes")?)?,
            cleanup_policy: text("cleanup.policy")?,
            max_message_bytes: number(name, "max.message.bytes", &text("max.message.bytes")?)?,
            min_insync_replicas: number(
                name,
                "min.insync.replicas",
                &text("min.insync.replicas")?,
            )?,
            unclean_leader_election: text("unclean.leader.election.enable")? == "true",
        })
    }

    /// Makes a topic unless one of its name is there.
    ///
    /// # Errors
    /// [`Error::Create`], or [`Error::NoAnswer`].
    pub fn create_topic(&self, spec: &TopicSpec, timeout: Duration) -> Result<Created, Error> {
        let failed = |source| {
            Error::Create {
                topic: spec.name.clone(),
                source: Box::new(source),
            }
            .at(&self.brokers, self.last_failure())
        };
        let invalid = |_| failed(KafkaError::AdminOp(RDKafkaErrorCode::InvalidPartitions));
        let partitions = i32::try_from(spec.partitions).map_err(invalid)?;
        let replication = TopicReplication::Fixed(i32::from(spec.replicas));
        let mut topic = NewTopic::new(&spec.name, partitions, replication);
        for (key, value) in &spec.config {
            topic = topic.set(key, value);
        }
        // The operation timeout makes the brokers answer once the topic is there on all of them.
        let options = AdminOptions::new()
            .request_timeout(Some(timeout))
            .operation_timeout(Some(timeout));
        let created = self.client.create_topics([&topic], &options);
        let result = futures::executor::block_on(created).map_err(failed)?.pop();
        match result {
            Some(Ok(_)) => Ok(Created::Now),
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(Created::Before),
            Some(Err((_, code))) => Err(failed(KafkaError::AdminOp(code))),
            None => Err(failed(KafkaError::AdminOp(RDKafkaErrorCode::BadMessage))),
        }
    }

    /// First offset that a partition still has, and the one after its last.
    ///
    /// # Errors
    /// [`Error::Watermarks`], or [`Error::NoAnswer`].
    pub fn watermarks(
        &self,
        topic: &str,
        partition: u32,
        timeout: Duration,
    ) -> Result<(Offset, Offset), Error> {
        let failed = |source| {
            Error::Watermarks {
                topic: topic.to_owned(),
                partition,
                source: Box::new(source),
            }
            .at(&self.brokers, self.last_failure())
        };
        let invalid = |_| {
            failed(KafkaError::MetadataFetch(
                RDKafkaErrorCode::UnknownPartition,
            ))
        };
        let number = i32::try_from(partition).map_err(invalid)?;
        let deadline = Instant::now() + timeout;
        let client = self.client.inner();
        // Asked for anew each time: the library keeps a leader for minutes that was killed, and
        // waits in vain for its answer.
        let metadata = client.fetch_metadata(Some(topic), timeout / 2);
        metadata.map_err(failed)?;
        let left = deadline.saturating_duration_since(Instant::now());
        let (low, high) = client
            .fetch_watermarks(topic, number, left)
            .map_err(failed)?;
        let offset = |raw: i64| u64::try_from(raw).map_err(invalid);
        Ok((offset(low)?, offset(high)?))
    }
}

fn number<T: std::str::FromStr>(topic: &str, key: &str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|_| Error::Answer {
        topic: topic.to_owned(),
        what: format!("`{key}` = `{text}`"),
    })
}
