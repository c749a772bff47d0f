//! Plans: what an account may use, what is included, and what is told when.
//!
//! A plan says it per meter. Quantities in here are in the meter's base unit (bytes, seconds,
//! calls): whoever writes a catalog may write them in another one, an exact ratio over the base
//! unit, and the reader multiplies, so that nothing rounds on the way. Plans change no bucket:
//! they are judged by the newest catalog in the control log, and are never placed. Prices are
//! carried and checked for form; Stripe computes with them, as it was set up from here.

use crate::quantity::Quantity;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All that a catalog says about plans. Empty where it has none: then nothing is limited.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plans {
    /// ISO 4217 code of all prices, such as `USD`; empty where no price is written.
    pub currency: String,
    /// The plan of tenants that have no account; `None`: they have none, and no limits.
    pub default_plan: Option<String>,
    /// In which unit people read and write a meter's quantities, by meter; others in base units.
    pub units: BTreeMap<String, PlanUnit>,
    /// Quantities that follow from several meters, in written order. They have no buckets.
    pub derived: Vec<Derived>,
    /// When a tenant is how well.
    pub health: HealthBounds,
    /// The plans, in written order.
    pub plans: Vec<Plan>,
}

impl Plans {
    /// A plan by its name.
    #[must_use]
    pub fn plan(&self, name: &str) -> Option<&Plan> {
        self.plans.iter().find(|plan| plan.name == name)
    }

    /// A derived quantity by its name.
    #[must_use]
    pub fn derived(&self, name: &str) -> Option<&Derived> {
        self.derived.iter().find(|derived| derived.name == name)
    }

    /// Whether the catalog says nothing about plans.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The unit that a meter is read and written in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanUnit {
    /// Its name, such as `minute` or `GB`.
    pub name: String,
    /// How many of the meter's base units are one of it; above 0.
    pub ratio: Quantity,
}

/// A quantity that is a weighted sum of meters, such as storage of counted records, or credit.
///
/// All its meters are flows, or all are levels; it is of that kind itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Derived {
    /// Its name, among the names of meters.
    pub name: String,
    /// Shown to people.
    pub description: String,
    /// Its unit, shown to people.
    pub unit: String,
    /// What is added to the sum.
    pub constant: Quantity,
    /// The summands, at least one.
    pub terms: Vec<Term>,
    /// A level meter whose value stands in the place of the sum where the tenant has one.
    pub unless: Option<String>,
}

/// One summand of a derived quantity.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// The meter.
    pub meter: String,
    /// What one of its base units adds; never negative.
    pub weight: Quantity,
}

/// Shares of the basis, in percent, at which a tenant's health changes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HealthBounds {
    /// At this share or above: caution. Default 75.
    pub caution: Quantity,
    /// At this share or above: warning. Default 90.
    pub warning: Quantity,
    /// Above this share: critical. Default 100.
    pub critical: Quantity,
}

impl Default for HealthBounds {
    fn default() -> Self {
        let percent = |n: i128| Quantity::from_unscaled(n, 0).expect("small numbers fit");
        Self {
            caution: percent(75),
            warning: percent(90),
            critical: percent(100),
        }
    }
}

/// One plan.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Its name: `[a-z][a-z0-9_]*`, at most 64 bytes.
    pub name: String,
    /// Shown to people.
    pub title: String,
    /// Fee of one period, in the currency; `None`: none is stated.
    pub base: Option<Quantity>,
    /// What holds per meter or derived quantity; what is not named is not limited.
    pub meters: BTreeMap<String, Terms>,
}

/// What holds for one meter of a plan, or of an account once its overrides are applied.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// What a period includes without further charge; `None`: nothing is said.
    pub included: Option<Quantity>,
    /// The ceiling; `None`: unlimited.
    pub limit: Option<Quantity>,
    /// What a check does beyond the limit.
    pub cap: Cap,
    /// How long a soft cap lets go on; only with [`Cap::Soft`].
    pub grace: Option<Grace>,
    /// What is told when, by rising share.
    pub thresholds: Vec<Threshold>,
    /// When use starts at zero again.
    pub reset: Reset,
    /// In whose days and months.
    pub zone: PeriodZone,
    /// What use beyond the included costs.
    pub price: Option<Price>,
}

impl Terms {
    /// What shares are taken of: the limit, or what is included where there is no limit. `None`:
    /// unlimited, there are no shares and no alerts.
    #[must_use]
    pub fn basis(&self) -> Option<Quantity> {
        self.limit.or(self.included)
    }
}

/// What a check does where use would pass the limit. Counting never stops.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cap {
    /// It allows: beyond the limit costs, or nothing.
    #[default]
    None,
    /// It allows and warns; refuses once the grace is over, where there is one.
    Soft,
    /// It refuses.
    Hard,
}

/// How long a soft cap lets go on after the limit was passed: until the first of both.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grace {
    /// Seconds from the crossing. Default 604,800 (7 days).
    pub seconds: u32,
    /// Share of the limit, in percent, above 100. Default 120.
    pub percent: Quantity,
}

impl Default for Grace {
    fn default() -> Self {
        Self {
            seconds: 7 * 86_400,
            percent: Quantity::from_unscaled(120, 0).expect("small numbers fit"),
        }
    }
}

/// A share of the basis that someone is told of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// The share in percent; above 0, at most three decimals.
    pub percent: Quantity,
    /// Whether use must be above the share (over limit) instead of at or above.
    pub above: bool,
    /// How bad it is.
    pub severity: Severity,
    /// What the alert is called by its receivers, such as `billing.over_limit`; default
    /// `usage.threshold`.
    pub kind: String,
}

impl Threshold {
    /// Default of `kind`.
    pub const KIND: &'static str = "usage.threshold";

    /// The threshold's name in alert chains: `80` for at or above 80 %, `>100` for above 100 %.
    #[must_use]
    pub fn name(&self) -> String {
        let sign = if self.above { ">" } else { "" };
        format!("{sign}{}", self.percent)
    }
}

/// How bad an alert is; the order is that of routes that ask for "at least".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For the record.
    Info,
    /// Somebody should look some day.
    Medium,
    /// The limit is near.
    Warning,
    /// The limit is there.
    Critical,
}

impl Severity {
    /// All of them, rising.
    pub const ALL: [Self; 4] = [Self::Info, Self::Medium, Self::Warning, Self::Critical];

    /// The name in catalogs, records and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Medium => "medium",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// When use starts at zero again. Levels hold across it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reset {
    /// At every full hour.
    Hour,
    /// At midnight.
    Day,
    /// At midnight before the 1st.
    Month,
    /// At midnight before the account's day of the month; in shorter months before the last day.
    BillingMonth,
}

/// In whose days and months a period is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeriodZone {
    /// UTC.
    #[default]
    Utc,
    /// The account's time zone.
    Account,
}

/// What use beyond the included costs: `amount` per `per` of the meter's base units, no started
/// blocks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// In the currency; never negative.
    pub amount: Quantity,
    /// Base units that it buys; above 0.
    pub per: Quantity,
}
