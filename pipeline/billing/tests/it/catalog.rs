//! The catalog of the tests: one meter, which is pushed.

use meterline_core::catalog::stripe::{StripeMapping, StripeMeter};
use meterline_core::catalog::{Aggregation, Catalog, Meter};
use meterline_core::quantity::Quantity;
use std::collections::BTreeMap;

/// The one meter: it counts calls.
pub(crate) const METER: &str = "call_count";

/// What it is called at Stripe.
pub(crate) const EVENT_NAME: &str = "acme_calls";

/// One meter that is pushed.
pub(crate) fn catalog() -> Catalog {
    let meter = Meter {
        name: METER.to_owned(),
        description: "Calls.".to_owned(),
        unit: "call".to_owned(),
        event_type: "call".to_owned(),
        filter: Vec::new(),
        value: None,
        scale: Quantity::ONE,
        aggregation: Aggregation::Count,
        group_by: Vec::new(),
        negative: false,
        max_dimensions: 10_000,
    };
    let at_stripe = StripeMeter {
        event_name: EVENT_NAME.to_owned(),
        display_name: "Calls".to_owned(),
        hours: None,
    };
    Catalog {
        stripe: StripeMapping {
            meters: BTreeMap::from([(METER.to_owned(), at_stripe)]),
            ..StripeMapping::default()
        },
        ..Catalog::new("test", vec![meter])
    }
}
