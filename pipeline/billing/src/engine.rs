//! The engine: from what is known to what is to be done, for every window of every tenant.
//!
//! It is fed totals, accounts, records of `meterline.pushes` as they are read back, and results of
//! what it asked for; [`Engine::run`] then says what is due. It holds no truth of its own: whatever
//! is lost with the process follows again from the logs, the tables and Stripe.
//!
//! What it refuses: a second call in flight for a tenant's meter, a call of an intent that is not in
//! force, or not its own, or too late; a confirmation by anything but a summary that was read when
//! all was quiet. Invariant (INV-ONCE): what may be called is decided by
//! [`meterline_core::pushes`] alone; a wrong step in here costs time, never money.

mod action;
mod alarms;
mod carrying;
mod confirming;
mod deciding;
mod drafts;
mod invoices;
mod pace;
mod pairs;
mod pushing;
mod settings;
pub(crate) mod values;

pub use action::{
    Action, Append, Call, Called, InvoiceSeen, LineSeen, Listed, Listing, Now, Read, Seen, Status,
    Weather,
};
pub use alarms::{Alarms, Notice};
pub use pairs::Counts;
pub use settings::EngineSettings;

use carrying::Unequal;
use confirming::Unread;
use invoices::Invoices;
use meterline_core::bucket::BucketRow;
use meterline_core::carries::Carries;
use meterline_core::carry::CarryRecord;
use meterline_core::chain::Ruling;
use meterline_core::halt::Halt;
use meterline_core::hash::partition_of;
use meterline_core::position::{LogPartition, Offset, TopicId};
use meterline_core::push::{PushKey, PushRecord};
use meterline_core::pushes::Pushes;
use meterline_core::time::{EventTime, Hour, LogTime, Millis};
use pace::{Breaker, Bucket};
use pairs::{PairId, Pairs};
use pushing::Writes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// The topics that the engine stands on, as they were at the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Topics {
    /// The usage topic of now.
    pub usage: TopicId,
    /// Its partitions.
    pub usage_partitions: u32,
    /// The topic `meterline.pushes`.
    pub pushes: TopicId,
    /// Its partitions, which never change.
    pub pushes_partitions: u32,
}

/// The engine of one instance.
#[derive(Debug)]
pub struct Engine {
    settings: EngineSettings,
    topics: Topics,
    instance: String,
    random: StdRng,
    /// `event_name` by meter.
    meters: BTreeMap<Arc<str>, Arc<str>>,
    customers: HashMap<Arc<str>, Arc<str>>,
    /// The tenant of each customer that was ever linked: never two.
    owners: HashMap<Arc<str>, Arc<str>>,
    /// The customers of each tenant.
    linked: HashMap<Arc<str>, BTreeSet<Arc<str>>>,
    pushes: Pushes,
    carries: Carries,
    pairs: Pairs,
    /// Up to where usage is complete, by log partition.
    sealed_to: BTreeMap<LogPartition, EventTime>,
    /// Pairs to look at, by when.
    agenda: BTreeSet<(LogTime, PairId)>,
    /// Pairs that want to push and wait for room.
    starved: VecDeque<PairId>,
    /// What wants to read summaries and waits for room.
    unread: VecDeque<Unread>,
    writes: Writes,
    calls: usize,
    reads: HashMap<u64, confirming::Reading>,
    last_read: u64,
    bucket: Bucket,
    breaker: Breaker,
    invoices: Invoices,
    /// What may have been billed otherwise, by when it is to be looked at.
    unequal: Unequal,
    /// The hour of the ledger's first record.
    began: Option<Hour>,
    sweep_at: LogTime,
    started: bool,
    out: Vec<Action>,
    notices: Vec<Notice>,
    /// Windows with carries that no invoice bills, as of the last sweep.
    unbilled: u64,
}

impl Engine {
    /// An engine that knows nothing; `seed` makes write ids and jitter.
    #[must_use]
    pub fn new(settings: EngineSettings, topics: Topics, instance: String, seed: u64) -> Self {
        Self {
            bucket: Bucket::new(settings.pushes_per_second),
            settings,
            topics,
            instance,
            random: StdRng::seed_from_u64(seed),
            meters: BTreeMap::new(),
            customers: HashMap::new(),
            owners: HashMap::new(),
            linked: HashMap::new(),
            pushes: Pushes::new(topics.pushes_partitions),
            carries: Carries::new(topics.pushes_partitions),
            pairs: Pairs::default(),
            sealed_to: BTreeMap::new(),
            agenda: BTreeSet::new(),
            starved: VecDeque::new(),
            unread: VecDeque::new(),
            writes: Writes::default(),
            calls: 0,
            reads: HashMap::new(),
            last_read: 0,
            breaker: Breaker::default(),
            invoices: Invoices::default(),
            unequal: Unequal::default(),
            began: None,
            sweep_at: LogTime(i64::MIN),
            started: false,
            out: Vec::new(),
            notices: Vec::new(),
            unbilled: 0,
        }
    }

