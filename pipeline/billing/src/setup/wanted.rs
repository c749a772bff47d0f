//! What a catalog wants at Stripe.
//!
//! A meter and a product for each mapped meter; a product and a licensed price for each plan with a
//! fee; a metered price for each plan and mapped meter that it prices. All are billed by the month.
//! Refuses, in the price that it concerns: amounts that Stripe cannot hold, levels whose price is
//! spread over no hours, and what is included by the hour or day. Invariant: no two things have one
//! id or lookup key, because no two plans and no two meters have one name.

use super::amounts;
use meterline_core::catalog::plans::{Plan, Price, Reset, Terms as PlanTerms};
use meterline_core::catalog::stripe::StripeMeter;
use meterline_core::catalog::{Aggregation, Catalog, Meter};
use meterline_core::quantity::Quantity;
use meterline_stripe::money::Currency;

/// Most characters of a product's `unit_label` ("This will be included in … invoices";
/// <https://docs.stripe.com/api/products/create>, and 12 in the dashboard).
const UNIT_LABEL_MAX: usize = 12;

/// What a catalog wants at Stripe.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// The key of a payload that names the customer.
    pub customer_key: String,
    /// The meters, by name.
    pub meters: Vec<WantedMeter>,
    /// The products: those of meters, then those of plans.
    pub products: Vec<WantedProduct>,
    /// The prices, in the order of plans.
    pub prices: Vec<WantedPrice>,
}

/// A meter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WantedMeter {
    /// Its name in the catalog.
    pub meter: String,
    /// Its name in meter events.
    pub event_name: String,
    /// Its name for people.
    pub display_name: String,
}

/// A product.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WantedProduct {
    /// An id of ours, so that it cannot be made twice.
    pub id: String,
    /// Its name for people; on invoices.
    pub name: String,
    /// What a unit is called.
    pub unit_label: Option<String>,
    /// `meterline_meter` or `meterline_plan`, and its name.
    pub metadata: (&'static str, String),
}

/// A price.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WantedPrice {
    /// The plan.
    pub plan: String,
    /// The meter; `None`: the plan's fee.
    pub meter: Option<String>,
    /// The product's id.
    pub product: String,
    /// What it costs, or why that cannot be billed.
    pub terms: Result<Terms, String>,
    /// Whether there is nothing that could be billed, as the catalog wants it.
    pub left_out: bool,
    /// What people should know of it.
    pub note: Option<String>,
}

/// What a price costs a month.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Terms {
    /// In which currency.
    pub currency: Currency,
    /// So many base units are free.
    pub included: u64,
    /// What each further unit costs: a decimal in the minor unit.
    pub each: String,
}

impl WantedPrice {
    /// Its name among prices, and the plan's first: `meterline:<plan>:<meter>`, `meterline:<plan>`.
    #[must_use]
    pub fn lookup_key(&self) -> String {
        match &self.meter {
            Some(meter) => format!("meterline:{}:{meter}", self.plan),
            None => format!("meterline:{}", self.plan),
        }
    }
}

impl Wanted {
    /// What a valid catalog wants.
    #[must_use]
    pub fn of(catalog: &Catalog) -> Self {
        let mapped = &catalog.stripe.meters;
        let meters = mapped.iter().map(|(meter, of)| WantedMeter {
            meter: meter.clone(),
            event_name: of.event_name.clone(),
            display_name: of.display_name.clone(),
        });
        let definition = |name: &String| catalog.meters.iter().find(|meter| meter.name == *name);
        let of_meters = mapped.iter();
        let of_meters = of_meters.filter_map(|(name, of)| Some(of_meter(definition(name)?, of)));
        let with_fee = catalog
            .plans
            .plans
            .iter()
            .filter(|plan| plan.base.is_some());
        Self {
            customer_key: catalog.stripe.customer_key.clone(),
            meters: meters.collect(),
            products: of_meters.chain(with_fee.map(of_plan)).collect(),
            prices: prices(catalog),
        }
    }
}

