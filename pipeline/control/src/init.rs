//! `meterline init`, the part on Kafka: topics, and the record that they are ours.
//!
//! Idempotent: topics that are there are checked and never changed.

use crate::decide::{Author, Decided, propose};
use crate::error::ControlError;
use crate::log::ControlLog;
use crate::topics::{Purpose, SAFE_REPLICAS, Warning, contract};
use meterline_core::control::{Decision, TopicCreated};
use meterline_kafka::{Admin, Backoff, Created, Settings, TopicDescription};
use std::time::{Duration, Instant};

/// What `init` is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InitSpec {
    /// Partitions of each topic that is made, but for the control log, which has one.
    pub partitions: u32,
    /// Replicas of each topic that is made; `None`: three, or as many as there are brokers.
    pub replicas: Option<u16>,
    /// Who runs `init`.
    pub author: Author,
}

/// What `init` found and did on Kafka.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InitReport {
    /// Topics that it made.
    pub created: Vec<String>,
    /// What works, and may lose records some day.
    pub warnings: Vec<Warning>,
    /// `usage.events` as it is now.
    pub usage: TopicDescription,
    /// Whether workers may adopt the partitions of `usage.events` by themselves. Where not, and
    /// they are not adopted yet, an admin must: see [`ControlLog::adopt`].
    pub adopts_itself: bool,
}

/// Makes the topics that are missing, checks those that are there, and records which usage topic
/// `init` made. Blocks.
///
/// A usage topic that nothing was ever written to counts as made by `init`: so a run that died
/// between making it and recording that is finished by the next.
///
/// # Errors
/// [`ControlError::Topic`] for a topic that Meterline cannot work with, and Kafka's.
pub fn init_topics(
    settings: &Settings,
    spec: &InitSpec,
    timeout: Duration,
) -> Result<InitReport, ControlError> {
    let deadline = Instant::now() + timeout;
    let admin = Admin::connect(settings)?;
    let replicas = match spec.replicas {
        Some(replicas) => replicas,
        None => default_replicas(admin.brokers(timeout)?),
    };
    let mut created = Vec::new();
    let mut described: Vec<(TopicDescription, Purpose)> = Vec::new();
    for (name, purpose) in contract(&settings.topics()) {
        // Totals must have as many partitions as the usage topic has, whoever made that.
        let usage = described.iter().find(|(_, p)| *p == Purpose::Usage);
        let partitions = usage.map_or(spec.partitions, |(t, _)| t.partition_count());
        let topic = purpose.spec(&name, partitions, replicas);
        if admin.create_topic(&topic, timeout)? == Created::Now {
            created.push(name.clone());
        }
        described.push((wait_for_topic(&admin, &name, deadline)?, purpose));
    }
    let usage = described.iter().find(|(_, p)| *p == Purpose::Usage);
    let (usage, _) = usage.expect("the contract has a usage topic").clone();
    let mut warnings = Vec::new();
    for (topic, purpose) in &described {
        warnings.extend(purpose.check(topic, usage.partition_count())?);
    }
    let made = created.contains(&usage.name) || is_untouched(&admin, &usage, timeout)?;
    let adopts_itself = record_usage_topic(settings, &usage, made, &spec.author, deadline)?;
    Ok(InitReport {
        created,
        warnings,
        usage,
        adopts_itself,
    })
}

fn default_replicas(brokers: usize) -> u16 {
    u16::try_from(brokers).map_or(SAFE_REPLICAS, |brokers| brokers.clamp(1, SAFE_REPLICAS))
}

/// Describes a topic that was just made, once it is known and each partition has its leader.
fn wait_for_topic(
    admin: &Admin,
    name: &str,
    deadline: Instant,
) -> Result<TopicDescription, ControlError> {
    let mut backoff = Backoff::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let described = admin.describe_topic(name, left)?;
        let ready = |t: &TopicDescription| t.partitions.iter().all(|p| p.leader.is_some());
        if let Some(description) = described.filter(ready) {
            return Ok(description);
        }
        if left.is_zero() {
            return Err(ControlError::NoTopic {
                topic: name.to_owned(),
            });
        }
        std::thread::sleep(backoff.pause());
    }
}

/// Whether nothing was ever written to the topic.
fn is_untouched(
    admin: &Admin,
    topic: &TopicDescription,
    timeout: Duration,
) -> Result<bool, ControlError> {
    for partition in 0..topic.partition_count() {
        let (_, end) = admin.watermarks(&topic.name, partition, timeout)?;
        if end > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Records that the usage topic is `init`'s own; whether that is in force at the end.
fn record_usage_topic(
    settings: &Settings,
    usage: &TopicDescription,
    made: bool,
    author: &Author,
    deadline: Instant,
) -> Result<bool, ControlError> {
    let log = ControlLog::connect(settings)?;
    let left = || deadline.saturating_duration_since(Instant::now());
    let view = log.read_to_end(left())?;
    let is_ours = |view: &meterline_core::control::View| {
        let known = view.topic_created(&usage.name);
        known.is_some_and(|known| known.topic_id == usage.topic_id)
    };
    if is_ours(&view) || !made {
        return Ok(is_ours(&view));
    }
    let decision = Decision::Topic(TopicCreated {
        topic: usage.name.clone(),
        topic_id: usage.topic_id,
        partitions: usage.partition_count(),
    });
    let record = propose(&view, decision, author);
    let (Decided::InForce { view, .. } | Decided::Lost { view, .. }) =
        log.decide(&record, left())?;
    Ok(is_ours(&view))
}
