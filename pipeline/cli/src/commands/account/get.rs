//! `account get`: one account, with what is still to take effect.

use super::compare::{changes, override_fields, status_name};
use super::units::Units;
use super::{now, open, unknown};
use crate::args::Output;
use crate::args::account::GetArgs;
use crate::commands::Session;
use crate::failure::Failure;
use crate::output::{Table, print, short_time};
use anyhow::Context as _;
use meterline_core::account::RunningPeriod;
use meterline_core::accounts::{Account, Version};
use meterline_core::catalog::Catalog;
use serde_json::{Value, json};

/// Runs the command.
pub(super) fn run(args: &GetArgs, session: &Session<'_>) -> Result<(), Failure> {
    let (log, decision) = open(session)?;
    let accounts = log.accounts();
    let Some(account) = accounts.account(&args.id) else {
        drop(accounts);
        return Err(unknown(&log, &args.id));
    };
    let text = match args.output {
        Output::Table => shown(&args.id, account, &decision.compiled.catalog)?,
        Output::Json => {
            let json = serde_json::to_string_pretty(&as_json(&args.id, account));
            json.context("failed to write JSON")? + "\n"
        }
        Output::Csv | Output::Parquet => {
            return Err(Failure::usage("an account has no rows: use table or json"));
        }
    };
    Ok(print(&text)?)
}

fn as_json(id: &str, account: &Account) -> Value {
    let now = now();
    let version = |version: &Version| {
        json!({
            "offset": version.offset,
            "effective": short_time(version.effective),
            "running": version.running,
            "actor": version.actor.as_ref(),
            "terms": *version.terms,
        })
    };
    let pending: Vec<Value> = account.pending(now).iter().map(version).collect();
    let newest = account.newest();
    json!({
        "account": id,
        "head": newest.offset,
        "in_effect": account.at(now).map(version),
        "pending": pending,
        "terms": *newest.terms,
    })
}

fn shown(id: &str, account: &Account, catalog: &Catalog) -> Result<String, Failure> {
    let now = now();
    let (version, since) = match account.at(now) {
        Some(version) => (version, "in effect since"),
        None => (&account.versions()[0], "takes effect at"),
    };
    let terms = &version.terms;
    let or_none = |text: &str| if text.is_empty() { "-" } else { text }.to_owned();
    let mut text = format!(
        "account    {id}\nname       {}\nplan       {}\nstatus     {}\nstart      {} (time zone {})\n\
         contacts   {}\ncustomer   {} (at Stripe)\nversion    control offset {}, {since} {}, by {}\n",
        or_none(&terms.name),
        terms.plan,
        status_name(terms.status),
        terms.start,
        terms.time_zone,
        or_none(&terms.contacts.join(", ")),
        or_none(terms.stripe_customer.as_deref().unwrap_or_default()),
        version.offset,
        short_time(version.effective),
        version.actor,
    );
    if !terms.overrides.is_empty() {
        let mut table = Table::new(&["override", "field", "value"]);
        for (meter, overrides) in &terms.overrides {
            for (name, value) in override_fields(overrides, Units::of(catalog, meter)) {
                table.push(vec![json!(meter), json!(name), json!(value)]);
            }
        }
        text.push('\n');
        text.push_str(&table.render(Output::Table)?);
    }
    let mut before = version;
    for pending in account.pending(version.effective.max(now)) {
        let differ = changes(Some(&before.terms), &pending.terms, catalog).join(", ");
        let running = match pending.running {
            RunningPeriod::Keep => "keeps the running period",
            RunningPeriod::Restart => "restarts the running period",
        };
        text.push_str(&format!(
            "\nfrom {} (control offset {}, by {}), {running}: {differ}\n",
            short_time(pending.effective),
            pending.offset,
            pending.actor,
        ));
        before = pending;
    }
    Ok(text)
}
