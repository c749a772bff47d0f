//! Accounts, API keys and notification routes: decisions on the control log, by their ids.
//!
//! These are the records' contents; the fold over them is [`crate::accounts`]. An account's id is
//! the tenant's name in usage events. No secret is in here: API keys are hashed, and signing
//! secrets of webhooks are derived from a key of the deployment by the route's id and generation.

use crate::catalog::plans::{Cap, Grace, Severity, Threshold};
use crate::quantity::Quantity;
use crate::time::LogTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A new version of an account: all of it, as it is from `effective` on.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountChange {
    /// The account's id: the tenant in usage events.
    pub account: String,
    /// When it takes effect; `None`, or a moment before its append time: at its append time.
    pub effective: Option<LogTime>,
    /// What becomes of the running period.
    pub running: RunningPeriod,
    /// From where it was decided: an address or a host; may be empty.
    pub origin: String,
    /// The account.
    pub terms: AccountTerms,
}

/// What becomes of the running period when a version takes effect.
///
/// Limits change at once either way; this is about the boundaries of periods.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunningPeriod {
    /// It ends when it would have ended; its use counts against the new limits. Default.
    #[default]
    Keep,
    /// It ends with the full UTC hour before the change; the hour of the change is the first of a
    /// new period.
    Restart,
}

/// What an account is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountTerms {
    /// Shown to people; may be empty.
    pub name: String,
    /// Name of its plan.
    pub plan: String,
    /// Whether it is served.
    pub status: AccountStatus,
    /// Its first day, `YYYY-MM-DD`: billing months begin on that day of the month.
    pub start: String,
    /// IANA name of its time zone, such as `Europe/Berlin`; default `UTC`.
    pub time_zone: String,
    /// What differs from the plan, by meter.
    pub overrides: BTreeMap<String, Override>,
    /// E-mail addresses of people to tell.
    pub contacts: Vec<String>,
    /// Id of its customer at Stripe, `cus_…`, that its use is pushed to; `None`: nothing is. A
    /// customer that was linked once is never another account's. Accounts before it have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stripe_customer: Option<String>,
}

/// Whether an account is served.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// It is.
    #[default]
    Active,
    /// Checks refuse it; its use is counted.
    Suspended,
    /// It has ended: checks refuse it, nobody is told of its use any more, which is counted.
    Closed,
}

/// What differs from the plan for one meter; what is not said is the plan's. Quantities are in
/// the meter's base unit.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Override {
    /// Another included quantity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub included: Option<Quantity>,
    /// Another limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<LimitOverride>,
    /// Another cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<Cap>,
    /// Another grace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Grace>,
    /// Other thresholds, in the place of all of the plan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Vec<Threshold>>,
}

/// A limit of an override.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitOverride {
    /// None.
    Unlimited,
    /// This one.
    At(Quantity),
}

/// An API key: what its bearer may do, and for whom.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// Its id, the public part of the token `mlk_<id>_<secret>`: 12 lower-case letters and digits.
    pub id: String,
    /// Shown to people.
    pub name: String,
    /// SHA-256 of the token's secret part, in lower-case hexadecimal digits.
    pub hash: String,
    /// The hash before a rotation, and until when it is still taken.
    pub previous: Option<PreviousHash>,
    /// What it may do.
    pub roles: Vec<Role>,
    /// For whom.
    pub tenants: TenantScope,
    /// Requests a second that it may make; the setting's where `None`.
    pub rate: Option<u32>,
    /// Whether it was revoked; for ever.
    pub revoked: bool,
    /// When it ends; `None`: never.
    pub expires: Option<LogTime>,
}

/// A hash that a rotation replaced.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreviousHash {
    /// As [`ApiKey::hash`].
    pub hash: String,
    /// First moment at which it is no longer taken.
    pub until: LogTime,
}

/// What an API key may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Publish events.
    Ingest,
    /// Read usage, limits, alerts and accounts.
    Read,
    /// Ask whether a tenant may do more.
    Check,
    /// Change accounts, keys and routes, beside all of the above.
    Admin,
}

/// Tenants that an API key speaks for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TenantScope {
    /// All.
    All,
    /// These. Sorted, unique.
    These(Vec<String>),
}

impl TenantScope {
    /// Whether the tenant is one of them.
    #[must_use]
    pub fn holds(&self, tenant: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(tenants) => tenants.iter().any(|known| known == tenant),
        }
    }
}

/// Who is told of which alerts, and how.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Its id: `[a-z0-9][a-z0-9_-]*`, at most 64 bytes.
    pub id: String,
    /// Alerts of this account only; `None`: of all.
    pub account: Option<String>,
    /// Alerts of these meters only; empty: of all. Sorted, unique.
    pub meters: Vec<String>,
    /// Alerts of at least this severity.
    pub severity: Severity,
    /// How.
    pub target: Target,
    /// Whether it is used.
    pub enabled: bool,
}

/// How a route tells.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// An HTTP POST by the rules of Standard Webhooks.
    Webhook {
        /// `https://…`; `http://` only where a setting allows it.
        url: String,
        /// Number of the signing secret, from 1; a rotation adds one.
        generation: u32,
        /// Until when requests are signed with the secret before, too.
        previous_until: Option<LogTime>,
    },
    /// An e-mail.
    Email {
        /// The addresses; empty: the account's contacts.
        to: Vec<String>,
    },
    /// A record on a Kafka topic, keyed by tenant.
    Kafka {
        /// The topic, with its whole name.
        topic: String,
    },
}
