//! The fold over accounts, API keys and notification routes of the control log.
//!
//! By rule 2 ([`crate::chain`]): every reader that has read the log up to the same position knows
//! the same (INV-CHAIN). All other decisions move the position and nothing else. What is in force
//! and cannot be understood halts, as a catalog does, and nothing has changed then (INV-HALT); so
//! writers ask [`Accounts::check`] first. There is no secret in here, no plan is looked up, and no
//! write id is kept: a writer's own reading of the log has those.

use crate::account::{AccountChange, ApiKey, Route};
use crate::chain::{Chains, Ruling};
use crate::control::{ChainKey, ControlRecord, Decision};
use crate::halt::Halt;
use crate::nearest::nearest;
use crate::position::Offset;
use crate::time::LogTime;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

mod account;
mod form;
mod snapshot;

pub use account::{Account, PENDING_MAX, VERSIONS_KEPT_MILLIS, VERSIONS_MAX, Version};
pub(crate) use form::customer_fault;
pub use form::{ACCOUNT_ID_BYTES_MAX, Refused};
pub use snapshot::SNAPSHOT_FORMAT;

/// Ids on either side of an unknown one that it is compared with: all of a million would take a
/// second.
const NEIGHBOURS: usize = 256;
/// Actors whose names are kept once for all of their versions; others are kept with each. Actors
/// are people and API keys.
const ACTORS_MAX: usize = 10_000;

/// Accounts, API keys and routes in force, as of one position of the control log.
#[derive(Debug, Default)]
pub struct Accounts {
    /// Heads of keys and routes; an account's is the offset of its newest version.
    chains: Chains<Id>,
    accounts: BTreeMap<Arc<str>, Account>,
    keys: BTreeMap<Arc<str>, Arc<ApiKey>>,
    routes: BTreeMap<Arc<str>, Arc<Route>>,
    actors: BTreeSet<Arc<str>>,
    /// Customers at Stripe that a record in force ever linked, with their account.
    customers: BTreeMap<Arc<str>, Arc<str>>,
}

/// A chain of this fold. The id is shared with the maps.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Id {
    Account(Arc<str>),
    ApiKey(Arc<str>),
    Route(Arc<str>),
}

impl Id {
    /// `None` for a chain that is folded elsewhere.
    fn of(chain: &ChainKey) -> Option<Self> {
        match chain {
            ChainKey::Account(id) => Some(Self::Account(id.as_str().into())),
            ChainKey::ApiKey(id) => Some(Self::ApiKey(id.as_str().into())),
            ChainKey::Route(id) => Some(Self::Route(id.as_str().into())),
            ChainKey::Catalog
            | ChainKey::Topic(_)
            | ChainKey::Adoption(_)
            | ChainKey::Verdict(..)
            | ChainKey::Void(_) => None,
        }
    }
}

impl Accounts {
    /// Folds the record at `offset`.
    ///
    /// A record that names its chain's head is ignored all the same where [`Refused::Revoked`],
    /// [`Refused::TooManyPending`] or [`Refused::CustomerTaken`] is said of it. A decision that is
    /// not of accounts is passed, and called ignored.
    ///
    /// # Errors
    /// [`Halt::Order`] for a record at or below one already read; [`Halt::UnknownFormat`] for one
    /// in force with content that [`Refused::Field`] is said of. Nothing has changed then, and the
    /// fold must not be used past this record.
    pub fn apply(
        &mut self,
        offset: Offset,
        append_time: LogTime,
        record: &ControlRecord,
    ) -> Result<Ruling, Halt> {
        let Some(key) = Id::of(&ChainKey::of(&record.decision)) else {
            self.pass(offset, append_time)?;
            return Ok(Ruling::Ignored { head: None });
        };
        let head = self.head(&key);
        let mut ruling = self.chains.rule_on(head, record.head, offset)?;
        let now = self.log_time().max(append_time);
        if self.check_state(&record.decision, now).is_err() {
            ruling = Ruling::Ignored { head };
        }
        if ruling == Ruling::InForce {
            self.take(&key, offset, now, record)?;
            if !matches!(key, Id::Account(_)) {
                return self.chains.offer(key, record.head, offset, append_time);
            }
        }
        self.pass(offset, append_time)?;
        Ok(ruling)
    }

    /// Moves past a record that is not of accounts.
    ///
    /// # Errors
    /// [`Halt::Order`] for a record at or below one already read.
    pub fn pass(&mut self, offset: Offset, append_time: LogTime) -> Result<(), Halt> {
        self.chains.pass(offset, append_time)
    }

    /// Whether a decision would be taken if it named its head and were appended at `now`: what
    /// writers ask before they write.
    ///
    /// # Errors
    /// Why it would not. Plans, meters and quantities are not looked at.
    pub fn check(&self, decision: &Decision, now: LogTime) -> Result<(), Refused> {
        form::check(decision)?;
        self.check_state(decision, now)
    }

