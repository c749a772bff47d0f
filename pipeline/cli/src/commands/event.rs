//! `event void` and `event amend`: what was counted is taken back, by a decision.
//!
//! The command finds the record that counted in the archive, shows what changes, and writes the
//! decision with that record in it. Whether it can be applied is the fold's to say, where its
//! pointer lies; what is known to be refused there is refused here, before anything is written.

use super::{KAFKA_TIMEOUT, Session, clock};
use crate::args::event::{AmendArgs, CorrectionArgs, EventCommand};
use crate::failure::Failure;
use crate::output::{Table, note, print, short_time};
use anyhow::{Context as _, anyhow};
use found::Found;
use meterline_control::{ControlError, ControlLog, Decided, propose};
use meterline_core::control::{CatalogDecision, ChainKey, Decision, EventRecord, Void};
use meterline_core::fold::{Preview, Share, preview};
use meterline_core::position::Offset;
use meterline_core::time::LogTime;
use serde_json::json;

mod found;
mod outcome;
mod replacement;

/// Runs the command.
pub(crate) fn run(command: &EventCommand, session: &Session<'_>) -> Result<(), Failure> {
    match command {
        EventCommand::Void(args) => correct(&args.of, None, session),
        EventCommand::Amend(args) => correct(&args.of, Some(args), session),
    }
}

fn correct(
    args: &CorrectionArgs,
    amend: Option<&AmendArgs>,
    session: &Session<'_>,
) -> Result<(), Failure> {
    let given = [
        (&args.id, "the id"),
        (&args.tenant, "--tenant"),
        (&args.source, "--source"),
    ];
    let named = given.into_iter().chain([(&args.reason, "--reason")]);
    for (text, name) in named {
        if text.is_empty() {
            return Err(Failure::usage(format!("{name} must not be empty")));
        }
    }
    let store = args.wait.then(|| session.store()).transpose()?;
    let control = session.control()?;
    let found = found::find(args, session, &control)?;
    let content = found.content();
    let headers = content.headers();
    let record = content.at(found.offset, LogTime(0), &headers);
    let event = preview(&record, &found.catalog.compiled)
        .map_err(|rejection| anyhow!("the archived record: {}", rejection.detail))?;
    check_acceptance(&event, &found)?;
    let replacement = amend
        .map(|amend| replacement::of(amend, &event))
        .transpose()?;
    show(args, amend, &found, &event, replacement.as_ref())?;
    if args.dry_run {
        note("nothing was written; leave out --dry-run to do it");
        return Ok(());
    }
    let offset = decide(args, &found, replacement, session, &control)?;
    print(&format!(
        "decided at control offset {offset}; it acts where the rollup stage places it in \
         partition {}\n",
        found.log_partition.partition
    ))?;
    match store {
        Some(store) => outcome::wait(&store, args, &found, offset, session),
        None => Ok(()),
    }
}

/// What is before the acceptance window is refused by the fold too, at its own clock.
fn check_acceptance(event: &Preview<'_>, found: &Found) -> Result<(), Failure> {
    let acceptance = found.newest_catalog.compiled.catalog.acceptance;
    let floor = clock().before(acceptance);
    if event.time < floor || event.id_time < floor {
        return Err(anyhow!(
            "the event of {} is outside of the acceptance window, which begins at {}; give a \
             credit on the next statement instead",
            short_time(event.time),
            short_time(floor)
        )
        .into());
    }
    Ok(())
}

