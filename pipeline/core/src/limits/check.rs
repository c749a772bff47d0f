//! The quota check: may this tenant do one more?
//!
//! A pure function of what is held in memory: terms, standings, the moment. It builds no text and
//! allocates nothing. It decides and never counts: what it refuses is not counted, and what it
//! allows is counted when the event arrives. A check on a meter asks its own terms and those of
//! every derived quantity that the meter is a term of; the strictest is the verdict.
//!
//! A standing can speak of a later period than the one that runs here: the clock of whoever judged
//! is ahead of this one, or a period ended early and the account is not read that far. It is taken
//! as it is. So a period begins here early by no more than the clocks differ, and for as long the
//! use of the period before it is not what is answered.

mod verdict;

pub use verdict::{Percentage, Reason, Verdict};

use super::exact::Exact;
use super::measure::{Measure, components, derive};
use crate::account::AccountStatus;
use crate::catalog::plans::{Cap, Derived, Plans, Terms};
use crate::period::Period;
use crate::quantity::Quantity;
use crate::standing::Standing;
use crate::time::{EventTime, LogTime};
use std::cmp::Ordering;

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
    /// First moment after it.
    pub period_end: EventTime,
    /// When the limit was first passed in it.
    pub crossed_at: Option<LogTime>,
}

impl From<&Standing> for Held {
    fn from(standing: &Standing) -> Self {
        Self {
            used: standing.used,
            period_start: standing.period_start,
            period_end: standing.period_end,
            crossed_at: standing.crossed_at,
        }
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
        let added = wanted.times(weight(tenant, derived, meter)?);
        of_derived(tenant, derived, added, now)
    });
    let strictest = own.into_iter().chain(parts).reduce(Verdict::stricter);
    let verdict = strictest.unwrap_or_else(|| nothing_said(tenant, meter));
    match tenant.status() {
        AccountStatus::Active => verdict,
        AccountStatus::Suspended => verdict.refused(Reason::Suspended),
        AccountStatus::Closed => verdict.refused(Reason::Closed),
    }
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

/// From the meters' standings, exactly. Where one of those speaks of a period that shares in this
/// one and does not begin with it, as by terms with another reset, the derived quantity's own
/// standing answers, rounded as it is; as long as there is none of this period, what is known.
fn derived_use(
    tenant: &impl Tenant,
    derived: &Derived,
    own: Option<Held>,
    period: Period,
) -> Exact {
    // Of a level every standing has the latest value, whatever its period.
    let is_level = tenant.measure(&derived.name) == Measure::Level;
    let is_other = |held: Held| held.period_start != period.start && held.period_end > period.start;
    let has_other = |meter: &str| tenant.held(meter).is_some_and(is_other);
    let own = own.filter(|own| own.period_start >= period.start);
    match own {
        Some(own) if !is_level && components(derived).any(has_other) => own.used.into(),
        _ => derive(derived, |meter| {
            let held = tenant.held(meter)?;
            Some(used_in(held, tenant.measure(meter), period))
        }),
    }
}

/// What one of a meter adds to a derived quantity; `None` where it is not a term of it, or its sum
/// is replaced by a stated level.
#[must_use]
pub fn weight(tenant: &impl Tenant, derived: &Derived, meter: &str) -> Option<Quantity> {
    if let Some(stated) = derived.unless.as_deref() {
        if stated == meter {
            return Some(Quantity::ONE);
        }
        if tenant.held(stated).is_some() {
            return None;
        }
    }
    let term = derived.terms.iter().find(|term| term.meter == meter)?;
    Some(term.weight)
}

/// Use in the running period: what is held from an earlier one is nothing, but of a level; what is
/// held of a later one is taken as it is.
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
        capped: terms.cap != Cap::None && terms.limit.is_some(),
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
        capped: false,
    }
}
