//! What a command or a line of a file says about an account, and what becomes of the account.
//!
//! What is not said stays as it is, or takes its default in a new account. Whether plans and
//! meters exist is checked by whoever writes it, with the catalog in force.

use meterline_core::account::{AccountStatus, AccountTerms, Override};
use std::collections::BTreeMap;

/// A partial account.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Patch {
    pub(crate) name: Option<String>,
    pub(crate) plan: Option<String>,
    pub(crate) status: Option<AccountStatus>,
    pub(crate) start: Option<String>,
    pub(crate) time_zone: Option<String>,
    pub(crate) contacts: Option<Vec<String>>,
    pub(crate) overrides: Overrides,
    pub(crate) customer: Customer,
}

/// What is said about the customer at Stripe.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) enum Customer {
    /// Nothing.
    #[default]
    AsIs,
    /// There is none.
    None,
    /// This one.
    Id(String),
}

impl Customer {
    /// What people write: an id, or `none`.
    pub(crate) fn read(text: Option<String>) -> Self {
        match text {
            None => Self::AsIs,
            Some(none) if none == "none" => Self::None,
            Some(id) => Self::Id(id),
        }
    }

    fn apply(self, known: Option<String>) -> Option<String> {
        match self {
            Self::AsIs => known,
            Self::None => None,
            Self::Id(id) => Some(id),
        }
    }
}

/// What is said about overrides.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Overrides {
    /// These meters' are replaced, or dropped where there is none.
    Some(BTreeMap<String, Option<Override>>),
    /// All are replaced.
    All(BTreeMap<String, Override>),
}

impl Default for Overrides {
    fn default() -> Self {
        Self::Some(BTreeMap::new())
    }
}

impl Patch {
    /// The account as it is with this; `today` is the first day of a new one that names none.
    ///
    /// # Errors
    /// What a new account lacks.
    pub(crate) fn apply(
        self,
        known: Option<&AccountTerms>,
        today: &str,
    ) -> Result<AccountTerms, String> {
        let missing = || "it is a new account: a plan must be given".to_owned();
        let new = || AccountTerms {
            name: String::new(),
            plan: String::new(),
            status: AccountStatus::Active,
            start: today.to_owned(),
            time_zone: "UTC".to_owned(),
            overrides: BTreeMap::new(),
            contacts: Vec::new(),
            stripe_customer: None,
        };
        let known = known.cloned().unwrap_or_else(new);
        let plan = self.plan.unwrap_or(known.plan);
        Ok(AccountTerms {
            plan: Some(plan)
                .filter(|plan| !plan.is_empty())
                .ok_or_else(missing)?,
            name: self.name.unwrap_or(known.name),
            status: self.status.unwrap_or(known.status),
            start: self.start.unwrap_or(known.start),
            time_zone: self.time_zone.unwrap_or(known.time_zone),
            overrides: self.overrides.apply(known.overrides),
            contacts: self.contacts.unwrap_or(known.contacts),
            stripe_customer: self.customer.apply(known.stripe_customer),
        })
    }
}

impl Overrides {
    fn apply(self, mut known: BTreeMap<String, Override>) -> BTreeMap<String, Override> {
        match self {
            Self::All(all) => all,
            Self::Some(some) => {
                for (meter, new) in some {
                    match new {
                        Some(new) => known.insert(meter, new),
                        None => known.remove(&meter),
                    };
                }
                known
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::catalog::plans::Cap;

    fn hard() -> Override {
        Override {
            cap: Some(Cap::Hard),
            ..Override::default()
        }
    }

    #[test]
    fn what_is_not_said_stays() {
        let new = Patch {
            plan: Some("free".to_owned()),
            overrides: Overrides::All(BTreeMap::from([("a".to_owned(), hard())])),
            ..Patch::default()
        };
        let first = new.apply(None, "2026-11-21").expect("whole");
        assert_eq!(
            (first.start.as_str(), first.time_zone.as_str()),
            ("2026-11-21", "UTC")
        );
        let more = Patch {
            name: Some("Acme".to_owned()),
            customer: Customer::read(Some("cus_1".to_owned())),
            overrides: Overrides::Some(BTreeMap::from([("b".to_owned(), Some(hard()))])),
            ..Patch::default()
        };
        let second = more.apply(Some(&first), "2027-01-01").expect("whole");
        assert_eq!(second.overrides.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((&second.plan, &second.start), (&first.plan, &first.start));
        let less = Patch {
            overrides: Overrides::Some(BTreeMap::from([("a".to_owned(), None)])),
            customer: Customer::read(None),
            ..Patch::default()
        };
        let third = less.apply(Some(&second), "2027-01-01").expect("whole");
        assert_eq!(third.overrides.keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(third.stripe_customer.as_deref(), Some("cus_1"));
        let unlinked = Patch {
            customer: Customer::read(Some("none".to_owned())),
            ..Patch::default()
        };
        let unlinked = unlinked.apply(Some(&third), "2027-01-01").expect("whole");
        assert_eq!(unlinked.stripe_customer, None);
        assert_eq!(
            Patch::default().apply(Some(&third), "").expect("whole"),
            third
        );
    }

    #[test]
    fn a_new_account_needs_a_plan() {
        let reason = Patch::default()
            .apply(None, "2026-11-21")
            .expect_err("no plan");
        assert!(reason.contains("plan"), "{reason}");
    }
}
