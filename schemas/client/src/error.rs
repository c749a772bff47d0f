//! What can go wrong: while a client is made, while an event is emitted, while one is closed.
//!
//! Nothing here panics in the caller: metering must not take down what it meters. Texts name the
//! field and the bound, never a property's value, which may be personal.

use crate::counters::Counters;
use meterline_core::quantity::NotAQuantity;
use rdkafka::error::KafkaError;
use std::time::Duration;

/// A client that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A setting that exactness depends on.
    #[error("kafka property `{key}` cannot be set: {reason}")]
    Reserved {
        /// The setting.
        key: String,
        /// Why it is fixed.
        reason: &'static str,
    },
    /// A setting that librdkafka does not know or take. Its value may be a secret.
    #[error("kafka property `{key}` is unknown to librdkafka, or its value is not one it takes")]
    Property {
        /// The setting.
        key: String,
    },
    /// A setting of the client with a value that cannot work.
    #[error("`{setting}` {problem}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What is wrong with its value.
        problem: String,
    },
    /// The client library could not make a producer.
    #[error("failed to create a kafka producer")]
    Producer {
        /// Why.
        source: Box<KafkaError>,
    },
    /// The operating system gave no thread.
    #[error("failed to start the thread that sends usage events")]
    Thread {
        /// Why.
        source: std::io::Error,
    },
}

/// An event that is not emitted. It is counted, by its cause, in [`Counters`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EmitError {
    /// A field that must say something.
    #[error("the event's {field} is empty")]
    Empty {
        /// The field.
        field: &'static str,
    },
    /// A text longer than Meterline takes.
    #[error("the event's {field} has {bytes} bytes; at most {most} are taken")]
    TooLong {
        /// The field; for a property, its key.
        field: String,
        /// Its length in bytes of UTF-8.
        bytes: usize,
        /// The bound.
        most: u32,
    },
    /// More properties than an event may have.
    #[error("the event has {count} properties; at most {most} are taken")]
    TooManyProperties {
        /// How many.
        count: usize,
        /// The bound.
        most: usize,
    },
    /// Two values for one property.
    #[error("the property `{key}` is given twice")]
    RepeatedProperty {
        /// The property.
        key: String,
    },
    /// A property with the name that CloudEvents give the event's own quantity.
    #[error("a property cannot be named `quantity`: set the event's quantity instead")]
    ReservedProperty,
    /// A record larger than Meterline takes.
    #[error("the event needs {bytes} bytes; at most {most} are taken")]
    TooLarge {
        /// Key, headers and value.
        bytes: usize,
        /// The bound.
        most: u32,
    },
    /// A quantity that is not exact.
    #[error("the event's quantity is refused")]
    Quantity(#[from] NotAQuantity),
    /// A time outside of the years 1900 to 2299.
    #[error("the event's time lies outside of the years 1900 to 2299")]
    Time,
    /// A kind of use that would make derived ids ambiguous.
    #[error("no id can be derived for the kind `{kind}`, which holds a `:`; give the event an id")]
    AmbiguousId {
        /// The event's type, or the resource's.
        kind: String,
    },
    /// The buffer is full, and the client drops then.
    #[error("the event is dropped: the buffer is full")]
    Full,
    /// The buffer stayed full for as long as the caller may be held up.
    #[error("the event is dropped: the buffer stayed full for {waited:?}")]
    StillFull {
        /// The longest wait, by setting.
        waited: Duration,
    },
    /// The client is closed.
    #[error("the event is dropped: the client is closed")]
    Closed,
}

impl EmitError {
    /// Whether the event itself was fine, and another time it would have been taken.
    #[must_use]
    pub const fn is_drop(&self) -> bool {
        matches!(self, Self::Full | Self::StillFull { .. } | Self::Closed)
    }
}

/// Events that were not all delivered in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{} of {} events are not known to be delivered within {waited:?}",
    counters.pending + counters.failed,
    counters.emitted
)]
pub struct Undelivered {
    /// What became of all events of the client.
    pub counters: Counters,
    /// How long was waited at most.
    pub waited: Duration,
}
