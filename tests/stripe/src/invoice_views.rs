//! Invoices as Stripe writes them (<https://docs.stripe.com/api/invoices/object>).

use crate::account::Account;
use crate::form::Form;
use crate::invoices::{self, Invoice, Status};
use crate::lines::{self, Line, LineOf};
use crate::lists::{self, PAGE};
use crate::refusal::Refusal;
use serde_json::{Value, json};

/// The invoice, with its first ten lines: "you'll get a `lines` property containing … the first
/// handful of those items. There is also a URL where you can retrieve the full (paginated) list of
/// line items." (<https://docs.stripe.com/api/invoice-line-item/retrieve>)
pub(crate) fn json(account: &Account, invoice: &Invoice) -> Value {
    let lines = invoices::current_lines(account, invoice);
    let total: i64 = lines.iter().map(|line| line.amount).sum();
    let due = total.max(0);
    let paid = if invoice.status == Status::Paid {
        due
    } else {
        0
    };
    let parent = invoice.subscription.as_ref().map(|subscription| {
        json!({
            "type": "subscription_details",
            "quote_details": null,
            "subscription_details": { "metadata": {}, "subscription": subscription },
        })
    });
    let url = format!("/v1/invoices/{}/lines", invoice.id);
    let shown = lines
        .iter()
        .map(|line| (line.id.clone(), line_json(account, invoice, line)));
    let lines = lists::page(&Form::default(), &url, shown);
    let is_draft = invoice.status == Status::Draft;
    json!({
        "id": invoice.id,
        "object": "invoice",
        "amount_due": due,
        "amount_overpaid": 0,
        "amount_paid": paid,
        "amount_remaining": due - paid,
        "amount_shipping": 0,
        "attempt_count": invoice.attempts,
        "attempted": invoice.attempts > 0,
        "auto_advance": invoice.auto_advance,
        "automatic_tax": { "enabled": false, "liability": null, "status": null },
        "automatically_finalizes_at":
            invoice.finalizes_at.filter(|_| is_draft && invoice.auto_advance),
        "billing_reason": invoice.billing_reason,
        "collection_method": "charge_automatically",
        "created": invoice.created,
        "currency": invoice.currency,
        "customer": invoice.customer,
        "default_tax_rates": [],
        "description": invoice.description,
        "discounts": [],
        "ending_balance": null,
        "hosted_invoice_url": null,
        "invoice_pdf": null,
        "issuer": { "type": "self" },
        "lines": lines.unwrap_or_default(),
        "livemode": false,
        "metadata": invoice.metadata,
        "number": invoice.number,
        "parent": parent,
        "payment_settings": { "default_mandate": null, "payment_method_options": null, "payment_method_types": null },
        "period_end": invoice.period.end,
        "period_start": invoice.period.start,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "status": invoice.status.name(),
        "status_transitions": {
            "finalized_at": invoice.finalized_at,
            "marked_uncollectible_at": null,
            "paid_at": invoice.paid_at,
            "voided_at": invoice.voided_at,
        },
        "subtotal": total,
        "total": total,
        "total_discount_amounts": [],
        "total_taxes": [],
    })
}

fn line_json(account: &Account, invoice: &Invoice, line: &Line) -> Value {
    let of = LineOf {
        id: &invoice.id,
        currency: &invoice.currency,
        subscription: invoice.subscription.as_deref(),
    };
    lines::json(account, &of, line)
}

/// `GET /v1/invoices`. `created[gte]`: "Minimum value to filter by (inclusive)"
/// (<https://docs.stripe.com/api/invoices/list>).
pub(crate) fn list(account: &Account, form: &Form) -> Result<Value, Refusal> {
    let known = ["created", "customer", "status", "subscription"];
    form.only(&[&PAGE[..], &known[..]].concat())?;
    let created_from = form.integer("created[gte]")?;
    let [customer, status, subscription] =
        ["customer", "status", "subscription"].map(|n| form.get(n));
    let invoices = account.invoices.values().rev().filter(|invoice| {
        created_from.is_none_or(|from| invoice.created >= from)
            && customer.is_none_or(|customer| invoice.customer == customer)
            && status.is_none_or(|status| invoice.status.name() == status)
            && (subscription.is_none() || invoice.subscription.as_deref() == subscription)
    });
    let invoices = invoices.map(|invoice| (invoice.id.clone(), invoice));
    let write = |invoice| json(account, invoice);
    lists::page_of(form, "/v1/invoices", invoices, write)
}

/// `GET /v1/invoices/{id}/lines`
pub(crate) fn list_lines(account: &Account, id: &str, form: &Form) -> Result<Value, Refusal> {
    form.only(&PAGE)?;
    let invoice = invoices::found(account, id)?;
    let lines = invoices::current_lines(account, invoice);
    let lines = lines
        .iter()
        .map(|line| (line.id.clone(), line_json(account, invoice, line)));
    lists::page(form, &format!("/v1/invoices/{id}/lines"), lines)
}
