//! Invoice lines: what is billed for usage, in advance, and as items.
//!
//! The quantity of a metered line follows what counts until its invoice is final: "When the invoice
//! finalizes, Stripe updates it to reflect the latest quantity for its billing period."
//! (<https://docs.stripe.com/billing/subscriptions/usage-based/configure-grace-period>)

use crate::account::Account;
use crate::decimal::Decimal;
use crate::periods;
use crate::settings::Side;
use crate::subscription_items::{Item, Removed};
use crate::subscriptions::Subscription;
use crate::usage;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;

/// What a line is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// The usage of a span of seconds at a metered price.
    Metered { item: String, price: String },
    /// A period at a licensed price.
    Licensed { item: String, price: String },
    /// An invoice item, which has a price if it is for usage.
    Item {
        invoice_item: String,
        price: Option<String>,
    },
}

/// A line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) source: Source,
    pub(crate) period: Range<i64>,
    pub(crate) quantity: Decimal,
    pub(crate) amount: i64,
    pub(crate) description: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
}

impl Line {
    fn priced(
        account: &mut Account,
        source: Source,
        period: Range<i64>,
        quantity: Decimal,
    ) -> Self {
        let mut line = Self {
            id: account.new_id("il"),
            source,
            period,
            quantity,
            amount: 0,
            description: None,
            metadata: BTreeMap::new(),
        };
        line.amount = line
            .price()
            .map_or(0, |price| cost(account, price, quantity));
        line
    }

    pub(crate) fn price(&self) -> Option<&str> {
        match &self.source {
            Source::Metered { price, .. } | Source::Licensed { price, .. } => Some(price),
            Source::Item { price, .. } => price.as_deref(),
        }
    }
}

/// What a quantity costs, rounded once.
fn cost(account: &Account, price: &str, quantity: Decimal) -> i64 {
    let price = account.prices.get(price);
    price.map_or(0, |price| price.pricing.amount(quantity).rounded())
}

/// The lines for the usage of a subscription's period, one for each metered item.
pub(crate) fn in_arrears(account: &mut Account, subscription: &Subscription) -> Vec<Line> {
    let metered = subscription
        .items
        .iter()
        .filter(|item| item.quantity.is_none());
    let line = |item: &Item| {
        let start = item.since.max(subscription.period.start);
        let period = start..subscription.period.end;
        metered_line(account, &item.id, &item.price, period)
    };
    metered.map(line).collect()
}

/// The line for usage at a price that was taken away.
pub(crate) fn of_removed(account: &mut Account, removed: Removed) -> Line {
    metered_line(account, &removed.item, &removed.price, removed.period)
}

fn metered_line(account: &mut Account, item: &str, price: &str, period: Range<i64>) -> Line {
    let source = Source::Metered {
        item: item.to_owned(),
        price: price.to_owned(),
    };
    Line::priced(account, source, period, Decimal::ZERO)
}

/// The lines for what a subscription's period costs in advance.
pub(crate) fn in_advance(account: &mut Account, subscription: &Subscription) -> Vec<Line> {
    let line = |item: &Item| {
        let source = Source::Licensed {
            item: item.id.clone(),
            price: item.price.clone(),
        };
        let quantity = Decimal::whole(item.quantity?);
        let period = subscription.period.clone();
        Some(Line::priced(account, source, period, quantity))
    };
    subscription.items.iter().filter_map(line).collect()
}

/// The line as it would be billed now.
pub(crate) fn current(account: &Account, customer: &str, line: &Line) -> Line {
    let mut line = line.clone();
    if let Source::Metered { price, .. } = &line.source {
        (line.quantity, line.amount) = usage_at(account, customer, price, &line.period);
    }
    line
}

/// The quantity that a customer used in a period, and what it costs at a metered price.
pub(crate) fn usage_at(
    account: &Account,
    customer: &str,
    price: &str,
    period: &Range<i64>,
) -> (Decimal, i64) {
    let quantity = used(account, customer, price, period);
    (quantity, cost(account, price, quantity))
}

/// What a customer used, never below zero: "If the overall cycle usage is negative, Stripe reports
/// the invoice line item usage quantity as 0."
/// (<https://docs.stripe.com/billing/subscriptions/usage-based/recording-usage-api>)
fn used(account: &Account, customer: &str, price: &str, period: &Range<i64>) -> Decimal {
    let meter = account
        .prices
        .get(price)
        .and_then(|price| price.meter.as_ref());
    let meter = meter.and_then(|meter| account.meters.get(meter));
    let quantity = meter.and_then(|meter| {
        let series = account.usage.series(&meter.id, customer)?;
        let earlier = account.settings.divided_window == Side::Earlier;
        let span = usage::whole_windows(meter, period.clone(), earlier);
        usage::quantity(meter, series, span, account.now())
    });
    quantity.unwrap_or(Decimal::ZERO).max(Decimal::ZERO)
}

/// A line of an invoice as Stripe writes it.
///
/// `quantity_decimal` is exact; `quantity` is "the same value, truncated to an integer"
/// (<https://docs.stripe.com/changelog/dahlia/2026-03-25/invoice-items-decimal-quantity>).
pub(crate) fn json(account: &Account, invoice: &LineOf<'_>, line: &Line) -> Value {
    json!({
        "id": line.id,
        "object": "line_item",
        "amount": line.amount,
        "currency": invoice.currency,
        "description": line.description,
        "discount_amounts": [],
        "discountable": true,
        "discounts": [],
        "invoice": invoice.id,
        "livemode": false,
        "metadata": line.metadata,
        "parent": parent(invoice, line),
        "period": periods::json(&line.period),
        "pretax_credit_amounts": [],
        "pricing": pricing(account, line.price()),
        "quantity": line.quantity.truncated(),
        "quantity_decimal": line.quantity.to_string(),
        "subscription": invoice.subscription,
        "subtotal": line.amount,
        "taxes": [],
    })
}

/// The field `pricing` of a line or an item at a price.
pub(crate) fn pricing(account: &Account, price: Option<&str>) -> Option<Value> {
    let price = account.prices.get(price?)?;
    Some(json!({
        "type": "price_details",
        "price_details": { "price": price.id, "product": price.product },
        "unit_amount_decimal": price.pricing.unit_amount(),
    }))
}

/// What of an invoice its lines repeat.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LineOf<'a> {
    pub(crate) id: &'a str,
    pub(crate) currency: &'a str,
    pub(crate) subscription: Option<&'a str>,
}

fn parent(invoice: &LineOf<'_>, line: &Line) -> Value {
    match &line.source {
        Source::Metered { item, .. } | Source::Licensed { item, .. } => json!({
            "type": "subscription_item_details",
            "invoice_item_details": null,
            "subscription_item_details": {
                "invoice_item": null,
                "proration": false,
                "proration_details": { "credited_items": null },
                "subscription": invoice.subscription,
                "subscription_item": item,
            },
        }),
        Source::Item { invoice_item, .. } => json!({
            "type": "invoice_item_details",
            "invoice_item_details": {
                "invoice_item": invoice_item,
                "proration": false,
                "proration_details": { "credited_items": null },
                "subscription": invoice.subscription,
            },
            "subscription_item_details": null,
        }),
    }
}
