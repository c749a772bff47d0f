//! What should be open against what is open: the transitions that follow.

use super::super::Exact;
use super::super::alerts::{Alerts, Head, Place};
use super::super::usage::{TenantId, Usage};
use super::LONGEST_PERIOD;
use super::facts::{Case, Fact};
use crate::alert::{AlertState, Judged, Transition};
use crate::catalog::plans::{Terms, Threshold};
use crate::period::{Period, Timeline};
use crate::quantity::Quantity;
use crate::time::EventTime;
use std::collections::BTreeMap;

impl Case<'_> {
    /// The transitions that follow, without write id and instance: those that open by meter, period
    /// and rising share, then those that resolve.
    ///
    /// A chain whose head was judged by more than is known here is left alone.
    pub(super) fn moves(
        &self,
        facts: &[Fact<'_>],
        alerts: &Alerts,
        usage: &mut Usage,
        tenant: TenantId,
    ) -> Vec<Transition> {
        let mut moves = Vec::new();
        let mut reached = Vec::new();
        let heads = alerts.heads(self.name);
        for fact in facts {
            for threshold in fact.reached() {
                let place = Place {
                    period_start: fact.period.start,
                    meter: fact.meter.into(),
                    threshold: threshold.name().into(),
                };
                let head = heads.get(&place);
                moves.extend(self.open(fact, &threshold, &place, head, usage));
                reached.push(place);
            }
        }
        if heads.is_empty() {
            return moves;
        }
        let mut timelines = BTreeMap::new();
        // What started earlier is over before the span that is judged.
        for (place, head) in heads.since(self.from.before(LONGEST_PERIOD)) {
            let is_open = head.state == AlertState::Opened && !reached.contains(place);
            if is_open && self.is_judged(place, head, &mut timelines) {
                moves.extend(self.resolve(facts, place, head, usage, tenant));
            }
        }
        moves
    }

    /// Whether the period of an alert is among those that are judged. One that is none of the
    /// meter's periods any more, because another catalog or account has others, is.
    fn is_judged<'p>(
        &self,
        place: &'p Place,
        head: &Head,
        timelines: &mut BTreeMap<&'p str, Option<Timeline>>,
    ) -> bool {
        let timeline = timelines.entry(&place.meter);
        let timeline = timeline.or_insert_with(|| self.timeline(&place.meter));
        let period = timeline.as_ref().map(|of| of.period_at(place.period_start));
        let period = period.filter(|period| period.start == place.period_start);
        let end = period.map_or(head.period_end, |period| period.end);
        let is_known = place.period_start.hour() >= self.edge;
        is_known && place.period_start <= self.now.as_event_time() && end > self.from
    }

    fn open(
        &self,
        fact: &Fact<'_>,
        threshold: &Threshold,
        place: &Place,
        head: Option<&Head>,
        usage: &Usage,
    ) -> Option<Transition> {
        let limit = fact.terms.as_deref().and_then(Terms::basis)?;
        if head.is_some_and(|head| head.state == AlertState::Opened && head.limit == limit) {
            return None;
        }
        let judged = following(&fact.judged, head, usage)?;
        Some(Transition {
            write_id: 0,
            head: head.map(|head| head.offset),
            key: place.key(self.name),
            state: AlertState::Opened,
            episode: head.map_or(1, |head| head.episode + 1),
            severity: threshold.severity,
            kind: threshold.kind.clone(),
            period_end: fact.period.end,
            used: fact.used.shown(),
            limit,
            plan: fact.plan.to_owned(),
            judged,
            instance: String::new(),
        })
    }

    /// Use is below, or the period or the terms are no more.
    fn resolve(
        &self,
        facts: &[Fact<'_>],
        place: &Place,
        head: &Head,
        usage: &mut Usage,
        tenant: TenantId,
    ) -> Option<Transition> {
        let fact = facts
            .iter()
            .find(|fact| *fact.meter == *place.meter && fact.period.start == place.period_start);
        let known = fact.map_or_else(
            || self.without_fact(place, head, usage, tenant),
            |fact| Known::of(fact, head),
        );
        let judged = following(&known.judged, Some(head), usage)?;
        Some(Transition {
            write_id: 0,
            head: Some(head.offset),
            key: place.key(self.name),
            state: AlertState::Resolved,
            episode: head.episode,
            severity: head.severity,
            kind: head.kind.clone(),
            period_end: known.period_end,
            used: known.used.shown(),
            limit: known.limit,
            plan: known.plan,
            judged,
            instance: String::new(),
        })
    }

    /// Of a meter or period that nothing is said of any more.
    fn without_fact(
        &self,
        place: &Place,
        head: &Head,
        usage: &mut Usage,
        tenant: TenantId,
    ) -> Known {
        let period = Period {
            start: place.period_start,
            end: head.period_end,
        };
        let version = self.version(period);
        let used = self.used(usage, tenant, &place.meter, period);
        Known {
            period_end: period.end,
            used: used.unwrap_or(Exact::ZERO),
            limit: head.limit,
            plan: self.plan(version).unwrap_or_default().to_owned(),
            judged: self.judged(usage, tenant, &place.meter),
        }
    }
}

/// What a judgement knew that follows a head; `None` where the head was judged by more.
///
/// Changes that the head knew of and that are not kept here, as those of hours that are dropped or
/// of a topic that is gone, are known where their log partition is complete beyond them.
fn following(judged: &Judged, head: Option<&Head>, usage: &Usage) -> Option<Judged> {
    let mut judged = judged.clone();
    let Some(head) = head else {
        return Some(judged);
    };
    for (log_partition, stamp) in &head.judged.usage {
        if usage.covers(*log_partition, *stamp) {
            judged.learn(*log_partition, *stamp);
        }
    }
    (!judged.is_behind(&head.judged)).then_some(judged)
}

/// What a resolving transition says.
struct Known {
    period_end: EventTime,
    used: Exact,
    limit: Quantity,
    plan: String,
    judged: Judged,
}

impl Known {
    fn of(fact: &Fact<'_>, head: &Head) -> Self {
        let basis = fact.terms.as_deref().and_then(Terms::basis);
        Self {
            period_end: fact.period.end,
            used: fact.used,
            limit: basis.unwrap_or(head.limit),
            plan: fact.plan.to_owned(),
            judged: fact.judged.clone(),
        }
    }
}
