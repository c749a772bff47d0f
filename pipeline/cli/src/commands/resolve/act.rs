//! Doing what the findings say: manifests aside, decisions with read-back, then what going back
//! must restate.

use super::facts::Scene;
use super::restate::{Restated, restate};
use super::{Stuck, exit_text};
use crate::args::resolve::ResolveArgs;
use crate::commands::KAFKA_TIMEOUT;
use crate::failure::Failure;
use crate::output::{note, print};
use anyhow::anyhow;
use meterline_control::{AdoptStart, Author, Decided, propose};
use meterline_core::control::{Decision, Verdict, VerdictAction};
use meterline_core::position::LogPartition;
use meterline_core::resolve::{Exit, Finding};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often a new epoch's checkpoint is looked for.
const LOOK: Duration = Duration::from_millis(500);

/// Does what the findings say.
pub(super) fn run(args: &ResolveArgs, scene: &Scene<'_>, stuck: &[Stuck]) -> Result<(), Failure> {
    let author = scene.session.author(args.actor.as_deref(), &args.note);
    let mut is_adopted = false;
    let mut outside = 0;
    for Stuck { facts, finding } in stuck {
        let partition = facts.log_partition;
        match &finding.exit {
            Exit::Verdict { .. } => decide(scene, partition, finding, &author)?,
            Exit::Adopt { .. } => {
                // One adoption is of all partitions that have none.
                if !std::mem::replace(&mut is_adopted, true) {
                    adopt(scene, &author)?;
                }
            }
            Exit::Restate => {}
            Exit::Outside(_) => outside += 1,
        }
    }
    let deadline = Instant::now() + args.timeout.0;
    for Stuck { facts, finding } in stuck {
        if matches!(finding.exit, Exit::Verdict { .. } | Exit::Restate) {
            restate_all(scene, facts.log_partition, deadline)?;
        }
    }
    if outside > 0 {
        let what = format!("{outside} partitions need something else first; see the table");
        return Err(Failure::Failed(anyhow!(what)));
    }
    Ok(())
}

fn decide(
    scene: &Scene<'_>,
    log_partition: LogPartition,
    finding: &Finding,
    author: &Author,
) -> Result<(), Failure> {
    let Exit::Verdict {
        offset,
        action,
        set_aside,
    } = &finding.exit
    else {
        return Ok(());
    };
    if let VerdictAction::Partitions(count) = action {
        grow_totals(scene, *count)?;
    }
    for path in set_aside {
        let to = scene
            .session
            .runtime
            .block_on(scene.store.set_aside(path))?;
        print(&format!("set aside {path} as {to}\n"))?;
    }
    let verdict = Verdict {
        log_partition,
        offset: *offset,
        action: action.clone(),
    };
    let mut author = author.clone();
    if author.note.is_empty() {
        author.note.clone_from(&finding.what);
    }
    // On top of what was judged: a decision that came between takes this one's place.
    let record = propose(&scene.view, Decision::Verdict(verdict), &author);
    let number = log_partition.partition;
    match scene.control.decide(&record, KAFKA_TIMEOUT)? {
        Decided::InForce { offset, .. } => {
            let text = exit_text(&finding.exit);
            Ok(print(&format!(
                "partition {number}: {text}; control offset {offset}\n"
            ))?)
        }
        Decided::Lost { offset, actor, .. } => Err(Failure::Failed(anyhow!(
            "partition {number}: {actor} decided first, at control offset {offset}; look again"
        ))),
    }
}

/// Adopts every partition that has no adoption, from the first record that its log still has.
fn adopt(scene: &Scene<'_>, author: &Author) -> Result<(), Failure> {
    grow_totals(scene, scene.topic.partition_count())?;
    let mut firsts = BTreeMap::new();
    for partition in 0..scene.topic.partition_count() {
        let (low, _) = scene
            .admin
            .watermarks(&scene.topic.name, partition, KAFKA_TIMEOUT)?;
        firsts.insert(partition, low);
    }
    let start = AdoptStart::At(firsts);
    for adoption in scene
        .control
        .adopt(&scene.topic, &start, author, KAFKA_TIMEOUT)?
    {
        print(&format!(
            "partition {} counts from offset {}, catalog version {}\n",
            adoption.log_partition.partition, adoption.first_offset, adoption.catalog_version
        ))?;
    }
    note(
        "workers that run take new partitions when Kafka assigns them; after a topic was made again, start them again",
    );
    Ok(())
}

/// Totals lie in the partition of their usage partition's number.
fn grow_totals(scene: &Scene<'_>, count: u32) -> Result<(), Failure> {
    let name = scene.session.settings.kafka.topics().totals();
    let totals = scene.admin.describe_topic(&name, KAFKA_TIMEOUT)?;
    let totals = totals.ok_or_else(|| anyhow!("topic {name} is gone; run `meterline init`"))?;
    if totals.partition_count() < count {
        scene.admin.grow_topic(&name, count, KAFKA_TIMEOUT)?;
        print(&format!("topic {name} has {count} partitions now\n"))?;
    }
    Ok(())
}

/// Restates until nothing of a given up history is left, or the time is over.
fn restate_all(
    scene: &Scene<'_>,
    log_partition: LogPartition,
    deadline: Instant,
) -> Result<(), Failure> {
    let number = log_partition.partition;
    let mut written = 0;
    loop {
        let abandoned = scene.abandoned(log_partition)?;
        if abandoned == 0 {
            if written > 0 {
                print(&format!("partition {number}: {written} rows restated\n"))?;
            }
            return Ok(());
        }
        let waits_for = match restate(scene, log_partition)? {
            Restated::NoCheckpoint => "a worker's first checkpoint of the new epoch",
            Restated::Done { unknown: 0, rows } => {
                written += rows;
                "the new epoch's own rows"
            }
            Restated::Done { unknown, .. } => {
                return Err(Failure::Failed(anyhow!(
                    "partition {number}: {unknown} rows of a given up history are older than what \
                     any checkpoint still knows; they stay, and `meterline verify` shows them"
                )));
            }
        };
        if Instant::now() >= deadline {
            return Err(Failure::Failed(anyhow!(
                "partition {number}: the decision is in force, and {abandoned} rows and dead \
                 letters wait for {waits_for}; run `meterline resolve --yes` again then"
            )));
        }
        std::thread::sleep(LOOK);
    }
}
