//! The requests that Meterline makes, a module for each resource: a function for each, and what is
//! read of its answer.
//!
//! Times are seconds since the epoch, amounts whole minor units ([`crate::money`]). Fields that are
//! not read are not declared, and new ones disturb nothing. It decides nothing and checks nothing
//! that Stripe checks. Invariant: each request of [`crate::STRIPE_VERSION`] is one that Stripe's own
//! description of its API accepts; a test sends every one to stripe-mock.

pub mod customers;
pub mod event_summaries;
pub mod events;
pub mod invoice_items;
pub mod invoice_previews;
pub mod invoices;
pub mod meter_events;
pub mod meters;
pub mod payment_methods;
pub mod prices;
pub mod products;
pub mod schedules;
pub mod subscriptions;

use crate::form::Form;
use crate::wire::PAGE_MAX;
use serde::Deserialize;

/// A span of seconds since the epoch; its end is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub struct Period {
    /// The first second.
    pub start: i64,
    /// The first second after it.
    pub end: i64,
}

/// The parameters of a page: the largest, from a place on.
fn page(after: Option<&str>) -> Form {
    let mut form = Form::default();
    form.put("limit", PAGE_MAX);
    form.put_some("starting_after", after);
    form
}
