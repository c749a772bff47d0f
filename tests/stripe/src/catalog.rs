//! Products and prices.
//!
//! Sources: <https://docs.stripe.com/api/products/create>,
//! <https://docs.stripe.com/api/prices/create>. Recurring prices per unit or in tiers, in advance
//! (licensed) or by a meter (metered). It refuses one-time prices, custom amounts, transformed
//! quantities and currency options: Meterline sends none.

use crate::account::Account;
use crate::form::Form;
use crate::lists::{self, PAGE};
use crate::periods::Interval;
use crate::pricing::{Pricing, Tiers, requested_amount};
use crate::refusal::Refusal;
use crate::request::Call;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A product.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Product {
    id: String,
    name: String,
    description: Option<String>,
    unit_label: Option<String>,
    active: bool,
    metadata: BTreeMap<String, String>,
    created: i64,
    updated: i64,
}

impl Product {
    fn json(&self) -> Value {
        json!({
            "id": self.id,
            "object": "product",
            "active": self.active,
            "created": self.created,
            "default_price": null,
            "description": self.description,
            "images": [],
            "livemode": false,
            "marketing_features": [],
            "metadata": self.metadata,
            "name": self.name,
            "package_dimensions": null,
            "shippable": null,
            "statement_descriptor": null,
            "tax_code": null,
            "type": "service",
            "unit_label": self.unit_label,
            "updated": self.updated,
            "url": null,
        })
    }

    fn change(&mut self, form: &Form) -> Result<(), Refusal> {
        if let Some(name) = form.get("name") {
            name.clone_into(&mut self.name);
        }
        for (name, field) in [
            ("description", &mut self.description),
            ("unit_label", &mut self.unit_label),
        ] {
            if let Some(value) = form.get(name) {
                *field = (!value.is_empty()).then(|| value.to_owned());
            }
        }
        self.active = form.boolean("active")?.unwrap_or(self.active);
        form.change_metadata(&mut self.metadata);
        Ok(())
    }
}

/// A recurring price.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Price {
    pub(crate) id: String,
    pub(crate) product: String,
    pub(crate) currency: String,
    pub(crate) interval: Interval,
    /// Of a metered price.
    pub(crate) meter: Option<String>,
    pub(crate) pricing: Pricing,
    active: bool,
    nickname: Option<String>,
    lookup_key: Option<String>,
    metadata: BTreeMap<String, String>,
    created: i64,
}

impl Price {
    pub(crate) const fn is_active(&self) -> bool {
        self.active
    }

    const fn usage_type(&self) -> &'static str {
        if self.meter.is_some() {
            "metered"
        } else {
            "licensed"
        }
    }

    pub(crate) fn json(&self) -> Value {
        let mut price = json!({
            "id": self.id,
            "object": "price",
            "active": self.active,
            "created": self.created,
            "currency": self.currency,
            "custom_unit_amount": null,
            "livemode": false,
            "lookup_key": self.lookup_key,
            "metadata": self.metadata,
            "nickname": self.nickname,
            "product": self.product,
            "recurring": {
                "interval": self.interval.name(),
                "interval_count": self.interval.count,
                "meter": self.meter,
                "trial_period_days": null,
                "usage_type": self.usage_type(),
            },
            "tax_behavior": "unspecified",
            "transform_quantity": null,
            "type": "recurring",
        });
        self.pricing.describe(&mut price);
        price
    }

    /// The same as the plan that subscription items still carry.
    pub(crate) fn plan_json(&self) -> Value {
        json!({
            "id": self.id,
            "object": "plan",
            "active": self.active,
            "amount": null,
            "amount_decimal": null,
            "billing_scheme": self.pricing.scheme(),
            "created": self.created,
            "currency": self.currency,
            "interval": self.interval.name(),
            "interval_count": self.interval.count,
            "livemode": false,
            "metadata": self.metadata,
            "meter": self.meter,
            "nickname": self.nickname,
            "product": self.product,
            "tiers_mode": self.pricing.tiers_mode(),
            "transform_usage": null,
            "trial_period_days": null,
            "usage_type": self.usage_type(),
        })
    }
}

