//! Payment methods, which customers give to Stripe and never to us.
//!
//! Source: <https://docs.stripe.com/api/payment_methods/attach>. Refuses card details: there is no
//! request that has any.

use crate::form::{Form, path_part};
use crate::request::Write;
use serde::Deserialize;

/// A payment method.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct PaymentMethod {
    /// Its id.
    pub id: String,
    /// The id of the customer that has it.
    pub customer: Option<String>,
    /// `card`, `sepa_debit`, … .
    #[serde(rename = "type")]
    pub kind: String,
}

/// Attaches a payment method to a customer. To have invoices charged to it, make it the default one
/// ([`crate::requests::customers::set_default_payment_method`]).
#[must_use]
pub fn attach(id: &str, customer: &str) -> Write<PaymentMethod> {
    let mut form = Form::default();
    form.put("customer", customer);
    Write::post(
        format!("/v1/payment_methods/{}/attach", path_part(id)),
        &form,
    )
}
