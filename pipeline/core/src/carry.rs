//! Carries: differences that are billed with a later window, decided on `meterline.pushes`.
//!
//! What was changed after its invoice became final, or what Stripe would not take for its own
//! window, is added to the value that a later window is pushed with. Each (tenant, meter, source)
//! is a chain of records by rule 2 ([`crate::chain`]), beside the chains of pushes: a carry says
//! what the source came to, what was billed for it, and where the difference goes.
//!
//! These are the records' contents; the fold over them is [`crate::carries`].

use crate::position::Offset;
use crate::push::Stamps;
use crate::quantity::Quantity;
use crate::time::EventTime;
use serde::{Deserialize, Serialize};

/// Most windows that one carry names: it bounds a record, and an hour of each is what a person can
/// still read. `wanted` and `billed` are of all of the source's windows, however many are named.
pub const CARRIED_WINDOWS_MAX: usize = 64;

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

/// One record of a difference's chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CarryRecord {
    /// Chosen at random by the writer, the same in every retry.
    pub write_id: u128,
    /// Offset of the record it follows in its chain; `None` where the chain is empty.
    pub head: Option<Offset>,
    /// Which difference.
    pub key: CarryKey,
    /// What is billed, and with what.
    pub carry: Carry,
    /// The process that wrote it.
    pub instance: String,
}

/// A difference that is billed with a later window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Carry {
    /// Id of the customer at Stripe that is billed.
    pub customer: String,
    /// `event_name` of the meter at Stripe.
    pub event_name: String,
    /// Start of the hour window (UTC) whose pushed value it is added to.
    pub window: EventTime,
    /// What is added, in the meter's base unit; may be negative.
    pub quantity: Quantity,
    /// What the source's windows come to; less where a part of the difference has too many digits
    /// for its window, and is carried by a later record of the chain.
    pub wanted: Quantity,
    /// What Stripe billed for them.
    pub billed: Quantity,
    /// The versions that `wanted` was judged by.
    pub stamps: Stamps,
    /// The windows that differ from what was confirmed last, at most [`CARRIED_WINDOWS_MAX`].
    pub windows: Vec<CarriedWindow>,
}

/// A window that differs from what was confirmed of it last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CarriedWindow {
    /// Its start (UTC).
    pub window: EventTime,
    /// Its value as it was confirmed last.
    pub before: Quantity,
    /// Its value now.
    pub after: Quantity,
    /// The version that has the value of now.
    pub stamps: Stamps,
}
