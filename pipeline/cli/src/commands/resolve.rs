//! `resolve`: what is halted or stalled, what each exit does and loses, and, with `--yes`, doing it.
//!
//! An exit is a decision: a verdict or an adoption on the control log, with who and why. Going back
//! also restates what the given up history wrote; that needs a worker's first checkpoint of the new
//! epoch, and may be repeated until `verify` finds nothing. What is refused: to act on what no
//! worker has confirmed, because a live worker may be past what is seen from outside.

mod act;
mod facts;
mod foreign;
mod restate;

use super::Session;
use crate::args::resolve::ResolveArgs;
use crate::failure::Failure;
use crate::output::{Table, note, print};
use anyhow::anyhow;
use facts::Scene;
use meterline_control::ControlError;
use meterline_core::control::VerdictAction;
use meterline_core::halt::Halt;
use meterline_core::resolve::{Exit, Facts, Finding, judge};
use serde_json::{Value, json};

/// A partition that does not go on, or has rows to restate.
struct Stuck {
    facts: Facts,
    finding: Finding,
}

/// Runs the command.
pub(crate) fn run(args: &ResolveArgs, session: &Session<'_>) -> Result<(), Failure> {
    let scene = match Scene::look(args, session) {
        Ok(scene) => scene,
        Err(error) => return control_halted(args, error),
    };
    let stuck = find(args, &scene)?;
    if stuck.is_empty() {
        return Ok(print(
            "nothing is halted, stalled or waits to be restated\n",
        )?);
    }
    print(&table(&stuck).render(args.output)?)?;
    if !args.yes {
        note("nothing was changed; run it again with --yes and a --note to do this");
        return Ok(());
    }
    if !scene.is_confirmed && !args.without_workers {
        return Err(Failure::usage(
            "no worker has answered, and one that runs may be past all this; name the workers with \
             --workers, or give --without-workers while none runs",
        ));
    }
    act::run(args, &scene, &stuck)
}

fn find(args: &ResolveArgs, scene: &Scene<'_>) -> Result<Vec<Stuck>, Failure> {
    let mut stuck = Vec::new();
    for partition in 0..scene.topic.partition_count() {
        if args.partition.is_some_and(|only| only != partition) {
            continue;
        }
        let facts = scene.facts(partition)?;
        let finding = match args.back_to {
            Some(offset) => Some(back_to(&facts, offset)?),
            None => judge(&facts),
        };
        if let Some(finding) = finding {
            stuck.push(Stuck { facts, finding });
        }
    }
    Ok(stuck)
}

/// The exit that the operator names.
fn back_to(facts: &Facts, offset: u64) -> Result<Finding, Failure> {
    let last = facts
        .verdicts
        .last()
        .map_or(0, |(_, verdict)| verdict.offset);
    let first = facts
        .adoption
        .as_ref()
        .map(|adoption| adoption.first_offset);
    let Some(first) = first else {
        return Err(Failure::usage("the partition is not adopted"));
    };
    if offset < last.max(first) || offset > facts.high {
        let (least, high) = (last.max(first), facts.high);
        return Err(Failure::usage(format!(
            "--back-to must lie from {least} (adoption, last verdict) to {high} (end of the log)"
        )));
    }
    let stored = &facts.stored.usable;
    let from = stored.iter().find(|stamp| stamp.offset <= offset);
    if from.map_or(first, |stamp| stamp.offset) < facts.low {
        return Err(Failure::usage(format!(
            "no checkpoint at or before {offset} is left from which the log can be read"
        )));
    }
    Ok(Finding {
        name: facts
            .stopped
            .as_ref()
            .map_or_else(|| "running".to_owned(), |s| s.name.clone()),
        what: format!(
            "what was folded at or behind offset {offset} is given up; the log is folded again \
             from there"
        ),
        exit: Exit::Verdict {
            offset,
            action: VerdictAction::ContinueAt(offset),
            set_aside: Vec::new(),
        },
    })
}

/// The control log itself cannot be read on: no verdict helps, since nobody reads past it.
fn control_halted(args: &ResolveArgs, error: Failure) -> Result<(), Failure> {
    let Some(halt) = halt_of(&error) else {
        return Err(error);
    };
    let mut table = Table::new(&COLUMNS);
    table.push(vec![
        Value::Null,
        json!(halt.name()),
        json!(halt.to_string()),
        json!(format!("none here: {}", control_exit(halt))),
    ]);
    print(&table.render(args.output)?)?;
    if args.yes {
        return Err(Failure::Failed(anyhow!(
            "the control log needs something else first; see the table"
        )));
    }
    Ok(())
}

/// What must be done before the control log can be read on.
const fn control_exit(halt: &Halt) -> &'static str {
    match halt {
        Halt::UnknownKind(_) | Halt::UnknownFold(_) | Halt::UnknownFormat(_) => {
            "run workers and commands of the release that wrote it or of a later one; they go on \
             from there"
        }
        Halt::TimestampType(_) => {
            "set message.timestamp.type=LogAppendTime on the control log's topic, and bring it \
             back as it was before that record, by the brokers' disks; then start the workers again"
        }
        Halt::PartitionsChanged(_) => {
            "Kafka never takes partitions away: bring the control log back with its one \
             partition, by the brokers' disks; then start the workers again"
        }
        _ => {
            "bring the control log back whole, by the brokers' disks, and keep its retention \
             unlimited; then start the workers again"
        }
    }
}

fn halt_of(failure: &Failure) -> Option<&Halt> {
    let (Failure::Usage(error) | Failure::Failed(error)) = failure;
    match error.downcast_ref::<ControlError>()? {
        ControlError::Halted { source, .. } => Some(source),
        _ => None,
    }
}

const COLUMNS: [&str; 4] = ["partition", "halt", "what", "exit"];

fn table(stuck: &[Stuck]) -> Table {
    let mut table = Table::new(&COLUMNS);
    for Stuck { facts, finding } in stuck {
        table.push(vec![
            json!(facts.log_partition.partition),
            json!(finding.name),
            json!(finding.what),
            json!(exit_text(&finding.exit)),
        ]);
    }
    table
}

fn exit_text(exit: &Exit) -> String {
    match exit {
        Exit::Verdict {
            offset,
            action,
            set_aside,
        } => {
            let aside = match set_aside.len() {
                0 => String::new(),
                count => format!("set {count} checkpoints aside, then "),
            };
            format!("{aside}verdict on offset {offset}: {}", action_text(action))
        }
        Exit::Adopt { first_offset } => format!("adopt it from offset {first_offset}"),
        Exit::Restate => "restate them".to_owned(),
        Exit::Outside(text) => format!("none here: {text}"),
    }
}

fn action_text(action: &VerdictAction) -> String {
    match action {
        VerdictAction::ContinueAt(offset) => format!("go on at {offset}"),
        VerdictAction::LogTime(log_time) => format!("log time {log_time} for its record"),
        VerdictAction::LogTimeUntil { until, log_time } => {
            format!("log time {log_time} for the records before {until}")
        }
        VerdictAction::Partitions(count) => format!("accept {count} partitions"),
    }
}
