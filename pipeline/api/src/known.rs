//! What exists, as far as a caller may see it.
//!
//! A tenant outside of a key's scope does not exist for the key: the answer is the one for a name
//! that nobody has, and the nearest name is looked for among the key's own.
//!
//! A catalog with `plans.default_plan` gives terms to every name, so with it no name of a tenant is
//! unknown to a key of all tenants: a mistyped one is answered as a tenant that has used nothing.
//! Without it a tenant is known by its account or its use.

use crate::caller::Caller;
use crate::problem::Problem;
use crate::state::Shared;
use meterline_core::account::TenantScope;
use meterline_core::accounts::{Account, Accounts};
use meterline_core::catalog::Catalog;
use meterline_core::nearest::nearest;

/// The tenants of a caller.
pub(crate) struct Tenants<'a> {
    shared: &'a Shared,
    caller: &'a Caller,
}

impl<'a> Tenants<'a> {
    /// Those of this caller.
    pub(crate) fn new(shared: &'a Shared, caller: &'a Caller) -> Self {
        Self { shared, caller }
    }

    /// # Errors
    /// 404 where the tenant is not the caller's, or nothing says that it exists: it has no
    /// account and no use, and there is no plan for tenants without an account.
    pub(crate) fn must_know(
        &self,
        tenant: &str,
        account: Option<&Account>,
        catalog: &Catalog,
        accounts: &Accounts,
    ) -> Result<(), Problem> {
        let is_own = self.caller.tenants().holds(tenant);
        let exists = account.is_some()
            || catalog.plans.default_plan.is_some()
            || self.shared.standings.health(tenant).is_some();
        if is_own && exists {
            return Ok(());
        }
        Err(self.unknown(tenant, accounts))
    }

    /// # Errors
    /// 404 where the tenant is not the caller's, or has no account.
    pub(crate) fn must_have_account(
        &self,
        tenant: &str,
        accounts: &Accounts,
    ) -> Result<(), Problem> {
        let is_own = self.caller.tenants().holds(tenant);
        if is_own && accounts.account(tenant).is_some() {
            return Ok(());
        }
        Err(self.unknown(tenant, accounts))
    }

    /// The answer for a tenant that does not exist for the caller.
    pub(crate) fn unknown(&self, tenant: &str, accounts: &Accounts) -> Problem {
        let near = match self.caller.tenants() {
            TenantScope::All => accounts.nearest_account(tenant),
            TenantScope::These(own) => {
                let known = own.iter().filter(|own| accounts.account(own).is_some());
                nearest(tenant, known.map(String::as_str))
            }
        };
        Problem::unknown("tenant", near)
    }
}

/// # Errors
/// 404 for what is no plan.
pub(crate) fn must_know_plan(catalog: &Catalog, name: &str) -> Result<(), Problem> {
    let plans = &catalog.plans;
    if plans.plan(name).is_some() {
        return Ok(());
    }
    let known = plans.plans.iter().map(|plan| plan.name.as_str());
    Err(Problem::unknown("plan", nearest(name, known)))
}

/// # Errors
/// 404 for what is neither a meter nor a derived quantity.
pub(crate) fn must_know_meter(catalog: &Catalog, name: &str) -> Result<(), Problem> {
    let mut known = catalog.limitable();
    if known.clone().any(|known| known == name) {
        return Ok(());
    }
    Err(Problem::unknown("meter", nearest(name, &mut known)))
}
