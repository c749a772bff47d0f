//! Changing an account, a key or a route: checked first, written as a decision, and refused with
//! the version that is there where somebody else was faster.
//!
//! Callers make the whole new content; what they saw is named by its head. Nothing is written that
//! readers would ignore, and nothing that changes nothing.

use crate::accounts::AccountLog;
use crate::decide::{Author, Decided, clock, propose_after};
use crate::error::ControlError;
use meterline_core::account::{AccountChange, Route, RunningPeriod, Target};
use meterline_core::accounts::{Accounts, Refused};
use meterline_core::control::{ChainKey, ControlRecord, Decision, View};
use meterline_core::limits::terms::check_account;
use meterline_core::position::Offset;
use meterline_core::time::LogTime;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// An hour, with which a new period begins.
const HOUR_MILLIS: i64 = 3_600_000;

/// What a caller has seen of the chain that it changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Expected {
    /// Whatever is there when the change is made; default.
    #[default]
    Any,
    /// This head, or none: the change is refused where there is another.
    Head(Option<Offset>),
}

/// What became of a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Changed {
    /// It is in force.
    InForce(Offset),
    /// The version in force says the same; nothing was written.
    Unchanged(Offset),
}

/// A change that was looked at: what to write, or why not.
enum Prepared {
    Write(Box<ControlRecord>),
    Done(Changed),
}

impl AccountLog {
    /// Puts a new version of an account, key or route in force.
    ///
    /// Blocks. Another decision that came first is [`ControlError::Raced`], with its offset:
    /// [`crate::ControlLog::record_at`] shows it.
    ///
    /// # Errors
    /// [`ControlError::RefusedAccount`] with the paths of what is wrong, [`ControlError::Unfit`],
    /// [`ControlError::NoCatalog`] for an account without a catalog to judge it by, and those of
    /// [`crate::ControlLog::decide`].
    pub fn change(
        &self,
        decision: Decision,
        expected: Expected,
        author: &Author,
        timeout: Duration,
    ) -> Result<Changed, ControlError> {
        let changes = vec![(decision, expected)];
        let mut changed = self.change_all(changes, author, timeout)?;
        changed.pop().expect("an answer for each change")
    }

