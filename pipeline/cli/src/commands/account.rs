//! `account`: accounts as decisions on the control log, set, shown, listed, imported and traced.

use super::{KAFKA_TIMEOUT, Session, clock};
use crate::args::account::{AccountCommand, ChangeArgs};
use crate::failure::Failure;
use anyhow::{Context as _, anyhow};
use meterline_control::AccountLog;
use meterline_core::account::AccountChange;
use meterline_core::account::AccountTerms;
use meterline_core::control::CatalogDecision;
use meterline_core::time::{EventTime, LogTime};
use std::sync::Arc;

mod compare;
mod get;
mod history;
mod import;
mod list;
mod patch;
mod read;
mod set;
pub(crate) mod units;

pub(super) use compare::{cap_name, override_fields};

/// Runs the command.
pub(crate) fn run(command: &AccountCommand, session: &Session<'_>) -> Result<(), Failure> {
    match command {
        AccountCommand::Set(args) => set::run(args, session),
        AccountCommand::Get(args) => get::run(args, session),
        AccountCommand::List(args) => list::run(args, session),
        AccountCommand::Import(args) => import::run(args, session),
        AccountCommand::History(args) => history::run(args, session),
    }
}

/// The accounts, read to the end of the control log, and the catalog that they are judged by.
pub(super) fn open(session: &Session<'_>) -> Result<(AccountLog, Arc<CatalogDecision>), Failure> {
    let log = session.accounts()?;
    let view = log.control().read_to_end(KAFKA_TIMEOUT)?;
    let catalog = view.catalog().cloned();
    let catalog = catalog
        .context("there is no catalog in force; `meterline catalog apply FILE` applies one")?;
    Ok((log, catalog))
}

/// What to say of an account that there is none of.
pub(super) fn unknown(log: &AccountLog, id: &str) -> Failure {
    let accounts = log.accounts();
    let hint = match accounts.nearest_account(id) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`meterline account list` lists them".to_owned(),
    };
    Failure::Failed(anyhow!("there is no account `{id}`; {hint}"))
}

/// The decision that makes an account what it shall be.
fn change(id: &str, terms: AccountTerms, args: &ChangeArgs) -> AccountChange {
    AccountChange {
        account: id.to_owned(),
        effective: args.at.map(log_time),
        running: args.running.into(),
        origin: host(),
        terms,
    }
}

/// The present, in the milliseconds that logs have.
pub(super) fn now() -> LogTime {
    log_time(clock())
}

/// A moment in the milliseconds that logs have.
pub(super) fn log_time(moment: EventTime) -> LogTime {
    LogTime(moment.0.div_euclid(1_000))
}

/// Today's date, UTC.
fn today() -> String {
    let text = now().to_string();
    text.chars().take("2026-11-21".len()).collect()
}

/// This machine's name, for the audit trail; empty where it has none to tell.
pub(super) fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.map(|name| name.trim().to_owned()).unwrap_or_default()
}
