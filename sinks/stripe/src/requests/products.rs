//! Products: what prices are for.
//!
//! Source: <https://docs.stripe.com/api/products>. Refuses nothing; it never deletes a product.

use crate::form::{Form, path_part};
use crate::request::{Read, Write};
use crate::requests::page;
use crate::wire::{Listed, Page};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A product.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Product {
    /// Its id.
    pub id: String,
    /// For people; on invoices.
    pub name: String,
    /// Whether it can be bought.
    pub active: bool,
    /// What a unit is called, on invoices.
    pub unit_label: Option<String>,
    /// What was noted with it.
    pub metadata: BTreeMap<String, String>,
}

impl Listed for Product {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A product to make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewProduct<'a> {
    /// An id of our own, so that it cannot be made twice; `None`: Stripe chooses one.
    pub id: Option<&'a str>,
    /// For people; on invoices.
    pub name: &'a str,
    /// What a unit is called, on invoices; at most 12 characters.
    pub unit_label: Option<&'a str>,
    /// What to note with it.
    pub metadata: &'a [(&'a str, &'a str)],
}

/// Makes a product.
#[must_use]
pub fn create(product: &NewProduct<'_>) -> Write<Product> {
    let mut form = Form::default();
    form.put_some("id", product.id);
    form.put("name", product.name);
    form.put_some("unit_label", product.unit_label);
    form.put_map("metadata", product.metadata);
    Write::post("/v1/products", &form)
}

/// Asks for one product.
#[must_use]
pub fn get(id: &str) -> Read<Product> {
    Read::new(format!("/v1/products/{}", path_part(id)), Form::default())
}

/// Asks for a page of products, inactive ones too.
#[must_use]
pub fn list(after: Option<&str>) -> Read<Page<Product>> {
    Read::new("/v1/products", page(after))
}
