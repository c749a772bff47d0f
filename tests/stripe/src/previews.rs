//! Previews of invoices: nothing is stored and nothing is published.

use crate::account::Account;
use crate::form::Form;
use crate::invoice_items;
use crate::invoice_views;
use crate::invoices;
use crate::lines;
use crate::refusal::Refusal;
use crate::subscription_items;
use crate::subscriptions;
use serde_json::Value;

/// What a subscription's period would cost if it ended now, with changed prices if any are given.
///
/// "At any time, you can preview the upcoming invoice for a subscription or subscription schedule."
/// (<https://docs.stripe.com/api/invoices/create_preview>)
pub(crate) fn create(account: &mut Account, form: &Form) -> Result<Value, Refusal> {
    form.only(&["customer", "subscription", "subscription_details"])?;
    let id = form.required("subscription")?.to_owned();
    let mut subscription = subscriptions::found(account, &id)?.clone();
    let changes = form.entries("subscription_details[items]");
    let removed = subscription_items::change(account, &mut subscription, &changes)?;
    let (customer, currency) = (&subscription.customer, &subscription.currency);
    let mut invoice = invoices::blank(account, customer.clone(), currency.clone());
    invoice.id = format!("upcoming_{id}");
    invoice.subscription = Some(id);
    invoice.period = subscription.period.clone();
    invoice.billing_reason = "upcoming";
    if subscription.is_flexible {
        let lines = removed
            .into_iter()
            .map(|removed| lines::of_removed(account, removed));
        invoice.lines.extend(lines);
    }
    invoice
        .lines
        .extend(lines::in_arrears(account, &subscription));
    invoice
        .lines
        .extend(lines::in_advance(account, &subscription));
    invoice
        .lines
        .extend(invoice_items::pending(account, &invoice));
    Ok(invoice_views::json(account, &invoice))
}