    /// What stands against a decision here, whatever its form.
    fn check_state(&self, decision: &Decision, now: LogTime) -> Result<(), Refused> {
        match decision {
            Decision::ApiKey(key) if !key.revoked => match self.key(&key.id) {
                Some(known) if known.revoked => Err(Refused::Revoked(key.id.clone())),
                _ => Ok(()),
            },
            Decision::Account(change) => {
                self.check_customer(change)?;
                match self.account(&change.account) {
                    Some(account) => account.check_pending(change, now),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Whether the customer that an account names was never another account's.
    fn check_customer(&self, change: &AccountChange) -> Result<(), Refused> {
        let customer = change.terms.stripe_customer.as_deref();
        match customer.and_then(|customer| self.customers.get_key_value(customer)) {
            Some((customer, owner)) if **owner != *change.account => Err(Refused::CustomerTaken {
                customer: customer.to_string(),
                account: owner.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Takes a record in force; nothing has changed on an error.
    fn take(
        &mut self,
        key: &Id,
        offset: Offset,
        now: LogTime,
        record: &ControlRecord,
    ) -> Result<(), Halt> {
        let unreadable = |refused: Refused| {
            let kind = record.decision.kind();
            Halt::UnknownFormat(format!(
                "the {kind} at control offset {offset} is not one this binary folds by: {refused}; \
                 run the release that wrote it, or a newer one"
            ))
        };
        match (key, &record.decision) {
            (Id::Account(id), Decision::Account(change)) => {
                let calendar =
                    form::calendar(&change.account, &change.terms).map_err(unreadable)?;
                let actor = self.actor(&record.actor);
                if let Some(customer) = change.terms.stripe_customer.as_deref()
                    && !self.customers.contains_key(customer)
                {
                    self.customers.insert(customer.into(), Arc::clone(id));
                }
                let version = Version::new(offset, now, actor, change, calendar);
                let account = self.accounts.entry(Arc::clone(id)).or_default();
                account.push(version, now);
            }
            (Id::ApiKey(id), Decision::ApiKey(new)) => {
                form::check_key(new).map_err(unreadable)?;
                self.keys.insert(Arc::clone(id), Arc::new((**new).clone()));
            }
            (Id::Route(id), Decision::Route(new)) => {
                form::check_route(new).map_err(unreadable)?;
                self.routes
                    .insert(Arc::clone(id), Arc::new((**new).clone()));
            }
            _ => unreachable!("a key is of its decision's kind"),
        }
        Ok(())
    }

    /// An actor's name, shared with the other versions by the same.
    fn actor(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.actors.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        if self.actors.len() < ACTORS_MAX {
            self.actors.insert(Arc::clone(&name));
        }
        name
    }

    /// The next record to read.
    #[must_use]
    pub fn position(&self) -> Offset {
        self.chains.position()
    }

    /// The running maximum of append times, before the next record.
    #[must_use]
    pub fn log_time(&self) -> LogTime {
        self.chains.log_time()
    }

    /// The head of an account's, key's or route's chain, which the next decision in it must name;
    /// `None` for chains that are not of accounts.
    #[must_use]
    pub fn head_of(&self, chain: &ChainKey) -> Option<Offset> {
        self.head(&Id::of(chain)?)
    }

    fn head(&self, key: &Id) -> Option<Offset> {
        match key {
            Id::Account(id) => Some(self.account(id)?.newest().offset),
            Id::ApiKey(_) | Id::Route(_) => self.chains.head(key),
        }
    }

    /// An account, by its id.
    #[must_use]
    pub fn account(&self, id: &str) -> Option<&Account> {
        self.accounts.get(id)
    }

    /// The customer at Stripe that a tenant is linked to by the version in effect at a moment;
    /// `None` where it has no account then, or is not linked.
    ///
    /// Exact for moments within 165 days of log time.
    #[must_use]
    pub fn stripe_customer(&self, tenant: &str, at: LogTime) -> Option<&str> {
        self.account(tenant)?
            .at(at)?
            .terms
            .stripe_customer
            .as_deref()
    }

    /// How many accounts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there is no account.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// All accounts, by rising id.
    pub fn accounts(&self) -> impl Iterator<Item = (&str, &Account)> {
        self.accounts.iter().map(|(id, account)| (&**id, account))
    }

    /// At most `limit` accounts by rising id: the first, or those after `id`.
    pub fn accounts_after(
        &self,
        id: Option<&str>,
        limit: usize,
    ) -> impl Iterator<Item = (&str, &Account)> {
        let from = id.map_or(Bound::Unbounded, Bound::Excluded);
        let rest = self.accounts.range::<str, _>((from, Bound::Unbounded));
        rest.take(limit).map(|(id, account)| (&**id, account))
    }

    /// The known id that may have been meant by an unknown one: of those with the same beginning,
    /// so that the cost does not grow with the number of accounts.
    ///
    /// It names an account to whoever asks: only those may see it who may see all accounts.
    #[must_use]
    pub fn nearest_account(&self, id: &str) -> Option<&str> {
        let range = |bounds: (Bound<&str>, Bound<&str>)| self.accounts.range::<str, _>(bounds);
        let before = range((Bound::Unbounded, Bound::Excluded(id)));
        let after = range((Bound::Included(id), Bound::Unbounded));
        let near = before.rev().take(NEIGHBOURS).chain(after.take(NEIGHBOURS));
        nearest(id, near.map(|(id, _)| &**id))
    }

    /// An API key, by its id.
    #[must_use]
    pub fn key(&self, id: &str) -> Option<&Arc<ApiKey>> {
        self.keys.get(id)
    }

    /// All API keys, revoked ones too, by rising id.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<ApiKey>> {
        self.keys.values()
    }

    /// A notification route, by its id.
    #[must_use]
    pub fn route(&self, id: &str) -> Option<&Arc<Route>> {
        self.routes.get(id)
    }

    /// All notification routes, by rising id.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.routes.values()
    }
}

#[cfg(test)]
mod tests;
