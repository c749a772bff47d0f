//! The quota check: may this tenant do one more?
//!
//! A pure function of what is held in memory: terms, standings, the moment. It builds no text and
//! allocates nothing. It decides and never counts: what it refuses is not counted, and what it
//! allows is counted when the event arrives. A check on a meter asks its own terms and those of
//! every derived quantity that the meter is a term of; the first that refuses is the verdict.

use super::exact::Exact;
use super::measure::{Measure, components, derive};
use crate::account::AccountStatus;
use crate::catalog::plans::{Cap, Derived, Plans, Terms};
use crate::period::Period;
use crate::quantity::Quantity;
use crate::standing::Standing;
use crate::time::{EventTime, LogTime};
use std::cmp::Ordering;
use std::fmt;

/// What is known of one tenant, from memory.
///
/// Names are those of meters and derived quantities.
pub trait Tenant {
    /// Whether the account is served, in the version in effect; active where there is none.
    fn status(&self) -> AccountStatus;

    /// The terms in effect and the running period; `None`: nothing is said of it.
    fn limit(&self, name: &str) -> Option<Limit<'_>>;

    /// What its standing says; `None`: there is none, it was not used.
    fn held(&self, name: &str) -> Option<Held>;

    /// What the meter measures.
    fn measure(&self, name: &str) -> Measure;
}

/// Terms in effect, and the period that runs by them.
#[derive(Clone, Copy, Debug)]
pub struct Limit<'a> {
    /// The terms, with the account's overrides.
    pub terms: &'a Terms,
    /// The running period.
    pub period: Period,
}

/// What a standing says that a check needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// Use in the period, in the meter's base unit.
    pub used: Quantity,
    /// When the period that it speaks of started.
    pub period_start: EventTime,
    /// When the limit was first passed in it.
    pub crossed_at: Option<LogTime>,
}

impl From<&Standing> for Held {
    fn from(standing: &Standing) -> Self {
        Self {
            used: standing.used,
            period_start: standing.period_start,
            crossed_at: standing.crossed_at,
        }
    }
}

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

    const fn refuses(self) -> bool {
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

/// Whether the tenant may use `wanted` more of `meter` (of a peak: reach it), in its base unit.
pub fn check<'a>(
    tenant: &impl Tenant,
    plans: &'a Plans,
    meter: &'a str,
    wanted: Quantity,
    now: LogTime,
) -> Verdict<'a> {
    let wanted = Exact::from(wanted);
    let own = match plans.derived(meter) {
        Some(derived) => of_derived(tenant, derived, wanted, now),
        None => of_meter(tenant, meter, wanted, now),
    };
    let own = own.map(|own| Verdict {
        because: None,
        ..own
    });
    let parts = plans.derived.iter().filter_map(|derived| {
        let added = added(tenant, derived, meter, wanted)?;
        of_derived(tenant, derived, added, now)
    });
    let strictest = own.into_iter().chain(parts).reduce(|kept, next| {
        if rank(&next) > rank(&kept) {
            next
        } else {
            kept
        }
    });
    let verdict = strictest.unwrap_or_else(|| nothing_said(tenant, meter));
    match tenant.status() {
        AccountStatus::Active => verdict,
        AccountStatus::Suspended => verdict.refused(Reason::Suspended),
        AccountStatus::Closed => verdict.refused(Reason::Closed),
    }
}

fn rank(verdict: &Verdict<'_>) -> u8 {
    u8::from(!verdict.allowed) * 2 + u8::from(verdict.soft)
}

fn of_meter<'a>(
    tenant: &impl Tenant,
    meter: &str,
    wanted: Exact,
    now: LogTime,
) -> Option<Verdict<'a>> {
    let limit = tenant.limit(meter)?;
    let held = tenant.held(meter);
    let measure = tenant.measure(meter);
    let used = held.map_or(Exact::ZERO, |held| used_in(held, measure, limit.period));
    let after = match measure {
        Measure::Flow | Measure::Level => used.plus(wanted),
        Measure::Peak => used.max(wanted),
    };
    Some(judge(limit, used, after, held, measure, now))
}

/// The verdict by a derived quantity's terms; `None` where nothing is said of it.
fn of_derived<'a>(
    tenant: &impl Tenant,
    derived: &'a Derived,
    added: Exact,
    now: LogTime,
) -> Option<Verdict<'a>> {
    let limit = tenant.limit(&derived.name)?;
    let held = tenant.held(&derived.name);
    let measure = tenant.measure(&derived.name);
    let used = derived_use(tenant, derived, held, limit.period);
    let verdict = judge(limit, used, used.plus(added), held, measure, now);
    Some(Verdict {
        because: Some(&derived.name),
        ..verdict
    })
}

