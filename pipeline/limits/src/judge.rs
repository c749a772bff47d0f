//! The judging thread: feeds the engine what was read, and performs what it asks for.
//!
//! It waits for nothing but records. Transitions, standings and notifications go to tasks of their
//! own. It judges once every log was read to the end that it had at the start, and never while a
//! log is halted: what is known then is no prefix any more.

mod control;
mod feed;

use crate::error::LimitsError;
use crate::health::Health;
use crate::metrics::{Metrics, Outcome};
use crate::notices::Directory;
use crate::records::AlertRecord;
use crate::settings::LimitsSettings;
use crate::standings::{Told, Waiting};
use crate::transitions::{IN_FLIGHT_MAX, InFlight, Unwritten, Writer};
use crossbeam_channel::{Receiver, RecvTimeoutError};
use meterline_control::{AccountLog, ControlEvent};
use meterline_core::catalog::plans::Severity;
use meterline_core::limits::Engine;
use meterline_core::position::{Offset, TopicId};
use meterline_core::time::LogTime;
use meterline_follow::{Appended, Follower, Read, TotalsRecord, clock};
use meterline_notify::Notifier;
use rand::Rng;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest wait for a record: what noticing a shutdown may have to wait for.
const LOOK: Duration = Duration::from_millis(50);

/// Inputs that are taken between two judgements that no progress asks for.
const INPUTS_MAX: usize = 64;

/// Tenants that are judged at once: a moment, in which nothing is read.
const TENANTS_AT_ONCE: usize = 256;

/// How often open alerts are counted and threads looked after.
const COUNT_EVERY: Duration = Duration::from_secs(2);

/// What the judge is fed.
#[derive(Debug)]
pub(crate) enum Input {
    /// From `usage.totals`.
    Totals(Read<TotalsRecord>),
    /// From `usage.alerts`.
    Alerts(Read<Appended<AlertRecord>>),
    /// From the control log.
    Control(ControlEvent),
}

/// What is not read to the end that it had at the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behind {
    pub(crate) totals: bool,
    pub(crate) alerts: bool,
    /// The control log's end of the start; 0 once it was reached.
    pub(crate) control: Offset,
    /// Whether there is no catalog.
    pub(crate) catalog: bool,
}

impl Behind {
    /// At the start: nothing is read, and the control log ends there.
    pub(crate) const fn of_all(control: Offset) -> Self {
        Self {
            totals: true,
            alerts: true,
            control,
            catalog: true,
        }
    }
}

/// Names of the topics that are read here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct TopicNames {
    pub(crate) totals: String,
    pub(crate) alerts: String,
    pub(crate) control: String,
    /// The usage topic of now.
    pub(crate) usage_id: TopicId,
}

/// The judging thread's side.
pub(crate) struct Judge {
    pub(crate) engine: Engine,
    pub(crate) topics: TopicNames,
    pub(crate) inputs: Receiver<Input>,
    pub(crate) failed: Receiver<Unwritten>,
    pub(crate) writer: Writer,
    pub(crate) standings: Arc<Waiting>,
    pub(crate) log: AccountLog,
    pub(crate) directory: Arc<Directory>,
    pub(crate) notifier: Arc<Notifier>,
    pub(crate) behind: Behind,
    pub(crate) in_flight: InFlight,
    /// Whether the notifier was told that the past is known.
    pub(crate) is_told: bool,
    /// Log times of the newest changes that are not judged, by tenant.
    pub(crate) changed: HashMap<Box<str>, LogTime>,
    pub(crate) settings: LimitsSettings,
    pub(crate) shown: Arc<Health>,
    pub(crate) follower: Follower,
    pub(crate) metrics: Metrics,
}

impl Judge {
    /// Judges until it is told to stop; `early` is what the control log said before. Blocks its
    /// thread.
    ///
    /// # Errors
    /// [`LimitsError::Ended`] where one of the threads that feed it ended without a reason.
    pub(crate) fn run(
        &mut self,
        early: Vec<ControlEvent>,
        readers: &[JoinHandle<()>],
    ) -> Result<(), LimitsError> {
        for event in early {
            self.take(Input::Control(event));
        }
        let mut count_at = Instant::now();
        while !self.follower.stop.load(Ordering::Acquire) {
            let now = Instant::now();
            self.follower.health.beat(now);
            if now >= count_at {
                self.look_after(readers)?;
                count_at = now + COUNT_EVERY;
            }
            self.take_inputs();
            self.give_up(now);
            self.judge();
        }
        Ok(())
    }

