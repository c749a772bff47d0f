//! The catalog: everything that changes a result, as the control log carries it.
//!
//! This is the resolved form (canonical JSON in the control log). People write YAML, which
//! `meterline-schemas` reads into this with file and line for every refusal. No setting of a
//! worker can change what is in here, and a meter's definition never changes under its name.

use crate::quantity::Quantity;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub mod check;
pub mod compiled;
mod filter;
mod id_time;
pub mod plans;
pub mod stripe;

pub use check::{Problem, succeeds, validate};
pub use compiled::{CompiledCatalog, CompiledMeter};
pub use id_time::id_time_of;
pub use plans::Plans;
pub use stripe::StripeMapping;

/// The newest version of the fold's semantics that this binary has; see [`Catalog::fold`].
pub const NEWEST_FOLD: u32 = 1;

/// A catalog version's content.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// The catalog's name, for people.
    pub name: String,
    /// Version of the fold's semantics; a binary that lacks it halts (`unknown_fold`).
    pub fold: u32,
    /// How old an event may be, against log time. Default 35 days.
    pub acceptance: Millis,
    /// How far an event time may lie ahead of log time. Default 5 minutes.
    pub ahead: Millis,
    /// How far apart two event times of one id may lie and still be one event. Default 15 minutes.
    pub restamp_window: Millis,
    /// How long after its end an hour is sealed, on the log's clock. Default 5 minutes.
    pub lateness: Millis,
    /// Event types that are counted as ignored instead of dead-lettered. Sorted, unique.
    pub ignored_types: Vec<String>,
    /// Bounds on events.
    pub bounds: Bounds,
    /// Rules per event source, by the source's text.
    pub sources: BTreeMap<String, SourceRule>,
    /// Avro writer schemas beyond the built-in one.
    pub schemas: Vec<WriterSchema>,
    /// The meters, in written order.
    pub meters: Vec<Meter>,
    /// What accounts may use. They change no bucket, and catalogs before them have none.
    #[serde(default, skip_serializing_if = "Plans::is_empty")]
    pub plans: Plans,
    /// What is pushed to Stripe. It changes no bucket, and catalogs before it have none.
    #[serde(default, skip_serializing_if = "StripeMapping::is_empty")]
    pub stripe: StripeMapping,
}

impl Catalog {
    /// A catalog of these meters, everything else by default.
    #[must_use]
    pub fn new(name: &str, meters: Vec<Meter>) -> Self {
        Self {
            name: name.to_owned(),
            fold: NEWEST_FOLD,
            acceptance: Self::ACCEPTANCE,
            ahead: Self::AHEAD,
            restamp_window: Self::RESTAMP_WINDOW,
            lateness: Self::LATENESS,
            ignored_types: Vec::new(),
            bounds: Bounds::default(),
            sources: BTreeMap::new(),
            schemas: Vec::new(),
            meters,
            plans: Plans::default(),
            stripe: StripeMapping::default(),
        }
    }

    /// Names of all that plans can limit: meters, then derived quantities.
    pub fn limitable(&self) -> impl Iterator<Item = &str> + Clone {
        let meters = self.meters.iter().map(|meter| meter.name.as_str());
        let derived = self.plans.derived.iter();
        meters.chain(derived.map(|derived| derived.name.as_str()))
    }

    /// Default of `acceptance`: 35 days.
    pub const ACCEPTANCE: Millis = Millis(35 * 24 * 3_600_000);
    /// Default of `ahead`: 5 minutes.
    pub const AHEAD: Millis = Millis(5 * 60_000);
    /// Default of `restamp_window`: 15 minutes.
    pub const RESTAMP_WINDOW: Millis = Millis(15 * 60_000);
    /// Default of `lateness`: 5 minutes.
    pub const LATENESS: Millis = Millis(5 * 60_000);
}

/// Bounds on events; lengths in bytes of UTF-8.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Longest id. Default 256.
    pub id_bytes: u32,
    /// Longest source, and longest type. Default 256.
    pub name_bytes: u32,
    /// Longest tenant. Default 128.
    pub tenant_bytes: u32,
    /// Longest value of a dimension. Default 256.
    pub dimension_bytes: u32,
    /// Largest record: key, headers and value. Default 1 MiB.
    pub record_bytes: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            id_bytes: 256,
            name_bytes: 256,
            tenant_bytes: 128,
            dimension_bytes: 256,
            record_bytes: 1 << 20,
        }
    }
}

