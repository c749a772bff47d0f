//! What the fold needs of an account's, key's or route's content: bounds, and a calendar.
//!
//! Whether a plan, a meter or an override makes sense depends on the catalog and is not looked at
//! here: the fold takes such a record, and whoever judges by it says what is missing.

use super::account::PENDING_MAX;
use crate::account::{AccountTerms, ApiKey, Route, Target, TenantScope};
use crate::control::Decision;
use crate::period::{Zone, ZoneError};
use crate::time::parse_rfc3339;

/// Longest account id: the longest tenant that a catalog can allow.
pub const ACCOUNT_ID_BYTES_MAX: usize = 4_096;
/// Longest id of a route.
const ROUTE_ID_BYTES_MAX: usize = 64;
/// Length of the id of an API key.
const KEY_ID_BYTES: usize = 12;
/// Length of a SHA-256 in hexadecimal digits.
const HASH_BYTES: usize = 64;
/// Longest name, plan, address, URL or topic.
const TEXT_BYTES_MAX: usize = 4_096;
/// Most contacts or addresses of one account or route.
const ADDRESSES_MAX: usize = 64;
/// Most overrides of one account, meters of one route and tenants of one key; a catalog has fewer
/// meters.
const NAMES_MAX: usize = 10_000;
/// What ids of customers at Stripe begin with.
const CUSTOMER_PREFIX: &str = "cus_";
/// Longest id of a customer: Stripe's ids have at most 255 characters.
const CUSTOMER_BYTES_MAX: usize = 255;

/// Why a decision about accounts is not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// A field's content cannot be used.
    #[error("{field}: {reason}")]
    Field {
        /// The field's path in the decision.
        field: &'static str,
        /// What is wrong with it, and what it must be.
        reason: String,
    },
    /// A key that was revoked stays so.
    #[error("API key `{0}` was revoked, which is for ever; make a new one")]
    Revoked(String),
    /// Too many versions of one account are still to take effect.
    #[error(
        "account `{0}` has {PENDING_MAX} versions that are still to take effect; wait, or decide \
         one that takes effect before them and so replaces them"
    )]
    TooManyPending(String),
    /// A customer at Stripe is that of one account, for ever: two at one customer would overwrite
    /// each other's windows there.
    #[error(
        "customer `{customer}` is or was that of account `{account}`, and two accounts at one \
         customer would overwrite each other at Stripe; make another customer there"
    )]
    CustomerTaken {
        /// The customer's id at Stripe.
        customer: String,
        /// The account that it was linked to first.
        account: String,
    },
}

/// What an account's terms say about its calendar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calendar {
    pub(super) zone: Zone,
    pub(super) anchor_day: u8,
}

/// Whether a decision's content can be folded.
pub(super) fn check(decision: &Decision) -> Result<(), Refused> {
    match decision {
        Decision::Account(change) => calendar(&change.account, &change.terms).map(|_| ()),
        Decision::ApiKey(key) => check_key(key),
        Decision::Route(route) => check_route(route),
        Decision::Catalog(_)
        | Decision::Topic(_)
        | Decision::Adoption(_)
        | Decision::Verdict(_)
        | Decision::Void(_) => Ok(()),
    }
}

/// Checks an account's content and reads its calendar.
pub(super) fn calendar(id: &str, terms: &AccountTerms) -> Result<Calendar, Refused> {
    if id.is_empty() {
        return Err(field("account", "is empty"));
    }
    bounded("account", id.len(), ACCOUNT_ID_BYTES_MAX)?;
    bounded("terms.name", terms.name.len(), TEXT_BYTES_MAX)?;
    bounded("terms.plan", terms.plan.len(), TEXT_BYTES_MAX)?;
    counted("terms.overrides", terms.overrides.len(), NAMES_MAX)?;
    counted("terms.contacts", terms.contacts.len(), ADDRESSES_MAX)?;
    for contact in &terms.contacts {
        bounded("terms.contacts", contact.len(), TEXT_BYTES_MAX)?;
    }
    if let Some(reason) = terms.stripe_customer.as_deref().and_then(customer_fault) {
        return Err(field("terms.stripe_customer", reason));
    }
    let zone = Zone::parse(&terms.time_zone);
    Ok(Calendar {
        zone: zone.map_err(|error: ZoneError| field("terms.time_zone", error.to_string()))?,
        anchor_day: anchor_day(&terms.start).ok_or_else(|| {
            let shown: String = terms.start.chars().take(32).collect();
            field(
                "terms.start",
                format!("`{shown}` is no date such as `2026-01-31`"),
            )
        })?,
    })
}

