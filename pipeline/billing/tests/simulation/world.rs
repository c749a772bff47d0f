//! The world: one clock, two stages, what they ask for and what becomes of it.

use crate::audit::Audit;
use crate::calls::called_at_once;
use crate::instance::{Instance, Tables, now};
use crate::log::Log;
use crate::mutation::Mutation;
use crate::stripe;
use crate::usage::{self, BEGIN, DAY, HOUR, Known, LAST_CUT, Scenario};
use crate::verdict::Verdict;
use futures::future::join_all;
use meterline_billing::engine::{Action, Append, Called, InvoiceSeen, Listed, Seen, Weather};
use meterline_billing::stripe::Stripe;
use meterline_core::bucket::BucketRow;
use meterline_core::push::Outcome;
use meterline_core::time::LogTime;
use meterline_fake_stripe::FakeStripe;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The shortest step of the clock.
const STEP: i64 = 500;

/// How often a run says how far it has come.
const TELL_EVERY: i64 = 12 * HOUR;

/// Something that happens later.
pub(crate) enum Event {
    /// A record reaches the log, whoever sent it.
    Appended(Append),
    NotAppended(u128),
    Called(Called),
    Seen(Seen),
    Listed(Listed),
    Changed(Arc<str>, Option<InvoiceSeen>),
}

pub(crate) struct World {
    pub(crate) scenario: Scenario,
    pub(crate) mutation: Option<Mutation>,
    pub(crate) fake: FakeStripe,
    pub(crate) stripe: Stripe,
    pub(crate) all: Vec<Known>,
    pub(crate) rows: Vec<BucketRow>,
    pub(crate) customers: Vec<String>,
    /// Customers of each tenant, the former ones too.
    pub(crate) ever: Vec<BTreeSet<String>>,
    pub(crate) log: Log,
    pub(crate) stages: Vec<Option<Instance>>,
    pub(crate) lives: u64,
    pub(crate) queue: BTreeMap<(i64, u64), (usize, u64, Event)>,
    pub(crate) last: u64,
    pub(crate) clock: Arc<AtomicU64>,
    pub(crate) at: i64,
    pub(crate) random: StdRng,
    pub(crate) kills: Vec<i64>,
    pub(crate) killed: u32,
    pub(crate) stop_at: Option<i64>,
    /// Calls that a stopped stage made when it went on, and that were not written.
    pub(crate) held_back: u64,
    pub(crate) audit: Audit,
}

impl World {
    pub(crate) fn new(scenario: Scenario, mutation: Option<Mutation>) -> Self {
        let all = usage::all(&scenario);
        let mut series = BTreeMap::new();
        let rows = all.iter().map(|known| {
            let series = series.entry((known.tenant, known.meter));
            let series = series.or_insert_with(|| usage::series(known.tenant, known.meter));
            usage::row(series, known)
        });
        let rows = rows.collect();
        let fake = stripe::start(&scenario);
        let mut random = StdRng::seed_from_u64(scenario.seed ^ 0x5eed);
        let kills = (0..scenario.kills).map(|_| random.random_range(BEGIN..BEGIN + 4 * DAY));
        let mut kills: Vec<_> = kills.collect();
        kills.sort_unstable();
        Self {
            stripe: stripe::connect(&fake),
            fake,
            all,
            rows,
            customers: Vec::new(),
            ever: Vec::new(),
            log: Log::new(),
            stages: Vec::new(),
            lives: 0,
            queue: BTreeMap::new(),
            last: 0,
            clock: Arc::new(AtomicU64::new(0)),
            at: BEGIN - 60_000,
            random,
            kills,
            killed: 0,
            stop_at: (scenario.stopped_hours > 0).then_some(BEGIN + 9 * HOUR),
            held_back: 0,
            audit: Audit::default(),
            scenario,
            mutation,
        }
    }

