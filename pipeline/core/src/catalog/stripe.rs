//! Stripe: which meters are pushed, and what they are called there.
//!
//! Of each mapped meter the absolute value of every hour window is pushed, unscaled: with the
//! meter's own nine decimals. Stripe adds the hours of a billing period up, there is no other mode.
//! So the hours of a `min`, `max` or `latest` meter become unit-hours (of those hours that had an
//! event), and a mean, whose quotient need not fit, is not pushed. Mappings change no bucket.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All that a catalog says about Stripe. Empty where it has nothing: then nothing is pushed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StripeMapping {
    /// Key of a meter event's payload that holds the customer's id: the `event_payload_key` of the
    /// meters' customer mapping at Stripe.
    pub customer_key: String,
    /// The meters that are pushed, by the meter's name.
    pub meters: BTreeMap<String, StripeMeter>,
}

/// What a meter is called at Stripe.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StripeMeter {
    /// `event_name` of its meter events; it never changes under the meter's name.
    pub event_name: String,
    /// Shown to people at Stripe.
    pub display_name: String,
    /// Of a `min`, `max` or `latest` meter: over how many hours its price of a period is spread, and
    /// what is included is multiplied by, when prices are made at Stripe. `None`: no price can be
    /// made, because Stripe adds the hours up. Mappings before it have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours: Option<u32>,
}

impl StripeMapping {
    /// Default of `customer_key`, which is Stripe's own.
    pub const CUSTOMER_KEY: &str = "stripe_customer_id";

    /// Whether the catalog says nothing about Stripe.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for StripeMapping {
    fn default() -> Self {
        Self {
            customer_key: Self::CUSTOMER_KEY.to_owned(),
            meters: BTreeMap::new(),
        }
    }
}
