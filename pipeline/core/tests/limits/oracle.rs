//! What should be open, from events and decisions alone.

use crate::usage_log::{Event, UsageLog};
use crate::world::{CREDIT, DAY, HOUR, METERS, START, TENANTS, Wish};
use meterline_core::account::AccountStatus;
use meterline_core::alert::AlertKey;
use meterline_core::catalog::plans::{Cap, Plans, Reset, Terms};
use meterline_core::catalog::{Aggregation, Catalog};
use meterline_core::quantity::{ONE, Quantity};
use meterline_core::time::{EventTime, civil_from_days, days_from_civil};
use std::collections::{BTreeMap, BTreeSet};

/// An account's version: from when on, and what.
pub(crate) type Versions = BTreeMap<&'static str, Vec<(i64, Wish)>>;

/// All that was decided and used.
pub(crate) struct Oracle<'a> {
    pub(crate) usage: &'a UsageLog,
    pub(crate) versions: &'a Versions,
    pub(crate) catalog: &'a Catalog,
    /// Milliseconds since 1970.
    pub(crate) now: i64,
}

impl Oracle<'_> {
    /// The open alerts and the limit of each.
    pub(crate) fn open(&self) -> BTreeMap<AlertKey, Quantity> {
        let mut open = BTreeMap::new();
        for tenant in TENANTS {
            for meter in METERS.map(|(name, _)| name).into_iter().chain([CREDIT]) {
                for start in self.period_starts(meter) {
                    self.of_period(tenant, meter, start, &mut open);
                }
            }
        }
        open
    }

    fn of_period(
        &self,
        tenant: &'static str,
        meter: &str,
        start: i64,
        open: &mut BTreeMap<AlertKey, Quantity>,
    ) {
        let end = self.end(meter, start);
        let Some(terms) = self.terms(tenant, meter, self.now.min(end - 1)) else {
            return;
        };
        let Some(basis) = terms.limit.or(terms.included) else {
            return;
        };
        let used = self.used(tenant, meter, start, end);
        for (name, percent, above) in shares(&terms) {
            // Small numbers: thousandths of the quantity times percent.
            let (share, part) = (used * 100 * ONE, percent.raw() * basis.raw() / ONE * 4);
            if used > 0 && (share > part || (!above && share == part)) {
                let key = AlertKey {
                    tenant: tenant.to_owned(),
                    meter: meter.to_owned(),
                    period_start: EventTime(start * 1_000),
                    threshold: name,
                };
                open.insert(key, basis);
            }
        }
    }

    /// Use in a period, in quarters of the base unit: the smallest weight is a quarter.
    pub(crate) fn used(&self, tenant: &str, meter: &str, start: i64, end: i64) -> i128 {
        if meter == CREDIT {
            let calls = self.used(tenant, "calls", start, end);
            let texts = self.used(tenant, "texts", start, end);
            return calls / 2 + texts / 4;
        }
        let aggregation = METERS
            .iter()
            .find(|(name, _)| *name == meter)
            .expect("known")
            .1;
        let events = self.usage.events.iter().flatten();
        let own = events.filter(|e| TENANTS[e.tenant] == tenant && METERS[e.meter].0 == meter);
        let at = |e: &Event| e.time.0.div_euclid(1_000);
        let before: Vec<_> = own.filter(|e| at(e) < end).collect();
        let within = before.iter().filter(|e| at(e) >= start);
        let value = match aggregation {
            Aggregation::Sum => within.map(|e| e.quantity).sum(),
            Aggregation::Count => i64::try_from(within.count()).expect("few"),
            Aggregation::Max => within.map(|e| e.quantity).max().unwrap_or(0),
            // Events stand in the order of their offsets, and the last of equals is taken.
            _ => before
                .iter()
                .max_by_key(|e| e.time)
                .map_or(0, |e| e.quantity),
        };
        i128::from(value) * 4
    }

    /// Whether anything is said of the meter now, so that its standing is kept up to date.
    pub(crate) fn speaks_of(&self, tenant: &str, meter: &str) -> bool {
        let tenant = TENANTS
            .into_iter()
            .find(|known| *known == tenant)
            .expect("known");
        self.terms(tenant, meter, self.now).is_some()
    }

    /// By the version in effect at a moment; the default plan where there is none.
    fn terms(&self, tenant: &'static str, meter: &str, at: i64) -> Option<Terms> {
        let plans = &self.catalog.plans;
        let versions = self.versions.get(tenant).map_or(&[][..], Vec::as_slice);
        let Some((_, wish)) = versions.iter().rev().find(|(from, _)| *from <= at) else {
            let plan = plans.default_plan.as_ref().expect("there is one");
            return of_plan(plans, plan, meter);
        };
        if wish.status == AccountStatus::Closed {
            return None;
        }
        let terms = of_plan(plans, wish.plan, meter);
        let Some(calls) = wish.calls.filter(|_| meter == "calls") else {
            return terms;
        };
        let limit = (calls >= 0).then(|| Quantity::from_unscaled(calls.into(), 0).expect("small"));
        terms.map(|terms| Terms { limit, ..terms })
    }

    fn reset(&self, meter: &str) -> Option<Reset> {
        let mut of_plans = self.catalog.plans.plans.iter();
        of_plans
            .find_map(|plan| plan.meters.get(meter))
            .map(|terms| terms.reset)
    }

    fn period_starts(&self, meter: &str) -> BTreeSet<i64> {
        let Some(reset) = self.reset(meter) else {
            return BTreeSet::new();
        };
        let first = START - 4 * DAY;
        let hours = (0..)
            .map(|n| first + n * HOUR)
            .take_while(|at| *at <= self.now);
        hours.map(|at| start_of(reset, at)).collect()
    }

    fn end(&self, meter: &str, start: i64) -> i64 {
        match self.reset(meter).expect("it has periods") {
            Reset::Hour => start + HOUR,
            Reset::Day => start + DAY,
            reset => start_of(reset, start + 32 * DAY),
        }
    }
}

fn of_plan(plans: &Plans, plan: &str, meter: &str) -> Option<Terms> {
    plans
        .plans
        .iter()
        .find(|p| p.name == plan)?
        .meters
        .get(meter)
        .cloned()
}

fn start_of(reset: Reset, at: i64) -> i64 {
    match reset {
        Reset::Hour => at - at.rem_euclid(HOUR),
        Reset::Day => at - at.rem_euclid(DAY),
        _ => {
            let (year, month, _) = civil_from_days(at.div_euclid(DAY));
            days_from_civil(year, month, 1) * DAY
        }
    }
}

/// Name, percent and whether it is above, with the one that everybody has who has a cap.
fn shares(terms: &Terms) -> Vec<(String, Quantity, bool)> {
    let mut shares: Vec<_> = terms
        .thresholds
        .iter()
        .map(|t| {
            (
                if t.above {
                    format!(">{}", t.percent)
                } else {
                    t.percent.to_string()
                },
                t.percent,
                t.above,
            )
        })
        .collect();
    let over = ">100".to_owned();
    if terms.cap != Cap::None && terms.limit.is_some() && !shares.iter().any(|s| s.0 == over) {
        shares.push((over, Quantity::from_unscaled(100, 0).expect("small"), true));
    }
    shares
}
