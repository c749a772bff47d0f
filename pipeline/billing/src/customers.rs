//! Customers: which of Stripe's is whose, and whose is missing.
//!
//! A customer says in its metadata whose it is. Stripe's lists cannot be asked for metadata, and its
//! search lies behind, so all customers are read, page by page, and those kept that name a tenant
//! who is asked about. Refuses to choose between two customers of one tenant. Invariant: a customer
//! is made only for a tenant that none names, under a key that follows from what is made; a run that
//! was killed finds what it made in the list.

use crate::stripe::{Stripe, keyed};
use meterline_stripe::requests::customers::{self, Customer, CustomerFields};
use meterline_stripe::requests::subscriptions::{self, Subscription, SubscriptionFilter};
use meterline_stripe::{Failure, Next};
use std::collections::{BTreeMap, BTreeSet};

/// The metadata that names a customer's tenant.
pub const TENANT: &str = "meterline_tenant";

/// Most customers of one tenant that are kept: enough to say that they are too many.
const NAMED_MAX: usize = 5;
/// How often a customer is looked for again, because Stripe answered 500 or it was deleted.
const ROUNDS: u32 = 4;
/// Seconds of the windows that are pushed.
const HOUR: i64 = 3_600;

/// A tenant without a customer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unlinked {
    /// The tenant.
    pub tenant: String,
    /// Its name for people; the tenant's where it is empty.
    pub name: String,
    /// Where invoices go.
    pub email: Option<String>,
}

/// What becomes of a tenant without a customer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Link {
    /// This customer names it.
    Found(String),
    /// No customer names it: one is to be made.
    Make,
    /// More than one does, of which these are the first: nobody chooses.
    Ambiguous(Vec<String>),
}

/// The customers that name a tenant who was asked about.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Named(BTreeMap<String, Vec<String>>);

impl Named {
    /// Reads all customers, and keeps the ids of those that name one of these tenants.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn read<'a>(
        stripe: &Stripe,
        tenants: impl Iterator<Item = &'a str>,
    ) -> Result<Self, Failure> {
        let mut named: BTreeMap<_, Vec<_>> = tenants
            .map(|tenant| (tenant.to_owned(), Vec::new()))
            .collect();
        if named.is_empty() {
            return Ok(Self::default());
        }
        let page = |after: Option<&str>| customers::list(None, after);
        let keep = |customer: Customer| {
            let tenant = customer.metadata.get(TENANT).filter(|_| !customer.deleted);
            let ids = tenant.and_then(|tenant| named.get_mut(tenant));
            if let Some(ids) = ids.filter(|ids| ids.len() < NAMED_MAX) {
                ids.push(customer.id);
            }
        };
        stripe.pages("customers", page, keep).await?;
        Ok(Self(named))
    }

    /// What becomes of a tenant who was asked about.
    #[must_use]
    pub fn link(&self, tenant: &str) -> Link {
        match self.0.get(tenant).map(Vec::as_slice) {
            None | Some([]) => Link::Make,
            Some([one]) => Link::Found(one.clone()),
            Some(several) => Link::Ambiguous(several.to_vec()),
        }
    }
}

/// Makes a tenant's customer, or finds the one that an earlier call made; its id.
///
/// # Errors
/// See [`Failure`]; what [`concerns_one`] says of one is no reason to leave the others.
pub async fn make(stripe: &Stripe, of: &Unlinked) -> Result<String, Failure> {
    let fields = CustomerFields {
        name: if of.name.is_empty() {
            &of.tenant
        } else {
            &of.name
        },
        email: of.email.as_deref(),
        description: None,
        metadata: &[(TENANT, &of.tenant)],
    };
    let mut round = 0;
    loop {
        let request = keyed("customer", customers::create(&fields), &[round]);
        match stripe.write("customers", &request).await {
            // The answer may be one of yesterday's, to a customer that was deleted since.
            Ok(made) => match stripe.found("customers", &customers::get(&made.id)).await? {
                Some(customer) if !customer.deleted => return Ok(customer.id),
                _ if round < ROUNDS => round += 1,
                _ => return Err(unclear(of, "each that is made is deleted at once")),
            },
            Err(Failure::ServerError { status: 500, .. }) if round < ROUNDS => round += 1,
            Err(failure) => return Err(failure),
        }
        // Stripe repeats a 500 under its key, whether or not it made a customer.
        let named = Named::read(stripe, std::iter::once(&*of.tenant)).await?;
        match named.link(&of.tenant) {
            Link::Found(id) => return Ok(id),
            Link::Make => {}
            Link::Ambiguous(_) => return Err(unclear(of, "several name it now")),
        }
    }
}

fn unclear(of: &Unlinked, detail: &str) -> Failure {
    Failure::Misunderstood {
        what: format!("the customers of {}", of.tenant),
        detail: detail.to_owned(),
    }
}

/// Whether a failure is about one customer alone: other calls may go well.
#[must_use]
pub const fn concerns_one(failure: &Failure) -> bool {
    matches!(failure.next(), Next::Mend)
}

/// A subscription whose periods do not begin on a whole UTC hour: the hour that its cut divides is
/// billed whole with the later period.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct OffHour {
    /// The customer's id.
    pub customer: String,
    /// The subscription's id.
    pub subscription: String,
    /// A second at which its periods begin.
    pub anchor: i64,
}

/// Reads all subscriptions that are not canceled, and keeps those of these customers whose periods
/// do not begin on a whole UTC hour.
///
/// # Errors
/// See [`Failure`].
pub async fn off_hours(
    stripe: &Stripe,
    customers: &BTreeSet<String>,
) -> Result<Vec<OffHour>, Failure> {
    let mut off = Vec::new();
    let filter = SubscriptionFilter {
        // Of one customer only where only one is asked about.
        customer: customers
            .first()
            .filter(|_| customers.len() == 1)
            .map(String::as_str),
        status: None,
    };
    let page = |after: Option<&str>| subscriptions::list(&filter, after);
    let keep = |subscription: Subscription| {
        let anchor = subscription.billing_cycle_anchor;
        if anchor.rem_euclid(HOUR) != 0 && customers.contains(&subscription.customer) {
            off.push(OffHour {
                customer: subscription.customer,
                subscription: subscription.id,
                anchor,
            });
        }
    };
    if !customers.is_empty() {
        stripe.pages("subscriptions", page, keep).await?;
    }
    off.sort();
    Ok(off)
}