/// From the meters' standings, exactly. Where one of the meters has periods of its own that are
/// others, the derived quantity's own standing answers, rounded as it is.
fn derived_use(
    tenant: &impl Tenant,
    derived: &Derived,
    own: Option<Held>,
    period: Period,
) -> Exact {
    let has_others = |meter: &str| {
        let limit = tenant.limit(meter);
        let is_later = |held: Held| held.period_start > period.start;
        limit.is_some_and(|limit| limit.period.start != period.start)
            || tenant.held(meter).is_some_and(is_later)
    };
    if components(derived).any(has_others) {
        let measure = tenant.measure(&derived.name);
        return own.map_or(Exact::ZERO, |held| used_in(held, measure, period));
    }
    derive(derived, |meter| {
        let held = tenant.held(meter)?;
        Some(used_in(held, tenant.measure(meter), period))
    })
}

/// What `wanted` of a meter adds to a derived quantity; `None` where it is not a term of it, or its
/// sum is replaced by a stated level.
fn added(tenant: &impl Tenant, derived: &Derived, meter: &str, wanted: Exact) -> Option<Exact> {
    if let Some(stated) = derived.unless.as_deref() {
        if stated == meter {
            return Some(wanted);
        }
        if tenant.held(stated).is_some() {
            return None;
        }
    }
    let term = derived.terms.iter().find(|term| term.meter == meter)?;
    Some(wanted.times(term.weight))
}

/// Use in the running period: what is held from an earlier one is nothing, but of a level.
fn used_in(held: Held, measure: Measure, period: Period) -> Exact {
    if held.period_start >= period.start || measure == Measure::Level {
        held.used.into()
    } else {
        Exact::ZERO
    }
}

fn judge<'a>(
    Limit { terms, period }: Limit<'_>,
    used: Exact,
    after: Exact,
    held: Option<Held>,
    measure: Measure,
    now: LogTime,
) -> Verdict<'a> {
    let crossed_at = held
        .filter(|held| held.period_start == period.start)
        .and_then(|held| held.crossed_at);
    let grace_until = grace_until(terms, crossed_at);
    let reason = reason(terms, after, grace_until, now);
    let basis = terms.basis();
    let verdict = Verdict {
        allowed: true,
        soft: reason == Reason::SoftCap,
        reason,
        used: used.shown(),
        included: terms.included,
        limit: terms.limit,
        cap: terms.cap,
        remaining: basis.map(|basis| Exact::from(basis).less(used).floor()),
        percentage: basis.map(|basis| Percentage(used.tenths_of_percent(basis))),
        resets_at: Some(period.end),
        retry_after: None,
        crossed_at,
        grace_until,
        because: None,
    };
    if !reason.refuses() {
        return verdict;
    }
    // A level does not fall when a period ends.
    let retry_after = (measure != Measure::Level).then(|| seconds_until(period.end, now));
    Verdict {
        retry_after,
        ..verdict.refused(reason)
    }
}

fn reason(terms: &Terms, after: Exact, grace_until: Option<LogTime>, now: LogTime) -> Reason {
    let Some(basis) = terms.basis() else {
        return Reason::Unlimited;
    };
    if after <= Exact::from(basis) {
        return Reason::Within;
    }
    let Some(limit) = terms.limit else {
        return Reason::Overage;
    };
    match (terms.cap, &terms.grace) {
        (Cap::None, _) => Reason::Overage,
        (Cap::Hard, _) => Reason::HardCap,
        (Cap::Soft, Some(grace)) if terms.price.is_none() => {
            let in_time = grace_until.is_none_or(|until| now < until);
            let in_share = after.compare_share(grace.percent, limit) != Ordering::Greater;
            if in_time && in_share {
                Reason::SoftCap
            } else {
                Reason::GraceOver
            }
        }
        (Cap::Soft, _) => Reason::SoftCap,
    }
}

/// When the time of a grace that can refuse is over.
fn grace_until(terms: &Terms, crossed_at: Option<LogTime>) -> Option<LogTime> {
    let refuses = terms.cap == Cap::Soft && terms.limit.is_some() && terms.price.is_none();
    let grace = terms.grace.as_ref().filter(|_| refuses)?;
    let millis = i64::from(grace.seconds) * 1_000;
    Some(LogTime(crossed_at?.0.saturating_add(millis)))
}

fn seconds_until(end: EventTime, now: LogTime) -> u64 {
    let micros = end.0.saturating_sub(now.as_event_time().0).max(1);
    micros.unsigned_abs().div_ceil(1_000_000)
}

/// The answer where neither the plan nor an override speaks of the meter.
fn nothing_said<'a>(tenant: &impl Tenant, meter: &str) -> Verdict<'a> {
    let used = tenant.held(meter).map(|held| held.used);
    Verdict {
        allowed: true,
        soft: false,
        reason: Reason::Unlimited,
        used: used.unwrap_or(Quantity::ZERO),
        included: None,
        limit: None,
        cap: Cap::None,
        remaining: None,
        percentage: None,
        resets_at: None,
        retry_after: None,
        crossed_at: None,
        grace_until: None,
        because: None,
    }
}

impl Verdict<'_> {
    fn refused(self, reason: Reason) -> Self {
        Self {
            allowed: false,
            soft: false,
            reason,
            retry_after: None,
            ..self
        }
    }
}