/// `/v1/products…`
pub(crate) fn call_products(account: &mut Account, call: &Call<'_>) -> Result<Value, Refusal> {
    let known = ["active", "description", "metadata", "name", "unit_label"];
    let form = &call.form;
    match (call.method, call.rest) {
        ("POST", []) => {
            form.only(&[&known[..], &["id"]].concat())?;
            create_product(account, form)
        }
        ("GET", []) => {
            form.only(&[&PAGE[..], &["active"]].concat())?;
            let active = form.boolean("active")?;
            let products = account.products.values().rev();
            let products =
                products.filter(|product| active.is_none_or(|active| product.active == active));
            let products = products.map(|product| (product.id.clone(), product.json()));
            lists::page(form, "/v1/products", products)
        }
        (method @ ("GET" | "POST"), [id]) => {
            let now = account.seconds();
            let product = account.products.get_mut(*id);
            let product = product.ok_or_else(|| Refusal::no_such("product", id))?;
            if method == "POST" {
                form.only(&known)?;
                product.change(form)?;
                product.updated = now;
            }
            Ok(product.json())
        }
        _ => Err(call.no_such_route()),
    }
}

fn create_product(account: &mut Account, form: &Form) -> Result<Value, Refusal> {
    form.required("name")?;
    let mut product = Product {
        active: true,
        created: account.seconds(),
        updated: account.seconds(),
        ..Product::default()
    };
    product.change(form)?;
    product.id = match form.get("id") {
        Some(id) if account.products.contains_key(id) => {
            let message = format!("Product already exists: {id}");
            return Err(Refusal::invalid("resource_already_exists", "id", &message));
        }
        Some(id) => id.to_owned(),
        None => account.new_id("prod"),
    };
    let created = product.json();
    account.products.insert(product.id.clone(), product);
    Ok(created)
}

/// `/v1/prices…`
pub(crate) fn call_prices(account: &mut Account, call: &Call<'_>) -> Result<Value, Refusal> {
    match (call.method, call.rest) {
        ("POST", []) => create_price(account, &call.form),
        ("GET", []) => list_prices(account, &call.form),
        ("GET", [id]) => Ok(shown(found_price(account, id)?, &call.form)),
        ("POST", [id]) => change_price(account, id, &call.form),
        _ => Err(call.no_such_route()),
    }
}

fn found_price<'a>(account: &'a mut Account, id: &str) -> Result<&'a mut Price, Refusal> {
    let price = account.prices.get_mut(id);
    price.ok_or_else(|| Refusal::no_such("price", id))
}

fn change_price(account: &mut Account, id: &str, form: &Form) -> Result<Value, Refusal> {
    form.only(&[
        "active",
        "lookup_key",
        "metadata",
        "nickname",
        "transfer_lookup_key",
    ])?;
    found_price(account, id)?;
    let lookup_key = form.get("lookup_key").map(str::to_owned);
    free_lookup_key(account, lookup_key.as_deref(), id, form)?;
    let price = found_price(account, id)?;
    price.active = form.boolean("active")?.unwrap_or(price.active);
    if let Some(nickname) = form.get("nickname") {
        price.nickname = Some(nickname.to_owned());
    }
    price.lookup_key = lookup_key.or(price.lookup_key.take());
    form.change_metadata(&mut price.metadata);
    Ok(shown(price, form))
}

/// Refuses a key that another price has, or takes it from there: "If set to true, will atomically
/// remove the lookup key from the existing price, and assign it to this price."
/// (<https://docs.stripe.com/api/prices/update>)
fn free_lookup_key(
    account: &mut Account,
    key: Option<&str>,
    for_price: &str,
    form: &Form,
) -> Result<(), Refusal> {
    let has_it = |price: &&mut Price| key.is_some() && price.lookup_key.as_deref() == key;
    let mut others = account.prices.values_mut();
    let Some(holder) = others.find(|price| has_it(price) && price.id != for_price) else {
        return Ok(());
    };
    if form.boolean("transfer_lookup_key")? == Some(true) {
        holder.lookup_key = None;
        return Ok(());
    }
    let message = "A price already uses this lookup key.";
    Err(Refusal::parameter("lookup_key", message))
}