/// What is wrong with the id of a customer at Stripe.
pub(crate) fn customer_fault(id: &str) -> Option<String> {
    let in_alphabet = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    let rest = id.strip_prefix(CUSTOMER_PREFIX).unwrap_or_default();
    if !rest.is_empty() && rest.bytes().all(in_alphabet) && id.len() <= CUSTOMER_BYTES_MAX {
        return None;
    }
    let shown: String = id.chars().take(32).collect();
    Some(format!(
        "`{shown}` is no customer's id at Stripe: `{CUSTOMER_PREFIX}`, then letters, digits and \
         underscores, {CUSTOMER_BYTES_MAX} bytes at most"
    ))
}

/// The day of the month of a date `YYYY-MM-DD`; `None` where it is none.
fn anchor_day(date: &str) -> Option<u8> {
    if date.len() != "2026-01-31".len() {
        return None;
    }
    parse_rfc3339(&format!("{date}T00:00:00Z"))?;
    date[8..].parse().ok()
}

pub(super) fn check_key(key: &ApiKey) -> Result<(), Refused> {
    let lower = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    if key.id.len() != KEY_ID_BYTES || !key.id.bytes().all(lower) {
        return Err(field("id", "is not 12 lower-case letters and digits"));
    }
    bounded("name", key.name.len(), TEXT_BYTES_MAX)?;
    check_hash("hash", &key.hash)?;
    if let Some(previous) = &key.previous {
        check_hash("previous.hash", &previous.hash)?;
    }
    if let TenantScope::These(tenants) = &key.tenants {
        check_names("tenants", tenants, ACCOUNT_ID_BYTES_MAX)?;
    }
    Ok(())
}

fn check_hash(name: &'static str, hash: &str) -> Result<(), Refused> {
    let digit = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
    if hash.len() == HASH_BYTES && hash.bytes().all(digit) {
        return Ok(());
    }
    Err(field(name, "is not 64 lower-case hexadecimal digits"))
}

pub(super) fn check_route(route: &Route) -> Result<(), Refused> {
    let rest = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-';
    let first = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let formed = route.id.bytes().next().is_some_and(first) && route.id.bytes().all(rest);
    if !formed || route.id.len() > ROUTE_ID_BYTES_MAX {
        return Err(field(
            "id",
            "is not `[a-z0-9][a-z0-9_-]*` of at most 64 bytes",
        ));
    }
    if let Some(account) = &route.account {
        bounded("account", account.len(), ACCOUNT_ID_BYTES_MAX)?;
    }
    check_names("meters", &route.meters, TEXT_BYTES_MAX)?;
    match &route.target {
        Target::Webhook {
            url, generation, ..
        } => {
            if *generation == 0 {
                return Err(field(
                    "target.webhook.generation",
                    "is 0; generations count from 1",
                ));
            }
            bounded("target.webhook.url", url.len(), TEXT_BYTES_MAX)
        }
        Target::Email { to } => {
            counted("target.email.to", to.len(), ADDRESSES_MAX)?;
            let mut lengths = to.iter().map(String::len);
            lengths.try_for_each(|length| bounded("target.email.to", length, TEXT_BYTES_MAX))
        }
        Target::Kafka { topic } => bounded("target.kafka.topic", topic.len(), TEXT_BYTES_MAX),
    }
}

/// Names that must be sorted and unique.
fn check_names(name: &'static str, names: &[String], bytes_max: usize) -> Result<(), Refused> {
    counted(name, names.len(), NAMES_MAX)?;
    for text in names {
        bounded(name, text.len(), bytes_max)?;
    }
    if names.is_sorted_by(|a, b| a < b) {
        return Ok(());
    }
    Err(field(name, "are not sorted and unique"))
}

fn bounded(name: &'static str, length: usize, most: usize) -> Result<(), Refused> {
    if length <= most {
        return Ok(());
    }
    Err(field(
        name,
        format!("has {length} bytes; at most {most} are taken"),
    ))
}

fn counted(name: &'static str, count: usize, most: usize) -> Result<(), Refused> {
    if count <= most {
        return Ok(());
    }
    Err(field(
        name,
        format!("are {count}; at most {most} are taken"),
    ))
}

fn field(field: &'static str, reason: impl Into<String>) -> Refused {
    let reason = reason.into();
    Refused::Field { field, reason }
}
