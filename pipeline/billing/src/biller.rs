//! The deciding thread: feeds the engine what was read and what came of its actions, and has done
//! what it asks for.
//!
//! It waits for nothing but records and results. It decides once every log was read to the end that
//! it had at the start, and never while a log is halted: what is known then is no prefix any more.

mod control;
mod feed;

pub(crate) use control::meters;

use crate::clock::Clock;
use crate::engine::{Action, Append, Engine, Notice};
use crate::error::BillingError;
use crate::health::{Health, STAGE};
use crate::metrics::Metrics;
use crate::reconcile::Hourly;
use crate::tasks::{Done, Tasks};
use crossbeam_channel::{Receiver, select};
use meterline_control::{AccountLog, ControlEvent};
use meterline_core::push::Step;
use meterline_core::time::LogTime;
use meterline_follow::{Appended, Follower, Read, TotalsRecord};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest wait for a record: what noticing a shutdown, or a turn to push, may have to wait for.
const LOOK: Duration = Duration::from_millis(20);

/// Inputs and results that are taken between two decisions.
const INPUTS_MAX: usize = 256;

/// How often windows are counted and threads looked after.
const COUNT_EVERY: Duration = Duration::from_secs(2);

/// What the thread is fed.
#[derive(Debug)]
pub(crate) enum Input {
    /// From `usage.totals`.
    Totals(Read<TotalsRecord>),
    /// From `meterline.pushes`.
    Pushes(Read<Appended<Append>>),
    /// From the control log.
    Control(ControlEvent),
}

/// What is not read to the end that it had at the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behind {
    pub(crate) totals: bool,
    pub(crate) pushes: bool,
    /// The control log's end of the start; 0 once it was reached.
    pub(crate) control: u64,
}

/// Why the thread ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    /// It was told to.
    Stopped,
    /// A meter is pushed now whose totals were passed over: everything is to be read again.
    ReadAgain,
}

/// Names of the topics that are read here, and the usage topic of now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TopicNames {
    pub(crate) totals: String,
    pub(crate) pushes: String,
    pub(crate) control: String,
    pub(crate) usage: meterline_core::position::TopicId,
}

/// The deciding thread's side.
pub(crate) struct Biller {
    pub(crate) engine: Engine,
    pub(crate) topics: TopicNames,
    pub(crate) inputs: Receiver<Input>,
    pub(crate) tasks: Tasks,
    /// Runs beside it.
    pub(crate) hourly: Hourly,
    pub(crate) log: AccountLog,
    /// By which key of an event's payload meters know the customer.
    pub(crate) customer_key: String,
    pub(crate) behind: Behind,
    pub(crate) is_started: bool,
    pub(crate) must_read_again: bool,
    /// Accounts with a version that takes effect later, by when.
    pub(crate) later: BTreeMap<LogTime, BTreeSet<String>>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) shown: Arc<Health>,
    pub(crate) follower: Follower,
    pub(crate) metrics: Metrics,
    pub(crate) stop_timeout: Duration,
}

impl Biller {
    /// Decides until `stop` is set, or everything is to be read again; `early` is what the control
    /// log said before. Blocks its thread.
    ///
    /// # Errors
    /// [`BillingError::Ended`] where one of the threads that feed it ended without a reason.
    pub(crate) fn run(
        &mut self,
        early: Vec<ControlEvent>,
        readers: &[JoinHandle<()>],
        stop: &AtomicBool,
    ) -> Result<Ending, BillingError> {
        for event in early {
            self.take(Input::Control(event));
        }
        let mut count_at = Instant::now();
        while !stop.load(Ordering::Acquire) {
            let now = Instant::now();
            self.follower.health.beat(now);
            if now >= count_at {
                self.look_after(readers, stop)?;
                self.reconcile(now);
                count_at = now + COUNT_EVERY;
            }
            self.take_inputs();
            if self.must_read_again {
                return Ok(Ending::ReadAgain);
            }
            self.decide();
        }
        Ok(Ending::Stopped)
    }

