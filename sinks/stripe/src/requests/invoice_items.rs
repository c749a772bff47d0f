//! Invoice items: amounts that are put on an invoice beside its usage, such as carries.
//!
//! Source: <https://docs.stripe.com/api/invoiceitems>. "If no invoice is specified, the item will be
//! on the next invoice created for the customer specified." Refuses nothing. Invariant: an item is
//! an amount in whole minor units, so nothing is rounded at Stripe.

use crate::form::{Form, path_part};
use crate::request::{Read, Write};
use crate::requests::{Period, page};
use crate::wire::{Listed, Page};
use serde::Deserialize;
use std::collections::BTreeMap;

/// An item.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct InvoiceItem {
    /// Its id.
    pub id: String,
    /// The customer's id.
    pub customer: String,
    /// The id of the invoice that has it; `None` while it waits for one.
    pub invoice: Option<String>,
    /// In minor units; below zero it is a credit.
    pub amount: i64,
    /// ISO 4217, in lower case.
    pub currency: String,
    /// What it is for.
    pub period: Period,
    /// For people; on the invoice.
    pub description: Option<String>,
    /// What was noted with it.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

impl Listed for InvoiceItem {
    fn id(&self) -> &str {
        &self.id
    }
}

/// An item to make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewInvoiceItem<'a> {
    /// The customer's id.
    pub customer: &'a str,
    /// In minor units; below zero it is a credit.
    pub amount: i64,
    /// ISO 4217.
    pub currency: &'a str,
    /// The id of the subscription whose next invoice has it; `None`: any invoice of the customer.
    pub subscription: Option<&'a str>,
    /// The id of the draft that has it; `None`: the next invoice.
    pub invoice: Option<&'a str>,
    /// What it is for.
    pub period: Period,
    /// For people; on the invoice.
    pub description: &'a str,
    /// What to note with it.
    pub metadata: &'a [(&'a str, &'a str)],
}

/// Makes an item.
#[must_use]
pub fn create(item: &NewInvoiceItem<'_>) -> Write<InvoiceItem> {
    let mut form = Form::default();
    form.put("customer", item.customer);
    form.put("amount", item.amount);
    form.put("currency", item.currency);
    form.put_some("subscription", item.subscription);
    form.put_some("invoice", item.invoice);
    form.put("period[start]", item.period.start);
    form.put("period[end]", item.period.end);
    form.put("description", item.description);
    form.put_map("metadata", item.metadata);
    Write::post("/v1/invoiceitems", &form)
}

/// Asks for one item.
#[must_use]
pub fn get(id: &str) -> Read<InvoiceItem> {
    Read::new(
        format!("/v1/invoiceitems/{}", path_part(id)),
        Form::default(),
    )
}

/// Asks for a page of a customer's items; of those that wait for an invoice if `pending`, of those
/// that have one if not.
#[must_use]
pub fn list(customer: &str, pending: Option<bool>, after: Option<&str>) -> Read<Page<InvoiceItem>> {
    let mut form = page(after);
    form.put("customer", customer);
    form.put_some("pending", pending);
    Read::new("/v1/invoiceitems", form)
}
