//! The log as those use it who need accounts: the same log, and the fold over accounts with it.

use crate::decide::{Author, propose_after};
use crate::error::ControlError;
use crate::follow::AccountsOptions;
use crate::log::ControlLog;
use meterline_core::accounts::Accounts;
use meterline_core::control::{ChainKey, ControlRecord, Decision};
use meterline_kafka::Settings;
use std::fmt;
use std::ops::Deref;
use std::sync::RwLockReadGuard;

/// The control log, followed with accounts, API keys and routes: one connection, shared by all
/// clones. Everything else is [`ControlLog`]'s, by [`AccountLog::control`].
#[derive(Clone, Debug)]
pub struct AccountLog {
    control: ControlLog,
}

/// The accounts as they are while this is held; hold it shortly, the log is not read on meanwhile.
pub struct AccountsGuard<'a>(RwLockReadGuard<'a, Accounts>);

impl fmt::Debug for AccountsGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccountsGuard").finish_non_exhaustive()
    }
}

impl Deref for AccountsGuard<'_> {
    type Target = Accounts;

    fn deref(&self) -> &Accounts {
        &self.0
    }
}

impl ControlLog {
    /// [`ControlLog::connect`] with accounts: begins at the newest snapshot where there is one.
    ///
    /// # Errors
    /// As [`ControlLog::connect`].
    pub fn connect_with_accounts(
        settings: &Settings,
        options: AccountsOptions,
    ) -> Result<AccountLog, ControlError> {
        let control = Self::follow(settings, Some(options))?;
        Ok(AccountLog { control })
    }
}

impl AccountLog {
    /// The log: for its view, for reading to the end, for decisions and history.
    #[must_use]
    pub fn control(&self) -> &ControlLog {
        &self.control
    }

    /// Accounts, keys and routes as read so far. Never ask twice in one expression: a waiting
    /// writer comes between.
    #[must_use]
    pub fn accounts(&self) -> AccountsGuard<'_> {
        let accounts = self.control.folds().accounts();
        AccountsGuard(accounts.expect("this log was connected with accounts"))
    }

    /// Makes the record of a decision on top of what is known, under a new write id; for
    /// [`ControlLog::decide`].
    #[must_use]
    pub fn propose(&self, decision: Decision, author: &Author) -> ControlRecord {
        let chain = ChainKey::of(&decision);
        let head = if chain.is_of_accounts() {
            self.accounts().head_of(&chain)
        } else {
            self.control.view().head_of(&chain)
        };
        propose_after(head, decision, author)
    }
}