    /// [`AccountLog::change`] for many different accounts, keys and routes at once. The answers
    /// are in the order of the changes.
    ///
    /// # Errors
    /// Those of reading and writing as a whole: some changes may be in force then.
    pub fn change_all(
        &self,
        changes: Vec<(Decision, Expected)>,
        author: &Author,
        timeout: Duration,
    ) -> Result<Vec<Result<Changed, ControlError>>, ControlError> {
        let deadline = Instant::now() + timeout;
        let view = self.control().read_to_end(timeout)?;
        let accounts = self.accounts();
        let mut links = Links::default();
        let prepared: Vec<Result<_, ControlError>> = changes
            .into_iter()
            .map(|(decision, expected)| {
                links.check(&decision).map_err(ControlError::Unfit)?;
                let prepared = prepare(decision, expected, author, &accounts, &view)?;
                links.note(&prepared);
                Ok(prepared)
            })
            .collect();
        drop(accounts);
        let mut records = Vec::new();
        for prepared in prepared.iter().flatten() {
            if let Prepared::Write(record) = prepared {
                records.push((**record).clone());
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let mut decided = self.control().decide_all(&records, left)?.into_iter();
        let answers = prepared.into_iter().map(|prepared| match prepared? {
            Prepared::Done(changed) => Ok(changed),
            Prepared::Write(record) => {
                let decided = decided.next().expect("an answer for each record");
                answer(decided, ChainKey::of(&record.decision))
            }
        });
        Ok(answers.collect())
    }
}

/// Accounts of the customers at Stripe that one batch links: the fold knows only of those before.
#[derive(Default)]
struct Links(BTreeMap<String, String>);

impl Links {
    /// Refuses the customer of another account of the batch.
    fn check(&self, decision: &Decision) -> Result<(), Refused> {
        let Some((customer, account)) = link(decision) else {
            return Ok(());
        };
        match self.0.get(customer) {
            Some(first) if first != account => Err(Refused::CustomerTaken {
                customer: customer.to_owned(),
                account: first.clone(),
            }),
            _ => Ok(()),
        }
    }

    fn note(&mut self, prepared: &Prepared) {
        if let Prepared::Write(record) = prepared
            && let Some((customer, account)) = link(&record.decision)
        {
            self.0.insert(customer.to_owned(), account.to_owned());
        }
    }
}

/// The customer that a decision links, and its account.
fn link(decision: &Decision) -> Option<(&str, &str)> {
    let Decision::Account(change) = decision else {
        return None;
    };
    Some((change.terms.stripe_customer.as_deref()?, &change.account))
}

fn answer(decided: Decided, chain: ChainKey) -> Result<Changed, ControlError> {
    match decided {
        Decided::InForce { offset, .. } => Ok(Changed::InForce(offset)),
        Decided::Lost { offset, actor, .. } => Err(ControlError::Raced {
            chain,
            offset,
            actor,
        }),
    }
}

fn prepare(
    decision: Decision,
    expected: Expected,
    author: &Author,
    accounts: &Accounts,
    view: &View,
) -> Result<Prepared, ControlError> {
    let head = accounts.head_of(&ChainKey::of(&decision));
    // A head that is no longer one is never written: deciding finds who took its place.
    let named = match expected {
        Expected::Any => head,
        Expected::Head(seen) => seen,
    };
    if let Decision::Account(change) = &decision {
        let catalog = view.catalog().ok_or(ControlError::NoCatalog)?;
        let problems = check_account(&change.terms, &catalog.compiled.catalog);
        if !problems.is_empty() {
            let account = change.account.clone();
            return Err(ControlError::RefusedAccount { account, problems });
        }
    }
    if let Decision::Route(route) = &decision {
        check_kind(route, accounts).map_err(ControlError::Unfit)?;
    }
    if named == head {
        let now = clock().max(accounts.log_time());
        accounts
            .check(&decision, now)
            .map_err(ControlError::Unfit)?;
        if let Some(offset) = head.filter(|_| says_the_same(&decision, accounts, now)) {
            return Ok(Prepared::Done(Changed::Unchanged(offset)));
        }
    }
    let record = propose_after(named, decision, author);
    Ok(Prepared::Write(Box::new(record)))
}

/// A route tells in the way that it began with. Else a webhook that was an e-mail for a while would
/// begin again with its first secret, which a rotation may have replaced because it was lost.
fn check_kind(route: &Route, accounts: &Accounts) -> Result<(), Refused> {
    let known = accounts.route(&route.id).map(|known| kind(&known.target));
    let kind = kind(&route.target);
    match known {
        Some(known) if known != kind => Err(Refused::Field {
            field: "target",
            reason: format!(
                "route {} is {known}, never {kind}; make a new route",
                route.id
            ),
        }),
        _ => Ok(()),
    }
}

const fn kind(target: &Target) -> &'static str {
    match target {
        Target::Webhook { .. } => "a webhook",
        Target::Email { .. } => "an e-mail",
        Target::Kafka { .. } => "a Kafka topic",
    }
}

/// Whether the version in force says what the decision says.
fn says_the_same(decision: &Decision, accounts: &Accounts, now: LogTime) -> bool {
    match decision {
        Decision::Account(change) => is_same_account(change, accounts, now),
        Decision::ApiKey(key) => accounts.key(&key.id).is_some_and(|known| **known == **key),
        Decision::Route(route) => {
            let known = accounts.route(&route.id);
            known.is_some_and(|known| **known == **route)
        }
        _ => false,
    }
}

/// Where the newest version is in effect, a change that would be too says the same by its terms;
/// where it is not yet, it must name the same moment. A new period is only the same where it would
/// begin with the same hour.
fn is_same_account(change: &AccountChange, accounts: &Accounts, now: LogTime) -> bool {
    let Some(account) = accounts.account(&change.account) else {
        return false;
    };
    let newest = account.newest();
    let moment = change.effective.unwrap_or(now).max(now);
    let same_moment = newest.effective.max(now) == moment;
    let hour = |at: LogTime| at.0.div_euclid(HOUR_MILLIS);
    let same_boundary = match change.running {
        // Two within an hour are one: both begin with it.
        RunningPeriod::Restart => {
            newest.running == RunningPeriod::Restart && hour(newest.effective) == hour(moment)
        }
        RunningPeriod::Keep => newest.effective <= now || newest.running == RunningPeriod::Keep,
    };
    *newest.terms == change.terms && same_moment && same_boundary
}

#[cfg(test)]
mod tests;
