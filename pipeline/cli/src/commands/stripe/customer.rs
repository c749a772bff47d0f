//! `stripe customer sync`: accounts without a customer get one, shown first and done with `--apply`.
//!
//! A customer is looked for by its metadata, made where there is none, and then linked by a decision
//! on the control log, which refuses one that is another account's. An account with a change that
//! is still to take effect is left: a link made now would replace that change. A run that was
//! killed between making and linking finds the customer in the next.

use super::connect;
use crate::args::Output;
use crate::args::stripe::SyncArgs;
use crate::commands::account::{host, now, open, unknown};
use crate::commands::{KAFKA_TIMEOUT, Session};
use crate::failure::Failure;
use crate::output::{Table, grouped, note, print, short_time};
use anyhow::{Context as _, anyhow};
use meterline_billing::customers::{Link, Named, OffHour, Unlinked, concerns_one, make, off_hours};
use meterline_billing::stripe::Stripe;
use meterline_control::{AccountLog, Author, Changed, Expected};
use meterline_core::account::{AccountChange, AccountStatus, AccountTerms, RunningPeriod};
use meterline_core::accounts::Account;
use meterline_core::control::Decision;
use meterline_core::position::Offset;
use meterline_core::time::LogTime;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Accounts that are written at once: so many customers at most were made and are not linked yet.
const BATCH: usize = 50;

/// What the accounts say.
#[derive(Debug, Default)]
struct Accounts {
    /// Those without a customer, by id.
    unlinked: Vec<Wanting>,
    /// The tenants of customers that are linked.
    linked: BTreeMap<String, String>,
}

/// An account without a customer.
#[derive(Debug)]
struct Wanting {
    of: Unlinked,
    terms: AccountTerms,
    head: Offset,
    /// When a change of it takes effect, if one is still to.
    pending: Option<LogTime>,
}

/// What becomes of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Row {
    /// The customer that names it is linked.
    Link(String),
    /// A customer is made and linked.
    Make,
    /// It is linked.
    Done(String),
    /// Nothing, and why.
    Refused(String),
}

/// Runs the command.
pub(super) fn run(args: &SyncArgs, session: &Session<'_>) -> Result<(), Failure> {
    if matches!(args.output, Output::Csv | Output::Parquet) {
        return Err(Failure::usage(
            "it has two tables: use table or json as its output",
        ));
    }
    let stripe = connect(session)?;
    let (log, _) = open(session)?;
    let accounts = accounts(&log, args.tenant.as_deref())?;
    let mut rows = session.runtime.block_on(plan(&stripe, &accounts, &log))?;
    let mut failed = None;
    if args.apply {
        let author = session.author(args.actor.as_deref(), &args.note);
        failed = apply(&stripe, &accounts, &mut rows, (&log, &author), session).err();
    }
    let mut linked = accounts.linked.clone();
    for (wanting, row) in accounts.unlinked.iter().zip(&rows) {
        if let Row::Link(customer) | Row::Done(customer) = row {
            linked.insert(customer.clone(), wanting.of.tenant.clone());
        }
    }
    let customers = linked.keys().cloned().collect();
    let off = match failed {
        Some(failed) => Err(failed),
        None => anchors(&stripe, &customers, session),
    };
    // What was done is shown, whatever failed then.
    let known = off.as_deref().unwrap_or_default();
    print(&shown(&accounts, &rows, &linked, known, args.output)?)?;
    off?;
    say(&rows, args)
}

fn anchors(
    stripe: &Stripe,
    customers: &BTreeSet<String>,
    session: &Session<'_>,
) -> Result<Vec<OffHour>, Failure> {
    let off = session.runtime.block_on(off_hours(stripe, customers));
    Ok(off.context("failed to read subscriptions, so no anchors are shown")?)
}

/// Those of all accounts, or of one.
fn accounts(log: &AccountLog, tenant: Option<&str>) -> Result<Accounts, Failure> {
    let now = now();
    let known = log.accounts();
    let mut found = Accounts::default();
    if let Some(tenant) = tenant {
        let account = known.account(tenant).ok_or_else(|| unknown(log, tenant))?;
        found.add(tenant, account, now);
        return Ok(found);
    }
    for (tenant, account) in known.accounts() {
        let terms = &account.newest().terms;
        if terms.status != AccountStatus::Closed || terms.stripe_customer.is_some() {
            found.add(tenant, account, now);
        }
    }
    Ok(found)
}

impl Accounts {
    fn add(&mut self, tenant: &str, account: &Account, now: LogTime) {
        let newest = account.newest();
        let terms = (*newest.terms).clone();
        if let Some(customer) = terms.stripe_customer {
            self.linked.insert(customer, tenant.to_owned());
            return;
        }
        let of = Unlinked {
            tenant: tenant.to_owned(),
            name: terms.name.clone(),
            email: terms.contacts.first().cloned(),
        };
        self.unlinked.push(Wanting {
            of,
            terms,
            head: newest.offset,
            pending: account.pending(now).last().map(|version| version.effective),
        });
    }
}

/// What becomes of each account without a customer.
async fn plan(stripe: &Stripe, accounts: &Accounts, log: &AccountLog) -> Result<Vec<Row>, Failure> {
    let tenants = accounts.unlinked.iter();
    let named = Named::read(stripe, tenants.map(|wanting| &*wanting.of.tenant)).await?;
    let rows = accounts.unlinked.iter().map(|wanting| {
        let row = row(wanting, named.link(&wanting.of.tenant));
        let Row::Link(customer) = &row else {
            return row;
        };
        // A link of another account is for ever: it is said before anything is written.
        match log.accounts().check(&link(wanting, customer), now()) {
            Ok(()) => row,
            Err(refused) => Row::Refused(refused.to_string()),
        }
    });
    Ok(rows.collect())
}

