//! `checkpoint list|repair`: what the checkpoint store has, and what of it can be used.
//!
//! Nothing is deleted: what cannot be used is set aside with its files. What is refused here: a
//! dispute between two histories, which `resolve` ends, and a format of another release.

mod rebuild;

use super::{Session, clock};
use crate::args::checkpoint::{CheckpointCommand, ListArgs, RepairArgs};
use crate::failure::Failure;
use crate::output::{Table, length, note, print};
use meterline_checkpoint::{Inspected, Manifest, Problem, Store};
use meterline_core::position::LogPartition;
use serde_json::{Value, json};

/// Runs the command.
pub(crate) fn run(command: &CheckpointCommand, session: &Session<'_>) -> Result<(), Failure> {
    match command {
        CheckpointCommand::List(args) => list(args, session),
        CheckpointCommand::Repair(args) => repair(args, session),
    }
}

type Partitions = Vec<(LogPartition, Vec<Inspected>)>;

fn inspect(
    session: &Session<'_>,
    store: &Store,
    partition: Option<u32>,
    read: bool,
) -> Result<Partitions, Failure> {
    let all = session.runtime.block_on(store.partitions())?;
    let wanted = all
        .into_iter()
        .filter(|p| partition.is_none_or(|only| only == p.partition));
    let mut inspected = Vec::new();
    for log_partition in wanted {
        let manifests = session
            .runtime
            .block_on(store.inspect(log_partition, read))?;
        inspected.push((log_partition, manifests));
    }
    Ok(inspected)
}

fn list(args: &ListArgs, session: &Session<'_>) -> Result<(), Failure> {
    let store = session.store()?;
    let columns = [
        "partition",
        "epoch",
        "position",
        "age",
        "files",
        "bytes",
        "ids",
        "buckets",
        "state",
        "topic_id",
        "path",
    ];
    let mut table = Table::new(&columns);
    for (log_partition, manifests) in inspect(session, &store, args.partition, args.read)? {
        for one in &manifests {
            table.push(row(log_partition, one, args.read));
        }
    }
    if table.is_empty() {
        note("the store has no checkpoint");
    }
    print(&table.render(args.output)?)?;
    match session.runtime.block_on(store.orphans())? {
        Some(orphans) if orphans.files > 0 => {
            let (files, bytes) = (orphans.files, orphans.bytes);
            note(&format!(
                "{files} files of {bytes} bytes belong to no checkpoint; workers remove them a day \
                 after they were written"
            ));
        }
        Some(_) => {}
        None => note("no file is removed while a checkpoint cannot be read"),
    }
    Ok(())
}

fn row(log_partition: LogPartition, one: &Inspected, is_read: bool) -> Vec<Value> {
    let sum = |of: fn(&meterline_checkpoint::FileRef) -> u64| {
        let files = one.manifest.as_ref().map(|manifest| &manifest.files);
        json!(files.map(|files| files.iter().map(of).sum::<u64>()))
    };
    let good = if is_read {
        "read and whole"
    } else {
        "complete"
    };
    let state = one
        .problem
        .as_ref()
        .map_or_else(|| good.to_owned(), Problem::to_string);
    vec![
        json!(log_partition.partition),
        json!(one.stamp.epoch),
        json!(one.stamp.offset),
        json!(one.manifest.as_ref().map(age)),
        json!(one.manifest.as_ref().map(|manifest| manifest.files.len())),
        sum(|file| file.length),
        sum(|file| file.ids),
        sum(|file| file.buckets),
        json!(state),
        json!(log_partition.topic_id.to_string()),
        json!(one.path),
    ]
}

fn age(manifest: &Manifest) -> String {
    let millis = clock()
        .0
        .div_euclid(1_000)
        .saturating_sub(manifest.written_at);
    length(u64::try_from(millis / 1_000).unwrap_or(0))
}

fn repair(args: &RepairArgs, session: &Session<'_>) -> Result<(), Failure> {
    if args.rebuild {
        return rebuild::run(args, session);
    }
    let store = session.store()?;
    let mut table = Table::new(&["partition", "position", "what", "path"]);
    for (log_partition, manifests) in inspect(session, &store, args.partition, args.read)? {
        for one in manifests {
            let Some(problem) = &one.problem else {
                continue;
            };
            let what = match problem {
                Problem::Disputed(_) => format!("kept: {problem}; `meterline resolve` ends this"),
                Problem::UnknownFormat(_) => {
                    format!("kept: {problem}; run the release that wrote it")
                }
                Problem::Damaged(_) | Problem::Incomplete(_) if !args.yes => {
                    format!("to be set aside: {problem}")
                }
                Problem::Damaged(_) | Problem::Incomplete(_) => {
                    let to = session.runtime.block_on(store.set_aside(&one.path))?;
                    format!("set aside as {to}: {problem}")
                }
            };
            table.push(vec![
                json!(log_partition.partition),
                json!(one.stamp.offset),
                json!(what),
                json!(one.path),
            ]);
        }
    }
    if table.is_empty() {
        return Ok(print("every checkpoint can be used\n")?);
    }
    print(&table.render(crate::args::Output::Table)?)?;
    if !args.yes {
        note("nothing was changed; run it again with --yes");
    }
    Ok(())
}
