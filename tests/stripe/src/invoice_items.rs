//! Invoice items: amounts that are added to an invoice by hand, such as carries.
//!
//! "Creates an item to be added to a draft invoice (up to 250 items per invoice). If no invoice is
//! specified, the item will be on the next invoice created for the customer specified."
//! (<https://docs.stripe.com/api/invoiceitems/create>) It refuses items by price.

use crate::account::Account;
use crate::decimal::Decimal;
use crate::form::Form;
use crate::invoices::{Invoice, Status};
use crate::lines::{self, Line, Source};
use crate::lists::{self, PAGE};
use crate::periods;
use crate::refusal::Refusal;
use crate::request::Call;
use crate::subscription_items::Removed;
use crate::subscriptions::Subscription;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::Range;

/// An item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct InvoiceItem {
    pub(crate) id: String,
    customer: String,
    currency: String,
    subscription: Option<String>,
    /// The invoice that has it; none while it is pending.
    invoice: Option<String>,
    /// The metered price whose usage it is for.
    price: Option<String>,
    quantity: Decimal,
    amount: i64,
    description: Option<String>,
    period: Range<i64>,
    metadata: BTreeMap<String, String>,
    created: i64,
}

impl InvoiceItem {
    fn json(&self, account: &Account) -> Value {
        let parent = self.subscription.as_ref().map(|subscription| {
            json!({
                "type": "subscription_details",
                "subscription_details": { "subscription": subscription, "subscription_item": null },
            })
        });
        json!({
            "id": self.id,
            "object": "invoiceitem",
            "amount": self.amount,
            "currency": self.currency,
            "customer": self.customer,
            "date": self.created,
            "description": self.description,
            "discountable": true,
            "discounts": [],
            "invoice": self.invoice,
            "livemode": false,
            "metadata": self.metadata,
            "net_amount": self.amount,
            "parent": parent,
            "period": periods::json(&self.period),
            "pricing": lines::pricing(account, self.price.as_deref()),
            "proration": false,
            "quantity": self.quantity.truncated(),
            "quantity_decimal": self.quantity.to_string(),
            "tax_rates": [],
            "test_clock": null,
        })
    }

    fn line(&self, id: String) -> Line {
        Line {
            id,
            source: Source::Item {
                invoice_item: self.id.clone(),
                price: self.price.clone(),
            },
            period: self.period.clone(),
            quantity: self.quantity,
            amount: self.amount,
            description: self.description.clone(),
            metadata: self.metadata.clone(),
        }
    }
}

/// `/v1/invoiceitems…`
pub(crate) fn call(account: &mut Account, call: &Call<'_>) -> Result<Value, Refusal> {
    match (call.method, call.rest) {
        ("POST", []) => create(account, &call.form),
        ("GET", []) => list(account, &call.form),
        ("GET", [id]) => {
            let item = account.invoice_items.get(*id);
            let item = item.ok_or_else(|| Refusal::no_such("invoice item", id))?;
            Ok(item.json(account))
        }
        ("DELETE", [id]) => delete(account, id),
        _ => Err(call.no_such_route()),
    }
}

fn create(account: &mut Account, form: &Form) -> Result<Value, Refusal> {
    form.only(&[
        "amount",
        "currency",
        "customer",
        "description",
        "invoice",
        "metadata",
        "period",
        "quantity",
        "quantity_decimal",
        "subscription",
        "unit_amount_decimal",
    ])?;
    let customer = form.required("customer")?.to_owned();
    if !account.customers.contains_key(&customer) {
        return Err(Refusal::names_no("customer", "customer", &customer));
    }
    let mut item = requested(account, form, customer)?;
    if let Some(id) = &item.invoice {
        let invoice = account.invoices.get(id);
        let invoice = invoice.ok_or_else(|| Refusal::names_no("invoice", "invoice", id))?;
        if invoice.status != Status::Draft || invoice.customer != item.customer {
            let message = "Items can be added to draft invoices of the same customer only.";
            return Err(Refusal::parameter("invoice", message));
        }
    }
    item.id = account.new_id("ii");
    let line = item.line(account.new_id("il"));
    let invoice = item
        .invoice
        .as_ref()
        .and_then(|id| account.invoices.get_mut(id));
    if let Some(invoice) = invoice {
        invoice.lines.push(line);
    }
    let created = item.json(account);
    account.invoice_items.insert(item.id.clone(), item);
    Ok(created)
}

