//! What Stripe has of what a catalog wants.
//!
//! All meters (names are taken by any of them), the products by their ids, and all prices of those
//! products that we made, inactive ones too. Refuses nothing. Invariant: what an answer to a write
//! said is in here as if it had been read, so that no list need be read again.

use super::wanted::Wanted;
use crate::stripe::Stripe;
use meterline_stripe::Failure;
use meterline_stripe::requests::meters::{self, Meter};
use meterline_stripe::requests::prices::{self, Price, PriceFilter};
use meterline_stripe::requests::products::{self, Product};
use std::collections::BTreeMap;

/// The metadata that names a price's plan.
pub(super) const PLAN: &str = "meterline_plan";
/// The metadata that names a price's meter.
pub(super) const METER: &str = "meterline_meter";

/// What Stripe has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// All meters, inactive ones too.
    pub meters: Vec<Meter>,
    /// The products that are wanted, by id.
    pub products: BTreeMap<String, Product>,
    /// The prices of those products that name a plan of ours.
    pub prices: Vec<Price>,
}

impl Found {
    /// Reads what there is; it changes nothing.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn read(stripe: &Stripe, wanted: &Wanted) -> Result<Self, Failure> {
        let mut found = Self::default();
        let page = |after: Option<&str>| meters::list(after);
        stripe
            .pages("meters", page, |meter| found.meters.push(meter))
            .await?;
        for product in &wanted.products {
            let Some(read) = stripe
                .found("products", &products::get(&product.id))
                .await?
            else {
                continue;
            };
            found.products.insert(product.id.clone(), read);
            let filter = PriceFilter {
                product: Some(&product.id),
                ..PriceFilter::default()
            };
            let page = |after: Option<&str>| prices::list(&filter, after);
            let keep = |price| found.add_price(price);
            stripe.pages("prices", page, keep).await?;
        }
        Ok(found)
    }

    /// Notes a price as it is now, in the place of what was known of it.
    pub(super) fn add_price(&mut self, price: Price) {
        if !price.metadata.contains_key(PLAN) {
            return;
        }
        self.prices.retain(|known| known.id != price.id);
        if price.lookup_key.is_some() {
            // A key has one price: whoever had it lost it.
            let had = |known: &&mut Price| known.lookup_key == price.lookup_key;
            for known in self.prices.iter_mut().filter(had) {
                known.lookup_key = None;
            }
        }
        self.prices.push(price);
    }
}
