//! The engine of limits: feeds its folds, and judges whom something happened to.
//!
//! Level-triggered: it compares what should be open with the heads of the chains, and says which
//! transitions and standings follow. Nothing depends on the order in which usage, decisions and
//! transitions are read; two engines that have read the same end with the same. It judges a tenant
//! only where progress covers all changes that are known of it, so that a judgement is of an exact
//! prefix of usage, and judges no chain whose head knew more than it does. It writes nothing: a
//! transition is in force when it comes back through [`Engine::transition`].

mod agenda;
mod facts;
mod moves;
mod standings;

use super::alerts::Alerts;
use super::usage::{TenantId, Usage};
use crate::accounts::Accounts;
use crate::alert::{AlertKey, Transition};
use crate::bucket::BucketRow;
use crate::catalog::Catalog;
use crate::chain::Ruling;
use crate::control::{Adoption, CatalogDecision, ControlRecord, Decision};
use crate::halt::Halt;
use crate::position::{LogPartition, Offset, Stamp};
use crate::standing::{Standing, StandingProgress};
use crate::time::{EventTime, Hour, LogTime, Millis};
use agenda::Agenda;
use hashbrown::HashMap;
use standings::Published;
use std::sync::Arc;

/// How far log time may lag behind the clock while corrections still reach their periods: 7 days,
/// the least retention of usage, which bounds how long everything may be down.
const LAG_DAYS: i64 = 7;
/// The longest period: 31 days, and a day for clocks that are set back within it.
const LONGEST_PERIOD: Millis = Millis(32 * 86_400_000);

const MICROS_PER_DAY: i64 = 86_400_000_000;
/// How often old hours and forgotten chains are dropped.
const SWEEP_EVERY: Millis = Millis(3_600_000);

/// What one call of [`Engine::judge`] found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Judgement {
    /// To be written to `usage.alerts`, each to its tenant's partition, in this order.
    pub transitions: Vec<Transition>,
    /// To be published: table and topic.
    pub standings: Vec<Standing>,
    /// Whether more tenants wait to be judged: call again, before anything else is read.
    pub more: bool,
}

/// Usage, decisions and alerts of all tenants, and who must be judged.
#[derive(Debug)]
pub struct Engine {
    instance: String,
    usage: Usage,
    alerts: Alerts,
    accounts: Accounts,
    catalog: Option<Arc<CatalogDecision>>,
    agenda: Agenda,
    in_flight: HashMap<AlertKey, u128, foldhash::fast::FixedState>,
    published: Published,
    swept: LogTime,
}

impl Engine {
    /// The state before the first record; `instance` names this process in transitions.
    #[must_use]
    pub fn new(instance: String, alerts: Alerts, accounts: Accounts) -> Self {
        let mut engine = Self {
            instance,
            usage: Usage::default(),
            alerts,
            accounts,
            catalog: None,
            agenda: Agenda::default(),
            in_flight: HashMap::default(),
            published: Published::default(),
            swept: LogTime(i64::MIN),
        };
        let with_accounts = engine.accounts.accounts().map(|(id, _)| id);
        let with_alerts = engine.alerts.tenants();
        let names: Vec<String> = with_accounts
            .chain(with_alerts)
            .map(str::to_owned)
            .collect();
        for name in names {
            engine.mark(&name, EventTime(i64::MIN));
        }
        engine
    }

    /// The first hour whose totals must be read at start; of level meters the last total before
    /// it, too.
    #[must_use]
    pub fn first_hour(now: LogTime, catalog: &Catalog) -> Hour {
        let reach = reach(now, catalog);
        reach.before(LONGEST_PERIOD).hour()
    }

    /// Says that totals are read from this hour on: periods that begin before it are not judged,
    /// whatever catalog comes. Before the first total.
    pub fn reads_from(&mut self, first: Hour) {
        self.usage.drop_before(first);
    }

    /// Takes a total, in any order; rows that use is not made of are passed.
    pub fn total(&mut self, log_partition: LogPartition, row: &BucketRow) {
        if let Some(touched) = self.usage.total(log_partition, row) {
            self.agenda.mark(touched.tenant, touched.hour.start());
        }
    }

