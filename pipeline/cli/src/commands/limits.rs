//! `limits`: how tenants stand against their limits, why, and what was told of it.
//!
//! Standings and alerts are read from the tables, accounts and plans from the control log. Nothing
//! is judged here but what `explain` computes beside what was stored, so that a difference shows.

use super::{KAFKA_TIMEOUT, Session};
use crate::args::limits::LimitsCommand;
use crate::failure::Failure;
use anyhow::Context as _;
use meterline_control::AccountLog;
use meterline_core::control::CatalogDecision;
use meterline_core::limits::{Exact, Percentage};
use meterline_core::quantity::Quantity;
use std::sync::Arc;

mod explain;
mod facts;
mod list;
mod notifications;
mod part;
mod show;
mod tenant;

/// Runs the command.
pub(crate) fn run(command: &LimitsCommand, session: &Session<'_>) -> Result<(), Failure> {
    match command {
        LimitsCommand::List(args) => list::run(args, session),
        LimitsCommand::Show(args) => show::run(args, session),
        LimitsCommand::Explain(args) => explain::run(args, session),
        LimitsCommand::Notifications(command) => notifications::run(command, session),
    }
}

/// The accounts, read to the end of the control log, and the catalog in force.
fn open(session: &Session<'_>) -> Result<(AccountLog, Arc<CatalogDecision>), Failure> {
    let log = session.accounts()?;
    let view = log.control().read_to_end(KAFKA_TIMEOUT)?;
    let catalog = view.catalog().cloned();
    let catalog = catalog
        .context("there is no catalog in force; `meterline catalog apply FILE` applies one")?;
    Ok((log, catalog))
}

/// Use as a share of its basis; `None`: unlimited.
fn percentage(used: Quantity, basis: Option<Quantity>) -> Option<String> {
    let share = Exact::from(used).tenths_of_percent(basis?);
    Some(Percentage(share).to_string())
}