/// What is known of the events of one source.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceRule {
    /// The ids of this source carry the time that dedupe goes by.
    pub id_time: IdTime,
}

/// Forms of id that carry a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IdTime {
    /// RFC 9562 UUID version 7: 48 bits of milliseconds.
    Uuidv7,
    /// ULID: 48 bits of milliseconds in Crockford's base 32.
    Ulid,
}

/// An Avro writer schema that events may be encoded with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriterSchema {
    /// Id in the Confluent frame, where the registry gave one.
    pub confluent_id: Option<u32>,
    /// The Avro schema, as JSON text.
    pub schema: String,
}

/// One meter: which events it counts, and how.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Meter {
    /// The meter's name: `[a-z][a-z0-9_]*`, at most 64 bytes; it names one definition for ever.
    pub name: String,
    /// Shown to people.
    pub description: String,
    /// Its base unit, shown to people.
    pub unit: String,
    /// Event type that it counts.
    pub event_type: String,
    /// All of these must hold for an event to be counted.
    pub filter: Vec<Condition>,
    /// Property that holds the quantity; `None`: the event's own quantity.
    pub value: Option<String>,
    /// What the quantity is multiplied by, exactly. Default 1.
    pub scale: Quantity,
    /// How quantities become the bucket's value.
    pub aggregation: Aggregation,
    /// Properties that split the meter into parts. Sorted, unique.
    pub group_by: Vec<String>,
    /// Whether a negative quantity may be counted. Default false.
    pub negative: bool,
    /// Most distinct combinations of dimensions in one tenant's hour. Default 10,000.
    pub max_dimensions: u32,
}

impl Meter {
    /// Default of `max_dimensions`.
    pub const MAX_DIMENSIONS: u32 = 10_000;
}

/// How quantities become a bucket's value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Aggregation {
    /// Number of events; the quantity is not read.
    Count = 1,
    /// Sum of quantities.
    Sum = 2,
    /// Smallest quantity.
    Min = 3,
    /// Largest quantity.
    Max = 4,
    /// Sum and count, divided by readers.
    Avg = 5,
    /// Quantity of the highest (event time, offset).
    Latest = 6,
    /// Number of distinct values (not built yet: `validate` refuses it by name).
    UniqueCount = 7,
}

impl Aggregation {
    /// The name in catalogs and tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Avg => "avg",
            Self::Latest => "latest",
            Self::UniqueCount => "unique_count",
        }
    }

    /// Whether the event's quantity is read at all.
    #[must_use]
    pub const fn reads_quantity(self) -> bool {
        !matches!(self, Self::Count | Self::UniqueCount)
    }
}

/// One condition of a meter's filter, on a property of the event.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// The property's name.
    pub property: String,
    /// What must hold for it.
    pub test: Test,
}

/// What a condition asks of a property.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// The property's text is one of these.
    In(Vec<String>),
    /// The property is missing, or its text is none of these.
    NotIn(Vec<String>),
    /// The property is a decimal number above this one; a text that is no [`Quantity`] fails.
    Above(Quantity),
    /// The property is there (true) or missing (false).
    Exists(bool),
}

#[cfg(test)]
pub(crate) mod tests {
    //! Small valid catalogs that tests change one thing of.

    use super::*;

    /// A valid catalog of these meters, everything else by default.
    pub(crate) fn catalog(meters: Vec<Meter>) -> Catalog {
        Catalog::new("test", meters)
    }

    /// A meter that sums the quantity of all events of a type.
    pub(crate) fn meter(name: &str, event_type: &str) -> Meter {
        Meter {
            name: name.to_owned(),
            description: String::new(),
            unit: String::new(),
            event_type: event_type.to_owned(),
            filter: Vec::new(),
            value: None,
            scale: Quantity::ONE,
            aggregation: Aggregation::Sum,
            group_by: Vec::new(),
            negative: false,
            max_dimensions: Meter::MAX_DIMENSIONS,
        }
    }

    /// One condition of a filter.
    pub(crate) fn condition(property: &str, test: Test) -> Condition {
        Condition {
            property: property.to_owned(),
            test,
        }
    }
}