    /// Takes what a level held before [`Engine::first_hour`] in one log partition: the bucket of
    /// its value, with the stamp of the last change of any of its buckets before that hour. So a
    /// judgement knows as much as that of an engine that read all of them.
    pub fn held_level(&mut self, log_partition: LogPartition, row: &BucketRow) {
        if let Some(touched) = self.usage.held(log_partition, row) {
            self.agenda.mark(touched.tenant, touched.hour.start());
        }
    }

    /// Takes progress: totals of the partition are complete before `to`. Judge right after it,
    /// before further totals of the partition: those who have one are judged at the next progress.
    pub fn progress(&mut self, log_partition: LogPartition, to: Stamp, log_time: LogTime) {
        if self.usage.progress(log_partition, to, log_time) {
            let place = self.usage.partition(log_partition);
            self.agenda.covered(usize::from(place));
        }
    }

    /// Takes a record of the control log; all records must come here, of whatever kind.
    ///
    /// # Errors
    /// Those of [`Accounts::apply`].
    pub fn decision(
        &mut self,
        offset: Offset,
        append_time: LogTime,
        record: &ControlRecord,
    ) -> Result<Ruling, Halt> {
        let ruling = self.accounts.apply(offset, append_time, record)?;
        if ruling == Ruling::InForce
            && let Decision::Account(change) = &record.decision
        {
            // The first version gives other periods to the time before it, too.
            self.mark(&change.account, EventTime(i64::MIN));
        }
        Ok(ruling)
    }

    /// Takes an adoption in force, by their order in the control log: log partitions of an earlier
    /// topic of the same name are complete, though no progress may say so any more.
    pub fn adoption(&mut self, adoption: &Adoption) {
        let id = adoption.log_partition.topic_id;
        for place in self.usage.adopted(&adoption.topic, id) {
            self.agenda.covered(place);
        }
    }

    /// Takes the newest catalog in force: everybody is judged by it, all that can be reached.
    pub fn catalog(&mut self, decision: Arc<CatalogDecision>) {
        if self
            .catalog
            .as_ref()
            .is_some_and(|known| known.offset >= decision.offset)
        {
            return;
        }
        self.catalog = Some(decision);
        for tenant in self.usage.tenants() {
            self.agenda.mark(tenant, EventTime(i64::MIN));
        }
    }

    /// Takes a transition of `usage.alerts`, this engine's own ones too.
    ///
    /// # Errors
    /// Those of [`Alerts::apply`].
    pub fn transition(
        &mut self,
        partition: u32,
        offset: Offset,
        append_time: LogTime,
        transition: &Transition,
    ) -> Result<Ruling, Halt> {
        let ruling = self
            .alerts
            .apply(partition, offset, append_time, transition)?;
        let key = &transition.key;
        let is_own = self.in_flight.get(key) == Some(&transition.write_id);
        if is_own || ruling == Ruling::InForce {
            // Another in force is in the place of one in flight, which will be ignored.
            self.in_flight.remove(key);
            self.mark(&key.tenant, key.period_start);
        }
        Ok(ruling)
    }

    /// Moves past a record of `usage.alerts` that is no transition.
    ///
    /// # Errors
    /// Those of [`Alerts::pass`].
    pub fn pass(
        &mut self,
        partition: u32,
        offset: Offset,
        append_time: LogTime,
    ) -> Result<(), Halt> {
        self.alerts.pass(partition, offset, append_time)
    }

    /// Gives up a transition that could not be written, or was held back: it is judged again.
    pub fn abandon(&mut self, key: &AlertKey, write_id: u128) {
        if self.in_flight.get(key) == Some(&write_id) {
            self.in_flight.remove(key);
            self.mark(&key.tenant, key.period_start);
        }
    }

