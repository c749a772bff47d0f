//! For each of the five catalogs: a tenant walks through a period, and every threshold, severity,
//! health state and verdict is asserted just below, at and just above each boundary.
//!
//! What is expected is not computed from quantities: a tenant is put just below, at or just above a
//! share, and what must hold there follows from the order of shares alone. Limits are written here,
//! in base units, apart from the catalogs.

use crate::walk::{Open, Walk};
use meterline_core::catalog::plans::Severity::{self, Critical, Medium, Warning};
use meterline_core::quantity::Quantity;
use meterline_core::standing::Health;
use std::collections::BTreeMap;

mod irisx;
mod operate;
mod provider;
mod pulse;
mod stack;

/// 10⁹ bytes, and 1,024³ of them.
const GB: i128 = 1_000_000_000;
const GIB: i128 = 1 << 30;

/// In the middle of a period, of calendar months and of billing months from the 31st.
const NOW: &str = "2026-11-10T12:00:00Z";

/// Where use is: a share of the limit in percent, and on which side of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Place(i128, Side);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Side {
    /// One step less.
    Below,
    At,
    /// One step more.
    Above,
}
use Side::{Above, At, Below};

/// The shares at which something happens in any of the catalogs.
const SHARES: [i128; 6] = [75, 80, 90, 95, 100, 120];

/// All places, rising.
fn places() -> impl Iterator<Item = Place> {
    let of = |share| [Below, At, Above].map(|side| Place(share, side));
    SHARES.into_iter().flat_map(of)
}

/// What a plan says of a meter, written again.
#[derive(Clone, Copy)]
struct Case<'a> {
    /// The meter or derived quantity.
    meter: &'a str,
    /// What shares are taken of, in base units.
    basis: i128,
    /// The smallest difference in use, in units of 10⁻⁹ of the base unit.
    step: i128,
    alerts: &'a [Alert<'a>],
    cap: Cap,
}

/// A threshold: share, whether use must be above it, severity, kind.
type Alert<'a> = (i128, bool, Severity, &'a str);

/// What happens beyond the basis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cap {
    /// Checks allow: it costs.
    None,
    /// Checks refuse.
    Hard,
    /// Checks allow up to 120 %.
    Soft,
}

/// The kind of alerts that name none, and of the one that says that a cap was passed.
const KIND: &str = "usage.threshold";
const PASSED: Alert<'_> = (100, true, Critical, "usage.limit_exceeded");

fn whole(number: i128) -> Quantity {
    Quantity::from_unscaled(number, 0).expect("in range")
}

fn raw(number: i128) -> Quantity {
    Quantity::from_raw(number).expect("in range")
}

impl Case<'_> {
    /// How much is used at a place.
    fn quantity(&self, Place(share, side): Place) -> Quantity {
        let at = whole(self.basis).raw() * share;
        assert_eq!(at % 100, 0, "{share} % of {} is exact", self.basis);
        let step = match side {
            Below => -self.step,
            At => 0,
            Above => self.step,
        };
        raw(at / 100 + step)
    }

    /// The alerts that must be open.
    fn open(&self, at: Place) -> Vec<Open> {
        let is_open = |alert: &&Alert<'_>| match alert {
            (share, false, ..) => at >= Place(*share, At),
            (share, true, ..) => at >= Place(*share, Above),
        };
        let name = |alert: &Alert<'_>| match alert {
            (share, false, ..) => share.to_string(),
            (share, true, ..) => format!(">{share}"),
        };
        let open = self.alerts.iter().filter(is_open);
        let mut open: Vec<_> = open
            .map(|alert| (name(alert), alert.2, alert.3.to_owned()))
            .collect();
        open.sort();
        open
    }

    /// Whether one step more is allowed, and why.
    fn verdict(&self, at: Place) -> (bool, &'static str) {
        // One step from just below a share is at it, from at it is just above.
        let Place(share, side) = at;
        let after = match side {
            Below => Place(share, At),
            At | Above => Place(share, Above),
        };
        if after <= Place(100, At) {
            return (true, "within");
        }
        match self.cap {
            Cap::None => (true, "overage"),
            Cap::Hard => (false, "hard_cap"),
            Cap::Soft if after <= Place(120, At) => (true, "soft_cap"),
            Cap::Soft => (false, "grace_over"),
        }
    }

    /// Asserts everything at a place where `walk` has put the tenant.
    fn assert_at(&self, walk: &Walk, at: Place) {
        let meter = self.meter;
        let standing = walk.standing(meter);
        let shown = format!(
            "{} {meter} at {at:?}, used {}",
            standing.plan, standing.used
        );
        assert_eq!(standing.health, health(at), "{shown}");
        assert_eq!(walk.open(meter), self.open(at), "{shown}");
        let verdict = walk.verdict(meter, raw(self.step));
        assert_eq!(verdict, self.verdict(at), "{shown}");
    }

    /// Walks through the period: up through all places, down again by a correction, up again, and
    /// into the next period. `apply` makes the use of the meter a quantity.
    fn walk(&self, walk: &mut Walk, next_period: &str, apply: impl Fn(&mut Walk, Quantity)) {
        for at in places() {
            apply(walk, self.quantity(at));
            self.assert_at(walk, at);
        }
        let lowest = Place(SHARES[0], Below);
        apply(walk, self.quantity(lowest));
        self.assert_at(walk, lowest);
        let highest = Place(120, Above);
        apply(walk, self.quantity(highest));
        self.assert_at(walk, highest);
        for (name, ..) in self.open(highest) {
            assert_eq!(walk.episode(self.meter, &name), 2, "{} {name}", self.meter);
        }
        walk.wait_until(next_period);
    }

    /// A flow: the next period starts clean.
    fn walk_flow(&self, walk: &mut Walk, next_period: &str) {
        self.walk(walk, next_period, |walk, used| {
            walk.use_is(self.meter, used)
        });
        self.assert_clean(walk);
    }

    /// A level: it holds in the next period, and is told of again.
    fn walk_level(&self, walk: &mut Walk, next_period: &str) {
        self.walk(walk, next_period, |walk, used| {
            walk.use_is(self.meter, used)
        });
        self.assert_at(walk, Place(120, Above));
        for (name, ..) in self.open(Place(120, Above)) {
            assert_eq!(walk.episode(self.meter, &name), 1, "{} {name}", self.meter);
        }
    }

    /// Asserts that a period has just begun.
    fn assert_clean(&self, walk: &Walk) {
        let standing = walk.standing(self.meter);
        assert!(standing.period_start.0 / 1_000 <= walk.now().0);
        assert!(walk.now().0 < standing.period_end.0 / 1_000);
        assert_eq!(
            (standing.used, standing.health),
            (Quantity::ZERO, Health::Healthy)
        );
        assert_eq!(walk.open(self.meter), []);
        assert_eq!(walk.verdict(self.meter, raw(self.step)), (true, "within"));
    }
}

/// The products' bounds: caution from 75 %, warning from 90 to 100 %, critical above.
fn health(at: Place) -> Health {
    match at {
        _ if at >= Place(100, Above) => Health::Critical,
        _ if at >= Place(90, At) => Health::Warning,
        _ if at >= Place(75, At) => Health::Caution,
        _ => Health::Healthy,
    }
}

fn on(catalog: &str, plan: &str) -> Walk {
    Walk::new(catalog, Some(plan), BTreeMap::new(), NOW)
}
