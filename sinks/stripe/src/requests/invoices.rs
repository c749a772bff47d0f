//! Invoices: drafts that follow usage, and what is final.
//!
//! Source: <https://docs.stripe.com/api/invoices>. Refuses nothing; it never makes, pays or voids
//! an invoice. Invariant: amounts are whole minor units and quantities keep their text.

use crate::form::{Form, path_part};
use crate::request::{Read, Write};
use crate::requests::{Period, page};
use crate::wire::{Decimal, Listed, Page};
use serde::Deserialize;
use std::collections::BTreeMap;

/// An invoice.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Invoice {
    /// Its id; a preview has one that nothing can be asked for with, or none.
    #[serde(default)]
    pub id: String,
    /// The customer's id.
    pub customer: Option<String>,
    /// `draft`, `open`, `paid`, `uncollectible` or `void`.
    pub status: Option<String>,
    /// When it was made, in seconds.
    pub created: i64,
    /// ISO 4217, in lower case.
    pub currency: String,
    /// Start of the usage period, in seconds.
    pub period_start: i64,
    /// Its end, in seconds; open.
    pub period_end: i64,
    /// Whether Stripe finalizes it by itself.
    #[serde(default)]
    pub auto_advance: bool,
    /// When Stripe plans to do so, in seconds; `None` where it does not.
    pub automatically_finalizes_at: Option<i64>,
    /// When what happened to it.
    pub status_transitions: StatusTransitions,
    /// Sum of its lines after discounts and taxes, in minor units.
    pub total: i64,
    /// What it was made for: a subscription, for one.
    parent: Option<Parent>,
    /// Its first lines.
    pub lines: Page<Line>,
    /// What was noted with it.
    pub metadata: Option<BTreeMap<String, String>>,
}

impl Invoice {
    /// The id of the subscription that it bills.
    #[must_use]
    pub fn subscription(&self) -> Option<&str> {
        let details = self.parent.as_ref()?.subscription_details.as_ref()?;
        details.subscription.as_deref()
    }

    /// Whether its lines still follow usage.
    #[must_use]
    pub fn is_draft(&self) -> bool {
        self.status.as_deref() == Some("draft")
    }

    /// When it became final, in seconds.
    #[must_use]
    pub const fn finalized_at(&self) -> Option<i64> {
        self.status_transitions.finalized_at
    }
}

impl Listed for Invoice {
    fn id(&self) -> &str {
        &self.id
    }
}

/// When an invoice's status changed, in seconds.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct StatusTransitions {
    /// It became final.
    pub finalized_at: Option<i64>,
    /// It was paid.
    pub paid_at: Option<i64>,
    /// It was voided.
    pub voided_at: Option<i64>,
}

/// What made an invoice, a line or an item. Since 2025-03-31.basil the subscription stands here
/// (<https://docs.stripe.com/changelog/basil/2025-03-31/adds-new-parent-field-to-invoicing-objects>).
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
struct Parent {
    subscription_details: Option<SubscriptionDetails>,
    subscription_item_details: Option<SubscriptionDetails>,
    invoice_item_details: Option<InvoiceItemDetails>,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
struct SubscriptionDetails {
    subscription: Option<String>,
    subscription_item: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
struct InvoiceItemDetails {
    invoice_item: Option<String>,
}

/// A line of an invoice.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Line {
    /// Its id.
    pub id: String,
    /// In minor units, before discounts and taxes.
    pub amount: i64,
    /// ISO 4217, in lower case.
    pub currency: String,
    /// What is billed for.
    pub period: Period,
    /// For people.
    pub description: Option<String>,
    /// What was noted with it or its item.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    quantity: Option<Decimal>,
    quantity_decimal: Option<Decimal>,
    pricing: Option<LinePricing>,
    parent: Option<Parent>,
}

impl Line {
    /// The quantity. `quantity_decimal` is exact, `quantity` "the same value, truncated to an
    /// integer"
    /// (<https://docs.stripe.com/changelog/dahlia/2026-03-25/invoice-items-decimal-quantity>).
    #[must_use]
    pub const fn quantity(&self) -> Option<&Decimal> {
        match &self.quantity_decimal {
            Some(quantity) => Some(quantity),
            None => self.quantity.as_ref(),
        }
    }

    /// The id of its price.
    #[must_use]
    pub fn price(&self) -> Option<&str> {
        let details = self.pricing.as_ref()?.price_details.as_ref()?;
        details.price.as_deref()
    }

    /// The id of the subscription item that it bills.
    #[must_use]
    pub fn subscription_item(&self) -> Option<&str> {
        let details = self.parent.as_ref()?.subscription_item_details.as_ref()?;
        details.subscription_item.as_deref()
    }

    /// The id of the invoice item that it was made of.
    #[must_use]
    pub fn invoice_item(&self) -> Option<&str> {
        let details = self.parent.as_ref()?.invoice_item_details.as_ref()?;
        details.invoice_item.as_deref()
    }
}

impl Listed for Line {
    fn id(&self) -> &str {
        &self.id
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
struct LinePricing {
    price_details: Option<PriceDetails>,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
struct PriceDetails {
    price: Option<String>,
}

/// Which invoices to list; what is `None` is not asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct InvoiceFilter<'a> {
    /// Those made at this second or later.
    pub created_from: Option<i64>,
    /// `draft`, `open`, `paid`, `uncollectible` or `void`.
    pub status: Option<&'a str>,
    /// Those of a customer.
    pub customer: Option<&'a str>,
    /// Those of a subscription.
    pub subscription: Option<&'a str>,
}

/// Asks for a page of invoices, newest first.
#[must_use]
pub fn list(filter: &InvoiceFilter<'_>, after: Option<&str>) -> Read<Page<Invoice>> {
    let mut form = page(after);
    form.put_some("created[gte]", filter.created_from);
    form.put_some("status", filter.status);
    form.put_some("customer", filter.customer);
    form.put_some("subscription", filter.subscription);
    Read::new("/v1/invoices", form)
}

/// Asks for one invoice.
#[must_use]
pub fn get(id: &str) -> Read<Invoice> {
    Read::new(format!("/v1/invoices/{}", path_part(id)), Form::default())
}

/// Asks for a page of an invoice's lines.
#[must_use]
pub fn list_lines(id: &str, after: Option<&str>) -> Read<Page<Line>> {
    Read::new(format!("/v1/invoices/{}/lines", path_part(id)), page(after))
}

/// Holds a draft (`false`) or lets Stripe finalize it (`true`). "You can toggle the `auto_advance`
/// property on `draft` and `open` invoices."
#[must_use]
pub fn set_auto_advance(id: &str, auto_advance: bool) -> Write<Invoice> {
    let mut form = Form::default();
    form.put("auto_advance", auto_advance);
    Write::post(format!("/v1/invoices/{}", path_part(id)), &form)
}

/// Lets Stripe finalize a draft at a time, in seconds.
#[must_use]
pub fn schedule(id: &str, finalizes_at: i64) -> Write<Invoice> {
    let mut form = Form::default();
    form.put("auto_advance", true);
    form.put("automatically_finalizes_at", finalizes_at);
    Write::post(format!("/v1/invoices/{}", path_part(id)), &form)
}

/// Makes a draft final at once; Stripe then collects it.
#[must_use]
pub fn finalize(id: &str) -> Write<Invoice> {
    let mut form = Form::default();
    form.put("auto_advance", true);
    Write::post(format!("/v1/invoices/{}/finalize", path_part(id)), &form)
}
