//! Why a record is not counted: one ordered list, the first reason that fits wins.
//!
//! The order is part of the fold's semantics. Names and codes are public (dead letters, metrics,
//! manifests) and never change; a new reason goes where the order wants it, under a new code, in
//! a release that raises `fold`.

use serde::{Deserialize, Serialize};

/// Why a record became a dead letter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Reason {
    /// A `meterline-control` header that names no placeable control record.
    BadPointer = 0,
    /// The record is larger than the catalog's bound.
    TooLarge = 1,
    /// Not one of the record forms, or one that is broken.
    Malformed = 2,
    /// A batch of events where one event is expected.
    Batch = 3,
    /// Avro by a writer schema that is neither built in nor in the catalog.
    UnknownSchema = 4,
    /// No id, or an empty one.
    MissingId = 5,
    /// No source, or an empty one.
    MissingSource = 6,
    /// No type, or an empty one.
    MissingType = 7,
    /// No tenant (CloudEvents: subject), or an empty one.
    MissingTenant = 8,
    /// The id is longer than the catalog's bound, or not of the form its source promises.
    BadId = 9,
    /// Source, type or tenant is longer than the catalog's bound.
    TooLong = 10,
    /// No time, or one that is not RFC 3339 with an offset.
    BadTime = 11,
    /// The record is in another partition than its tenant's.
    WrongPartition = 12,
    /// The event time is older than the acceptance window.
    TooLate = 13,
    /// The event time is ahead of log time by more than the tolerance.
    FromTheFuture = 14,
    /// No meter counts the event's type.
    NoMeter = 15,
    /// A quantity that is missing, no number, too precise, out of range or of a forbidden sign.
    BadQuantity = 16,
    /// A dimension's value is longer than the catalog's bound.
    BadDimension = 17,
    /// One more distinct combination of dimensions than the meter's bound in a tenant's hour.
    TooManyDimensions = 18,
    /// A bucket of the event's hour, day or month would leave the range of quantities.
    Overflow = 19,
    /// A void or amend that cannot be applied: the event is not counted, is void already, lies
    /// outside of the acceptance window, or what undoing it needs is no longer kept.
    VoidRefused = 20,
}

impl Reason {
    /// All reasons, in the order of their codes.
    pub const ALL: [Self; 21] = [
        Self::BadPointer,
        Self::TooLarge,
        Self::Malformed,
        Self::Batch,
        Self::UnknownSchema,
        Self::MissingId,
        Self::MissingSource,
        Self::MissingType,
        Self::MissingTenant,
        Self::BadId,
        Self::TooLong,
        Self::BadTime,
        Self::WrongPartition,
        Self::TooLate,
        Self::FromTheFuture,
        Self::NoMeter,
        Self::BadQuantity,
        Self::BadDimension,
        Self::TooManyDimensions,
        Self::Overflow,
        Self::VoidRefused,
    ];

    /// The name in dead letters, metrics and commands.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadPointer => "bad_pointer",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Batch => "batch",
            Self::UnknownSchema => "unknown_schema",
            Self::MissingId => "missing_id",
            Self::MissingSource => "missing_source",
            Self::MissingType => "missing_type",
            Self::MissingTenant => "missing_tenant",
            Self::BadId => "bad_id",
            Self::TooLong => "too_long",
            Self::BadTime => "bad_time",
            Self::WrongPartition => "wrong_partition",
            Self::TooLate => "too_late",
            Self::FromTheFuture => "from_the_future",
            Self::NoMeter => "no_meter",
            Self::BadQuantity => "bad_quantity",
            Self::BadDimension => "bad_dimension",
            Self::TooManyDimensions => "too_many_dimensions",
            Self::Overflow => "overflow",
            Self::VoidRefused => "void_refused",
        }
    }
}

/// A reason and the sentence that explains it to a person: which field, which bound.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rejection {
    /// The reason's place in the ordered list.
    pub reason: Reason,
    /// What exactly was wrong; at most [`Rejection::DETAIL_BYTES`] bytes, no secrets.
    pub detail: String,
    /// The tenant, where it could be read.
    pub tenant: Option<String>,
}

impl Rejection {
    /// Bound of [`Rejection::detail`]: it is copied into every dead letter.
    pub const DETAIL_BYTES: usize = 512;

    /// Makes a rejection; a longer detail is cut at a character boundary.
    #[must_use]
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if detail.len() > Self::DETAIL_BYTES {
            let end = (0..=Self::DETAIL_BYTES)
                .rev()
                .find(|i| detail.is_char_boundary(*i));
            detail.truncate(end.unwrap_or(0));
        }
        Self {
            reason,
            detail,
            tenant: None,
        }
    }

    /// Names the tenant that the record belongs to.
    #[must_use]
    pub fn of_tenant(mut self, tenant: &str) -> Self {
        self.tenant = Some(tenant.to_owned());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_places_in_the_list() {
        for (place, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, place);
            let json = serde_json::to_string(&reason).expect("serializes");
            assert_eq!(json, format!("\"{}\"", reason.name()));
        }
    }

    #[test]
    fn details_are_bounded() {
        let rejection = Rejection::new(Reason::Malformed, "ä".repeat(600));
        assert_eq!(rejection.detail.len(), Rejection::DETAIL_BYTES);
    }
}
