//! `init`: topics, the record that they are ours, tables and views; or the adoption of a topic.
//!
//! Idempotent: what is there is checked and left as it is.

use super::{KAFKA_TIMEOUT, Session};
use crate::args::InitArgs;
use crate::failure::Failure;
use crate::output::{note, print};
use anyhow::anyhow;
use meterline_clickhouse::Migrated;
use meterline_control::{ControlError, InitReport, InitSpec, init_topics};
use meterline_core::control::{Adoption, View};
use meterline_core::position::LogPartition;
use std::collections::BTreeMap;

/// Partitions of a usage topic where nothing else is said.
const PARTITIONS: u32 = 4;

/// Runs the command.
pub(crate) fn run(args: &InitArgs, session: &Session<'_>) -> Result<(), Failure> {
    if args.adopt.is_some() {
        require_catalog(session)?;
    }
    let author = session.author(None, "meterline init");
    let spec = InitSpec {
        partitions: args.partitions.unwrap_or(PARTITIONS),
        replicas: args.replication_factor,
        author: author.clone(),
    };
    let report = init_topics(&session.settings.kafka, &spec, KAFKA_TIMEOUT)?;
    print(&topics_text(&report))?;
    for (text, topics) in warnings(&report) {
        note(&format!("warning: {}: {text}", topics.join(", ")));
    }
    let clickhouse = session.clickhouse()?;
    let migrated = session.runtime.block_on(clickhouse.migrate())?;
    print(&tables_text(clickhouse.database(), &migrated))?;
    check_partitions(args, &report)?;
    if let Some(start) = &args.adopt {
        let adoptions = session
            .control()?
            .adopt(&report.usage, start, &author, KAFKA_TIMEOUT)?;
        return Ok(print(&adoptions_text(&adoptions))?);
    }
    if !report.adopts_itself {
        let view = session.control()?.read_to_end(KAFKA_TIMEOUT)?;
        print(&adoption_hint(&report, &view))?;
    }
    Ok(())
}

/// Nothing is made for an adoption that would be refused.
fn require_catalog(session: &Session<'_>) -> Result<(), Failure> {
    match session.control()?.read_to_end(KAFKA_TIMEOUT) {
        Ok(view) if view.catalog().is_some() => Ok(()),
        Ok(_) | Err(ControlError::NoTopic { .. }) => Err(ControlError::NoCatalog.into()),
        Err(error) => Err(error.into()),
    }
}

/// A number of partitions that was asked for and is not there must not pass unseen.
fn check_partitions(args: &InitArgs, report: &InitReport) -> Result<(), Failure> {
    let (name, count) = (&report.usage.name, report.usage.partition_count());
    match args.partitions {
        Some(wanted) if wanted != count => Err(Failure::Failed(anyhow!(
            "topic {name} was there with {count} partitions, not {wanted}; to grow a topic, add \
             partitions with Kafka's own tools, then run `meterline resolve`"
        ))),
        _ => Ok(()),
    }
}

fn topics_text(report: &InitReport) -> String {
    let mut text = String::new();
    for topic in &report.created {
        text.push_str(&format!("created topic {topic}\n"));
    }
    if report.created.is_empty() {
        text.push_str("all topics were there\n");
    }
    text
}

/// Warnings, each with all topics that it is about.
fn warnings(report: &InitReport) -> BTreeMap<&str, Vec<&str>> {
    let mut topics: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for warning in &report.warnings {
        topics
            .entry(&warning.text)
            .or_default()
            .push(&warning.topic);
    }
    topics
}

fn tables_text(database: &str, migrated: &Migrated) -> String {
    let mut text = match migrated.applied.as_slice() {
        [] => format!("database {database} was up to date\n"),
        numbers => {
            let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
            format!(
                "database {database}: applied migrations {}\n",
                numbers.join(", ")
            )
        }
    };
    for table in &migrated.retention_changed {
        text.push_str(&format!(
            "database {database}: changed the retention of {table}\n"
        ));
    }
    text
}

fn adoptions_text(adoptions: &[Adoption]) -> String {
    let mut text = String::new();
    for adoption in adoptions {
        text.push_str(&format!(
            "{} partition {} counts from offset {}, catalog version {}\n",
            adoption.topic,
            adoption.log_partition.partition,
            adoption.first_offset,
            adoption.catalog_version
        ));
    }
    text
}

/// What is left to do for a topic that `init` did not make.
fn adoption_hint(report: &InitReport, view: &View) -> String {
    let topic_id = report.usage.topic_id;
    let adopted = |partition| {
        view.adoption(&LogPartition {
            topic_id,
            partition,
        })
        .is_some()
    };
    let left = (0..report.usage.partition_count())
        .filter(|partition| !adopted(*partition))
        .count();
    if left == 0 {
        return String::new();
    }
    format!(
        "topic {} was there before Meterline: {left} of its partitions are not adopted, so nothing \
         of them is counted.\nApply a catalog, then run `meterline init --adopt end`, or `--adopt \
         PARTITION=OFFSET,…` to count what it holds.\n",
        report.usage.name
    )
}
