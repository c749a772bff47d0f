//! Subscriptions: which prices a customer pays, and from when to when.
//!
//! Source: <https://docs.stripe.com/api/subscriptions>. All are of flexible billing mode, in which
//! usage at a price that is taken away is still billed. A change of plan at the end of a period is
//! a schedule ([`crate::requests::schedules`]). Refuses trials.

use crate::form::{Form, path_part};
use crate::request::{Read, Write};
use crate::requests::page;
use crate::requests::prices::Price;
use crate::wire::{Listed, Page};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A subscription.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Subscription {
    /// Its id.
    pub id: String,
    /// The customer's id.
    pub customer: String,
    /// `active`, `past_due`, `unpaid`, `canceled`, `incomplete`, `incomplete_expired`, `trialing`
    /// or `paused`.
    pub status: String,
    /// Its items, at most 20.
    pub items: Page<Item>,
    /// A second at which periods begin.
    pub billing_cycle_anchor: i64,
    /// When it began, in seconds: earlier than it was made where it was backdated.
    pub start_date: i64,
    /// When it was made, in seconds.
    pub created: i64,
    /// Whether it ends with its period.
    pub cancel_at_period_end: bool,
    /// When it will end, in seconds.
    pub cancel_at: Option<i64>,
    /// When it ended, in seconds.
    pub ended_at: Option<i64>,
    /// The id of the newest invoice.
    pub latest_invoice: Option<String>,
    /// The id of the schedule that changes it.
    pub schedule: Option<String>,
    /// What was noted with it.
    pub metadata: BTreeMap<String, String>,
}

impl Listed for Subscription {
    fn id(&self) -> &str {
        &self.id
    }
}

/// An item of a subscription. Since 2025-03-31.basil the period stands here
/// (<https://docs.stripe.com/changelog/basil/2025-03-31/deprecate-subscription-current-period-start-and-end>).
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Item {
    /// Its id.
    pub id: String,
    /// What is paid.
    pub price: Price,
    /// Of a licensed price; a metered one has none.
    pub quantity: Option<u64>,
    /// Start of the present period, in seconds.
    pub current_period_start: i64,
    /// Its end, in seconds; open.
    pub current_period_end: i64,
}

impl Listed for Item {
    fn id(&self) -> &str {
        &self.id
    }
}

/// What becomes of the cost of a period that a change divides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proration {
    /// Both parts are billed; so is usage at a metered price that is taken away.
    Create,
    /// Nothing is: usage at a metered price that is taken away goes unbilled.
    Skip,
}

impl Proration {
    const fn name(self) -> &'static str {
        match self {
            Self::Create => "create_prorations",
            Self::Skip => "none",
        }
    }
}

/// A price to subscribe to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewItem<'a> {
    /// The price's id.
    pub price: &'a str,
    /// Of a licensed price; a metered one takes none.
    pub quantity: Option<u64>,
}

/// A subscription to make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewSubscription<'a> {
    /// The customer's id.
    pub customer: &'a str,
    /// What it pays, from 1 to 20 prices of one currency and interval.
    pub items: &'a [NewItem<'a>],
    /// A second at which periods begin, in the future and at most an interval ahead; `None`: now.
    pub billing_cycle_anchor: Option<i64>,
    /// "A past timestamp to backdate the subscription's start date to", in seconds.
    pub backdate_start_date: Option<i64>,
    /// What becomes of the time before the first anchor.
    pub proration: Proration,
    /// What to note with it.
    pub metadata: &'a [(&'a str, &'a str)],
}

/// Makes a subscription.
#[must_use]
pub fn create(subscription: &NewSubscription<'_>) -> Write<Subscription> {
    let mut form = Form::default();
    form.put("customer", subscription.customer);
    put_items(&mut form, "items", subscription.items);
    form.put_some("billing_cycle_anchor", subscription.billing_cycle_anchor);
    form.put_some("backdate_start_date", subscription.backdate_start_date);
    form.put("billing_mode[type]", "flexible");
    form.put("proration_behavior", subscription.proration.name());
    form.put_map("metadata", subscription.metadata);
    Write::post("/v1/subscriptions", &form)
}

