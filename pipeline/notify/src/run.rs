//! The tasks of a notifier: one that looks what is due, one for each attempt, one that writes.
//!
//! No task waits for a receiver but the one that asks it. Attempts at one time are bounded by lane,
//! so that dead receivers of one kind take no place from another kind, and each receiver has one.

use crate::Fed;
use crate::contract::{Directory, Outlet};
use crate::ledger::{Lane, Ledger, QueueKey, ToRoute, Work};
use crate::metrics::Metrics;
use crate::record::{self, Outcomes};
use crate::settings::Settings;
use crate::tell::Teller;
use meterline_core::alert::{Delivery, DeliveryOutcome};
use meterline_core::time::{LogTime, Millis};
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};

/// How often is looked at what no event tells: routes, metrics, what may be forgotten.
const LOOK: Duration = Duration::from_secs(1);
/// How often the oldest are forgotten.
const FORGET: Duration = Duration::from_secs(60);
/// How often the routes of a day's alerts are asked for again, at most.
const REROUTE: Duration = Duration::from_secs(5);
/// Alerts whose routes are asked for between two looks at what is due.
const ROUTED_AT_ONCE: usize = 512;
/// Records on topics of routes in flight: the producer behind them has its own bound.
const KAFKA_CONCURRENCY: usize = 64;
/// What a receiver rests after an attempt that ended without an answer of ours, by a defect.
const DEFECT_PAUSE: Millis = Millis(60_000);
/// How long a stopping process waits for answers, and writes outcomes: one request's time, within
/// what an orchestrator gives.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// What is fed and not folded yet; beyond it, whoever feeds folds.
const INBOX_MAX: usize = 65_536;

/// What the tasks and the stage share.
pub(crate) struct Shared {
    pub settings: Settings,
    pub directory: Arc<dyn Directory>,
    pub outlet: Arc<dyn Outlet>,
    pub teller: Teller,
    pub metrics: Metrics,
    /// Held by the tasks for milliseconds; the stage takes it only when the inbox is full.
    pub ledger: Mutex<Ledger>,
    pub inbox: Mutex<Vec<Fed>>,
    pub wake: Notify,
}

/// Attempts under way.
#[derive(Default)]
struct Attempts {
    tasks: JoinSet<()>,
    /// By the task's id, for one that ends by a defect.
    work: HashMap<Id, Arc<Work>>,
    by_lane: BTreeMap<Lane, usize>,
}

impl Shared {
    /// Takes what was read; never waits for a receiver.
    pub(crate) fn feed(&self, fed: Fed) {
        let is_full = {
            let mut inbox = lock(&self.inbox);
            inbox.push(fed);
            inbox.len() >= INBOX_MAX
        };
        if is_full {
            self.fold(now());
        }
        self.wake.notify_one();
    }

    /// Folds what was fed, in its order.
    pub(crate) fn fold(&self, now: LogTime) {
        // The ledger first: two that fold keep the order.
        let mut ledger = lock(&self.ledger);
        let inbox = std::mem::take(&mut *lock(&self.inbox));
        for fed in inbox {
            match fed {
                Fed::Transition(alert) => ledger.transition(*alert, now),
                Fed::Outcome(outcome) => ledger.outcome(&outcome, now),
                Fed::CaughtUp => ledger.caught_up(),
            }
        }
    }

    /// Sends until `shutdown` is ready, then waits for what was begun.
    pub(crate) async fn run(self: &Arc<Self>, shutdown: impl Future<Output = ()> + Send) {
        let (outcomes, written) = record::channel();
        let writer = record::write(written, Arc::clone(&self.outlet), self.metrics.clone());
        let mut writer = tokio::spawn(writer);
        let mut attempts = Attempts::default();
        self.send(&mut attempts, &outcomes, shutdown).await;
        let ended = async {
            while let Some(ended) = attempts.tasks.join_next_with_id().await {
                self.ended(&mut attempts, ended);
            }
            drop(outcomes);
            (&mut writer).await
        };
        if tokio::time::timeout(STOP_TIMEOUT, ended).await.is_err() {
            writer.abort();
            tracing::warn!("stopped in the middle of notifications: they are told again");
        }
    }

