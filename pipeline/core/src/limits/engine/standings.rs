//! Standings that follow, and what was published of them.

use super::super::alerts::{Alerts, Heads, Place};
use super::super::health::{health, passed};
use super::super::usage::{TenantId, Usage, index};
use super::facts::{Case, Fact};
use crate::catalog::plans::{Cap, Terms};
use crate::position::{LogPartition, Offset, Stamp};
use crate::standing::{Standing, StandingProgress};
use crate::time::{EventTime, LogTime};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Case<'_> {
    /// The standings of the running periods that say something new, which are noted. That a meter
    /// was not used is said once by the same decisions, for the first period without use, and not
    /// again for all that follow.
    pub(super) fn standings(
        &self,
        facts: &[Fact<'_>],
        alerts: &Alerts,
        tenant: TenantId,
        published: &mut Published,
    ) -> Vec<Standing> {
        let heads = alerts.heads(self.name);
        let mut news = Vec::new();
        for fact in facts.iter().filter(|fact| self.runs(fact.period)) {
            let crossed_at = crossed_at(fact, heads);
            let said = Said::of(fact, crossed_at);
            let last = published.last(tenant, fact.meter);
            if last.map_or(said.is_idle, |last| last.said.covers(&said)) {
                continue;
            }
            published.set(tenant, fact.meter, said);
            news.push(self.standing(fact, crossed_at));
        }
        news
    }

    fn standing(&self, fact: &Fact<'_>, crossed_at: Option<LogTime>) -> Standing {
        let terms = fact.terms.as_deref();
        let basis = terms.and_then(Terms::basis);
        Standing {
            tenant: self.name.to_owned(),
            meter: fact.meter.to_owned(),
            period_start: fact.period.start,
            period_end: fact.period.end,
            used: fact.used.shown(),
            included: terms.and_then(|terms| terms.included),
            limit: terms.and_then(|terms| terms.limit),
            cap: terms.map_or(Cap::None, |terms| terms.cap),
            health: health(&self.plans().health, fact.used, basis),
            crossed_at,
            plan: fact.plan.to_owned(),
            judged: fact.judged.clone(),
        }
    }
}

/// When the limit in force was first passed in the period.
fn crossed_at(fact: &Fact<'_>, heads: Heads<'_>) -> Option<LogTime> {
    let terms = fact.terms.as_deref().filter(|_| !heads.is_empty())?;
    let basis = terms.basis()?;
    let threshold = passed(terms)?;
    let place = Place {
        period_start: fact.period.start,
        meter: fact.meter.into(),
        threshold: threshold.name().into(),
    };
    heads.get(&place)?.crossed_at(basis)
}

/// What was handed out, so that only news is.
#[derive(Debug, Default)]
pub(super) struct Published {
    tenants: Vec<SmallVec<[Last; 4]>>,
    meters: BTreeSet<Arc<str>>,
    progress: BTreeMap<LogPartition, (Stamp, LogTime, Offset)>,
}

/// The last standing of one meter.
#[derive(Clone, Debug)]
struct Last {
    meter: Arc<str>,
    said: Said,
}

/// What tells a standing from the one before it.
#[derive(Clone, Copy, Debug)]
struct Said {
    version: u128,
    period_end: EventTime,
    /// See [`crate::alert::Judged::decisions`].
    decisions: (Offset, Option<Offset>, Option<Offset>),
    /// Whether it says that there was no use.
    is_idle: bool,
}

impl Said {
    fn of(fact: &Fact<'_>, crossed_at: Option<LogTime>) -> Self {
        let start = fact.period.start;
        Self {
            version: Standing::version_of(&fact.judged, start, crossed_at.is_some()),
            period_end: fact.period.end,
            decisions: fact.judged.decisions(),
            is_idle: !fact.has_value,
        }
    }

    /// Whether nothing new is said after it.
    fn covers(&self, next: &Self) -> bool {
        let same = self.version == next.version && self.period_end == next.period_end;
        self.decisions == next.decisions && (same || (next.is_idle && self.is_idle))
    }
}

impl Published {
    /// Notes a standing that was published before.
    pub(super) fn note(&mut self, tenant: TenantId, standing: &Standing) {
        let said = Said {
            version: standing.version(),
            period_end: standing.period_end,
            decisions: standing.judged.decisions(),
            is_idle: false,
        };
        self.set(tenant, &standing.meter, said);
    }

    fn last(&mut self, tenant: TenantId, meter: &str) -> Option<&mut Last> {
        let lasts = self.tenants.get_mut(index(tenant))?;
        lasts.iter_mut().find(|last| &*last.meter == meter)
    }

    fn set(&mut self, tenant: TenantId, meter: &str, said: Said) {
        if let Some(known) = self.last(tenant, meter) {
            known.said = said;
            return;
        }
        let meter = self.meter(meter);
        let place = index(tenant);
        if self.tenants.len() <= place {
            self.tenants.resize_with(place + 1, SmallVec::new);
        }
        self.tenants[place].push(Last { meter, said });
    }

    fn meter(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.meters.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.meters.insert(Arc::clone(&name));
        name
    }

    /// Progress of the log partitions of which it changed, but of those that are open.
    pub(super) fn progress(
        &mut self,
        usage: &Usage,
        open: &BTreeSet<LogPartition>,
        control: Offset,
    ) -> Vec<StandingProgress> {
        let mut news = Vec::new();
        for (log_partition, to, log_time) in usage.partitions() {
            let now = (to, log_time, control);
            if open.contains(&log_partition) || self.progress.get(&log_partition) == Some(&now) {
                continue;
            }
            self.progress.insert(log_partition, now);
            news.push(StandingProgress {
                log_partition,
                to,
                log_time,
                control,
                standing_position: None,
            });
        }
        news
    }
}