    /// Waits for inputs, at most until time alone changes a judgement, and takes those that are
    /// there.
    fn take_inputs(&mut self) {
        let mut wait = self.pause();
        for _ in 0..INPUTS_MAX {
            let input = match self.inputs.recv_timeout(wait) {
                Ok(input) => input,
                Err(RecvTimeoutError::Timeout) => return,
                // Every reader has ended: said by whoever looks after them.
                Err(RecvTimeoutError::Disconnected) => return std::thread::sleep(wait),
            };
            self.take(input);
            wait = Duration::ZERO;
        }
    }

    fn pause(&self) -> Duration {
        let Some(moment) = self.engine.next_moment() else {
            return LOOK;
        };
        let millis = moment.0.saturating_sub(clock().0);
        LOOK.min(Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
    }

    /// Transitions that failed, or were not read back in time, are judged again.
    fn give_up(&mut self, now: Instant) {
        while let Ok(unwritten) = self.failed.try_recv() {
            if let Some(transition) = self.in_flight.remove(unwritten.write_id) {
                let (state, severity) = (transition.state, transition.severity);
                self.metrics.transition(Outcome::Abandoned, state, severity);
            }
            self.engine.abandon(&unwritten.key, unwritten.write_id);
        }
        for transition in self.in_flight.overdue(now, self.settings.alert_timeout) {
            let (state, severity) = (transition.state, transition.severity);
            self.metrics.transition(Outcome::Abandoned, state, severity);
            self.engine.abandon(&transition.key, transition.write_id);
        }
    }

    /// Whether everything was read that was there at the start, and nothing is halted.
    fn may_judge(&self) -> bool {
        let Behind {
            totals,
            alerts,
            control,
            catalog,
        } = self.behind;
        !totals && !alerts && control == 0 && !catalog && !self.follower.health.is_halted()
    }

    /// Judges those whom something happened to, as many as may be in flight.
    pub(crate) fn judge(&mut self) {
        if !self.may_judge() {
            return;
        }
        let began = Instant::now();
        let mut rng = rand::rng();
        let (mut more, mut count) = (true, 0);
        while more && self.in_flight.len() < IN_FLIGHT_MAX {
            let before = self.engine.pending().0;
            let judged = self
                .engine
                .judge(clock(), TENANTS_AT_ONCE, &mut || rng.random());
            count += before.saturating_sub(self.engine.pending().0);
            more = judged.more;
            for transition in judged.transitions {
                let changed = self.changed.get(transition.key.tenant.as_str()).copied();
                self.in_flight.add(transition.clone(), Instant::now());
                self.writer.write(transition, changed);
            }
            let progress = match more {
                true => Vec::new(),
                false => self.engine.complete(),
            };
            self.standings
                .offer(judged.standings, progress.into_iter().map(Told::new));
            self.follower.health.beat(Instant::now());
        }
        if count > 0 {
            self.metrics
                .judged(u64::try_from(count).unwrap_or(u64::MAX), began.elapsed());
        }
        if !more {
            self.changed.clear();
        }
        self.metrics.in_flight(self.in_flight.len());
    }

    fn look_after(&self, readers: &[JoinHandle<()>]) -> Result<(), LimitsError> {
        // First: the thread that hands the control log on ends with it.
        if let Some(halt) = self.log.control().halted() {
            self.control_halts(halt);
        }
        if readers.iter().any(JoinHandle::is_finished)
            && !self.follower.health.is_halted()
            && !self.follower.stop.load(Ordering::Acquire)
        {
            return Err(LimitsError::Ended);
        }
        let alerts = self.engine.alerts();
        let mut open = [0; 4];
        for tenant in alerts.tenants() {
            for (_, head) in alerts.open_of(tenant) {
                let place = Severity::ALL.iter().position(|s| *s == head.severity);
                open[place.expect("ALL holds every severity")] += 1;
            }
        }
        let (tenants, _) = self.engine.usage().size();
        self.metrics.open(open);
        self.metrics.tenants(tenants);
        self.shown.counts(open.iter().sum(), tenants);
        Ok(())
    }
}
