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
use meterline_schemas::rows::ProgressRow;
use serde_json::{Value, json};
use std::collections::BTreeMap;

mod gather;
mod screen;
mod stages;
mod watch;

use gather::{Known, Sources};

/// Runs the command.
pub(crate) fn run(args: &StatusArgs, session: &Session<'_>) -> Result<(), Failure> {
    if args.watch {
        return watch::run(session);
    }
    let sources = Sources::connect(session.settings, session.runtime.handle())?;
    let gathered = sources.ask()?;
    print(&table(&gathered.partitions, clock()).render(args.output)?)?;
    for warning in &gathered.warnings {
        note(&format!("warning: {warning}"));
    }
    if gathered.is_incomplete {
        return Err(Failure::Failed(anyhow!("the status is incomplete")));
    }
    Ok(())
}

/// What is shown of a partition.
type Column = (&'static str, fn(&Known, EventTime) -> Value);

/// Columns after that of the partition's number.
const COLUMNS: [Column; 12] = [
    ("state", |known, _| {
        let worker = known.worker.as_ref();
        worker.map_or_else(|| json!("unknown"), |worker| json!(worker.state))
    }),
    ("position", |known, _| json!(known.published())),
    ("log_end", |known, _| json!(known.ends.map(|(_, end)| end))),
    ("lag", |known, _| json!(known.lag())),
    ("log_time", |known, _| {
        json!(progress(known).map(|p| short_time(p.log_time)))
    }),
    ("log_time_age", |known, now| {
        json!(progress(known).map(|p| age(p.log_time, now)))
    }),
    ("sealed_to", |known, _| {
        json!(progress(known).map(|p| short_time(p.sealed_to)))
    }),
    ("levels_to", |known, _| {
        json!(progress(known).map(|p| p.levels_to))
    }),
    ("checkpoint", |known, _| {
        json!(known.checkpoint.as_ref().map(|c| c.header.position))
    }),
    ("checkpoint_age", |known, now| {
        let checkpoint = known.checkpoint.as_ref();
        json!(checkpoint.map(|c| age(LogTime(c.written_at), now)))
    }),
    ("catalog", |known, _| {
        json!(progress(known).map(|p| p.catalog_version))
    }),
    ("epoch", |known, _| json!(progress(known).map(|p| p.epoch))),
];

/// Columns of stages that are only there where the stage is in use.
const STAGES: [Column; 3] = [
    ("archive_lag", |known, _| json!(known.archive_lag())),
    ("archive_holes", |known, _| {
        json!(known.archived.map(|archived| archived.holes))
    }),
    ("rekey_lag", |known, _| json!(known.rekey_lag)),
];

const REASON: Column = ("reason", |known, _| {
    json!(known.worker.as_ref().and_then(|w| w.reason.as_deref()))
});

fn progress(known: &Known) -> Option<&ProgressRow> {
    known.progress.as_ref()
}

fn table(partitions: &BTreeMap<u32, Known>, now: EventTime) -> Table {
    let is_used = |(_, of): &Column| partitions.values().any(|known| !of(known, now).is_null());
    let used = STAGES.into_iter().filter(is_used);
    let columns: Vec<Column> = COLUMNS.into_iter().chain(used).chain([REASON]).collect();
    let names = columns.iter().map(|(name, _)| *name);
    let names: Vec<&str> = ["partition"].into_iter().chain(names).collect();
    let mut table = Table::new(&names);
    for (partition, known) in partitions {
        let cells = columns.iter().map(|(_, of)| of(known, now));
        table.push([json!(partition)].into_iter().chain(cells).collect());
    }
    table
}

/// How long ago, in whole seconds.
fn age(time: LogTime, now: EventTime) -> String {
    let micros = now.0.saturating_sub(time.as_event_time().0);
    length(u64::try_from(micros / 1_000_000).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Output;
    use stages::Archived;

    fn shown(known: impl IntoIterator<Item = Known>) -> Vec<Value> {
        let partitions = (0..).zip(known).collect();
        let table = table(&partitions, EventTime(0));
        let text = table.render(Output::Json).expect("JSON");
        serde_json::from_str(&text).expect("JSON")
    }

    #[test]
    fn stages_are_shown_where_they_are_in_use() {
        let plain = || Known {
            ends: Some((0, 10)),
            ..Known::default()
        };
        let rows = shown([plain()]);
        assert_eq!(rows[0]["lag"], 10);
        for column in ["archive_lag", "archive_holes", "rekey_lag"] {
            assert_eq!(rows[0].get(column), None, "{column}");
        }
        let archived = Archived {
            to_offset: 7,
            holes: 1,
        };
        let known = Known {
            archived: Some(archived),
            rekey_lag: Some(4),
            ..plain()
        };
        let rows = shown([known, plain()]);
        assert_eq!(rows[0]["archive_lag"], 3);
        assert_eq!(rows[0]["archive_holes"], 1);
        assert_eq!(rows[0]["rekey_lag"], 4);
        assert_eq!(rows[1]["archive_lag"], Value::Null);
    }
}
