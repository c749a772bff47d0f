//! `Enum8` columns of alerts, standings, pushes and differences: one table of codes per core type.
//!
//! Refuses a code that this binary does not know, so a row that was written by something else is an
//! error and never a wrong value.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A core type with the codes of its column.
trait Coded: Copy + PartialEq + 'static {
    /// What it is, for messages.
    const NAME: &'static str;
    /// Values and their codes, as the DDL has them.
    const CODES: &'static [(Self, i8)];
}

fn write<T: Coded, S: Serializer>(value: T, serializer: S) -> Result<S::Ok, S::Error> {
    let code = T::CODES.iter().find(|(known, _)| *known == value);
    code.expect("every value has a code")
        .1
        .serialize(serializer)
}

fn read<'de, T: Coded, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let code = i8::deserialize(deserializer)?;
    let value = T::CODES.iter().find(|(_, known)| *known == code);
    let value = value.map(|(value, _)| *value);
    value.ok_or_else(|| D::Error::custom(format!("{code} is no {}", T::NAME)))
}

/// States of alerts.
pub mod alert_state {
    use meterline_core::alert::AlertState;
    use serde::{Deserializer, Serializer};

    impl super::Coded for AlertState {
        const NAME: &'static str = "state of an alert";
        const CODES: &'static [(Self, i8)] = &[(Self::Opened, 1), (Self::Resolved, 2)];
    }

    /// Writes the code.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &AlertState, serializer: S) -> Result<S::Ok, S::Error> {
        super::write(*value, serializer)
    }

    /// Reads the code.
    ///
    /// # Errors
    /// A code that this binary does not know.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AlertState, D::Error> {
        super::read(deserializer)
    }
}

/// Severities of alerts.
pub mod severity {
    use meterline_core::catalog::plans::Severity;
    use serde::{Deserializer, Serializer};

    impl super::Coded for Severity {
        const NAME: &'static str = "severity";
        const CODES: &'static [(Self, i8)] = &[
            (Self::Info, 1),
            (Self::Medium, 2),
            (Self::Warning, 3),
            (Self::Critical, 4),
        ];
    }

    /// Writes the code.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &Severity, serializer: S) -> Result<S::Ok, S::Error> {
        super::write(*value, serializer)
    }

    /// Reads the code.
    ///
    /// # Errors
    /// A code that this binary does not know.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Severity, D::Error> {
        super::read(deserializer)
    }
}

/// Outcomes of attempts to deliver.
pub mod delivery_outcome {
    use meterline_core::alert::DeliveryOutcome;
    use serde::{Deserializer, Serializer};

    impl super::Coded for DeliveryOutcome {
        const NAME: &'static str = "outcome of a delivery";
        const CODES: &'static [(Self, i8)] = &[
            (Self::Delivered, 1),
            (Self::Failed, 2),
            (Self::Parked, 3),
            (Self::Requested, 4),
        ];
    }

    /// Writes the code.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(
        value: &DeliveryOutcome,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        super::write(*value, serializer)
    }

    /// Reads the code.
    ///
    /// # Errors
    /// A code that this binary does not know.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<DeliveryOutcome, D::Error> {
        super::read(deserializer)
    }
}

/// Caps.
pub mod cap {
    use meterline_core::catalog::plans::Cap;
    use serde::{Deserializer, Serializer};

    impl super::Coded for Cap {
        const NAME: &'static str = "cap";
        const CODES: &'static [(Self, i8)] = &[(Self::None, 0), (Self::Soft, 1), (Self::Hard, 2)];
    }

    /// Writes the code.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &Cap, serializer: S) -> Result<S::Ok, S::Error> {
        super::write(*value, serializer)
    }

    /// Reads the code.
    ///
    /// # Errors
    /// A code that this binary does not know.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cap, D::Error> {
        super::read(deserializer)
    }
}

/// Healths.
pub mod health {
    use meterline_core::standing::Health;
    use serde::{Deserializer, Serializer};

    impl super::Coded for Health {
        const NAME: &'static str = "health";
        const CODES: &'static [(Self, i8)] = &[
            (Self::Healthy, 0),
            (Self::Caution, 1),
            (Self::Warning, 2),
            (Self::Critical, 3),
        ];
    }

    /// Writes the code.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &Health, serializer: S) -> Result<S::Ok, S::Error> {
        super::write(*value, serializer)
    }

    /// Reads the code.
    ///
    /// # Errors
    /// A code that this binary does not know.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Health, D::Error> {
        super::read(deserializer)
    }
}

/// Steps of pushes, as what they make of their chain: an intent is one that may be called.
pub mod push_step {
    use meterline_core::pushes::State;
    use serde::{Deserializer, Serializer};

    impl super::Coded for State {
        const NAME: &'static str = "step of a push";
        const CODES: &'static [(Self, i8)] = &[
            (Self::Called, 1),
            (Self::Received, 2),
            (Self::NotTaken, 3),
            (Self::Unknown, 4),
            (Self::Refused, 5),
            (Self::Confirmed, 6),
        ];
    }

    /// The name in the column.
    #[must_use]
    pub const fn name(value: State) -> &'static str {
        match value {
            State::Called => "intent",
            State::Received => "received",
            State::NotTaken => "not_taken",
            State::Unknown => "unknown",
            State::Refused => "refused",
            State::Confirmed => "confirmed",
        }
    }

    /// Writes the code.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &State, serializer: S) -> Result<S::Ok, S::Error> {
        super::write(*value, serializer)
    }

    /// Reads the code.
    ///
    /// # Errors
    /// A code that this binary does not know.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<State, D::Error> {
        super::read(deserializer)
    }
}

/// Kinds of differences.
pub mod difference_kind {
    use crate::rows::DifferenceKind;
    use serde::{Deserializer, Serializer};

    impl super::Coded for DifferenceKind {
        const NAME: &'static str = "kind of difference";
        const CODES: &'static [(Self, i8)] = &[
            (Self::NotPushed, 1),
            (Self::Stale, 2),
            (Self::Unconfirmed, 3),
            (Self::StripeDiffers, 4),
            (Self::Foreign, 5),
            (Self::Unreadable, 6),
            (Self::InvoiceDiffers, 7),
        ];
    }

    /// Writes the code.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(
        value: &DifferenceKind,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        super::write(*value, serializer)
    }

    /// Reads the code.
    ///
    /// # Errors
    /// A code that this binary does not know.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<DifferenceKind, D::Error> {
        super::read(deserializer)
    }
}