    /// Judges at most so many tenants at a moment; `write_ids` draws the transitions' write ids.
    ///
    /// Transitions are in flight until they are read back or abandoned, and their chains are not
    /// judged meanwhile. Without a catalog nobody is judged.
    pub fn judge(
        &mut self,
        now: LogTime,
        at_most: usize,
        write_ids: &mut dyn FnMut() -> u128,
    ) -> Judgement {
        let mut judgement = Judgement::default();
        let Some(catalog) = self.catalog.clone() else {
            return judgement;
        };
        self.sweep(now, &catalog);
        self.agenda.wake(now);
        for _ in 0..at_most {
            let Some((tenant, from)) = self.agenda.take() else {
                break;
            };
            match self.usage.uncovered(tenant) {
                Some(place) => self.agenda.wait(tenant, from, place),
                None => {
                    let from = from.max(reach(now, &catalog.compiled.catalog));
                    let from = from.min(now.as_event_time());
                    self.judge_tenant(tenant, now, from, &catalog, write_ids, &mut judgement);
                }
            }
        }
        judgement.more = self.agenda.has_ready();
        judgement
    }

    fn judge_tenant(
        &mut self,
        tenant: TenantId,
        now: LogTime,
        from: EventTime,
        catalog: &CatalogDecision,
        write_ids: &mut dyn FnMut() -> u128,
        judgement: &mut Judgement,
    ) {
        let name = Arc::clone(self.usage.name(tenant));
        let case = facts::Case {
            name: &name,
            now,
            from,
            edge: self.usage.edge(),
            catalog,
            account: self.accounts.account(&name),
        };
        let facts = case.facts(&mut self.usage, tenant);
        for change in case.moves(&facts, &self.alerts, &mut self.usage, tenant) {
            if self.in_flight.contains_key(&change.key) {
                continue;
            }
            let write_id = write_ids();
            self.in_flight.insert(change.key.clone(), write_id);
            let instance = self.instance.clone();
            let transition = Transition {
                write_id,
                instance,
                ..change
            };
            judgement.transitions.push(transition);
        }
        let news = case.standings(&facts, &self.alerts, tenant, &mut self.published);
        judgement.standings.extend(news);
        let next = case.next_moment(&facts, &self.usage, tenant);
        self.agenda.wake_at(tenant, next);
    }

    /// The next moment at which time alone changes a judgement: call [`Engine::judge`] then.
    #[must_use]
    pub fn next_moment(&self) -> Option<LogTime> {
        self.agenda.next_moment()
    }

    /// Up to where the standings that were handed out are complete, for each log partition of which
    /// that changed; nothing while somebody is still to be judged. The position in the topic is
    /// the writer's to fill in.
    pub fn complete(&mut self) -> Vec<StandingProgress> {
        if self.agenda.has_ready() || self.catalog.is_none() {
            return Vec::new();
        }
        let open = self.usage.partitions_of(self.agenda.waiting());
        self.published
            .progress(&self.usage, &open, self.accounts.position())
    }

    /// Says that a standing is published already, so that it is not handed out again, and that all
    /// that it was judged by is known. After the totals of the tables.
    pub fn known_standing(&mut self, standing: &Standing) {
        let tenant = self.usage.tenant(&standing.tenant);
        self.usage
            .judged_by(tenant, &standing.meter, &standing.judged.usage);
        self.published.note(tenant, standing);
    }

    /// What was folded of `usage.alerts`.
    #[must_use]
    pub fn alerts(&self) -> &Alerts {
        &self.alerts
    }

    /// What was folded of accounts.
    #[must_use]
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// The totals.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        &self.usage
    }

    /// How many tenants wait to be judged, and how many transitions are in flight.
    #[must_use]
    pub fn pending(&self) -> (usize, usize) {
        (self.agenda.len(), self.in_flight.len())
    }

    fn mark(&mut self, tenant: &str, from: EventTime) {
        let tenant = self.usage.tenant(tenant);
        self.agenda.mark(tenant, from);
    }

    fn sweep(&mut self, now: LogTime, catalog: &CatalogDecision) {
        if now < self.swept.after(SWEEP_EVERY) {
            return;
        }
        self.swept = now;
        let edge = Self::first_hour(now, &catalog.compiled.catalog);
        self.usage.drop_before(edge);
        self.alerts.sweep();
    }
}

/// Periods that end at or before this are not judged any more: no correction reaches them.
fn reach(now: LogTime, catalog: &Catalog) -> EventTime {
    let earliest = now.as_event_time().before(catalog.acceptance);
    EventTime(earliest.0.saturating_sub(LAG_DAYS * MICROS_PER_DAY))
}