fn row(wanting: &Wanting, link: Link) -> Row {
    if let Some(at) = wanting.pending {
        let at = short_time(at);
        return Row::Refused(format!(
            "a change of it takes effect at {at}, which a link made now would replace: sync it then"
        ));
    }
    match link {
        Link::Found(customer) => Row::Link(customer),
        Link::Make => Row::Make,
        Link::Ambiguous(customers) => Row::Refused(format!(
            "more than one customer names it ({}): take `meterline_tenant` out of the metadata of all \
             but one",
            customers.join(", ")
        )),
    }
}

fn link(wanting: &Wanting, customer: &str) -> Decision {
    Decision::Account(Box::new(AccountChange {
        account: wanting.of.tenant.clone(),
        effective: None,
        running: RunningPeriod::Keep,
        origin: host(),
        terms: AccountTerms {
            stripe_customer: Some(customer.to_owned()),
            ..wanting.terms.clone()
        },
    }))
}

/// Makes and links, a batch at a time; what became of each is in its row.
fn apply(
    stripe: &Stripe,
    accounts: &Accounts,
    rows: &mut [Row],
    (log, author): (&AccountLog, &Author),
    session: &Session<'_>,
) -> Result<(), Failure> {
    for (wanting, rows) in accounts.unlinked.chunks(BATCH).zip(rows.chunks_mut(BATCH)) {
        let mut stopped = Ok(());
        let mut changes = Vec::new();
        let mut of = Vec::new();
        for (wanting, row) in wanting.iter().zip(rows) {
            if *row == Row::Make && stopped.is_ok() {
                match session.runtime.block_on(make(stripe, &wanting.of)) {
                    Ok(customer) => *row = Row::Link(customer),
                    Err(failure) if concerns_one(&failure) => {
                        *row = Row::Refused(failure.to_string());
                    }
                    Err(failure) => {
                        let what = format!("failed to make the customer of {}", wanting.of.tenant);
                        stopped = Err(anyhow::Error::new(failure).context(what));
                    }
                }
            }
            if let Row::Link(customer) = row {
                let expected = Expected::Head(Some(wanting.head));
                changes.push((link(wanting, customer), expected));
                of.push(row);
            }
        }
        // Those that were made are linked, even where the next could not be made.
        let changed = log.change_all(changes, author, KAFKA_TIMEOUT)?;
        for (row, changed) in of.into_iter().zip(changed) {
            let Row::Link(customer) = &*row else {
                continue;
            };
            *row = match changed {
                Ok(Changed::InForce(_) | Changed::Unchanged(_)) => Row::Done(customer.clone()),
                Err(error) => Row::Refused(format!("customer {customer}: {error}")),
            };
        }
        stopped?;
    }
    Ok(())
}

fn say(rows: &[Row], args: &SyncArgs) -> Result<(), Failure> {
    let count = |is: fn(&Row) -> bool| rows.iter().filter(|row| is(row)).count() as u64;
    let open = count(|row| matches!(row, Row::Link(_) | Row::Make));
    let done = count(|row| matches!(row, Row::Done(_)));
    let refused = count(|row| matches!(row, Row::Refused(_)));
    if args.apply && refused > 0 {
        return Err(anyhow!("{refused} accounts are not linked; the list says why").into());
    }
    if args.output == Output::Table {
        note(&match (open, done) {
            (0, 0) => "nothing to do".to_owned(),
            (0, _) => format!("{} linked", grouped(done)),
            _ => format!("{} to link: --apply does it", grouped(open)),
        });
    }
    Ok(())
}

fn shown(
    accounts: &Accounts,
    rows: &[Row],
    linked: &BTreeMap<String, String>,
    off: &[OffHour],
    output: Output,
) -> Result<String, Failure> {
    let (accounts, anchors) = (account_table(accounts, rows), anchor_table(linked, off));
    if output == Output::Json {
        let all = json!({ "accounts": accounts.objects(), "anchors": anchors.objects() });
        let text = serde_json::to_string_pretty(&all).context("failed to write JSON")?;
        return Ok(text + "\n");
    }
    let mut text = String::new();
    if !accounts.is_empty() {
        text.push_str(&accounts.render(output)?);
    }
    if !anchors.is_empty() {
        text.push_str(
            "\nsubscriptions whose periods do not begin on a whole UTC hour: the hour that is divided \
             is billed with the later period\n",
        );
        text.push_str(&anchors.render(output)?);
    }
    Ok(text)
}

fn account_table(accounts: &Accounts, rows: &[Row]) -> Table {
    let mut table = Table::new(&["action", "account", "customer", "why"]);
    for (wanting, row) in accounts.unlinked.iter().zip(rows) {
        let (action, customer, why) = match row {
            Row::Link(customer) => ("link", json!(customer), ""),
            Row::Make => ("make", Value::Null, ""),
            Row::Done(customer) => ("done", json!(customer), ""),
            Row::Refused(why) => ("refused", Value::Null, why.as_str()),
        };
        table.push(vec![
            json!(action),
            json!(wanting.of.tenant),
            customer,
            json!(why),
        ]);
    }
    table
}

fn anchor_table(linked: &BTreeMap<String, String>, off: &[OffHour]) -> Table {
    let mut table = Table::new(&["subscription", "account", "customer", "anchor"]);
    for one in off {
        table.push(vec![
            json!(one.subscription),
            json!(linked.get(&one.customer)),
            json!(one.customer),
            json!(short_time(LogTime(one.anchor.saturating_mul(1_000)))),
        ]);
    }
    table
}

#[cfg(test)]
mod tests;