fn of_meter(meter: &Meter, of: &StripeMeter) -> WantedProduct {
    let unit = match is_level(meter) {
        true => format!("{}-hour", meter.unit),
        false => meter.unit.clone(),
    };
    WantedProduct {
        id: meter_product(&meter.name),
        name: of.display_name.clone(),
        unit_label: (unit.chars().count() <= UNIT_LABEL_MAX).then_some(unit),
        metadata: ("meterline_meter", meter.name.clone()),
    }
}

fn of_plan(plan: &Plan) -> WantedProduct {
    WantedProduct {
        id: plan_product(&plan.name),
        name: plan.title.clone(),
        unit_label: None,
        metadata: ("meterline_plan", plan.name.clone()),
    }
}

pub(super) fn meter_product(meter: &str) -> String {
    format!("meterline_meter_{meter}")
}

fn plan_product(plan: &str) -> String {
    format!("meterline_plan_{plan}")
}

const fn is_level(meter: &Meter) -> bool {
    !matches!(meter.aggregation, Aggregation::Count | Aggregation::Sum)
}

fn prices(catalog: &Catalog) -> Vec<WantedPrice> {
    let currency = Currency::parse(&catalog.plans.currency).map_err(|error| error.to_string());
    let mut prices = Vec::new();
    for plan in &catalog.plans.plans {
        if let Some(base) = plan.base {
            prices.push(WantedPrice {
                plan: plan.name.clone(),
                meter: None,
                product: plan_product(&plan.name),
                terms: currency.clone().and_then(|currency| fee(base, currency)),
                left_out: false,
                note: None,
            });
        }
        for (meter, terms) in &plan.meters {
            if let Some(price) = &terms.price {
                prices.push(metered(catalog, plan, meter, terms, price, &currency));
            }
        }
    }
    prices
}

/// A plan's fee: whole minor units, because that is what an invoice bills.
fn fee(base: Quantity, currency: Currency) -> Result<Terms, String> {
    let units = currency.minor_units(&base.to_string());
    let units = units.map_err(|error| format!("its fee is {base}: {error}"))?;
    Ok(Terms {
        currency,
        included: 0,
        each: units.to_string(),
    })
}

fn metered(
    catalog: &Catalog,
    plan: &Plan,
    meter: &str,
    terms: &PlanTerms,
    price: &Price,
    currency: &Result<Currency, String>,
) -> WantedPrice {
    let mut wanted = WantedPrice {
        plan: plan.name.clone(),
        meter: Some(meter.to_owned()),
        product: meter_product(meter),
        terms: Err(
            "the catalog does not map its meter under `stripe.meters`: Stripe does not bill it"
                .to_owned(),
        ),
        left_out: true,
        note: None,
    };
    let definition = catalog.meters.iter().find(|known| known.name == meter);
    let Some((definition, of)) = definition.zip(catalog.stripe.meters.get(meter)) else {
        return wanted;
    };
    wanted.left_out = false;
    let priced = currency
        .clone()
        .and_then(|currency| priced(definition, of, terms, price, currency));
    (wanted.terms, wanted.note) = match priced {
        Ok((terms, note)) => (Ok(terms), note),
        Err(reason) => (Err(reason), None),
    };
    wanted
}

fn priced(
    meter: &Meter,
    of: &StripeMeter,
    terms: &PlanTerms,
    price: &Price,
    currency: Currency,
) -> Result<(Terms, Option<String>), String> {
    if is_level(meter) && of.hours.is_none() {
        return Err(format!(
            "Stripe adds up the hours of a {}, so its price must be spread over the hours of a \
             period: write `hours: 730` under `stripe.meters.{}` of the catalog",
            meter.aggregation.name(),
            meter.name
        ));
    }
    let included = terms.included.unwrap_or_default();
    let by = match terms.reset {
        Reset::Hour => Some("hour"),
        Reset::Day => Some("day"),
        Reset::Month | Reset::BillingMonth => None,
    };
    if let Some(by) = by.filter(|_| included > Quantity::ZERO) {
        return Err(format!(
            "it includes {included} by the {by}, and Stripe includes by the billing period: reset it \
             by the month"
        ));
    }
    let each = amounts::each(price, of.hours, currency)?;
    let terms = Terms {
        currency,
        included: amounts::included(included, of.hours)?,
        each: each.amount,
    };
    Ok((terms, each.rounded))
}