    /// Plays everything, and compares.
    pub(crate) async fn play(mut self) -> Verdict {
        self.set_up().await;
        let end = LAST_CUT + 4 * DAY;
        let relink_at = BEGIN + 30 * HOUR + 50 * 60_000;
        let mut is_relinked = false;
        let (began, mut told_at) = (Instant::now(), BEGIN);
        while self.at < end {
            if self.at >= told_at {
                self.tell(told_at, began);
                told_at += TELL_EVERY;
            }
            if self.at >= relink_at && !is_relinked {
                is_relinked = true;
                self.relink().await;
            }
            // A defect that was found needs no more looking for.
            if self.mutation.is_some() && !self.audit.faults().is_empty() {
                break;
            }
            self.kill();
            self.happen();
            let actions = self.run();
            let is_busy = !actions.is_empty();
            self.perform(actions).await;
            let next = if is_busy {
                self.at + STEP
            } else {
                self.next(end)
            };
            self.move_to(next.clamp(self.at + STEP, end)).await;
        }
        self.verdict()
    }

    /// Says how far it has come: a whole run takes minutes.
    fn tell(&self, at: i64, began: Instant) {
        let (hours, took) = ((at - BEGIN) / HOUR, began.elapsed().as_secs());
        let records = self.log.len();
        println!("hour {hours} after {took} s: {records} records");
    }

    async fn set_up(&mut self) {
        let prices = stripe::set_up(&self.fake).await;
        for number in 0..self.scenario.tenants {
            let name = usage::tenant(number);
            let customer = stripe::customer(&self.fake, &prices, &name).await;
            self.ever.push(BTreeSet::from([customer.clone()]));
            self.customers.push(customer);
        }
        // The customer that the first tenant gets later has a subscription from the start.
        let other = stripe::customer(&self.fake, &prices, "another").await;
        self.ever[0].insert(other);
        stripe::go_wrong(&self.fake, &self.scenario);
        self.move_to(BEGIN).await;
        for stage in 0..2 {
            self.stages.push(None);
            self.begin(stage);
        }
    }

    fn begin(&mut self, stage: usize) {
        self.lives += 1;
        let tables = Tables {
            customers: &self.customers,
            all: &self.all,
            rows: &self.rows,
        };
        let name = ["a", "b"][stage];
        let instance = Instance::begin(name, self.lives, &tables, &self.log, self.at);
        self.stages[stage] = Some(instance);
    }

    /// The first tenant gets another customer, in the middle of an hour.
    async fn relink(&mut self) {
        let former = self.customers[0].clone();
        let other = self.ever[0].iter().find(|customer| **customer != former);
        self.customers[0] = other.expect("it was made").clone();
        for stage in self.stages.iter_mut().flatten() {
            let customer = Some(self.customers[0].as_str());
            stage
                .engine
                .customer(&usage::tenant(0), customer, now(self.at));
        }
    }

    /// Kills a stage, and starts it again with nothing but the logs and tables.
    fn kill(&mut self) {
        while self.kills.first().is_some_and(|at| *at <= self.at) {
            self.kills.remove(0);
            let mut stage = self.random.random_range(0..self.stages.len());
            let chosen = self.stages[stage].as_ref();
            if chosen.is_some_and(|chosen| chosen.stopped_until.is_some()) {
                stage = 1 - stage; // Of the stopped one nothing would be seen.
            }
            self.killed += 1;
            self.begin(stage);
        }
    }

    /// Lets everything happen whose time has come.
    fn happen(&mut self) {
        while let Some(entry) = self.queue.first_entry()
            && entry.key().0 <= self.at
        {
            let (stage, life, event) = entry.remove();
            if let Event::Appended(record) = event {
                self.log.append(LogTime(self.at), record);
                continue;
            }
            let Some(stage) = self.stages[stage].as_mut().filter(|s| s.life == life) else {
                continue; // Whoever asked is dead.
            };
            let now = now(self.at);
            match event {
                Event::Appended(_) => {}
                Event::NotAppended(write_id) => stage.engine.not_appended(write_id, now),
                Event::Called(called) => stage.engine.called(called, now),
                Event::Seen(seen) => stage.engine.seen(seen, now),
                Event::Listed(listed) => stage.engine.listed(listed, now),
                Event::Changed(id, seen) => stage.engine.invoice_changed(&id, seen, now),
            }
        }
    }