fn requested(account: &Account, form: &Form, customer: String) -> Result<InvoiceItem, Refusal> {
    let quantity = match form.decimal("quantity_decimal")? {
        Some(quantity) => Some(quantity),
        None => form.integer("quantity")?.map(Decimal::whole),
    };
    let quantity = quantity.unwrap_or(Decimal::whole(1));
    if quantity < Decimal::ZERO {
        let message = "The quantity must not be negative.";
        return Err(Refusal::parameter("quantity_decimal", message));
    }
    let unit_amount = form.decimal("unit_amount_decimal")?;
    let amount = match (form.integer("amount")?, unit_amount) {
        (Some(amount), None) => amount,
        (None, Some(unit_amount)) => quantity.times(unit_amount).rounded(),
        (None, None) => return Err(Refusal::missing("amount")),
        (Some(_), Some(_)) => {
            let message =
                "You may only specify one of these parameters: amount, unit_amount_decimal.";
            return Err(Refusal::parameter("amount", message));
        }
    };
    let now = account.seconds();
    let start = form.integer("period[start]")?.unwrap_or(now);
    let mut metadata = BTreeMap::new();
    form.change_metadata(&mut metadata);
    Ok(InvoiceItem {
        id: String::new(),
        customer,
        currency: form.required("currency")?.to_lowercase(),
        subscription: form.get("subscription").map(str::to_owned),
        invoice: form.get("invoice").map(str::to_owned),
        price: None,
        quantity,
        amount,
        description: form.get("description").map(str::to_owned),
        period: start..form.integer("period[end]")?.unwrap_or(start),
        metadata,
        created: now,
    })
}

/// An item for the usage at a metered price that was taken away, as it counts now: what counts
/// later for that time is on no invoice.
pub(crate) fn bill_usage(account: &mut Account, subscription: &Subscription, removed: Removed) {
    let customer = subscription.customer.clone();
    let (quantity, amount) = lines::usage_at(account, &customer, &removed.price, &removed.period);
    let item = InvoiceItem {
        id: account.new_id("ii"),
        customer,
        currency: subscription.currency.clone(),
        subscription: Some(subscription.id.clone()),
        invoice: None,
        price: Some(removed.price),
        quantity,
        amount,
        description: None,
        period: removed.period,
        metadata: BTreeMap::new(),
        created: account.seconds(),
    };
    account.invoice_items.insert(item.id.clone(), item);
}

/// The lines of all pending items that an invoice would take: of its customer, in its currency, and
/// of its subscription or of none.
pub(crate) fn pending(account: &mut Account, invoice: &Invoice) -> Vec<Line> {
    let items = account.invoice_items.values();
    let items: Vec<_> = items
        .filter(|item| waits_for(item, invoice))
        .cloned()
        .collect();
    let line = |item: InvoiceItem| item.line(account.new_id("il"));
    items.into_iter().map(line).collect()
}

/// The same lines for an invoice that takes them.
pub(crate) fn take_pending(account: &mut Account, invoice: &Invoice) -> Vec<Line> {
    let lines = pending(account, invoice);
    let items = account.invoice_items.values_mut();
    for item in items.filter(|item| waits_for(item, invoice)) {
        item.invoice = Some(invoice.id.clone());
    }
    lines
}

fn waits_for(item: &InvoiceItem, invoice: &Invoice) -> bool {
    item.invoice.is_none()
        && item.customer == invoice.customer
        && item.currency == invoice.currency
        && (item.subscription.is_none() || item.subscription == invoice.subscription)
}

/// "Deletes an invoice item, removing it from an invoice. Deleting invoice items is only possible
/// when they're not attached to invoices, or if it's attached to a draft invoice."
fn delete(account: &mut Account, id: &str) -> Result<Value, Refusal> {
    let item = account.invoice_items.get(id);
    let item = item.ok_or_else(|| Refusal::no_such("invoice item", id))?;
    let invoice = item
        .invoice
        .as_ref()
        .and_then(|invoice| account.invoices.get_mut(invoice));
    if let Some(invoice) = invoice {
        if invoice.status != Status::Draft {
            let message = "This invoice item is attached to an invoice that is not a draft.";
            return Err(Refusal::bad(message));
        }
        let is_other = |line: &Line| !matches!(&line.source, Source::Item { invoice_item, .. } if invoice_item == id);
        invoice.lines.retain(is_other);
    }
    account.invoice_items.remove(id);
    Ok(json!({ "id": id, "object": "invoiceitem", "deleted": true }))
}

fn list(account: &Account, form: &Form) -> Result<Value, Refusal> {
    form.only(&[&PAGE[..], &["customer", "invoice", "pending"]].concat())?;
    let (customer, invoice) = (form.get("customer"), form.get("invoice"));
    let pending = form.boolean("pending")?;
    let items = account.invoice_items.values().rev().filter(|item| {
        customer.is_none_or(|customer| item.customer == customer)
            && (invoice.is_none() || item.invoice.as_deref() == invoice)
            && pending.is_none_or(|pending| item.invoice.is_none() == pending)
    });
    let items = items.map(|item| (item.id.clone(), item.json(account)));
    lists::page(form, "/v1/invoiceitems", items)
}
