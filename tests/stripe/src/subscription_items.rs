//! Items of a subscription: their prices, and what becomes of usage when a price is taken away.
//!
//! Source: <https://docs.stripe.com/billing/subscriptions/usage-based/manage-billing-setup>. It
//! refuses quantities of metered prices, and prices of another currency or interval.

use crate::account::Account;
use crate::catalog::Price;
use crate::form::Form;
use crate::refusal::Refusal;
use crate::subscriptions::Subscription;
use serde_json::{Value, json};
use std::ops::Range;

/// An item: a price from a time on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Item {
    pub(crate) id: String,
    pub(crate) price: String,
    /// Since when the price holds, in seconds.
    ///
    /// "On future invoices, we reflect only usage that occurs after the update." "Similar
    /// restrictions apply if you add a new subscription item with a billing meter price in the
    /// middle of the subscription cycle."
    pub(crate) since: i64,
    /// Of a licensed price; a metered one has none.
    pub(crate) quantity: Option<i64>,
    created: i64,
}

/// A metered price that was taken away, and the time whose usage it leaves behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Removed {
    pub(crate) item: String,
    pub(crate) price: String,
    pub(crate) period: Range<i64>,
}

/// The items as Stripe writes them.
pub(crate) fn json(account: &Account, subscription: &Subscription) -> Vec<Value> {
    let item = |item: &Item| {
        let price = account.prices.get(&item.price);
        json!({
            "id": item.id,
            "object": "subscription_item",
            "billing_thresholds": null,
            "created": item.created,
            "current_period_end": subscription.period.end,
            "current_period_start": subscription.period.start,
            "discounts": [],
            "metadata": {},
            "plan": price.map(Price::plan_json),
            "price": price.map(Price::json),
            "quantity": item.quantity,
            "subscription": subscription.id,
            "tax_rates": [],
        })
    };
    subscription.items.iter().map(item).collect()
}

/// Adds items, removes some, and gives others a new price from now on; returns the metered prices
/// that were taken away.
pub(crate) fn change(
    account: &mut Account,
    subscription: &mut Subscription,
    changes: &[Form],
) -> Result<Vec<Removed>, Refusal> {
    let mut removed = Vec::new();
    for change in changes {
        change.only(&["deleted", "id", "price", "quantity"])?;
        removed.extend(change_one(account, subscription, change)?);
    }
    if subscription.items.is_empty() {
        let message = "A subscription must have at least one active plan.";
        return Err(Refusal::parameter("items", message));
    }
    Ok(removed)
}

fn change_one(
    account: &mut Account,
    subscription: &mut Subscription,
    change: &Form,
) -> Result<Option<Removed>, Refusal> {
    let now = account.seconds();
    let Some(id) = change.get("id") else {
        let (price, quantity) = wanted(account, subscription, change, None)?;
        subscription.items.push(Item {
            id: account.new_id("si"),
            price,
            since: now,
            quantity,
            created: now,
        });
        return Ok(None);
    };
    let index = subscription.items.iter().position(|item| item.id == id);
    let index = index.ok_or_else(|| Refusal::names_no("subscription item", "items[id]", id))?;
    let mut item = subscription.items.remove(index);
    if change.boolean("deleted")? == Some(true) {
        return Ok(leftover(account, &subscription.period, &item));
    }
    let (price, quantity) = wanted(account, subscription, change, Some(&item.price))?;
    let removed = if item.price == price {
        None
    } else {
        let removed = leftover(account, &subscription.period, &item);
        item.price = price;
        item.since = now;
        removed
    };
    item.quantity = quantity;
    subscription.items.insert(index, item);
    Ok(removed)
}

/// The price and the quantity that are asked for.
fn wanted(
    account: &Account,
    subscription: &Subscription,
    change: &Form,
    present: Option<&str>,
) -> Result<(String, Option<i64>), Refusal> {
    let id = change.get("price").or(present);
    let price = price_of(account, id.ok_or_else(|| Refusal::missing("items[price]"))?)?;
    if (&price.currency, price.interval) != (&subscription.currency, subscription.interval) {
        let message = "All prices of a subscription must have its currency and interval.";
        return Err(Refusal::parameter("items", message));
    }
    if !price.is_active() && change.has("price") {
        let message = "The price specified is inactive. This field only accepts active prices.";
        return Err(Refusal::parameter("items[price]", message));
    }
    let quantity = change.integer("quantity")?;
    if price.meter.is_some() && quantity.is_some() {
        let message = "You cannot set the quantity of a metered price.";
        return Err(Refusal::parameter("items[quantity]", message));
    }
    let is_licensed = price.meter.is_none();
    Ok((
        price.id.clone(),
        is_licensed.then_some(quantity.unwrap_or(1)),
    ))
}

/// The price of an item that is asked for.
pub(crate) fn price_of<'a>(account: &'a Account, id: &str) -> Result<&'a Price, Refusal> {
    let price = account.prices.get(id);
    price.ok_or_else(|| Refusal::names_no("price", "items[price]", id))
}

fn leftover(account: &Account, period: &Range<i64>, item: &Item) -> Option<Removed> {
    let is_metered = item.quantity.is_none();
    is_metered.then(|| Removed {
        item: item.id.clone(),
        price: item.price.clone(),
        period: item.since.max(period.start)..account.seconds(),
    })
}
