//! Customers and their payment methods.
//!
//! Sources: <https://docs.stripe.com/api/customers>,
//! <https://docs.stripe.com/api/payment_methods/attach>. A payment method is any id: those that
//! contain `Declined` refuse every charge, like Stripe's `pm_card_chargeDeclined`
//! (<https://docs.stripe.com/testing>). It refuses card details: nobody here should have any.

use crate::account::Account;
use crate::events;
use crate::form::Form;
use crate::lists::{self, PAGE};
use crate::refusal::Refusal;
use crate::request::Call;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A customer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Customer {
    pub(crate) id: String,
    name: Option<String>,
    email: Option<String>,
    description: Option<String>,
    metadata: BTreeMap<String, String>,
    created: i64,
    payment_methods: Vec<String>,
    default_payment_method: Option<String>,
    is_deleted: bool,
}

impl Customer {
    /// What an invoice is charged to.
    pub(crate) fn payment_method(&self) -> Option<&str> {
        self.default_payment_method.as_deref()
    }

    pub(crate) fn has_payment_method(&self, id: &str) -> bool {
        self.payment_methods.iter().any(|attached| attached == id)
    }

    fn json(&self) -> Value {
        // "Returns a Customer object with a `deleted` parameter" alone
        // (<https://docs.stripe.com/api/customers/retrieve>).
        if self.is_deleted {
            return json!({"id": self.id, "object": "customer", "deleted": true});
        }
        json!({
            "id": self.id,
            "object": "customer",
            "address": null,
            "balance": 0,
            "created": self.created,
            "currency": null,
            "default_source": null,
            "delinquent": false,
            "description": self.description,
            "discount": null,
            "email": self.email,
            "invoice_settings": {
                "custom_fields": null,
                "default_payment_method": self.default_payment_method,
                "footer": null,
                "rendering_options": null,
            },
            "livemode": false,
            "metadata": self.metadata,
            "name": self.name,
            "phone": null,
            "preferred_locales": [],
            "shipping": null,
            "tax_exempt": "none",
            "test_clock": null,
        })
    }

    fn change(&mut self, form: &Form) -> Result<(), Refusal> {
        form.only(&[
            "name",
            "email",
            "description",
            "metadata",
            "invoice_settings",
        ])?;
        let default = "invoice_settings[default_payment_method]";
        if let Some(id) = form.get(default) {
            if !self.has_payment_method(id) {
                return Err(Refusal::names_no("PaymentMethod", default, id));
            }
            self.default_payment_method = Some(id.to_owned());
        }
        for (name, field) in [
            ("name", &mut self.name),
            ("email", &mut self.email),
            ("description", &mut self.description),
        ] {
            if let Some(value) = form.get(name) {
                *field = (!value.is_empty()).then(|| value.to_owned());
            }
        }
        form.change_metadata(&mut self.metadata);
        Ok(())
    }
}

/// `/v1/customers…`
pub(crate) fn call(account: &mut Account, call: &Call<'_>) -> Result<Value, Refusal> {
    match (call.method, call.rest) {
        ("POST", []) => create(account, &call.form),
        ("GET", []) => list(account, &call.form),
        ("GET", [id]) => {
            let customer = account.customers.get(*id);
            Ok(customer
                .ok_or_else(|| Refusal::no_such("customer", id))?
                .json())
        }
        ("DELETE", [id]) => {
            let customer = found(account, id)?;
            customer.is_deleted = true;
            Ok(customer.json())
        }
        ("POST", [id]) => {
            let customer = found(account, id)?;
            customer.change(&call.form)?;
            let changed = customer.json();
            events::publish(account, "customer.updated", changed.clone());
            Ok(changed)
        }
        _ => Err(call.no_such_route()),
    }
}

/// `/v1/payment_methods…`
pub(crate) fn call_payment_methods(
    account: &mut Account,
    call: &Call<'_>,
) -> Result<Value, Refusal> {
    match (call.method, call.rest) {
        ("POST", [id, "attach"]) => attach(account, id, &call.form),
        _ => Err(call.no_such_route()),
    }
}

fn found<'a>(account: &'a mut Account, id: &str) -> Result<&'a mut Customer, Refusal> {
    account
        .customers
        .get_mut(id)
        .filter(|customer| !customer.is_deleted)
        .ok_or_else(|| Refusal::no_such("customer", id))
}

fn create(account: &mut Account, form: &Form) -> Result<Value, Refusal> {
    let mut customer = Customer {
        created: account.seconds(),
        ..Customer::default()
    };
    customer.change(form)?;
    customer.id = account.new_id("cus");
    let created = customer.json();
    account.customers.insert(customer.id.clone(), customer);
    events::publish(account, "customer.created", created.clone());
    Ok(created)
}

/// "A case-sensitive filter on the list based on the customer's `email` field."
/// (<https://docs.stripe.com/api/customers/list>)
fn list(account: &Account, form: &Form) -> Result<Value, Refusal> {
    form.only(&[&PAGE[..], &["email"]].concat())?;
    let email = form.get("email");
    let customers = account.customers.values().rev();
    let customers = customers.filter(|customer| !customer.is_deleted);
    let customers =
        customers.filter(|customer| email.is_none() || customer.email.as_deref() == email);
    let customers = customers.map(|customer| (customer.id.clone(), customer.json()));
    lists::page(form, "/v1/customers", customers)
}

/// "Attaches a PaymentMethod object to a Customer." "To use this PaymentMethod as the default for
/// invoice or subscription payments, set `invoice_settings.default_payment_method`, on the Customer
/// to the PaymentMethod's ID."
fn attach(account: &mut Account, id: &str, form: &Form) -> Result<Value, Refusal> {
    form.only(&["customer"])?;
    let customer_id = form.required("customer")?;
    let elsewhere = account
        .customers
        .values()
        .any(|customer| customer.id != customer_id && customer.has_payment_method(id));
    if elsewhere {
        let message = "The payment method you provided has already been attached to a customer.";
        return Err(Refusal::bad(message));
    }
    let Some(customer) = account.customers.get_mut(customer_id) else {
        return Err(Refusal::names_no("customer", "customer", customer_id));
    };
    if !customer.has_payment_method(id) {
        customer.payment_methods.push(id.to_owned());
    }
    let address = json!({
        "city": null, "country": null, "line1": null, "line2": null,
        "postal_code": null, "state": null,
    });
    let method = json!({
        "id": id,
        "object": "payment_method",
        "billing_details": {
            "address": address, "email": null, "name": null, "phone": null, "tax_id": null,
        },
        "created": account.seconds(),
        "customer": customer_id,
        "livemode": false,
        "metadata": {},
        "type": "card",
    });
    events::publish(account, "payment_method.attached", method.clone());
    Ok(method)
}
