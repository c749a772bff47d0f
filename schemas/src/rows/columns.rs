//! How core types travel in RowBinary columns: one small serde module per column type.
//!
//! Refuses what the core type cannot hold, so a row that was written by something else is an
//! error and never a wrong value.

/// `UUID`: two 64-bit halves, the high one first.
pub mod topic_id {
    use meterline_core::position::TopicId;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// The halves, high and low, in the order of the wire.
    #[must_use]
    pub fn halves(id: TopicId) -> (u64, u64) {
        let low = u64::try_from(id.0 & u128::from(u64::MAX)).expect("masked to 64 bits");
        let high = u64::try_from(id.0 >> 64).expect("64 of 128 bits are left");
        (high, low)
    }

    /// Writes the halves.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(id: &TopicId, serializer: S) -> Result<S::Ok, S::Error> {
        halves(*id).serialize(serializer)
    }

    /// Reads the halves.
    ///
    /// # Errors
    /// Those of the deserializer.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TopicId, D::Error> {
        let (high, low) = <(u64, u64)>::deserialize(deserializer)?;
        Ok(TopicId((u128::from(high) << 64) | u128::from(low)))
    }
}

/// `Decimal(38, 9)`: the integer in units of 10⁻⁹.
pub mod quantity {
    use meterline_core::quantity::Quantity;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes the raw integer.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &Quantity, serializer: S) -> Result<S::Ok, S::Error> {
        value.raw().serialize(serializer)
    }

    /// Reads the raw integer.
    ///
    /// # Errors
    /// At or beyond 10²⁹, which a merged sum can reach.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Quantity, D::Error> {
        let raw = i128::deserialize(deserializer)?;
        Quantity::from_raw(raw).map_err(|e| serde::de::Error::custom(format!("{raw} · 10⁻⁹ {e}")))
    }
}

/// `Nullable(Decimal(38, 9))`.
pub mod optional_quantity {
    use meterline_core::quantity::Quantity;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Column(#[serde(with = "super::quantity")] Quantity);

    /// Writes the raw integer, or null.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(
        value: &Option<Quantity>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        value.map(Column).serialize(serializer)
    }

    /// Reads the raw integer, or null.
    ///
    /// # Errors
    /// At or beyond 10²⁹.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Quantity>, D::Error> {
        let value = Option::<Column>::deserialize(deserializer)?;
        Ok(value.map(|Column(value)| value))
    }
}

/// `DateTime`: whole seconds.
pub mod seconds {
    use meterline_core::time::EventTime;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    const MICROS: i64 = 1_000_000;

    /// Writes whole seconds.
    ///
    /// # Errors
    /// Where the moment is no whole second, or outside of the years 1970 to 2105.
    pub fn serialize<S: Serializer>(time: &EventTime, serializer: S) -> Result<S::Ok, S::Error> {
        let seconds = u32::try_from(time.0.div_euclid(MICROS)).ok();
        match seconds.filter(|_| time.0.rem_euclid(MICROS) == 0) {
            Some(seconds) => seconds.serialize(serializer),
            None => Err(serde::ser::Error::custom(format!(
                "{time} does not fit a DateTime column"
            ))),
        }
    }

    /// Reads whole seconds.
    ///
    /// # Errors
    /// Those of the deserializer.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EventTime, D::Error> {
        u32::deserialize(deserializer).map(|seconds| EventTime(i64::from(seconds) * MICROS))
    }
}

/// `Enum8` of bucket kinds.
pub mod kind {
    use meterline_core::bucket::Kind;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes the code.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
        (*kind as i8).serialize(serializer)
    }

    /// Reads the code.
    ///
    /// # Errors
    /// A code that this binary does not know.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
        let code = i8::deserialize(deserializer)?;
        [Kind::Only, Kind::Whole, Kind::Part]
            .into_iter()
            .find(|kind| *kind as i8 == code)
            .ok_or_else(|| serde::de::Error::custom(format!("{code} is no kind of bucket")))
    }
}

/// `Enum8` of aggregations.
pub mod aggregation {
    use meterline_core::catalog::Aggregation;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    const ALL: [Aggregation; 7] = [
        Aggregation::Count,
        Aggregation::Sum,
        Aggregation::Min,
        Aggregation::Max,
        Aggregation::Avg,
        Aggregation::Latest,
        Aggregation::UniqueCount,
    ];

    /// Writes the code.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(
        aggregation: &Aggregation,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        (*aggregation as i8).serialize(serializer)
    }

    /// Reads the code.
    ///
    /// # Errors
    /// A code that this binary does not know.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Aggregation, D::Error> {
        let code = i8::deserialize(deserializer)?;
        ALL.into_iter()
            .find(|aggregation| *aggregation as i8 == code)
            .ok_or_else(|| serde::de::Error::custom(format!("{code} is no aggregation")))
    }
}
