//! Subscriptions: their items, periods, changes and ends.
//!
//! Source: <https://docs.stripe.com/api/subscriptions>. Metered items are billed when their period
//! ends, licensed ones when it begins. It refuses trials, prorations of licensed prices, invoices
//! for a change at once and changes of interval: Meterline asks for none.

use crate::account::{Account, Due};
use crate::events;
use crate::form::Form;
use crate::invoice_items;
use crate::invoices;
use crate::lines;
use crate::lists::{self, PAGE};
use crate::periods::Interval;
use crate::refusal::Refusal;
use crate::request::Call;
use crate::settings::SECOND;
use crate::subscription_items::{self, Item};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;

/// A subscription.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) customer: String,
    pub(crate) currency: String,
    pub(crate) items: Vec<Item>,
    pub(crate) period: Range<i64>,
    pub(crate) default_payment_method: Option<String>,
    pub(crate) latest_invoice: Option<String>,
    pub(crate) interval: Interval,
    /// In flexible billing mode, else in the classic one.
    pub(crate) is_flexible: bool,
    anchor: i64,
    cancel_at_period_end: bool,
    canceled_at: Option<i64>,
    ended_at: Option<i64>,
    metadata: BTreeMap<String, String>,
    created: i64,
}

impl Subscription {
    const fn status(&self) -> &'static str {
        if self.ended_at.is_some() {
            "canceled"
        } else {
            "active"
        }
    }
}

/// `/v1/subscriptions…`
pub(crate) fn call(account: &mut Account, call: &Call<'_>) -> Result<Value, Refusal> {
    match (call.method, call.rest) {
        ("POST", []) => create(account, call),
        ("GET", []) => list(account, &call.form),
        ("GET", [id]) => Ok(json(account, found(account, id)?)),
        ("POST", [id]) => update(account, id, &call.form),
        ("DELETE", [id]) => cancel(account, id, &call.form),
        _ => Err(call.no_such_route()),
    }
}

pub(crate) fn found<'a>(account: &'a Account, id: &str) -> Result<&'a Subscription, Refusal> {
    account
        .subscriptions
        .get(id)
        .ok_or_else(|| Refusal::no_such("subscription", id))
}

fn json(account: &Account, subscription: &Subscription) -> Value {
    let items = subscription_items::json(account, subscription);
    let items_url = format!("/v1/subscription_items?subscription={}", subscription.id);
    let cancel_at = subscription
        .cancel_at_period_end
        .then_some(subscription.period.end);
    json!({
        "id": subscription.id,
        "object": "subscription",
        "automatic_tax": { "enabled": false, "liability": null },
        "billing_cycle_anchor": subscription.anchor,
        "billing_mode": {
            "flexible": null,
            "type": if subscription.is_flexible { "flexible" } else { "classic" },
        },
        "billing_schedules": [],
        "cancel_at": cancel_at,
        "cancel_at_period_end": subscription.cancel_at_period_end,
        "canceled_at": subscription.canceled_at,
        "collection_method": "charge_automatically",
        "created": subscription.created,
        "currency": subscription.currency,
        "customer": subscription.customer,
        "default_payment_method": subscription.default_payment_method,
        "discounts": [],
        "ended_at": subscription.ended_at,
        "invoice_settings": { "account_tax_ids": null, "issuer": { "type": "self" } },
        "items": lists::whole(&items_url, items),
        "latest_invoice": subscription.latest_invoice,
        "livemode": false,
        "metadata": subscription.metadata,
        "start_date": subscription.created,
        "status": subscription.status(),
    })
}

fn create(account: &mut Account, call: &Call<'_>) -> Result<Value, Refusal> {
    let form = &call.form;
    form.only(&[
        "billing_cycle_anchor",
        "billing_mode",
        "cancel_at_period_end",
        "collection_method",
        "currency",
        "customer",
        "default_payment_method",
        "items",
        "metadata",
        "payment_behavior",
        "proration_behavior",
    ])?;
    form.one_of("collection_method", &["charge_automatically"])?;
    let customer = form.required("customer")?.to_owned();
    if !account.customers.contains_key(&customer) {
        return Err(Refusal::names_no("customer", "customer", &customer));
    }
    let (currency, interval) = common_terms(account, form)?;
    let now = account.seconds();
    let (anchor, period) = first_period(form, interval, now)?;
    let mut subscription = Subscription {
        id: String::new(),
        customer,
        currency,
        items: Vec::new(),
        period,
        default_payment_method: form.get("default_payment_method").map(str::to_owned),
        latest_invoice: None,
        interval,
        is_flexible: is_flexible(call)?,
        anchor,
        cancel_at_period_end: form.boolean("cancel_at_period_end")?.unwrap_or(false),
        canceled_at: None,
        ended_at: None,
        metadata: BTreeMap::new(),
        created: now,
    };
    form.change_metadata(&mut subscription.metadata);
    subscription_items::change(account, &mut subscription, &form.entries("items"))?;
    subscription.id = account.new_id("sub");
    let id = subscription.id.clone();
    account
        .subscriptions
        .insert(id.clone(), subscription.clone());
    begin_period(account, &id);
    publish(account, "created", &id);
    // What is paid in advance is invoiced at once, and so is nothing.
    let lines = lines::in_advance(account, &subscription);
    let invoice = invoices::create_for(account, &id, now..now, "subscription_create", lines);
    invoices::finalize(account, &invoice);
    Ok(json(account, found(account, &id)?))
}