/// The price, with its tiers where they are expanded.
fn shown(price: &Price, form: &Form) -> Value {
    let mut object = price.json();
    let expanded = |(_, field): (&str, &str)| field.ends_with("tiers");
    if form.inside("expand").any(expanded) {
        object["tiers"] = json!(price.pricing.tiers());
    }
    object
}

fn create_price(account: &mut Account, form: &Form) -> Result<Value, Refusal> {
    form.only(&[
        "billing_scheme",
        "currency",
        "lookup_key",
        "metadata",
        "nickname",
        "product",
        "recurring",
        "tiers",
        "tiers_mode",
        "transfer_lookup_key",
        "unit_amount",
        "unit_amount_decimal",
    ])?;
    let product = form.required("product")?.to_owned();
    if !account.products.contains_key(&product) {
        return Err(Refusal::names_no("product", "product", &product));
    }
    let meter = metered(account, form)?;
    let lookup_key = form.get("lookup_key").map(str::to_owned);
    let mut price = Price {
        id: String::new(),
        product,
        currency: form.required("currency")?.to_lowercase(),
        interval: Interval::requested(form)?,
        meter,
        pricing: requested_pricing(form)?,
        active: true,
        nickname: form.get("nickname").map(str::to_owned),
        lookup_key: lookup_key.clone(),
        metadata: BTreeMap::new(),
        created: account.seconds(),
    };
    free_lookup_key(account, lookup_key.as_deref(), "", form)?;
    form.change_metadata(&mut price.metadata);
    price.id = account.new_id("price");
    let created = shown(&price, form);
    account.prices.insert(price.id.clone(), price);
    Ok(created)
}

/// The meter of a metered price. "You can no longer create a price with a `usage_type` of `metered`
/// without a specified `meter`."
/// (<https://docs.stripe.com/changelog/basil/2025-03-31/deprecate-legacy-usage-based-billing>)
fn metered(account: &Account, form: &Form) -> Result<Option<String>, Refusal> {
    let parameter = "recurring[meter]";
    let usage_type = form.one_of("recurring[usage_type]", &["licensed", "metered"])?;
    match (usage_type, form.get(parameter)) {
        (Some("metered"), None) => Err(Refusal::missing(parameter)),
        (Some("metered"), Some(id)) => {
            let meter = account.meters.get(id);
            let meter = meter.ok_or_else(|| Refusal::names_no("meter", parameter, id))?;
            if !meter.is_active() {
                let message = format!("The meter {id} is inactive.");
                return Err(Refusal::parameter(parameter, &message));
            }
            Ok(Some(id.to_owned()))
        }
        (_, Some(_)) => {
            let message = "A meter needs recurring[usage_type]=metered.";
            Err(Refusal::parameter(parameter, message))
        }
        (_, None) => Ok(None),
    }
}

fn requested_pricing(form: &Form) -> Result<Pricing, Refusal> {
    if form.one_of("billing_scheme", &["per_unit", "tiered"])? == Some("tiered") {
        return Tiers::requested(form).map(Pricing::Tiered);
    }
    requested_amount(form, "unit_amount")?
        .map(Pricing::PerUnit)
        .ok_or_else(|| Refusal::missing("unit_amount"))
}

fn list_prices(account: &Account, form: &Form) -> Result<Value, Refusal> {
    form.only(
        &[
            &PAGE[..],
            &["active", "lookup_keys", "product", "recurring"],
        ]
        .concat(),
    )?;
    let (active, product) = (form.boolean("active")?, form.get("product"));
    let meter = form.get("recurring[meter]");
    let keys: Vec<_> = form.inside("lookup_keys").map(|(_, key)| key).collect();
    let prices = account.prices.values().rev().filter(|price| {
        active.is_none_or(|active| price.active == active)
            && product.is_none_or(|product| price.product == product)
            && meter.is_none_or(|meter| price.meter.as_deref() == Some(meter))
            && (keys.is_empty()
                || price
                    .lookup_key
                    .as_deref()
                    .is_some_and(|key| keys.contains(&key)))
    });
    let prices = prices.map(|price| (price.id.clone(), shown(price, form)));
    lists::page(form, "/v1/prices", prices)
}
