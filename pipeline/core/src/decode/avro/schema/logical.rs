//! The logical types that a usage event can be read from.

use super::Kind;
use serde_json::{Map, Value};

/// What a value means beyond its type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::decode::avro) enum Logical {
    /// An unscaled integer, big-endian two's complement, with this many decimals.
    Decimal { scale: u32 },
    /// Milliseconds since 1970-01-01 UTC.
    TimestampMillis,
    /// Microseconds since 1970-01-01 UTC.
    TimestampMicros,
}

impl Logical {
    /// The logical type of an object that defines the kind; `None` where there is none, or one
    /// that is not known or not valid.
    pub(super) fn of(object: &Map<String, Value>, kind: &Kind) -> Option<Self> {
        match (object.get("logicalType")?.as_str()?, kind) {
            ("timestamp-millis", Kind::Long) => Some(Self::TimestampMillis),
            ("timestamp-micros", Kind::Long) => Some(Self::TimestampMicros),
            ("decimal", Kind::Bytes) => decimal(object, u64::MAX),
            ("decimal", Kind::Fixed { size, .. }) => decimal(object, digits(*size)),
            _ => None,
        }
    }
}

fn decimal(object: &Map<String, Value>, precision_max: u64) -> Option<Logical> {
    let precision = object.get("precision")?.as_u64()?;
    let scale = match object.get("scale") {
        Some(scale) => scale.as_u64()?,
        None => 0,
    };
    let is_valid = (1..=precision_max).contains(&precision) && scale <= precision;
    let scale = u32::try_from(scale).ok()?;
    is_valid.then_some(Logical::Decimal { scale })
}

/// Most decimal digits that a signed integer of `size` bytes always holds: ⌊log₁₀(2^(8·size−1) − 1)⌋.
///
/// log₁₀ 2 is taken with 14 digits, cut off. Below a size of a megabyte that is off by less than
/// 10⁻⁸, and no power of two is that close above a power of ten, so the result is exact.
fn digits(size: usize) -> u64 {
    let bits = u64::try_from(size)
        .unwrap_or(u64::MAX)
        .saturating_mul(8)
        .saturating_sub(1);
    (u128::from(bits) * 30_102_999_566_398 / 100_000_000_000_000)
        .try_into()
        .unwrap_or(u64::MAX)
}