    /// Waits for inputs and results, at most a moment, and takes those that are there.
    fn take_inputs(&mut self) {
        let inputs = self.inputs.clone();
        let done = self.tasks.done.clone();
        let mut wait = LOOK;
        for _ in 0..INPUTS_MAX {
            select! {
                recv(done) -> done => match done {
                    Ok(done) => self.take_done(done),
                    Err(_) => unreachable!("the tasks' side is kept here"),
                },
                recv(inputs) -> input => match input {
                    Ok(input) => self.take(input),
                    // Every reader has ended: said by whoever looks after them.
                    Err(_) => return std::thread::sleep(wait),
                },
                default(wait) => return,
            }
            wait = Duration::ZERO;
        }
    }

    /// Tells the engine what came of an action.
    fn take_done(&mut self, done: Done) {
        self.tasks.ended();
        let now = self.clock.now();
        match done {
            Done::Appended => {}
            Done::NotAppended(write_id) => self.engine.not_appended(write_id, now),
            Done::Called(called) => self.engine.called(called, now),
            Done::Seen(seen) => self.engine.seen(seen, now),
            Done::Listed(listed) => self.engine.listed(listed, now),
            Done::Changed(id, seen) => self.engine.invoice_changed(&id, seen, now),
        }
    }

    /// Whether everything was read that was there at the start, and nothing is halted.
    fn may_decide(&self) -> bool {
        let Behind {
            totals,
            pushes,
            control,
        } = self.behind;
        !totals && !pushes && control == 0 && !self.follower.health.is_halted()
    }

    /// Has done what is due.
    fn decide(&mut self) {
        if !self.may_decide() {
            return;
        }
        self.follow_later();
        // Deadlines count from before their intents are begun.
        let now = self.clock.now();
        if !std::mem::replace(&mut self.is_started, true) {
            tracing::info!(stage = STAGE, "caught up, pushing begins");
            self.engine.start(now);
        }
        for action in self.engine.run(now) {
            self.tasks.begin(action);
        }
        self.metrics.in_flight(self.tasks.len());
        for notice in self.engine.notices() {
            self.tell(notice);
        }
    }

    fn tell(&self, notice: Notice) {
        self.metrics.noticed(&notice);
        match notice {
            Notice::Unproved { invoice } => tracing::error!(
                stage = STAGE,
                invoice = &*invoice,
                "an invoice is made final unproved, it was held for as long as it may be"
            ),
            Notice::Foreign {
                invoice,
                event_name,
            } => tracing::error!(
                stage = STAGE,
                invoice = &*invoice,
                event_name = &*event_name,
                "an invoice bills use that is not in the ledger"
            ),
        }
    }

    /// Waits for what was begun, and has written what became of calls: nobody else knows it, and
    /// others would have to wait until nothing can arrive any more.
    pub(crate) fn finish(&mut self) {
        let until = Instant::now() + self.stop_timeout;
        while self.tasks.len() > 0 {
            let Ok(done) = self.tasks.done.recv_deadline(until) else {
                let left = self.tasks.len();
                tracing::warn!(stage = STAGE, left, "not everything was written in time");
                return;
            };
            self.follower.health.beat(Instant::now());
            self.take_done(done);
            for action in self.engine.run(self.clock.now()) {
                if is_outcome(&action) {
                    self.tasks.begin(action);
                }
            }
        }
    }

    fn look_after(
        &self,
        readers: &[JoinHandle<()>],
        stop: &AtomicBool,
    ) -> Result<(), BillingError> {
        // First: the thread that hands the control log on ends with it.
        if let Some(halt) = self.log.control().halted() {
            self.control_halts(halt);
        }
        if readers.iter().any(JoinHandle::is_finished)
            && !self.follower.health.is_halted()
            && !stop.load(Ordering::Acquire)
        {
            return Err(BillingError::Ended);
        }
        let counts = self.engine.counts();
        self.shown.counts(counts);
        self.metrics.counts(counts);
        self.metrics.ledger(self.engine.pushes().counts());
        self.metrics.alarms(self.engine.alarms(self.clock.now()));
        let is_refused = self.shown.is_refused();
        self.metrics.stripe(self.engine.is_away(), is_refused);
        Ok(())
    }
}

fn is_outcome(action: &Action) -> bool {
    match action {
        Action::Append(Append::Push(record)) => matches!(record.step, Step::Outcome(_)),
        _ => false,
    }
}