/// The anchor and the first period, which ends at the anchor if that lies ahead.
fn first_period(form: &Form, interval: Interval, now: i64) -> Result<(i64, Range<i64>), Refusal> {
    let parameter = "billing_cycle_anchor";
    let anchor = form.integer(parameter)?.unwrap_or(now);
    let end = interval.next_cut(anchor, now);
    if anchor < now {
        let message = "billing_cycle_anchor must not be in the past";
        return Err(Refusal::parameter(parameter, message));
    }
    if end > interval.next_cut(now, now) {
        let message = "billing_cycle_anchor cannot be later than the next natural billing date";
        return Err(Refusal::parameter(parameter, message));
    }
    Ok((anchor, now..end))
}

/// "If the request API version is 2025-09-30.clover or newer, the default is `flexible` billing
/// mode. If the request API version is older than 2025-09-30.clover, the default is `classic`
/// billing mode." Without a version the account's holds, which here is new.
/// (<https://docs.stripe.com/changelog/clover/2025-09-30/billing-mode-default-flexible>)
fn is_flexible(call: &Call<'_>) -> Result<bool, Refusal> {
    let mode = call
        .form
        .one_of("billing_mode[type]", &["classic", "flexible"])?;
    let by_default = call.version.is_none_or(|version| version >= "2025-09-30");
    Ok(mode.map_or(by_default, |mode| mode == "flexible"))
}

/// The currency and the interval that all prices must share.
fn common_terms(account: &Account, form: &Form) -> Result<(String, Interval), Refusal> {
    let items = form.entries("items");
    let first = items.first().ok_or_else(|| Refusal::missing("items"))?;
    let price = subscription_items::price_of(account, first.required("price")?)?;
    Ok((price.currency.clone(), price.interval))
}

/// Changes a subscription from now on.
///
/// "With `billing_mode=flexible` subscriptions, we create an invoice item that bills for previously
/// reported metered usage when you remove a metered price from a subscription." "If you want to
/// remove a metered price without billing for it, set `proration_behavior` to `none`." In classic
/// mode, "usage from January 1 to January 16 isn't billed" when the price changes on January 16.
/// (<https://docs.stripe.com/billing/subscriptions/usage-based/manage-billing-setup>)
fn update(account: &mut Account, id: &str, form: &Form) -> Result<Value, Refusal> {
    form.only(&[
        "billing_cycle_anchor",
        "cancel_at_period_end",
        "default_payment_method",
        "items",
        "metadata",
        "payment_behavior",
        "proration_behavior",
    ])?;
    let mut subscription = found(account, id)?.clone();
    if subscription.ended_at.is_some() {
        let message = "A canceled subscription can only update its cancellation_details.";
        return Err(Refusal::bad(message));
    }
    let anchor = form.one_of("billing_cycle_anchor", &["now", "unchanged"])?;
    let proration = form.one_of("proration_behavior", &["create_prorations", "none"])?;
    let changes = form.entries("items");
    let removed = subscription_items::change(account, &mut subscription, &changes)?;
    if let Some(cancel) = form.boolean("cancel_at_period_end")? {
        subscription.cancel_at_period_end = cancel;
        subscription.canceled_at = cancel.then_some(account.seconds());
    }
    if let Some(method) = form.get("default_payment_method") {
        subscription.default_payment_method = Some(method.to_owned());
    }
    form.change_metadata(&mut subscription.metadata);
    if subscription.is_flexible && proration != Some("none") {
        for removed in removed {
            invoice_items::bill_usage(account, &subscription, removed);
        }
    }
    account.subscriptions.insert(id.to_owned(), subscription);
    publish(account, "updated", id);
    if anchor == Some("now") {
        restart_period(account, id);
    }
    Ok(json(account, found(account, id)?))
}

