//! `account history`: every version in force, read from the log itself: who, when, why, from where.

use super::compare::changes;
use super::{open, unknown};
use crate::args::account::HistoryArgs;
use crate::commands::{KAFKA_TIMEOUT, Session};
use crate::failure::Failure;
use crate::output::{Place, Table, short_time};
use meterline_control::Past;
use meterline_core::account::{AccountChange, RunningPeriod};
use meterline_core::catalog::Catalog;
use meterline_core::control::{ChainKey, Decision};
use serde_json::json;
use std::io::Write;

/// Runs the command.
pub(super) fn run(args: &HistoryArgs, session: &Session<'_>) -> Result<(), Failure> {
    let file = args.result.file()?;
    let (log, decision) = open(session)?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let chain = ChainKey::Account(args.id.clone());
    // One more, for what the oldest that is shown changed.
    let history = log.control().history(&chain, limit + 1, KAFKA_TIMEOUT)?;
    if history.is_empty() {
        return Err(unknown(&log, &args.id));
    }
    let text = table(&history, limit, &decision.compiled.catalog).render(args.result.output)?;
    Ok(Place::of(file)?.fill(|place| Ok(place.write_all(text.as_bytes())?))?)
}

fn table(history: &[Past], limit: usize, catalog: &Catalog) -> Table {
    let mut table = Table::new(&[
        "offset",
        "at",
        "effective",
        "running",
        "actor",
        "origin",
        "note",
        "changes",
    ]);
    for (place, past) in history.iter().enumerate().take(limit) {
        let Some(version) = change(past) else {
            continue;
        };
        let before = history.get(place + 1).and_then(change);
        let before = before.map(|before| &before.terms);
        let effective = version
            .effective
            .map_or(past.append_time, |at| at.max(past.append_time));
        let running = match version.running {
            RunningPeriod::Keep => "keep",
            RunningPeriod::Restart => "restart",
        };
        table.push(vec![
            json!(past.offset),
            json!(short_time(past.append_time)),
            json!(short_time(effective)),
            json!(running),
            json!(past.record.actor),
            json!(version.origin),
            json!(past.record.note),
            json!(changes(before, &version.terms, catalog).join(", ")),
        ]);
    }
    table
}

fn change(past: &Past) -> Option<&AccountChange> {
    match &past.record.decision {
        Decision::Account(change) => Some(change),
        _ => None,
    }
}