pub(crate) fn put_items(form: &mut Form, name: &str, items: &[NewItem<'_>]) {
    for (index, item) in items.iter().enumerate() {
        form.put(format!("{name}[{index}][price]"), item.price);
        form.put_some(format!("{name}[{index}][quantity]"), item.quantity);
    }
}

/// A change of one item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ItemChange<'a> {
    /// A further price.
    Add(NewItem<'a>),
    /// Another price, or quantity, in the place of an item's.
    Replace {
        /// The item's id.
        item: &'a str,
        /// What is paid from now on.
        by: NewItem<'a>,
    },
    /// An item less.
    Remove {
        /// The item's id.
        item: &'a str,
    },
}

pub(crate) fn put_changes(form: &mut Form, name: &str, changes: &[ItemChange<'_>]) {
    for (index, change) in changes.iter().enumerate() {
        let mut put = |field: &str, value: &str| form.put(format!("{name}[{index}]{field}"), value);
        let new = match *change {
            ItemChange::Add(new) => Some(new),
            ItemChange::Replace { item, by } => {
                put("[id]", item);
                Some(by)
            }
            ItemChange::Remove { item } => {
                put("[id]", item);
                put("[deleted]", "true");
                None
            }
        };
        if let Some(new) = new {
            put("[price]", new.price);
            form.put_some(format!("{name}[{index}][quantity]"), new.quantity);
        }
    }
}

/// Changes items from now on.
#[must_use]
pub fn change_items(
    id: &str,
    changes: &[ItemChange<'_>],
    proration: Proration,
) -> Write<Subscription> {
    let mut form = Form::default();
    put_changes(&mut form, "items", changes);
    form.put("proration_behavior", proration.name());
    Write::post(path(id), &form)
}

/// Lets a subscription end with its period (`true`), or takes that back (`false`).
#[must_use]
pub fn set_cancel_at_period_end(id: &str, cancel: bool) -> Write<Subscription> {
    let mut form = Form::default();
    form.put("cancel_at_period_end", cancel);
    Write::post(path(id), &form)
}

/// Notes something with a subscription; an empty value takes a key away.
#[must_use]
pub fn set_metadata(id: &str, key: &str, value: &str) -> Write<Subscription> {
    let mut form = Form::default();
    form.put_map("metadata", &[(key, value)]);
    Write::post(path(id), &form)
}

/// Ends a subscription now. `invoice_now`: "Will generate a final invoice that invoices for any
/// un-invoiced metered usage"; without it that usage goes unbilled.
/// (<https://docs.stripe.com/api/subscriptions/cancel>)
#[must_use]
pub fn cancel_now(id: &str, invoice_now: bool) -> Write<Subscription> {
    let mut form = Form::default();
    form.put("invoice_now", invoice_now);
    Write::delete(path(id), &form)
}

/// Asks for one subscription.
#[must_use]
pub fn get(id: &str) -> Read<Subscription> {
    Read::new(path(id), Form::default())
}

/// Which subscriptions to list; what is `None` is not asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SubscriptionFilter<'a> {
    /// Those of a customer.
    pub customer: Option<&'a str>,
    /// A status, `ended` or `all`; `None`: all but those that were canceled.
    pub status: Option<&'a str>,
}

/// Asks for a page of subscriptions.
#[must_use]
pub fn list(filter: &SubscriptionFilter<'_>, after: Option<&str>) -> Read<Page<Subscription>> {
    let mut form = page(after);
    form.put_some("customer", filter.customer);
    form.put_some("status", filter.status);
    Read::new("/v1/subscriptions", form)
}

fn path(id: &str) -> String {
    format!("/v1/subscriptions/{}", path_part(id))
}
