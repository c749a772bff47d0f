//! `account set`: one account, on top of the version that was seen.
//!
//! The new version is made of the newest one and what is given, so it names that one: a change
//! that another admin made meanwhile is never undone by accident, and both versions are shown.

use super::compare::changes;
use super::patch::{Customer, Overrides, Patch};
use super::read::{parse_override, read_object};
use super::units::Bare;
use super::{change, now, open, today};
use crate::args::account::SetArgs;
use crate::commands::{KAFKA_TIMEOUT, Session};
use crate::failure::Failure;
use crate::output::{print, short_time};
use anyhow::{Context as _, anyhow};
use meterline_control::{AccountLog, Changed, ControlError, Expected};
use meterline_core::account::{AccountChange, AccountTerms, RunningPeriod};
use meterline_core::catalog::Catalog;
use meterline_core::control::Decision;
use meterline_core::position::Offset;
use meterline_schemas::catalog_yaml;
use serde_json::{Map, Value};
use std::path::Path;

/// Largest account file: an account travels as one record of the control log.
const FILE_BYTES_MAX: usize = 4 << 20;

/// Runs the command.
pub(super) fn run(args: &SetArgs, session: &Session<'_>) -> Result<(), Failure> {
    if args.says_nothing() {
        return Err(Failure::usage(
            "nothing to set: give --plan, --status, --override, --file or another option",
        ));
    }
    let file = match args.file.as_deref() {
        Some(path) => Some((path, read_file(path)?)),
        None => None,
    };
    let (log, decision) = open(session)?;
    let catalog = &decision.compiled.catalog;
    let patch = match &file {
        Some((path, object)) => of_file(path, object, &args.id, catalog)?,
        None => of_arguments(args, catalog).map_err(Failure::usage)?,
    };
    let (known, head) = newest(&log, &args.id);
    let terms = patch.apply(known.as_ref(), &today());
    let terms = terms.map_err(|reason| Failure::usage(format!("account {}: {reason}", args.id)))?;
    let change = change(&args.id, terms, &args.change);
    let expected = Expected::Head(args.head.unwrap_or(head));
    let author = &args.change.author;
    let author = session.author(author.actor.as_deref(), &author.note);
    let decision = Decision::Account(Box::new(change.clone()));
    match log.change(decision, expected, &author, KAFKA_TIMEOUT) {
        Ok(Changed::InForce(offset)) => say(&change, known.as_ref(), offset, &log, catalog),
        Ok(Changed::Unchanged(offset)) => Ok(print(&format!(
            "account {} says the same and stays as it is (control offset {offset})\n",
            args.id
        ))?),
        Err(ControlError::Raced { .. }) => Err(raced(&change, &log, catalog)),
        Err(error) => Err(refused(error)),
    }
}

/// The newest version of an account and its head.
pub(super) fn newest(log: &AccountLog, id: &str) -> (Option<AccountTerms>, Option<Offset>) {
    let accounts = log.accounts();
    let newest = accounts
        .account(id)
        .map(meterline_core::accounts::Account::newest);
    let terms = newest.map(|newest| (*newest.terms).clone());
    (terms, newest.map(|newest| newest.offset))
}

/// An account that contradicts the catalog, one problem a line.
fn refused(error: ControlError) -> Failure {
    let ControlError::RefusedAccount { account, problems } = error else {
        return error.into();
    };
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| format!("\n  {problem}"))
        .collect();
    Failure::Failed(anyhow!("account {account} is refused:{}", lines.concat()))
}

fn of_arguments(args: &SetArgs, catalog: &Catalog) -> Result<Patch, String> {
    let mut overrides = std::collections::BTreeMap::new();
    for text in &args.overrides {
        let (meter, parsed) = parse_override(text, catalog, Bare::Refused)?;
        if overrides.insert(meter.clone(), Some(parsed)).is_some() {
            return Err(format!(
                "--override names {meter} twice: join its fields with commas"
            ));
        }
    }
    for meter in &args.drop_override {
        if overrides.insert(meter.clone(), None).is_some() {
            return Err(format!(
                "{meter} is named by --override and --drop-override"
            ));
        }
    }
    let contacts = (args.no_contacts || !args.contacts.is_empty()).then(|| args.contacts.clone());
    Ok(Patch {
        name: args.name.clone(),
        plan: args.plan.clone(),
        status: args.status.map(Into::into),
        start: args.start.clone(),
        time_zone: args.time_zone.clone(),
        contacts,
        overrides: Overrides::Some(overrides),
        customer: Customer::read(args.stripe_customer.clone()),
    })
}