    /// Runs the stages; what they ask for.
    fn run(&mut self) -> Vec<(usize, u64, Action)> {
        let mut asked = Vec::new();
        let tables = Tables {
            customers: &self.customers,
            all: &self.all,
            rows: &self.rows,
        };
        for (number, stage) in self.stages.iter_mut().enumerate() {
            let Some(stage) = stage else { continue };
            if let Some(until) = stage.stopped_until {
                if self.at < until {
                    continue;
                }
                // It goes on where it was stopped: with the calls that it was about to write.
                stage.stopped_until = None;
                let calls = stage
                    .held
                    .iter()
                    .filter(|action| matches!(action, Action::Call(_)));
                self.held_back += u64::try_from(calls.count()).expect("few");
                let held = stage.held.drain(..);
                asked.extend(held.map(|action| (number, stage.life, action)));
            }
            stage.read(&tables, &self.log, self.at);
            let actions = stage.engine.run(now(self.at));
            let calls = actions
                .iter()
                .any(|action| matches!(action, Action::Call(_)));
            if calls && self.stop_at.is_some_and(|at| at <= self.at) {
                self.stop_at = None;
                stage.stopped_until = Some(self.at + self.scenario.stopped_hours * HOUR);
                stage.held = actions;
                continue;
            }
            asked.extend(
                actions
                    .into_iter()
                    .map(|action| (number, stage.life, action)),
            );
        }
        asked
    }

    async fn perform(&mut self, actions: Vec<(usize, u64, Action)>) {
        let mut calls = Vec::new();
        for (stage, life, action) in actions {
            match action {
                Action::Append(record) => {
                    if self.mutation == Some(Mutation::LedgerAfterTheCall)
                        && let Some(call) = called_at_once(&record)
                    {
                        calls.push((stage, 0, Action::Call(Box::new(call))));
                    }
                    self.append(stage, life, record);
                }
                Action::Call(_) if self.mutation == Some(Mutation::LedgerAfterTheCall) => {
                    let Action::Call(call) = action else { continue };
                    let called = Called {
                        write_id: call.write_id,
                        outcome: Outcome::Received,
                        weather: Weather::Fine,
                    };
                    self.later(stage, life, 100, Event::Called(called));
                }
                other => calls.push((stage, life, other)),
            }
        }
        for chunk in calls.chunks(256) {
            let done = chunk.iter().map(|(_, _, action)| self.call(action));
            let done = join_all(done).await;
            for ((stage, life, _), (after, event)) in chunk.iter().zip(done) {
                self.later(*stage, *life, after, event);
            }
        }
    }

    /// Sends a record to the log: it arrives soon, perhaps without its sender being told.
    fn append(&mut self, stage: usize, life: u64, record: Append) {
        let write_id = record.write_id();
        let after = self.random.random_range(5..400);
        match self.random.random_range(0..1_000) {
            0..5 => self.later(stage, life, 10_000, Event::NotAppended(write_id)),
            5..10 => {
                self.later(stage, life, after, Event::Appended(record));
                self.later(stage, life, 10_000, Event::NotAppended(write_id));
            }
            _ => self.later(stage, life, after, Event::Appended(record)),
        }
    }

    fn later(&mut self, stage: usize, life: u64, after: i64, event: Event) {
        self.last += 1;
        let key = (self.at + after, self.last);
        self.queue.insert(key, (stage, life, event));
    }

    /// When something happens next.
    fn next(&self, end: i64) -> i64 {
        let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
        let stages = self.stages.iter().flatten();
        let due = stages.filter_map(|stage| match stage.stopped_until {
            Some(until) => Some(until),
            None => stage.engine.due().map(|at| at.0),
        });
        // Usage and drafts are looked at in steps.
        let longest = self.at + 60_000;
        let next = queued.into_iter().chain(due).min().unwrap_or(end);
        next.min(longest)
    }

    async fn move_to(&mut self, at: i64) {
        self.fake.advance(at - self.fake.now()).await;
        self.at = at;
        self.clock
            .store(u64::try_from(at).expect("after 1970"), Ordering::Release);
    }
}
