//! `usage.alerts` as a list, and notifiers that read it.

use crate::TIMEOUT;
use crate::routes::Routes;
use futures::future::BoxFuture;
use meterline_clickhouse::Secret;
use meterline_core::alert::{AlertKey, AlertState, Delivery, DeliveryOutcome, Judged, Transition};
use meterline_core::catalog::plans::{Severity, Threshold};
use meterline_core::limits::notification_id;
use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, LogTime};
use meterline_notify::{InForce, KafkaMessage, Notifier, Outlet, OutletError, Settings};
use prometheus_client::registry::Registry;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// The key of every test's deployment.
pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";

/// What lies in the log.
#[derive(Clone)]
enum Record {
    InForce(Box<InForce>),
    Outcome(Delivery),
}

#[derive(Default)]
struct Contents {
    records: Vec<Record>,
    readers: Vec<Notifier>,
    published: Vec<KafkaMessage>,
    is_away: bool,
}

/// The log; all its readers are fed each record at once.
#[derive(Default)]
pub(crate) struct Log {
    contents: Mutex<Contents>,
    changed: Notify,
}

/// A notifier that runs.
pub(crate) struct Running {
    pub(crate) notifier: Notifier,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Log {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Starts a process that reads the log from its beginning.
    pub(crate) fn start(
        self: &Arc<Self>,
        instance: &str,
        settings: Settings,
        routes: &Arc<Routes>,
    ) -> Running {
        let (directory, outlet) = (Arc::clone(routes), Arc::clone(self));
        let mut registry = Registry::default();
        let made = Notifier::new(settings, instance, directory, outlet, &mut registry);
        let notifier = made.expect("a notifier");
        {
            let mut contents = self.contents.lock().expect("no test has panicked");
            contents.records.iter().for_each(|r| feed(&notifier, r));
            notifier.caught_up();
            contents.readers.push(notifier.clone());
        }
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn({
            let notifier = notifier.clone();
            async move {
                let stopped = async {
                    let _ = stopped.await;
                };
                notifier.run(stopped).await;
            }
        });
        Running {
            notifier,
            stop: Some(stop),
            task,
        }
    }

    fn append(&self, record: Record) {
        let mut contents = self.contents.lock().expect("no test has panicked");
        contents
            .readers
            .iter()
            .for_each(|reader| feed(reader, &record));
        contents.records.push(record);
        drop(contents);
        self.changed.notify_waiters();
    }

    /// Decides an alert of a tenant, written by a process; answers its notification's id.
    pub(crate) fn opens(&self, tenant: &str, threshold: &str, writer: &str) -> u128 {
        let transition = transition(tenant, threshold, writer);
        let id = notification_id(&transition.key, 1, AlertState::Opened);
        let appended = now();
        self.append(Record::InForce(Box::new(InForce {
            transition,
            appended,
        })));
        id
    }

    /// Asks for a repeat, as an operator does.
    pub(crate) fn asks_again(&self, notification: u128, tenant: &str, route: &str) {
        self.append(Record::Outcome(Delivery {
            notification,
            tenant: tenant.to_owned(),
            route: route.to_owned(),
            outcome: DeliveryOutcome::Requested,
            attempt: 0,
            at: now(),
            instance: "operator".to_owned(),
            detail: String::new(),
        }));
    }

    /// Whether outcomes can be written.
    pub(crate) fn set_away(&self, is_away: bool) {
        let mut contents = self.contents.lock().expect("no test has panicked");
        contents.is_away = is_away;
    }

    /// All outcomes, in the log's order.
    pub(crate) fn outcomes(&self) -> Vec<Delivery> {
        let contents = self.contents.lock().expect("no test has panicked");
        let outcome = |record: &Record| match record {
            Record::Outcome(outcome) => Some(outcome.clone()),
            Record::InForce(_) => None,
        };
        contents.records.iter().filter_map(outcome).collect()
    }

    /// What was put on topics of routes.
    pub(crate) fn published(&self) -> Vec<KafkaMessage> {
        let contents = self.contents.lock().expect("no test has panicked");
        contents.published.clone()
    }

    /// Waits until so many outcomes of a kind are in the log; answers them.
    pub(crate) async fn awaits(&self, outcome: DeliveryOutcome, count: usize) -> Vec<Delivery> {
        let waiting = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                let mut found = self.outcomes();
                found.retain(|known| known.outcome == outcome);
                if found.len() >= count {
                    return found;
                }
                changed.await;
            }
        };
        let found = tokio::time::timeout(TIMEOUT, waiting).await;
        found.unwrap_or_else(|_| panic!("{count} {outcome:?}: {:?}", self.outcomes()))
    }
}

fn feed(notifier: &Notifier, record: &Record) {
    match record {
        Record::InForce(seen) => notifier.transition((**seen).clone()),
        Record::Outcome(outcome) => notifier.outcome(outcome.clone()),
    }
}

impl Outlet for Log {
    fn record<'a>(&'a self, outcomes: &'a [Delivery]) -> BoxFuture<'a, Result<(), OutletError>> {
        Box::pin(async move {
            if self.contents.lock().expect("no test has panicked").is_away {
                return Err(OutletError {
                    reason: "no broker answers".to_owned(),
                });
            }
            for outcome in outcomes {
                self.append(Record::Outcome(outcome.clone()));
            }
            Ok(())
        })
    }

    fn publish<'a>(&'a self, message: &'a KafkaMessage) -> BoxFuture<'a, Result<(), OutletError>> {
        Box::pin(async move {
            let mut contents = self.contents.lock().expect("no test has panicked");
            contents.published.push(message.clone());
            Ok(())
        })
    }
}

impl Running {
    /// Stops it, as a process that is asked to end.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        let ended = tokio::time::timeout(TIMEOUT, self.task).await;
        ended.expect("it stops").expect("no panic");
    }

    /// Ends it, as a crash does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

/// Settings for receivers on this machine, without long pauses.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings {
        signing_key: Secret::new(KEY),
        backoff_min: Duration::from_millis(50),
        backoff_max: Duration::from_millis(200),
        bundle_window: Duration::from_millis(50),
        ..Settings::default()
    };
    settings.webhook.allow_http = true;
    settings.webhook.allow_private_addresses = true;
    settings
}

fn transition(tenant: &str, threshold: &str, writer: &str) -> Transition {
    let key = AlertKey {
        tenant: tenant.to_owned(),
        meter: "api_requests".to_owned(),
        period_start: EventTime(1_698_796_800_000_000),
        threshold: threshold.to_owned(),
    };
    Transition {
        write_id: 1,
        head: None,
        key,
        state: AlertState::Opened,
        episode: 1,
        severity: Severity::Warning,
        kind: Threshold::KIND.to_owned(),
        period_end: EventTime(1_701_388_800_000_000),
        used: Quantity::parse("850").expect("a quantity"),
        limit: Quantity::parse("1000").expect("a quantity"),
        plan: "free".to_owned(),
        judged: Judged::default(),
        instance: writer.to_owned(),
    }
}

fn now() -> LogTime {
    SystemTime::now().into()
}
