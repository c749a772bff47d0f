//! Customers.
//!
//! Source: <https://docs.stripe.com/api/customers>. A customer is linked to a tenant by its metadata;
//! Stripe's lists cannot be asked for metadata, and its search lies behind by up to a minute, so
//! whoever looks for a tenant reads the list. Refuses nothing; it never deletes a customer.

use crate::form::{Form, path_part};
use crate::request::{Read, Write};
use crate::requests::page;
use crate::wire::{Listed, Page};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A customer.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Customer {
    /// Its id.
    pub id: String,
    /// For people.
    pub name: Option<String>,
    /// Where invoices go.
    pub email: Option<String>,
    /// What was noted with it; a deleted one has none.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// Whether it was deleted: then it has nothing but its id.
    #[serde(default)]
    pub deleted: bool,
    invoice_settings: Option<InvoiceSettings>,
}

impl Customer {
    /// The id of the payment method that invoices are charged to.
    #[must_use]
    pub fn default_payment_method(&self) -> Option<&str> {
        let settings = self.invoice_settings.as_ref()?;
        settings.default_payment_method.as_deref()
    }
}

impl Listed for Customer {
    fn id(&self) -> &str {
        &self.id
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
struct InvoiceSettings {
    default_payment_method: Option<String>,
}

/// What of a customer is set; `None` leaves a field as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CustomerFields<'a> {
    /// For people; always set, so that nobody is nameless.
    pub name: &'a str,
    /// Where invoices go.
    pub email: Option<&'a str>,
    /// For people at Stripe's dashboard.
    pub description: Option<&'a str>,
    /// What to note with it; an empty value takes a key away.
    pub metadata: &'a [(&'a str, &'a str)],
}

impl CustomerFields<'_> {
    fn form(&self) -> Form {
        let mut form = Form::default();
        form.put("name", self.name);
        form.put_some("email", self.email);
        form.put_some("description", self.description);
        form.put_map("metadata", self.metadata);
        form
    }
}

/// Makes a customer.
#[must_use]
pub fn create(fields: &CustomerFields<'_>) -> Write<Customer> {
    Write::post("/v1/customers", &fields.form())
}

/// Changes a customer.
#[must_use]
pub fn update(id: &str, fields: &CustomerFields<'_>) -> Write<Customer> {
    Write::post(format!("/v1/customers/{}", path_part(id)), &fields.form())
}

/// Has a customer's invoices charged to a payment method that is attached to it.
#[must_use]
pub fn set_default_payment_method(id: &str, payment_method: &str) -> Write<Customer> {
    let mut form = Form::default();
    form.put("invoice_settings[default_payment_method]", payment_method);
    Write::post(format!("/v1/customers/{}", path_part(id)), &form)
}

/// Asks for one customer.
#[must_use]
pub fn get(id: &str) -> Read<Customer> {
    Read::new(format!("/v1/customers/{}", path_part(id)), Form::default())
}

/// Asks for a page of customers, of those with an address of mail if one is given.
#[must_use]
pub fn list(email: Option<&str>, after: Option<&str>) -> Read<Page<Customer>> {
    let mut form = page(after);
    form.put_some("email", email);
    Read::new("/v1/customers", form)
}