    /// Which meters are pushed, and their `event_name`s. False where totals of a meter were passed
    /// over that is pushed now: then everything is to be read again, by a new engine.
    pub fn map_meters<'a>(&mut self, meters: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
        let mut is_known = true;
        for (meter, event_name) in meters {
            let is_new = !self.meters.contains_key(meter);
            is_known &= !(is_new && self.pairs.has_passed_over(meter));
            self.meters.insert(meter.into(), event_name.into());
        }
        is_known
    }

    /// Who is billed for a tenant from now on.
    pub fn customer(&mut self, tenant: &str, customer: Option<&str>, now: Now) {
        let tenant: Arc<str> = tenant.into();
        let before = match customer {
            Some(customer) => {
                let customer: Arc<str> = customer.into();
                self.own(Arc::clone(&customer), &tenant);
                self.customers.insert(Arc::clone(&tenant), customer)
            }
            None => self.customers.remove(&tenant),
        };
        if before.as_deref() != customer {
            for pair in self.pairs.of_tenant(&tenant) {
                self.look_again_at_unlinked(pair, now);
            }
        }
    }

    /// Takes a bucket of `usage.totals` or of the table.
    pub fn total(&mut self, log_partition: LogPartition, row: &BucketRow, now: Now) {
        if !self.meters.contains_key(&*row.series.meter) {
            self.pairs.pass_over(&row.series.meter);
            return;
        }
        if let Some((pair, hour)) = self.pairs.take(log_partition, row) {
            self.changed(pair, hour, now);
        }
    }

    /// Takes progress of a usage partition: hours that end at or before `sealed_to` are sealed.
    pub fn progress(&mut self, log_partition: LogPartition, sealed_to: EventTime, now: Now) {
        let known = self.sealed_to.entry(log_partition).or_insert(sealed_to);
        *known = (*known).max(sealed_to);
        for (pair, hour) in self.pairs.sealed(log_partition, sealed_to) {
            let at = self.some_time_after(now.wall, SPREAD);
            self.pairs.at(pair).plan(hour, at);
            self.queue(pair, at);
        }
    }

    /// Takes a record of `meterline.pushes` as it is read.
    ///
    /// # Errors
    /// As [`Pushes::apply`].
    pub fn push(
        &mut self,
        partition: u32,
        offset: Offset,
        at: LogTime,
        record: &PushRecord,
        now: Now,
    ) -> Result<(), Halt> {
        let ruling = self.pushes.apply(partition, offset, at, record)?;
        self.carries.pass(partition, offset, at)?;
        let is_in_force = ruling == Ruling::InForce;
        if is_in_force {
            let hour = at.as_event_time().hour();
            self.began = Some(self.began.map_or(hour, |began| began.min(hour)));
        }
        self.read_back(record, is_in_force, offset, now);
        Ok(())
    }

    /// Takes a carry of `meterline.pushes` as it is read.
    ///
    /// # Errors
    /// As [`Carries::apply`].
    pub fn carry(
        &mut self,
        partition: u32,
        offset: Offset,
        at: LogTime,
        record: &CarryRecord,
        now: Now,
    ) -> Result<(), Halt> {
        self.carries.apply(partition, offset, at, record)?;
        self.pushes.pass(partition, offset, at)?;
        self.carry_read_back(record, now);
        Ok(())
    }

    /// Everything was read to the end that it had at the start: from now on the engine acts.
    pub fn start(&mut self, now: Now) {
        self.started = true;
        let heads = self.pushes.heads();
        let owners = heads.map(|(key, head)| (&*head.intent.customer, &*key.tenant));
        let owners: BTreeSet<(Arc<str>, Arc<str>)> = owners
            .map(|(customer, tenant)| (customer.into(), tenant.into()))
            .collect();
        for (customer, tenant) in owners {
            self.own(customer, &tenant);
        }
        for window in self.carries.windows() {
            if window.window.hour() < horizon(now) {
                continue;
            }
            if let Some(id) = self.pairs.find(&window.tenant, &window.meter) {
                let pair = self.pairs.at(id);
                pair.hours.entry(window.window.hour()).or_default();
            }
        }
        for pair in self.pairs.all() {
            self.plan_all(pair, now);
        }
    }

    /// What is due. Its results are to be reported by [`Engine::called`] and the like, each once.
    pub fn run(&mut self, now: Now) -> Vec<Action> {
        if self.started {
            self.sweep(now);
            self.give_up_writes(now);
            self.list_invoices(now);
            self.check_drafts(now);
            self.look_at_due(now);
            self.read_waiting(now);
            self.carry_due(now);
        }
        std::mem::take(&mut self.out)
    }

    /// When [`Engine::run`] has something to do next, if nothing else happens.
    #[must_use]
    pub fn due(&self) -> Option<LogTime> {
        let pairs = self.agenda.first().map(|(at, _)| *at);
        [pairs, self.invoices.due()].into_iter().flatten().min()
    }

    /// The ledger.
    #[must_use]
    pub const fn pushes(&self) -> &Pushes {
        &self.pushes
    }

    /// The carries.
    #[must_use]
    pub const fn carries(&self) -> &Carries {
        &self.carries
    }

    /// A moment at random, so that of several instances one is first.
    fn some_time_after(&mut self, at: LogTime, most: Millis) -> LogTime {
        at.after(Millis(self.random.random_range(0..most.0)))
    }

    /// Frees what is too long ago to matter.
    fn sweep(&mut self, now: Now) {
        if now.wall < self.sweep_at {
            return;
        }
        self.sweep_at = now.wall.after(SWEEP_EVERY);
        self.pushes.sweep();
        self.pairs.forget_before(horizon(now));
        self.invoices.forget_before(horizon(now));
        self.count_unbilled(now);
    }

    fn own(&mut self, customer: Arc<str>, tenant: &Arc<str>) {
        let linked = self.linked.entry(Arc::clone(tenant)).or_default();
        if linked.insert(Arc::clone(&customer)) && self.started {
            // Its invoices were passed over until now.
            self.invoices.list_all();
        }
        self.owners.insert(customer, Arc::clone(tenant));
    }

    fn key(&self, pair: PairId, hour: Hour) -> PushKey {
        let pair = self.pairs.get(pair);
        PushKey {
            tenant: pair.tenant.to_string(),
            meter: pair.meter.to_string(),
            window: hour.start(),
        }
    }

    /// Where the records of a tenant's pushes lie.
    fn pushes_partition(&self, tenant: &str) -> LogPartition {
        LogPartition {
            topic_id: self.topics.pushes,
            partition: partition_of(tenant.as_bytes(), self.topics.pushes_partitions),
        }
    }

    /// Whether nothing on time can change an hour of a tenant any more.
    fn is_sealed(&self, tenant: &str, end: EventTime) -> bool {
        let log_partition = LogPartition {
            topic_id: self.topics.usage,
            partition: partition_of(tenant.as_bytes(), self.topics.usage_partitions),
        };
        self.sealed_to
            .get(&log_partition)
            .is_some_and(|to| *to >= end)
    }

    /// Has a pair looked at, at that time or before.
    fn queue(&mut self, id: PairId, at: LogTime) {
        let pair = self.pairs.at(id);
        match pair.queued {
            Some(queued) if queued <= at => return,
            Some(queued) => {
                self.agenda.remove(&(queued, id));
            }
            None => {}
        }
        pair.queued = Some(at);
        self.agenda.insert((at, id));
    }
}

/// A moment that the brokers' clock has surely passed.
fn passed(now: Now) -> LogTime {
    now.wall.before(CLOCK_SLACK)
}

/// Over how long work is spread that all instances find at the same moment.
const SPREAD: Millis = Millis(20_000);

/// How often what is too long ago is freed.
const SWEEP_EVERY: Millis = Millis(3_600_000);

/// Hours before this one are not known: a period of 31 days, a draft of 3, and the 35 in which
/// usage is accepted.
fn horizon(now: Now) -> Hour {
    Hour(now.wall.as_event_time().hour().0 - HORIZON_HOURS)
}

/// See [`horizon`]: one day less than what is to be read before [`Engine::start`].
pub(crate) const HORIZON_HOURS: i32 = 69 * 24;

/// How far this machine's clock may be ahead of the brokers' without an intent being ignored as too
/// soon; it is then written again.
const CLOCK_SLACK: Millis = Millis(1_000);

#[cfg(test)]
mod tests;
