//! Previews of invoices: what a subscription's period would cost.
//!
//! Source: <https://docs.stripe.com/api/invoices/create_preview>. "Creating a preview invoice does
//! not create an invoice": nothing is stored. Refuses previews without a subscription.

use crate::form::Form;
use crate::request::Write;
use crate::requests::invoices::Invoice;
use crate::requests::subscriptions::{ItemChange, put_changes};

/// Asks what a subscription's next invoice would be, with changed items if there are any. It is a
/// POST that changes nothing, so it may be repeated.
#[must_use]
pub fn create(subscription: &str, changes: &[ItemChange<'_>]) -> Write<Invoice> {
    let mut form = Form::default();
    form.put("subscription", subscription);
    put_changes(&mut form, "subscription_details[items]", changes);
    Write::post("/v1/invoices/create_preview", &form)
}
