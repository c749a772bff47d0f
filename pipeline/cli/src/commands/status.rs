//! `status`: every partition of the usage topic, from all that knows of it.
//!
//! The log's ends come from Kafka, positions from ClickHouse's progress, checkpoints from their
//! store, and halts from a worker's `/status` if one listens. What cannot be asked is left out
//! with a warning; the rest is shown all the same, because one looks here when things are broken.

use super::{KAFKA_TIMEOUT, Session, clock};
use crate::args::StatusArgs;
use crate::failure::{Failure, chain};
use crate::output::{Table, length, note, print, short_time};
use anyhow::{Context, Result, anyhow};
use meterline_checkpoint::{Manifest, Store};
use meterline_core::position::LogPartition;
use meterline_core::time::{EventTime, LogTime};
use meterline_kafka::{Admin, TopicDescription};
use meterline_schemas::rows::ProgressRow;
use meterline_worker::{PartitionStatus, StatusReport};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a worker may take to answer.
const WORKER_TIMEOUT: Duration = Duration::from_secs(3);

/// What is known of one partition.
#[derive(Default)]
struct Known {
    ends: Option<(u64, u64)>,
    progress: Option<ProgressRow>,
    checkpoint: Option<Manifest>,
    worker: Option<PartitionStatus>,
}

/// Runs the command.
pub(crate) fn run(args: &StatusArgs, session: &Session<'_>) -> Result<(), Failure> {
    let mut warnings = Vec::new();
    let (topic, mut partitions) = ask_kafka(session)?;
    let failed_before = warnings.len();
    keep_failure(
        add_progress(session, &topic, &mut partitions),
        &mut warnings,
    );
    keep_failure(
        add_checkpoints(session, &topic, &mut partitions),
        &mut warnings,
    );
    let failed = warnings.len() > failed_before;
    keep_failure(add_worker(session, &mut partitions), &mut warnings);
    print(&table(&partitions).render(args.output)?)?;
    for warning in &warnings {
        note(&format!("warning: {warning}"));
    }
    if failed {
        return Err(Failure::Failed(anyhow!("the status is incomplete")));
    }
    Ok(())
}

fn keep_failure(result: Result<()>, warnings: &mut Vec<String>) {
    if let Err(error) = result {
        warnings.push(chain(error.as_ref()));
    }
}

fn ask_kafka(session: &Session<'_>) -> Result<(TopicDescription, BTreeMap<u32, Known>)> {
    let name = session.settings.kafka.topics().usage_events();
    let admin = Admin::connect(&session.settings.kafka)?;
    let topic = admin.describe_topic(&name, KAFKA_TIMEOUT)?;
    let topic = topic
        .with_context(|| format!("topic {name} does not exist; `meterline init` creates it"))?;
    let mut partitions = BTreeMap::new();
    for partition in 0..topic.partition_count() {
        let ends = Some(admin.watermarks(&name, partition, KAFKA_TIMEOUT)?);
        partitions.insert(
            partition,
            Known {
                ends,
                ..Known::default()
            },
        );
    }
    Ok((topic, partitions))
}

fn add_progress(
    session: &Session<'_>,
    topic: &TopicDescription,
    partitions: &mut BTreeMap<u32, Known>,
) -> Result<()> {
    let clickhouse =
        meterline_clickhouse::ClickHouse::connect(session.settings.clickhouse.clone())?;
    let rows = session.runtime.block_on(clickhouse.progress())?;
    for row in rows
        .into_iter()
        .filter(|row| row.topic_id == topic.topic_id)
    {
        let known = partitions.entry(row.log_partition).or_default();
        known.progress = Some(row);
    }
    Ok(())
}

fn add_checkpoints(
    session: &Session<'_>,
    topic: &TopicDescription,
    partitions: &mut BTreeMap<u32, Known>,
) -> Result<()> {
    let Some(settings) = &session.settings.checkpoint else {
        return Ok(());
    };
    let store = Store::open(settings)?;
    for (partition, known) in partitions {
        let log_partition = LogPartition {
            topic_id: topic.topic_id,
            partition: *partition,
        };
        known.checkpoint = session
            .runtime
            .block_on(store.newest(log_partition, None))?;
    }
    Ok(())
}

fn add_worker(session: &Session<'_>, partitions: &mut BTreeMap<u32, Known>) -> Result<()> {
    let Some(address) = session.settings.http_listen else {
        return Ok(());
    };
    let url = format!("http://{address}/status");
    let report: StatusReport = session
        .runtime
        .block_on(async {
            let client = reqwest::Client::builder().timeout(WORKER_TIMEOUT).build()?;
            client
                .get(&url)
                .send()
                .await?
                .error_for_status()?
                .json()
                .await
        })
        .with_context(|| format!("no worker answers on {url}"))?;
    for problem in &report.problems {
        let instance = &report.instance;
        note(&format!(
            "warning: worker {instance} is not ready: {problem}"
        ));
    }
    for status in report.partitions {
        let known = partitions.entry(status.partition).or_default();
        known.worker = Some(status);
    }
    Ok(())
}

fn table(partitions: &BTreeMap<u32, Known>) -> Table {
    let columns = [
        "partition",
        "state",
        "position",
        "log_end",
        "lag",
        "log_time",
        "log_time_age",
        "sealed_to",
        "levels_to",
        "checkpoint",
        "checkpoint_age",
        "catalog",
        "epoch",
        "reason",
    ];
    let mut table = Table::new(&columns);
    let now = clock();
    for (partition, known) in partitions {
        table.push(row(*partition, known, now));
    }
    table
}

fn row(partition: u32, known: &Known, now: EventTime) -> Vec<Value> {
    let progress = known.progress.as_ref();
    let worker = known.worker.as_ref();
    let checkpoint = known.checkpoint.as_ref();
    let end = known.ends.map(|(_, end)| end);
    let first = known.ends.map_or(0, |(first, _)| first);
    // What is in a checkpoint was flushed; without either, nothing is known to be read.
    let position = progress
        .map(|p| p.to_offset)
        .or(checkpoint.map(|c| c.header.position));
    let lag = end.map(|end| end.saturating_sub(position.unwrap_or(first)));
    vec![
        json!(partition),
        worker.map_or_else(|| json!("unknown"), |w| json!(w.state)),
        json!(position),
        json!(end),
        json!(lag),
        json!(progress.map(|p| short_time(p.log_time))),
        json!(progress.map(|p| age(p.log_time, now))),
        json!(progress.map(|p| short_time(p.sealed_to))),
        json!(progress.map(|p| p.levels_to)),
        json!(checkpoint.map(|c| c.header.position)),
        json!(checkpoint.map(|c| age(LogTime(c.written_at), now))),
        json!(progress.map(|p| p.catalog_version)),
        json!(progress.map(|p| p.epoch)),
        json!(worker.and_then(|w| w.reason.as_deref())),
    ]
}

/// How long ago, in whole seconds.
fn age(time: LogTime, now: EventTime) -> String {
    let micros = now.0.saturating_sub(time.as_event_time().0);
    length(u64::try_from(micros / 1_000_000).unwrap_or(0))
}
