//! Pushes: what Stripe is told of a window, decided on `meterline.pushes`.
//!
//! Stripe gets the absolute value of an hour window, again whenever it changes, and keeps per
//! window what it *received* last. Each (tenant, meter, window) is a chain of steps by rule 2
//! ([`crate::chain`]): an intent to push a value, what became of its call, and the summary that
//! showed it. Only an intent in force may be called, only by the process that wrote it, and only
//! until its deadline.
//!
//! Invariant (INV-ONCE): an [`identifier`] names one attempt to push one version of one window, so
//! it always means the same quantity.

use crate::hash::Parts;
use crate::position::{LogPartition, Offset, Stamp, covers};
use crate::quantity::Quantity;
use crate::time::{EventTime, Millis};
use serde::{Deserialize, Serialize};

/// Which push: the key of its chain.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct PushKey {
    /// The tenant; its partition is the record's.
    pub tenant: String,
    /// The meter.
    pub meter: String,
    /// Start of the hour window (UTC).
    pub window: EventTime,
}

/// One record of a push's chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PushRecord {
    /// Chosen at random by the writer, the same in every retry.
    pub write_id: u128,
    /// Offset of the record it follows in its chain; `None` where the chain is empty.
    pub head: Option<Offset>,
    /// Which push.
    pub key: PushKey,
    /// What it decides or tells.
    pub step: Step,
    /// The process that wrote it.
    pub instance: String,
}

/// What a record of a chain says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// A value is about to be pushed.
    Intent(Intent),
    /// What became of the call of the intent before.
    Outcome(Outcome),
    /// A summary, read when nothing could arrive any more, shows the value of the intent before.
    Confirmed,
}

/// The decision to push a value once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Intent {
    /// Id of the customer at Stripe. The first intent of a chain fixes it.
    pub customer: String,
    /// `event_name` of the meter at Stripe; fixed like the customer.
    pub event_name: String,
    /// Value of the whole window, in the meter's base unit.
    pub quantity: Quantity,
    /// The version of the window that has this value.
    pub stamps: Stamps,
    /// From 1 for each version.
    pub attempt: u32,
    /// For how long after the record's append time the call may begin.
    pub call_within: Millis,
}

/// What became of a call, as far as its caller knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Stripe received it, which does not mean that it counts it.
    Received,
    /// Stripe took nothing, for certain: it was not reached, or said that it did not try (429).
    NotTaken {
        /// What it said; bounded, no secrets.
        detail: String,
    },
    /// Nobody knows: no answer, or one that proves nothing.
    Unknown {
        /// What was seen; bounded, no secrets.
        detail: String,
    },
    /// Stripe refuses it as it is; somebody must mend something first. It proves no more than
    /// [`Outcome::Unknown`]: a 400 for a repeated identifier looks like others.
    Refused {
        /// What Stripe said; bounded, no secrets.
        detail: String,
    },
}

/// The version of a window: the last change in each log partition that its value comes from, by
/// ascending log partition.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Stamps(Vec<(LogPartition, Stamp)>);

impl Stamps {
    /// Puts changes in order; of two in one log partition the later counts.
    #[must_use]
    pub fn new(mut changes: Vec<(LogPartition, Stamp)>) -> Self {
        changes.sort_unstable_by(|a, b| (a.0, b.1).cmp(&(b.0, a.1)));
        changes.dedup_by_key(|(log_partition, _)| *log_partition);
        Self(changes)
    }

    /// The changes, by ascending log partition.
    #[must_use]
    pub fn changes(&self) -> &[(LogPartition, Stamp)] {
        &self.0
    }

    /// Whether these know of a change that `other` lacks, and lack none that it knows.
    #[must_use]
    pub fn is_newer_than(&self, other: &Self) -> bool {
        self != other && covers(&self.0, &other.0)
    }
}

/// What Stripe knows an attempt by: `ml_` and the hexadecimal BLAKE3-128 of tenant, meter, window,
/// version and attempt, each length-prefixed. Stripe takes at most 100 characters.
#[must_use]
pub fn identifier(key: &PushKey, stamps: &Stamps, attempt: u32) -> String {
    let mut parts = Parts::default();
    parts.put(key.tenant.as_bytes());
    parts.put(key.meter.as_bytes());
    parts.put(&key.window.0.to_le_bytes());
    for (log_partition, stamp) in &stamps.0 {
        parts.put(&log_partition.topic_id.0.to_be_bytes());
        parts.put(&log_partition.partition.to_le_bytes());
        parts.put(&stamp.version().to_le_bytes());
    }
    parts.put(&attempt.to_le_bytes());
    format!("ml_{:032x}", parts.hash())
}
