//! Prices: what a unit of use costs.
//!
//! Source: <https://docs.stripe.com/api/prices>. Amounts are decimals in the currency's minor unit,
//! "with at most 12 decimal places", as text. A price's terms never change; a new one is made.
//! Refuses one-time prices: all are recurring.

use crate::form::{Form, path_part};
use crate::request::{Read, Write};
use crate::requests::page;
use crate::wire::{Decimal, Listed, Page};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A price.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Price {
    /// Its id.
    pub id: String,
    /// Whether it can be used for new purchases.
    pub active: bool,
    /// ISO 4217, in lower case.
    pub currency: String,
    /// The product's id.
    pub product: String,
    /// A name of our own, unique among prices.
    pub lookup_key: Option<String>,
    /// What we noted with it.
    pub metadata: BTreeMap<String, String>,
    /// `per_unit` or `tiered`.
    pub billing_scheme: String,
    /// `graduated` or `volume`, of a tiered one.
    pub tiers_mode: Option<String>,
    /// The tiers, where they were asked for.
    pub tiers: Option<Vec<Tier>>,
    /// What a unit costs, of one per unit; in the minor unit.
    pub unit_amount_decimal: Option<Decimal>,
    /// How the quantity is divided before it is priced.
    pub transform_quantity: Option<TransformQuantity>,
    /// How often it is billed, and by which meter.
    pub recurring: Option<Recurring>,
}

impl Listed for Price {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A tier of a price.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Tier {
    /// Up to this quantity, that included; `None` of the last one.
    pub up_to: Option<Decimal>,
    /// What a unit costs, in the minor unit.
    pub unit_amount_decimal: Option<Decimal>,
    /// What the tier costs, in the minor unit.
    pub flat_amount_decimal: Option<Decimal>,
}

/// "Apply a transformation to the reported usage or set quantity before computing the amount
/// billed."
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct TransformQuantity {
    /// The quantity is divided by this.
    pub divide_by: u64,
    /// `up` or `down`.
    pub round: String,
}

/// How a price comes back.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Recurring {
    /// `day`, `week`, `month` or `year`.
    pub interval: String,
    /// So many intervals.
    pub interval_count: u32,
    /// `metered` or `licensed`.
    pub usage_type: String,
    /// The meter's id, of a metered one.
    pub meter: Option<String>,
}

/// How a quantity is priced; amounts as decimals in the minor unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pricing<'a> {
    /// Every unit costs the same.
    PerUnit {
        /// What a unit costs.
        amount: &'a str,
        /// Units are counted in packages of so many, rounded up; `None`: one by one.
        package: Option<u64>,
    },
    /// Each unit costs what its tier says.
    Graduated(&'a [NewTier<'a>]),
}

/// A tier of a price to make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewTier<'a> {
    /// Up to this quantity, that included; `None` of the last one.
    pub up_to: Option<u64>,
    /// What a unit costs.
    pub unit_amount: &'a str,
    /// What the tier costs once it is reached.
    pub flat_amount: Option<&'a str>,
}

/// A price to make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewPrice<'a> {
    /// The product's id.
    pub product: &'a str,
    /// ISO 4217.
    pub currency: &'a str,
    /// `day`, `week`, `month` or `year`.
    pub interval: &'a str,
    /// The meter's id, of a metered price; a licensed one has none.
    pub meter: Option<&'a str>,
    /// How it is priced.
    pub pricing: Pricing<'a>,
    /// For people.
    pub nickname: Option<&'a str>,
    /// A name of our own, unique among prices, at most 200 characters.
    pub lookup_key: Option<&'a str>,
    /// What to note with it.
    pub metadata: &'a [(&'a str, &'a str)],
}

/// Makes a price; its answer has the tiers.
#[must_use]
pub fn create(price: &NewPrice<'_>) -> Write<Price> {
    let mut form = Form::default();
    form.put("product", price.product);
    form.put("currency", price.currency);
    form.put("recurring[interval]", price.interval);
    if let Some(meter) = price.meter {
        form.put("recurring[usage_type]", "metered");
        form.put("recurring[meter]", meter);
    }
    match price.pricing {
        Pricing::PerUnit { amount, package } => put_per_unit(&mut form, amount, package),
        Pricing::Graduated(tiers) => put_tiers(&mut form, tiers),
    }
    form.put_some("nickname", price.nickname);
    form.put_some("lookup_key", price.lookup_key);
    form.put_map("metadata", price.metadata);
    form.put_list("expand", &["tiers"]);
    Write::post("/v1/prices", &form)
}

fn put_per_unit(form: &mut Form, amount: &str, package: Option<u64>) {
    form.put("billing_scheme", "per_unit");
    form.put("unit_amount_decimal", amount);
    if let Some(package) = package {
        form.put("transform_quantity[divide_by]", package);
        form.put("transform_quantity[round]", "up");
    }
}

fn put_tiers(form: &mut Form, tiers: &[NewTier<'_>]) {
    form.put("billing_scheme", "tiered");
    form.put("tiers_mode", "graduated");
    for (index, tier) in tiers.iter().enumerate() {
        let up_to = tier.up_to.map(|up_to| up_to.to_string());
        form.put(
            format!("tiers[{index}][up_to]"),
            up_to.as_deref().unwrap_or("inf"),
        );
        form.put(
            format!("tiers[{index}][unit_amount_decimal]"),
            tier.unit_amount,
        );
        form.put_some(
            format!("tiers[{index}][flat_amount_decimal]"),
            tier.flat_amount,
        );
    }
}

/// Asks for one price, with its tiers.
#[must_use]
pub fn get(id: &str) -> Read<Price> {
    let mut form = Form::default();
    form.put_list("expand", &["tiers"]);
    Read::new(format!("/v1/prices/{}", path_part(id)), form)
}

/// Which prices to list; what is empty or `None` is not asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PriceFilter<'a> {
    /// Those with one of at most ten lookup keys.
    pub lookup_keys: &'a [&'a str],
    /// Those of a product.
    pub product: Option<&'a str>,
    /// Those of a meter.
    pub meter: Option<&'a str>,
    /// The active or the inactive ones.
    pub active: Option<bool>,
}

/// Asks for a page of prices, with their tiers. Metadata is no filter of Stripe's lists: it is in
/// what comes back.
#[must_use]
pub fn list(filter: &PriceFilter<'_>, after: Option<&str>) -> Read<Page<Price>> {
    let mut form = page(after);
    form.put_list("lookup_keys", filter.lookup_keys);
    form.put_some("product", filter.product);
    form.put_some("recurring[meter]", filter.meter);
    form.put_some("active", filter.active);
    form.put_list("expand", &["data.tiers"]);
    Read::new("/v1/prices", form)
}

/// Moves a lookup key to a price from the one that has it: "If set to true, will atomically remove
/// the lookup key from the existing price, and assign it to this price."
/// (<https://docs.stripe.com/api/prices/update>)
#[must_use]
pub fn take_lookup_key(id: &str, lookup_key: &str) -> Write<Price> {
    let mut form = Form::default();
    form.put("lookup_key", lookup_key);
    form.put("transfer_lookup_key", true);
    Write::post(format!("/v1/prices/{}", path_part(id)), &form)
}