/// `billing_cycle_anchor=now`: "resets the subscription's billing cycle anchor to the current time"
/// (<https://docs.stripe.com/api/subscriptions/update>), which ends the period.
fn restart_period(account: &mut Account, id: &str) {
    let now = account.seconds();
    if let Some(subscription) = account.subscriptions.get_mut(id) {
        subscription.anchor = now;
        subscription.period.end = now;
    }
    end_period(account, id);
}

/// "Cancels a customer's subscription immediately." `invoice_now`: "Will generate a final invoice
/// that invoices for any un-invoiced metered usage … Defaults to `false`."
/// (<https://docs.stripe.com/api/subscriptions/cancel>)
fn cancel(account: &mut Account, id: &str, form: &Form) -> Result<Value, Refusal> {
    form.only(&["invoice_now", "prorate"])?;
    let invoice_now = form.boolean("invoice_now")?.unwrap_or(false);
    let now = account.seconds();
    let subscription = account.subscriptions.get_mut(id);
    let subscription = subscription.filter(|subscription| subscription.ended_at.is_none());
    let subscription = subscription.ok_or_else(|| Refusal::no_such("subscription", id))?;
    subscription.period.end = now;
    subscription.canceled_at = Some(now);
    subscription.ended_at = Some(now);
    let ended = subscription.clone();
    if invoice_now {
        let lines = lines::in_arrears(account, &ended);
        invoices::create_for(account, id, ended.period, "subscription_cycle", lines);
    }
    publish(account, "deleted", id);
    Ok(json(account, found(account, id)?))
}

fn begin_period(account: &mut Account, id: &str) {
    if let Some(subscription) = account.subscriptions.get(id) {
        let end = subscription.period.end * SECOND;
        account.at(end, Due::PeriodEnd(id.to_owned()));
    }
}

/// Ends the period of a subscription, if it is over: bills what was used, and begins the next one.
pub(crate) fn end_period(account: &mut Account, id: &str) {
    let now = account.seconds();
    let over = |subscription: &&Subscription| {
        subscription.ended_at.is_none() && subscription.period.end <= now
    };
    let Some(before) = account.subscriptions.get(id).filter(over).cloned() else {
        return;
    };
    let mut lines = lines::in_arrears(account, &before);
    let next = turn_period(account, id);
    if let Some(next) = &next {
        lines.extend(lines::in_advance(account, next));
    }
    invoices::create_for(account, id, before.period, "subscription_cycle", lines);
    if next.is_some() {
        begin_period(account, id);
    }
    let what = if next.is_some() { "updated" } else { "deleted" };
    publish(account, what, id);
}

/// Moves a subscription to its next period and returns it, or ends it.
fn turn_period(account: &mut Account, id: &str) -> Option<Subscription> {
    let subscription = account.subscriptions.get_mut(id)?;
    let cut = subscription.period.end;
    if subscription.cancel_at_period_end {
        subscription.ended_at = Some(cut);
        return None;
    }
    subscription.period = cut..subscription.interval.next_cut(subscription.anchor, cut);
    Some(subscription.clone())
}

fn publish(account: &mut Account, what: &str, id: &str) {
    if let Some(subscription) = account.subscriptions.get(id) {
        let object = json(account, subscription);
        events::publish(account, &format!("customer.subscription.{what}"), object);
    }
}

/// "By default, returns a list of subscriptions that have not been canceled."
/// (<https://docs.stripe.com/api/subscriptions/list>)
fn list(account: &Account, form: &Form) -> Result<Value, Refusal> {
    form.only(&[&PAGE[..], &["customer", "price", "status"]].concat())?;
    let status = form.one_of("status", &["active", "canceled", "ended", "all"])?;
    let (customer, price) = (form.get("customer"), form.get("price"));
    let subscriptions = account.subscriptions.values().rev().filter(|subscription| {
        let ended = subscription.ended_at.is_some();
        let right_status = match status {
            None | Some("active") => !ended,
            Some("all") => true,
            _ => ended,
        };
        right_status
            && customer.is_none_or(|customer| subscription.customer == customer)
            && price.is_none_or(|price| subscription.items.iter().any(|item| item.price == price))
    });
    let subscriptions = subscriptions.map(|found| (found.id.clone(), json(account, found)));
    lists::page(form, "/v1/subscriptions", subscriptions)
}