/// Reads an account file: a map of fields.
fn read_file(path: &Path) -> Result<Map<String, Value>, Failure> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {name}"))?;
    if text.len() > FILE_BYTES_MAX {
        let most = FILE_BYTES_MAX >> 20;
        return Err(Failure::usage(format!("{name} is larger than {most} MiB")));
    }
    let value = catalog_yaml::to_json(&text).map_err(|refusal| {
        let (line, reason) = (refusal.line, refusal.reason);
        Failure::Failed(anyhow!("{name}:{line}: {reason}"))
    })?;
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(anyhow!("{name}: is no account: a map of fields is needed").into()),
    }
}

fn of_file(
    path: &Path,
    object: &Map<String, Value>,
    id: &str,
    catalog: &Catalog,
) -> Result<Patch, Failure> {
    let name = path.display();
    let read = read_object(object, catalog, true);
    let (named, patch) = read.map_err(|reason| Failure::Failed(anyhow!("{name}: {reason}")))?;
    match named {
        Some(named) if named != id => {
            Err(anyhow!("{name}: is of account `{named}`, not of `{id}`").into())
        }
        _ => Ok(patch),
    }
}

fn say(
    change: &AccountChange,
    known: Option<&AccountTerms>,
    offset: Offset,
    log: &AccountLog,
    catalog: &Catalog,
) -> Result<(), Failure> {
    let accounts = log.accounts();
    let versions = accounts
        .account(&change.account)
        .map(|account| account.versions());
    let effective = versions
        .unwrap_or_default()
        .iter()
        .find(|version| version.offset == offset)
        .map(|version| version.effective);
    let when = match effective {
        Some(effective) if effective > now() => {
            format!("takes effect at {}", short_time(effective))
        }
        _ => "is in effect".to_owned(),
    };
    let opened = if known.is_none() { " is new;" } else { "" };
    let mut text = format!(
        "account {}{opened} control offset {offset} {when}\n",
        change.account
    );
    for line in changes(known, &change.terms, catalog) {
        text.push_str(&format!("  {line}\n"));
    }
    if known.is_some() {
        text.push_str(running(change.running));
    }
    Ok(print(&text)?)
}

/// What becomes of the running period.
fn running(running: RunningPeriod) -> &'static str {
    match running {
        RunningPeriod::Keep => {
            "the running period goes on to its end; its use counts against the new limits\n"
        }
        RunningPeriod::Restart => {
            "the running period ends with the full UTC hour before; use starts at zero again there\n"
        }
    }
}

/// Says who was first, and shows both versions: the newest in force, and the one not written.
fn raced(change: &AccountChange, log: &AccountLog, catalog: &Catalog) -> Failure {
    let id = &change.account;
    let (in_force, head) = newest(log, id);
    let (Some(in_force), Some(head)) = (in_force, head) else {
        return anyhow!("there is no account {id}, so it has no version to follow").into();
    };
    let theirs = match log.control().record_at(head, KAFKA_TIMEOUT) {
        Ok(past) => past,
        Err(error) => return error.into(),
    };
    let (actor, at) = (theirs.record.actor, short_time(theirs.append_time));
    let side = |terms: &AccountTerms| {
        let lines = changes(None, terms, catalog);
        let lines: Vec<String> = lines.iter().map(|line| format!("\n    {line}")).collect();
        lines.concat()
    };
    Failure::Failed(anyhow!(
        "{actor} was first: account {id} was changed at {at}; nothing was written\n  \
         in force (control offset {head}):{}\n  yours:{}\n\
         look at it with `meterline account get {id}`, then try again",
        side(&in_force),
        side(&change.terms),
    ))
}
