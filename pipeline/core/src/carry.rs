//! Carries: differences that an invoice cannot take any more, billed with a later window.
//!
//! Stripe bills nothing for an invoice that is final, and takes nothing for a window that is too
//! old. What is missing, or too much, is then added to what a window of the running period is
//! pushed with. Each (tenant, meter, source) is a chain of such records by rule 2
//! ([`crate::chain`]) on `meterline.pushes`; the fold over them is [`crate::carries`].

use crate::position::Offset;
use crate::push::Stamps;
use crate::quantity::Quantity;
use crate::time::EventTime;
use serde::{Deserialize, Serialize};

/// Which difference: the key of its chain.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct CarryKey {
    /// The tenant; its partition is the record's.
    pub tenant: String,
    /// The meter.
    pub meter: String,
    /// What was billed otherwise: `<id of a final invoice>/<first hour of its line>`, or
    /// `window/<hour>` for a window that Stripe would not take; hours since 1970.
    pub source: String,
}

/// One record of a carry's chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CarryRecord {
    /// Chosen at random by the writer, the same in every retry.
    pub write_id: u128,
    /// Offset of the record it follows in its chain; `None` where the chain is empty.
    pub head: Option<Offset>,
    /// Which difference.
    pub key: CarryKey,
    /// What it comes to.
    pub carry: Carry,
    /// The process that wrote it.
    pub instance: String,
}

/// A difference that is billed with a later window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Carry {
    /// Id of the customer at Stripe who is billed for it.
    pub customer: String,
    /// `event_name` of the meter at Stripe.
    pub event_name: String,
    /// Start of the hour window whose pushed value it is added to.
    pub window: EventTime,
    /// What is added, in the meter's base unit; may be negative.
    pub quantity: Quantity,
    /// What the source's windows come to.
    pub wanted: Quantity,
    /// What Stripe billed for them.
    pub billed: Quantity,
    /// The versions that `wanted` was judged by.
    pub stamps: Stamps,
    /// The windows that changed since, as far as is known; at most [`WINDOWS_MAX`].
    pub windows: Vec<CarriedWindow>,
}

/// Most windows that a carry names.
pub const WINDOWS_MAX: usize = 64;

/// A window that a carry comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CarriedWindow {
    /// Its start.
    pub window: EventTime,
    /// Its value as it was known when the invoice became final.
    pub before: Quantity,
    /// Its value now.
    pub after: Quantity,
    /// The version of the value now.
    pub stamps: Stamps,
}
