//! Reads the usage topic from its beginning to its end and does nothing with it.
//!
//! What the client library and the broker can do on this machine: the yardstick of the whole path.

use anyhow::{Context, Result};
use clap::Parser;
use meterline_bench::{Figures, Target};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long the broker may take to answer or to send the next record.
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    target: Target,
}

fn main() -> Result<()> {
    let target = Arguments::parse().target;
    let config = target.settings().consumer_config("bench-raw");
    let consumer: BaseConsumer = config.create().context("failed to make a consumer")?;
    let topic = target.topic();
    let partitions = partitions(&consumer, &topic)?;
    let mut positions = TopicPartitionList::new();
    for partition in &partitions {
        positions.add_partition_offset(&topic, *partition, Offset::Beginning)?;
    }
    consumer
        .assign(&positions)
        .context("failed to assign the partitions")?;
    println!("{}", read(&consumer, partitions)?.json());
    Ok(())
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> Result<BTreeSet<i32>> {
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT)?;
    let topic = metadata
        .topics()
        .first()
        .context("the broker did not answer for the topic")?;
    Ok(topic
        .partitions()
        .iter()
        .map(rdkafka::metadata::MetadataPartition::id)
        .collect())
}

fn read(consumer: &BaseConsumer, mut unfinished: BTreeSet<i32>) -> Result<Figures> {
    let mut figures = Figures::default();
    let mut start = None;
    while !unfinished.is_empty() {
        match consumer
            .poll(TIMEOUT)
            .context("the broker sends no more records")?
        {
            Ok(message) => {
                start.get_or_insert_with(Instant::now);
                figures.records += 1;
                figures.bytes += u64::try_from(message.key_len() + message.payload_len())?;
            }
            Err(KafkaError::PartitionEOF(partition)) => {
                unfinished.remove(&partition);
            }
            Err(error) => return Err(error).context("failed to read the topic"),
        }
    }
    figures.elapsed = start.context("the topic is empty")?.elapsed();
    Ok(figures)
}
