//! The answer of a quota check, and which of two says more.

use crate::catalog::plans::Cap;
use crate::quantity::Quantity;
use crate::time::{EventTime, LogTime};
use std::fmt;

/// The answer. Quantities are in the base unit of what it speaks of, see [`Verdict::because`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict<'a> {
    /// Whether it may.
    pub allowed: bool,
    /// Whether it may although that is beyond a soft cap.
    pub soft: bool,
    /// Why.
    pub reason: Reason,
    /// Use in the running period, without what is wanted.
    pub used: Quantity,
    /// What is included; `None`: nothing is said.
    pub included: Option<Quantity>,
    /// The limit; `None`: unlimited.
    pub limit: Option<Quantity>,
    /// What the cap does.
    pub cap: Cap,
    /// What is left of the limit, or of what is included where there is no limit; never below 0.
    pub remaining: Option<Quantity>,
    /// Use as a share of the same; `None`: unlimited.
    pub percentage: Option<Percentage>,
    /// When the running period ends; `None`: nothing is said of the meter.
    pub resets_at: Option<EventTime>,
    /// Seconds until asking again can help, at least 1; `None`: allowed, or time does not help.
    pub retry_after: Option<u64>,
    /// When the limit was first passed in this period.
    pub crossed_at: Option<LogTime>,
    /// First moment at which a soft cap refuses; `None`: it was not passed or has no grace.
    pub grace_until: Option<LogTime>,
    /// The derived quantity that the verdict is about; `None`: the meter itself.
    pub because: Option<&'a str>,
    /// Whether any terms that were asked have a limit with a cap: what is known too late may have
    /// passed it, whichever terms the verdict speaks of.
    pub capped: bool,
}

/// Why a check answers what it does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// Allowed: within the limit, or within what is included.
    Within,
    /// Allowed: there is no limit.
    Unlimited,
    /// Allowed: beyond, without a cap.
    Overage,
    /// Allowed: beyond a soft cap.
    SoftCap,
    /// Refused: it would pass a hard cap.
    HardCap,
    /// Refused: it would pass a soft cap, and its grace is over.
    GraceOver,
    /// Refused: the account is suspended.
    Suspended,
    /// Refused: the account is closed.
    Closed,
}

impl Reason {
    /// The name in answers and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Within => "within",
            Self::Unlimited => "unlimited",
            Self::Overage => "overage",
            Self::SoftCap => "soft_cap",
            Self::HardCap => "hard_cap",
            Self::GraceOver => "grace_over",
            Self::Suspended => "suspended",
            Self::Closed => "closed",
        }
    }

    pub(super) const fn refuses(self) -> bool {
        matches!(
            self,
            Self::HardCap | Self::GraceOver | Self::Suspended | Self::Closed
        )
    }
}

/// A share in tenths of a percent, rounded half up; written as `80.5`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Percentage(pub u64);

impl fmt::Display for Percentage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

impl Verdict<'_> {
    /// The stricter of two, the first of equals; a capped one, if one of them is.
    pub(super) fn stricter(self, other: Self) -> Self {
        if other.rank() > self.rank() {
            other
        } else {
            self
        }
    }

    /// By what it says, then by what its cap does at the limit, then by the share that is used.
    fn rank(&self) -> (bool, bool, u8, Option<Percentage>) {
        let cap = match (self.cap, self.limit) {
            (Cap::Hard, Some(_)) => 2,
            (Cap::Soft, Some(_)) => 1,
            _ => 0,
        };
        (!self.allowed, self.soft, cap, self.percentage)
    }

    pub(super) fn refused(self, reason: Reason) -> Self {
        Self {
            allowed: false,
            soft: false,
            reason,
            retry_after: None,
            ..self
        }
    }
}
