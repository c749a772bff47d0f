//! `account list`: accounts by id, a page or all.

use super::compare::status_name;
use super::{now, open};
use crate::args::Output;
use crate::args::account::ListArgs;
use crate::commands::Session;
use crate::failure::Failure;
use crate::output::{Place, Table, note, short_time};
use meterline_core::account::AccountStatus;
use meterline_core::accounts::{Account, Version};
use meterline_core::time::LogTime;
use serde_json::json;
use std::io::Write;

/// Runs the command.
pub(super) fn run(args: &ListArgs, session: &Session<'_>) -> Result<(), Failure> {
    let file = args.result.file()?;
    let (log, _) = open(session)?;
    let mut table = Table::new(&[
        "account",
        "name",
        "plan",
        "status",
        "start",
        "time_zone",
        "stripe_customer",
        "overrides",
        "effective",
        "pending",
        "head",
    ]);
    let now = now();
    let status = args.status.map(AccountStatus::from);
    let accounts = log.accounts();
    let rest = accounts.accounts_after(args.after.as_deref(), usize::MAX);
    let mut found = rest.filter(|(_, account)| {
        let terms = &shown(account, now).terms;
        args.plan.as_ref().is_none_or(|plan| *plan == terms.plan)
            && status.is_none_or(|status| status == terms.status)
    });
    let most = if args.all {
        usize::MAX
    } else {
        usize::try_from(args.limit).unwrap_or(usize::MAX)
    };
    let mut last = None;
    for (id, account) in found.by_ref().take(most) {
        let version = shown(account, now);
        let terms = &version.terms;
        table.push(vec![
            json!(id),
            json!(terms.name),
            json!(terms.plan),
            json!(status_name(terms.status)),
            json!(terms.start),
            json!(terms.time_zone),
            json!(terms.stripe_customer),
            json!(terms.overrides.len()),
            json!(short_time(version.effective)),
            json!(account.pending(now).len()),
            json!(account.newest().offset),
        ]);
        last = Some(id);
    }
    if table.is_empty() && args.result.output == Output::Table {
        note("no account fits; `meterline account set ID --plan PLAN` opens one");
        return Ok(());
    }
    let text = table.render(args.result.output)?;
    Place::of(file)?.fill(|place| Ok(place.write_all(text.as_bytes())?))?;
    if let (Some(last), Some(_)) = (last, found.next()) {
        note(&format!(
            "there are more: --after {last} goes on, --all shows all"
        ));
    }
    Ok(())
}

/// The version in effect, or the first that will be.
fn shown(account: &Account, now: LogTime) -> &Version {
    account.at(now).unwrap_or(&account.versions()[0])
}