    async fn send(
        self: &Arc<Self>,
        attempts: &mut Attempts,
        outcomes: &Outcomes,
        shutdown: impl Future<Output = ()> + Send,
    ) {
        let mut shutdown = std::pin::pin!(shutdown);
        let (mut version, mut rerouted) = (self.directory.version(), Instant::now());
        let mut forgotten = Instant::now();
        loop {
            let now = now();
            self.fold(now);
            let newest = self.directory.version();
            if newest != version && rerouted.elapsed() >= REROUTE {
                (version, rerouted) = (newest, Instant::now());
                lock(&self.ledger).routes_changed(now);
            }
            let is_routed = self.route(now);
            self.begin(attempts, outcomes, now);
            if forgotten.elapsed() >= FORGET {
                forgotten = Instant::now();
                lock(&self.ledger).forget(now);
            }
            self.measure();
            let pause = if is_routed {
                self.pause(attempts, now)
            } else {
                Duration::ZERO
            };
            tokio::select! {
                () = &mut shutdown => return,
                () = self.wake.notified() => {}
                Some(ended) = attempts.tasks.join_next_with_id() => self.ended(attempts, ended),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Asks for the routes of some alerts; false where more are left.
    fn route(&self, now: LogTime) -> bool {
        let asked = lock(&self.ledger).take_unrouted(ROUTED_AT_ONCE);
        // The directory has locks of its own: it is asked without ours.
        let answered = asked.iter().map(|asked| (asked.alert.id, self.keys(asked)));
        let answered: Vec<_> = answered.collect();
        let mut ledger = lock(&self.ledger);
        for (id, keys) in answered {
            ledger.routed(id, keys, now);
        }
        asked.len() < ROUTED_AT_ONCE
    }

    fn keys(&self, asked: &ToRoute) -> Vec<QueueKey> {
        let alert = &asked.alert;
        let known = self
            .directory
            .routes(&alert.tenant, &alert.meter, alert.severity);
        let told = known
            .into_iter()
            .filter(|known| known.since <= alert.appended);
        let told = told.map(|known| known.route);
        let wanted = asked
            .wanted
            .iter()
            .filter_map(|id| self.directory.route(id));
        let routes = told.chain(wanted).filter(|route| route.enabled);
        routes
            .map(|route| QueueKey::of(&route, &alert.tenant))
            .collect()
    }

    /// Begins what is due, as far as there is room.
    fn begin(self: &Arc<Self>, attempts: &mut Attempts, outcomes: &Outcomes, now: LogTime) {
        for lane in Lane::ALL {
            while attempts.in_lane(lane) < self.concurrency(lane) {
                let Some(work) = lock(&self.ledger).take(lane, now) else {
                    break;
                };
                let work = Arc::new(work);
                let attempt = attempt(Arc::clone(self), Arc::clone(&work), outcomes.clone());
                let id = attempts.tasks.spawn(attempt).id();
                attempts.work.insert(id, work);
                *attempts.by_lane.entry(lane).or_default() += 1;
            }
        }
    }

    /// An attempt's task ended.
    fn ended(&self, attempts: &mut Attempts, ended: Result<(Id, ()), JoinError>) {
        let (id, defect) = match ended {
            Ok((id, ())) => (id, None),
            Err(error) => (error.id(), Some(error)),
        };
        let Some(work) = attempts.work.remove(&id) else {
            return;
        };
        *attempts.by_lane.entry(work.key.lane).or_insert(1) -= 1;
        if let Some(error) = defect {
            tracing::error!(error = %error, "an attempt to notify ended by a defect");
            let now = now();
            lock(&self.ledger).finish(&work, &[], Some(now.after(DEFECT_PAUSE)), now);
        }
    }

    const fn concurrency(&self, lane: Lane) -> usize {
        match (lane, &self.settings.smtp) {
            (Lane::Webhook, _) => self.settings.webhook.concurrency,
            (Lane::Email, Some(smtp)) => smtp.concurrency,
            // What has no mail server fails at once.
            (Lane::Email, None) => 1,
            (Lane::Kafka, _) => KAFKA_CONCURRENCY,
        }
    }

    /// How long nothing is due.
    fn pause(&self, attempts: &Attempts, now: LogTime) -> Duration {
        let ledger = lock(&self.ledger);
        let free = Lane::ALL.into_iter();
        let free = free.filter(|lane| attempts.in_lane(*lane) < self.concurrency(*lane));
        let next = free.filter_map(|lane| ledger.next_time(lane)).min();
        next.map_or(LOOK, |next| {
            let millis = u64::try_from(next.0.saturating_sub(now.0)).unwrap_or(0);
            // A moment that is now is a millisecond away: nothing is looked at in a circle.
            Duration::from_millis(millis.max(1)).min(LOOK)
        })
    }

    fn measure(&self) {
        let ledger = lock(&self.ledger);
        let (backlog, failing) = (ledger.backlog(), ledger.failing());
        self.metrics
            .left(backlog, failing, ledger.unknown_requests());
    }
}

impl Attempts {
    fn in_lane(&self, lane: Lane) -> usize {
        self.by_lane.get(&lane).copied().unwrap_or_default()
    }
}

/// One attempt, from the route as it is now to the outcomes in the ledger.
async fn attempt(shared: Arc<Shared>, work: Arc<Work>, outcomes: Outcomes) {
    let Some(route) = shared.teller.route(&work) else {
        lock(&shared.ledger).withdraw(&work, now());
        shared.wake.notify_one();
        return;
    };
    let (lane, begun) = (work.key.lane, Instant::now());
    let told = shared.teller.tell(&route, &work).await;
    if !work.attempts.is_empty() {
        let takeovers = work.attempts.iter().filter(|a| a.is_takeover).count();
        let takeovers = u64::try_from(takeovers).unwrap_or(u64::MAX);
        shared.metrics.attempted(lane, begun.elapsed(), takeovers);
    }
    for outcome in &told.outcomes {
        shared.metrics.ended(lane, outcome.outcome);
    }
    log(&told.outcomes);
    // What cannot be written down waits here, and the receiver with it. The writer ends only after
    // the last attempt.
    let _ = outcomes.send(told.outcomes.clone()).await;
    let now = now();
    let not_before = told.pause.map(|pause| now.after(pause));
    lock(&shared.ledger).finish(&work, &told.outcomes, not_before, now);
    shared.wake.notify_one();
}

/// Says what went wrong, once for a bundle.
fn log(outcomes: &[Delivery]) {
    let Some(last) = outcomes.last() else {
        return;
    };
    let (route, detail, alerts) = (&last.route, &last.detail, outcomes.len());
    match last.outcome {
        DeliveryOutcome::Failed => {
            let attempt = last.attempt;
            tracing::warn!(route, detail, alerts, attempt, "failed to notify");
        }
        DeliveryOutcome::Parked => {
            tracing::error!(route, detail, alerts, "notifications parked");
        }
        DeliveryOutcome::Delivered | DeliveryOutcome::Requested => {}
    }
}

/// A lock whose holder cannot have left it half changed: it only panics on a defect, and a
/// notifier that went on is better than none.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The wall clock, in the log's unit.
pub(crate) fn now() -> LogTime {
    SystemTime::now().into()
}
