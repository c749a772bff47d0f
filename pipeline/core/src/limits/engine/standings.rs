//! Standings that follow, and what was published of them.

use super::super::alerts::{Alerts, Place};
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

/// A standing, and whether it says that there was no use.
pub(super) struct News {
    standing: Standing,
    is_idle: bool,
}

impl Case<'_> {
    /// The standings of the running periods.
    pub(super) fn standings(&self, facts: &[Fact<'_>], alerts: &Alerts) -> Vec<News> {
        let running = facts.iter().filter(|fact| self.runs(fact.period));
        let news = running.map(|fact| News {
            standing: self.standing(fact, alerts),
            is_idle: !fact.has_value,
        });
        news.collect()
    }

    fn standing(&self, fact: &Fact<'_>, alerts: &Alerts) -> Standing {
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
            crossed_at: self.crossed_at(fact, alerts),
            plan: fact.plan.to_owned(),
            judged: fact.judged.clone(),
        }
    }

    /// When the limit in force was first passed in the period.
    fn crossed_at(&self, fact: &Fact<'_>, alerts: &Alerts) -> Option<LogTime> {
        let terms = fact.terms.as_deref()?;
        let basis = terms.basis()?;
        let threshold = passed(terms)?;
        let place = Place {
            period_start: fact.period.start,
            meter: fact.meter.into(),
            threshold: threshold.name().into(),
        };
        alerts.head(&place.key(self.name))?.crossed_at(basis)
    }
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
    version: u128,
    period_end: EventTime,
    /// Offsets of the catalog and the account.
    decisions: (Offset, Option<Offset>),
    is_idle: bool,
}

impl Last {
    fn says(&self, standing: &Standing, is_idle: bool) -> bool {
        let decisions = (standing.judged.catalog, standing.judged.account);
        let same = self.version == standing.version() && self.period_end == standing.period_end;
        same || (is_idle && self.is_idle && self.decisions == decisions)
    }
}

impl Published {
    /// Appends the standings that say something new. That a meter was not used is said once by the
    /// same decisions, for the first period without use, and not again for all that follow.
    pub(super) fn keep_news(
        &mut self,
        tenant: TenantId,
        standings: Vec<News>,
        out: &mut Vec<Standing>,
    ) {
        for News { standing, is_idle } in standings {
            let last = self.last(tenant, &standing.meter);
            let is_known = last.map_or(is_idle, |last| last.says(&standing, is_idle));
            if !is_known {
                self.set(tenant, &standing, is_idle);
                out.push(standing);
            }
        }
    }

    /// Notes a standing that was published before.
    pub(super) fn note(&mut self, tenant: TenantId, standing: &Standing) {
        self.set(tenant, standing, false);
    }

    fn last(&mut self, tenant: TenantId, meter: &str) -> Option<&mut Last> {
        let lasts = self.tenants.get_mut(index(tenant))?;
        lasts.iter_mut().find(|last| &*last.meter == meter)
    }

    fn set(&mut self, tenant: TenantId, standing: &Standing, is_idle: bool) {
        let last = Last {
            meter: self.meter(&standing.meter),
            version: standing.version(),
            period_end: standing.period_end,
            decisions: (standing.judged.catalog, standing.judged.account),
            is_idle,
        };
        if let Some(known) = self.last(tenant, &standing.meter) {
            *known = last;
            return;
        }
        let place = index(tenant);
        if self.tenants.len() <= place {
            self.tenants.resize_with(place + 1, SmallVec::new);
        }
        self.tenants[place].push(last);
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
