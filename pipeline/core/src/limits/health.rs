//! Which thresholds use has reached, and how well a tenant is.
//!
//! Both are exact: a share is at a boundary or it is not ([`Exact::compare_share`]). Of a basis of
//! 0 every use above 0 is beyond all shares. Without a basis there are no shares: nothing fires and
//! the tenant is healthy.

use super::exact::Exact;
use crate::catalog::plans::{Cap, HealthBounds, Severity, Terms, Threshold};
use crate::quantity::Quantity;
use crate::standing::Health;
use std::borrow::Cow;
use std::cmp::Ordering;

/// What receivers call the threshold that [`thresholds`] adds.
pub const LIMIT_EXCEEDED: &str = "usage.limit_exceeded";

/// Whether use has reached the threshold's share of the basis.
#[must_use]
pub fn fires(threshold: &Threshold, used: Exact, basis: Quantity) -> bool {
    is_at(used, threshold.percent, threshold.above, basis)
}

/// How well a tenant is, by one meter.
#[must_use]
pub fn health(bounds: &HealthBounds, used: Exact, basis: Option<Quantity>) -> Health {
    let Some(basis) = basis else {
        return Health::Healthy;
    };
    let shares = [
        (bounds.critical, true, Health::Critical),
        (bounds.warning, false, Health::Warning),
        (bounds.caution, false, Health::Caution),
    ];
    let worst = shares
        .into_iter()
        .find(|(percent, above, _)| is_at(used, *percent, *above, basis));
    worst.map_or(Health::Healthy, |(_, _, health)| health)
}

/// The thresholds that are judged: those of the terms, and above 100 % where there is a limit with
/// a cap and the terms do not name that share.
///
/// The one that is added is how everybody knows when a limit was passed, which a grace counts from;
/// it is critical, and is called [`LIMIT_EXCEEDED`].
pub fn thresholds(terms: &Terms) -> impl Iterator<Item = Cow<'_, Threshold>> {
    let named = terms.thresholds.iter().any(means_passed);
    let added = (!named).then(|| passed(terms)).flatten();
    terms.thresholds.iter().map(Cow::Borrowed).chain(added)
}

/// The threshold that says that the limit was passed: the one above 100 %, of the terms or added.
pub(super) fn passed(terms: &Terms) -> Option<Cow<'_, Threshold>> {
    if let Some(named) = terms.thresholds.iter().find(|t| means_passed(t)) {
        return Some(Cow::Borrowed(named));
    }
    let is_capped = terms.cap != Cap::None && terms.limit.is_some();
    is_capped.then(|| {
        Cow::Owned(Threshold {
            percent: hundred(),
            above: true,
            severity: Severity::Critical,
            kind: LIMIT_EXCEEDED.to_owned(),
        })
    })
}

fn means_passed(threshold: &Threshold) -> bool {
    threshold.above && threshold.percent == hundred()
}

fn is_at(used: Exact, percent: Quantity, above: bool, basis: Quantity) -> bool {
    let order = used.compare_share(percent, basis);
    used > Exact::ZERO && (order == Ordering::Greater || (!above && order == Ordering::Equal))
}

fn hundred() -> Quantity {
    Quantity::from_unscaled(100, 0).expect("small numbers fit")
}
