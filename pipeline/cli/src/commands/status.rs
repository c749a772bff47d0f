//! `status`: every partition of the usage topic, from all that knows of it; once, or live.
//!
//! What cannot be asked is left out with a warning; the rest is shown all the same, because one
//! looks here when things are broken.

use super::{Session, clock};
use crate::args::StatusArgs;
use crate::failure::Failure;
use crate::output::{Table, length, note, print, short_time};
use anyhow::anyhow;
use meterline_core::time::{EventTime, LogTime};
use serde_json::{Value, json};
use std::collections::BTreeMap;

mod gather;
mod screen;
mod watch;

use gather::{Known, Sources};

/// Runs the command.
pub(crate) fn run(args: &StatusArgs, session: &Session<'_>) -> Result<(), Failure> {
    if args.watch {
        return watch::run(session);
    }
    let sources = Sources::connect(session.settings, session.runtime.handle())?;
    let gathered = sources.ask()?;
    print(&table(&gathered.partitions).render(args.output)?)?;
    for warning in &gathered.warnings {
        note(&format!("warning: {warning}"));
    }
    if gathered.is_incomplete {
        return Err(Failure::Failed(anyhow!("the status is incomplete")));
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
    let position = known.published();
    vec![
        json!(partition),
        worker.map_or_else(|| json!("unknown"), |w| json!(w.state)),
        json!(position),
        json!(end),
        json!(known.lag()),
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