/// Shows what the event gave to each meter, and what its replacement gives.
fn show(
    args: &CorrectionArgs,
    amend: Option<&AmendArgs>,
    found: &Found,
    event: &Preview<'_>,
    replacement: Option<&EventRecord>,
) -> Result<(), Failure> {
    let headers = replacement.map(EventRecord::headers).unwrap_or_default();
    let record = replacement.map(|by| by.at(found.offset, LogTime(0), &headers));
    let by = record
        .as_ref()
        .map(|record| preview(record, &found.catalog.compiled));
    let by = by
        .transpose()
        .map_err(|rejection| Failure::usage(format!("the replacement: {}", rejection.detail)))?;
    if let Some(by) = &by {
        check_replacement(args, event, by)?;
        check_effect(amend, event, by)?;
    }
    let mut table = Table::new(&[
        "meter",
        "hour",
        "aggregation",
        "taken_back",
        "counted_instead",
    ]);
    let after = by.map(|by| by.shares).unwrap_or_default();
    let gone = event.shares.iter().map(|share| &share.meter);
    let new = after.iter().map(|share| &share.meter);
    let meters: std::collections::BTreeSet<&String> = gone.chain(new).collect();
    for meter in meters {
        let (before, after) = (of(&event.shares, meter), of(&after, meter));
        let aggregation = before.or(after).map(|share| share.aggregation.name());
        table.push(vec![
            json!(meter),
            json!(short_time(event.time.hour().start())),
            json!(aggregation),
            json!(before.map(|share| share.quantity.to_string())),
            json!(after.map(|share| share.quantity.to_string())),
        ]);
    }
    Ok(print(&table.render(args.output)?)?)
}

fn of<'a>(shares: &'a [Share], meter: &str) -> Option<&'a Share> {
    shares.iter().find(|share| share.meter == meter)
}

/// What the fold would refuse of a replacement.
fn check_replacement(
    args: &CorrectionArgs,
    event: &Preview<'_>,
    by: &Preview<'_>,
) -> Result<(), Failure> {
    let identity = (
        by.event.tenant.as_ref(),
        by.event.source.as_ref(),
        by.event.id.as_ref(),
    );
    if identity != (args.tenant.as_str(), args.source.as_str(), args.id.as_str()) {
        return Err(Failure::usage(
            "the replacement has another tenant, source or id than the event",
        ));
    }
    if by.time != event.time {
        return Err(Failure::usage(format!(
            "the replacement is of {}, the event of {}; void the event and publish another under \
             a new id instead",
            by.time, event.time
        )));
    }
    if by.shares.is_empty() {
        return Err(Failure::usage(
            "no meter counts the replacement; void the event instead",
        ));
    }
    Ok(())
}

/// A quantity that no meter reads would be a correction in the books that corrects nothing.
fn check_effect(
    amend: Option<&AmendArgs>,
    event: &Preview<'_>,
    by: &Preview<'_>,
) -> Result<(), Failure> {
    let is_by_quantity = amend.is_some_and(|amend| amend.quantity.is_some());
    if is_by_quantity && by.shares == event.shares {
        let meters: Vec<&str> = event.shares.iter().map(|s| s.meter.as_str()).collect();
        return Err(Failure::usage(format!(
            "--quantity changes nothing: what {} count of this event is the same with it; they \
             count events or read a property: give the whole event with --file",
            meters.join(", ")
        )));
    }
    Ok(())
}

/// Writes the decision; another one on the same event that came first is shown.
fn decide(
    args: &CorrectionArgs,
    found: &Found,
    replacement: Option<EventRecord>,
    session: &Session<'_>,
    control: &ControlLog,
) -> Result<Offset, Failure> {
    let void = Void {
        tenant: args.tenant.clone(),
        source: args.source.clone(),
        id: args.id.clone(),
        log_partition: found.log_partition,
        offset: found.offset,
        record: found.record.clone(),
        replacement,
    };
    if let Some(excess) = void.excess() {
        return Err(anyhow!("the event cannot be corrected: {excess}").into());
    }
    let decision = Decision::Void(Box::new(void));
    let chain = ChainKey::of(&decision);
    let author = session.author(args.actor.as_deref(), &args.reason);
    let record = propose(&found.view, decision, &author);
    match control.decide(&record, KAFKA_TIMEOUT)? {
        Decided::InForce { offset, .. } => Ok(offset),
        Decided::Lost { offset, actor, .. } => Err(ControlError::Raced {
            chain,
            offset,
            actor,
        })
        .context("look at that decision, then try again")
        .map_err(Failure::from),
    }
}

/// The catalog version that an archived record was decoded by.
fn version(
    found: &meterline_core::control::View,
    version: u32,
) -> Result<std::sync::Arc<CatalogDecision>, Failure> {
    let decision = found.catalog_version(version).cloned();
    Ok(decision.with_context(|| format!("the control log has no catalog version {version}"))?)
}
