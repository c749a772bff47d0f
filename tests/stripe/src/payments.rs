//! Payment of final invoices: what becomes of the charge.
//!
//! "Stripe automatically finalizes drafts before sending and attempting payment on invoices."
//! (<https://docs.stripe.com/api/invoices/finalize>) The subscription's default payment method is
//! charged, else the customer's; an invoice of nothing is paid at once.
//! It refuses nothing and retries nothing: a failed payment leaves the invoice open.

use crate::account::Account;
use crate::events;
use crate::invoice_views;
use crate::invoices::{Invoice, Status};
use serde_json::{Value, json};

/// Charges an open invoice.
pub(crate) fn collect(account: &mut Account, id: &str) {
    let Some(invoice) = account.invoices.get(id).cloned() else {
        return;
    };
    let amount: i64 = invoice.lines.iter().map(|line| line.amount).sum();
    if amount <= 0 {
        return paid(account, id);
    }
    let Some(method) = payment_method(account, &invoice) else {
        return failed(account, id);
    };
    let declined = method.contains("Declined");
    let charge = charge(account, &invoice, amount, &method, declined);
    if declined {
        events::publish(account, "charge.failed", charge);
        failed(account, id);
    } else {
        events::publish(account, "charge.succeeded", charge);
        paid(account, id);
    }
}

fn payment_method(account: &Account, invoice: &Invoice) -> Option<String> {
    let subscription = invoice.subscription.as_ref();
    let subscription = subscription.and_then(|id| account.subscriptions.get(id));
    let own = subscription.and_then(|subscription| subscription.default_payment_method.clone());
    own.or_else(|| {
        let customer = account.customers.get(&invoice.customer)?;
        customer.payment_method().map(str::to_owned)
    })
}

fn paid(account: &mut Account, id: &str) {
    let now = account.seconds();
    if let Some(invoice) = account.invoices.get_mut(id) {
        invoice.status = Status::Paid;
        invoice.paid_at = Some(now);
    }
    attempted(account, id, &["invoice.paid", "invoice.payment_succeeded"]);
}

fn failed(account: &mut Account, id: &str) {
    attempted(account, id, &["invoice.payment_failed"]);
}

fn attempted(account: &mut Account, id: &str, kinds: &[&str]) {
    if let Some(invoice) = account.invoices.get_mut(id) {
        invoice.attempts += 1;
    }
    for kind in kinds {
        if let Some(invoice) = account.invoices.get(id) {
            let object = invoice_views::json(account, invoice);
            events::publish(account, kind, object);
        }
    }
}

fn charge(
    account: &mut Account,
    invoice: &Invoice,
    amount: i64,
    method: &str,
    declined: bool,
) -> Value {
    json!({
        "id": account.new_id("ch"),
        "object": "charge",
        "amount": amount,
        "amount_captured": if declined { 0 } else { amount },
        "amount_refunded": 0,
        "captured": !declined,
        "created": account.seconds(),
        "currency": invoice.currency,
        "customer": invoice.customer,
        "failure_code": declined.then_some("card_declined"),
        "failure_message": declined.then_some("Your card was declined."),
        "livemode": false,
        "metadata": {},
        "paid": !declined,
        "payment_method": method,
        "status": if declined { "failed" } else { "succeeded" },
    })
}
