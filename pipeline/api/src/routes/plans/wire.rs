//! Plans as callers read them: the fields of the core's, with quantities as strings in the meter's
//! base unit.

use crate::document::{CapWord, PeriodZoneWord, ResetWord};
use crate::routes::accounts::{GraceBody, ThresholdBody};
use crate::text::quantity;
use meterline_core::catalog::Plans;
use meterline_core::catalog::plans::{
    Cap, Derived, HealthBounds, PeriodZone, Plan, PlanUnit, Price, Reset, Terms,
};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// All that the catalog says about plans.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlansView {
    /// ISO 4217 code of all prices; empty where no price is written.
    currency: String,
    /// The plan of tenants that have no account; null: they have none, and no limits.
    default_plan: Option<String>,
    /// In which unit people read and write a meter's quantities, by meter; others in base units.
    units: BTreeMap<String, PlanUnitView>,
    /// Quantities that follow from several meters.
    derived: Vec<DerivedView>,
    /// When a tenant is how well.
    health: HealthBoundsView,
    /// The plans, as the catalog orders them.
    plans: Vec<PlanView>,
}

/// The unit that a meter is read and written in.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlanUnitView {
    /// Its name, such as `minute` or `GB`.
    name: String,
    /// How many of the meter's base units are one of it.
    ratio: String,
}

/// A weighted sum of meters.
#[derive(Serialize, ToSchema)]
pub(crate) struct DerivedView {
    /// Its name, among the names of meters.
    name: String,
    /// Shown to people.
    description: String,
    /// Its unit, shown to people.
    unit: String,
    /// What is added to the sum.
    constant: String,
    /// The summands.
    terms: Vec<DerivedTermView>,
    /// A level meter whose value stands in the place of the sum where the tenant has one.
    unless: Option<String>,
}

/// One summand of a derived quantity.
#[derive(Serialize, ToSchema)]
pub(crate) struct DerivedTermView {
    /// The meter.
    meter: String,
    /// What one of its base units adds.
    weight: String,
}

/// Shares of the limit, in percent, at which a tenant's health changes.
#[derive(Serialize, ToSchema)]
pub(crate) struct HealthBoundsView {
    /// At this share or above: caution.
    caution: String,
    /// At this share or above: warning.
    warning: String,
    /// Above this share: critical.
    critical: String,
}

/// One plan.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlanView {
    /// Its name.
    name: String,
    /// Shown to people.
    title: String,
    /// Fee of one period, in the currency; null: none is stated.
    base: Option<String>,
    /// What holds per meter or derived quantity; what is not named is not limited.
    meters: BTreeMap<String, PlanTermsView>,
}

/// What holds for one meter of a plan.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlanTermsView {
    /// What a period includes without further charge; null: nothing is said.
    included: Option<String>,
    /// The ceiling; null: unlimited.
    limit: Option<String>,
    /// What a check does beyond the limit.
    #[schema(value_type = CapWord)]
    cap: Cap,
    /// How long a soft cap lets go on.
    grace: Option<GraceBody>,
    /// What is told when, by rising share.
    thresholds: Vec<ThresholdBody>,
    /// When use starts at zero again.
    #[schema(value_type = ResetWord)]
    reset: Reset,
    /// In whose days and months.
    #[schema(value_type = PeriodZoneWord)]
    zone: PeriodZone,
    /// What use beyond the included costs.
    price: Option<PriceView>,
}

/// What use beyond the included costs: `amount` per `per` base units.
#[derive(Serialize, ToSchema)]
pub(crate) struct PriceView {
    /// In the currency.
    amount: String,
    /// Base units that it buys.
    per: String,
}

impl PlansView {
    /// As callers read them.
    pub(super) fn new(plans: &Plans) -> Self {
        let units = plans.units.iter();
        let units = units.map(|(meter, unit)| (meter.clone(), PlanUnitView::new(unit)));
        Self {
            currency: plans.currency.clone(),
            default_plan: plans.default_plan.clone(),
            units: units.collect(),
            derived: plans.derived.iter().map(DerivedView::new).collect(),
            health: HealthBoundsView::new(&plans.health),
            plans: plans.plans.iter().map(PlanView::new).collect(),
        }
    }
}

impl PlanUnitView {
    fn new(unit: &PlanUnit) -> Self {
        Self {
            name: unit.name.clone(),
            ratio: quantity(unit.ratio),
        }
    }
}

impl DerivedView {
    fn new(derived: &Derived) -> Self {
        let terms = derived.terms.iter().map(|term| DerivedTermView {
            meter: term.meter.clone(),
            weight: quantity(term.weight),
        });
        Self {
            name: derived.name.clone(),
            description: derived.description.clone(),
            unit: derived.unit.clone(),
            constant: quantity(derived.constant),
            terms: terms.collect(),
            unless: derived.unless.clone(),
        }
    }
}

impl HealthBoundsView {
    fn new(bounds: &HealthBounds) -> Self {
        Self {
            caution: quantity(bounds.caution),
            warning: quantity(bounds.warning),
            critical: quantity(bounds.critical),
        }
    }
}

impl PlanView {
    fn new(plan: &Plan) -> Self {
        let meters = plan.meters.iter();
        let meters = meters.map(|(meter, terms)| (meter.clone(), PlanTermsView::new(terms)));
        Self {
            name: plan.name.clone(),
            title: plan.title.clone(),
            base: plan.base.map(quantity),
            meters: meters.collect(),
        }
    }
}

impl PlanTermsView {
    fn new(terms: &Terms) -> Self {
        Self {
            included: terms.included.map(quantity),
            limit: terms.limit.map(quantity),
            cap: terms.cap,
            grace: terms.grace.as_ref().map(GraceBody::new),
            thresholds: terms.thresholds.iter().map(ThresholdBody::new).collect(),
            reset: terms.reset,
            zone: terms.zone,
            price: terms.price.as_ref().map(PriceView::new),
        }
    }
}

impl PriceView {
    fn new(price: &Price) -> Self {
        Self {
            amount: quantity(price.amount),
            per: quantity(price.per),
        }
    }
}
