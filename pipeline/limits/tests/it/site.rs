//! A deployment of its own for a test: topics, tables, a catalog, and the stage in this process.

use crate::catalog::{METER, catalog};
use meterline_clickhouse::{ClickHouse, Secret};
use meterline_control::{
    AccountLog, AccountsOptions, Author, CatalogApplied, ControlLog, InitSpec, init_topics,
};
use meterline_core::account::{AccountChange, AccountStatus, AccountTerms, RunningPeriod};
use meterline_core::bucket::{Bucket, BucketRow, Kind, Series};
use meterline_core::catalog::Aggregation;
use meterline_core::chain::Ruling;
use meterline_core::control::Decision;
use meterline_core::counters::Counters;
use meterline_core::hash::partition_of;
use meterline_core::limits::Alerts;
use meterline_core::position::{LogPartition, Offset, Stamp, TopicId};
use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, Level, LogTime, Window};
use meterline_kafka::{Admin, Outgoing, Producer, ReadError, Reader, Settings};
use meterline_limits::{Connections, Health, Limits, LimitsSettings};
use meterline_schemas::records::{Progress, Record, Total, decode, encode_progress, encode_total};
use meterline_stack::{PASSWORD, Parts, Stack, USER};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::oneshot;

/// Far above what any step takes; only a failing test waits for it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);

/// Partitions of every topic.
pub(crate) const PARTITIONS: u32 = 2;

static RUNNING: Mutex<Weak<Stack>> = Mutex::new(Weak::new());
static SITES: AtomicU32 = AtomicU32::new(0);

/// A deployment.
pub(crate) struct Site {
    pub(crate) stack: Arc<Stack>,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) kafka: Settings,
    pub(crate) database: meterline_clickhouse::Settings,
    pub(crate) clickhouse: ClickHouse,
    log: AccountLog,
    producer: Producer,
    usage: TopicId,
    /// The next offset of each partition of usage.
    next: Mutex<BTreeMap<u32, Offset>>,
}

/// A stage that runs in this process; it stops when this is dropped.
pub(crate) struct Running {
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: prometheus_client::registry::Registry,
    stop: Option<oneshot::Sender<()>>,
    ended: Option<tokio::task::JoinHandle<()>>,
    handle: tokio::runtime::Handle,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.ended.take().expect("it runs once");
        self.handle.block_on(ended).expect("the stage ended well");
    }
}

fn author() -> Author {
    Author {
        actor: "test".to_owned(),
        note: "a test".to_owned(),
    }
}

pub(crate) fn number(n: i128) -> Quantity {
    Quantity::from_unscaled(n, 0).expect("small numbers fit")
}

pub(crate) fn clock() -> LogTime {
    SystemTime::now().into()
}

/// Waits until the answer is there.
pub(crate) fn until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The threshold of `threshold state episode`.
fn threshold(told: &str) -> String {
    told.split(' ').next().unwrap_or_default().to_owned()
}

impl Site {
    /// Topics, tables and a catalog, on the stack that the tests share.
    pub(crate) fn new() -> Self {
        Self::on(Stack::running(&RUNNING, Parts::default()))
    }

    /// The same on a stack of its own, which the test may break.
    pub(crate) fn alone() -> Self {
        Self::on(Arc::new(Stack::start(Parts::default())))
    }

    fn on(stack: Arc<Stack>) -> Self {
        let site = SITES.fetch_add(1, Ordering::Relaxed);
        let kafka = Settings {
            brokers: stack.brokers(),
            properties: BTreeMap::new(),
            topic_prefix: format!("test{site}."),
        };
        let mut database = meterline_clickhouse::Settings::new(&stack.clickhouse_url());
        database.user = USER.to_owned();
        database.password = Secret::new(PASSWORD);
        database.database = format!("test{site}");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let clickhouse = ClickHouse::connect(database.clone()).expect("settings");
        runtime.block_on(clickhouse.migrate()).expect("tables");
        let spec = InitSpec {
            partitions: PARTITIONS,
            replicas: None,
            author: author(),
        };
        init_topics(&kafka, &spec, TIMEOUT).expect("topics");
        let log = ControlLog::connect_with_accounts(&kafka, AccountsOptions::default());
        let log = log.expect("a client");
        let applied = log
            .control()
            .apply_catalog(catalog(), "", &author(), TIMEOUT);
        assert!(matches!(applied, Ok(CatalogApplied::New(_))), "{applied:?}");
        let admin = Admin::connect(&kafka).expect("a client");
        let usage = admin.describe_topic(&kafka.topics().usage_events(), TIMEOUT);
        let usage = usage.expect("an answer").expect("a topic").topic_id;
        Self {
            stack,
            producer: Producer::connect(&kafka).expect("a client"),
            runtime,
            kafka,
            database,
            clickhouse,
            log,
            usage,
            next: Mutex::default(),
        }
    }

    /// Starts a stage.
    pub(crate) fn start(&self, instance: &str) -> Running {
        let connections = Connections {
            kafka: self.kafka.clone(),
            clickhouse: self.database.clone(),
            instance: instance.to_owned(),
        };
        let settings = LimitsSettings {
            standing_interval: Duration::from_millis(50),
            table_interval: Duration::from_millis(100),
            ..LimitsSettings::default()
        };
        let _context = self.runtime.enter();
        let notifications = meterline_notify::Settings::default();
        let (limits, metrics) = Limits::new(connections, settings, notifications).expect("a stage");
        let health = limits.health();
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = self.runtime.spawn(async move {
            let stopped = async {
                // A sender that is dropped stops the stage, too.
                let _ = stopped.await;
            };
            limits.run(stopped).await.expect("the stage runs");
        });
        Running {
            health,
            metrics,
            stop: Some(stop),
            ended: Some(ended),
            handle: self.runtime.handle().clone(),
        }
    }

    /// Starts a stage and waits until it judges.
    pub(crate) fn start_ready(&self, instance: &str) -> Running {
        // Partitions without progress are not ready; idle ones have ticks.
        for partition in 0..PARTITIONS {
            self.progress(partition);
        }
        let running = self.start(instance);
        until("the stage is ready", || {
            let problems = running.health.problems(Instant::now(), SystemTime::now());
            problems.is_empty().then_some(())
        });
        running
    }

    /// Publishes that the tenant made so many calls this month, and that this is all.
    pub(crate) fn calls(&self, tenant: &str, count: u64) {
        let partition = partition_of(tenant.as_bytes(), PARTITIONS);
        let offset = self.take_offset(partition);
        let now = clock();
        let stamp = Stamp { epoch: 0, offset };
        let month = Window::of(Level::Month, now.as_event_time().hour());
        let total = Total {
            log_partition: self.log_partition(partition),
            row: BucketRow {
                series: Arc::new(Series {
                    tenant: tenant.into(),
                    meter: METER.into(),
                    kind: Kind::Only,
                    aggregation: Aggregation::Count,
                    dimensions: Box::default(),
                    dimensions_hash: 0,
                }),
                // One hour of it: the month's first, so that all calls of a test change one value.
                window: Window {
                    level: Level::Hour,
                    start: month.start,
                },
                bucket: Bucket {
                    events: count,
                    changed: stamp,
                    updated_at: now,
                    ..Bucket::default()
                },
            },
        };
        let mut bytes = Vec::new();
        encode_total(total.log_partition, &total.row, &mut bytes);
        let totals = self.kafka.topics().totals();
        self.publish(&totals, partition, &bytes);
        self.progress(partition);
    }

    fn progress(&self, partition: u32) {
        let to = self.next.lock().expect("no test panics in it");
        let to = to.get(&partition).copied().unwrap_or(0);
        let progress = Progress {
            log_partition: self.log_partition(partition),
            epoch: 0,
            to,
            levels_to: to,
            log_time: clock(),
            sealed_to: EventTime(0),
            levels_sealed_to: EventTime(0),
            catalog_version: 1,
            counters: Counters::default(),
            totals_position: None,
        };
        let mut bytes = Vec::new();
        encode_progress(&progress, &mut bytes);
        self.publish(&self.kafka.topics().totals(), partition, &bytes);
    }

    /// Writes a value to a topic as it is.
    pub(crate) fn publish(&self, topic: &str, partition: u32, bytes: &[u8]) {
        let written = self.producer.send_blocking(Outgoing {
            topic,
            partition: Some(partition),
            payload: Some(bytes),
            ..Outgoing::default()
        });
        written.expect("acknowledged");
    }

    fn take_offset(&self, partition: u32) -> Offset {
        let mut next = self.next.lock().expect("no test panics in it");
        let next = next.entry(partition).or_default();
        *next += 1;
        *next - 1
    }

    fn log_partition(&self, partition: u32) -> LogPartition {
        LogPartition {
            topic_id: self.usage,
            partition,
        }
    }

    /// Gives an account a plan.
    pub(crate) fn account(&self, tenant: &str, plan: &str) {
        let decision = Decision::Account(Box::new(AccountChange {
            account: tenant.to_owned(),
            effective: None,
            running: RunningPeriod::Keep,
            origin: String::new(),
            terms: AccountTerms {
                name: String::new(),
                plan: plan.to_owned(),
                status: AccountStatus::Active,
                start: "2020-01-01".to_owned(),
                time_zone: "UTC".to_owned(),
                overrides: BTreeMap::new(),
                contacts: Vec::new(),
                stripe_customer: None,
            },
        }));
        let record = self.log.propose(decision, &author());
        let decided = self.log.control().decide(&record, TIMEOUT);
        decided.expect("in force");
    }

    /// The transitions in force, as `threshold state episode`, by tenant; and how many were not.
    pub(crate) fn in_force(&self) -> (BTreeMap<String, Vec<String>>, usize) {
        let mut alerts = Alerts::new(PARTITIONS);
        let (mut in_force, mut ignored) = (BTreeMap::<String, Vec<String>>::new(), 0);
        let mut reader = Reader::connect(&self.kafka, "test").expect("a client");
        for partition in 0..PARTITIONS {
            let topic = self.kafka.topics().alerts();
            let take = |record: meterline_kafka::ReadRecord| -> Result<(), ReadError> {
                let at = record.append_time.expect("append times");
                let payload = record.payload.expect("a value");
                let Record::Transition(transition) = decode(&payload).expect("a record") else {
                    alerts.pass(partition, record.offset, at).expect("order");
                    return Ok(());
                };
                let ruling = alerts.apply(partition, record.offset, at, &transition);
                if ruling.expect("order") == Ruling::InForce {
                    let key = transition.key;
                    let (state, episode) = (transition.state.name(), transition.episode);
                    let line = format!("{} {state} {episode}", key.threshold);
                    in_force.entry(key.tenant).or_default().push(line);
                } else {
                    ignored += 1;
                }
                Ok(())
            };
            let end = reader.read_to_end(&topic, partition, 0, TIMEOUT, take);
            end.expect("the log's end");
        }
        (in_force, ignored)
    }

    /// Waits until these transitions of a tenant are in force, those of one threshold in this
    /// order: transitions of several are on their way at the same time.
    pub(crate) fn until_in_force(&self, tenant: &str, expected: &[&str]) {
        let mut expected: Vec<_> = expected.iter().map(|told| (*told).to_owned()).collect();
        expected.sort_by_key(|told| threshold(told));
        until(&format!("{tenant}: {expected:?}"), || {
            let (mut in_force, _) = self.in_force();
            let mut found = in_force.remove(tenant).unwrap_or_default();
            found.sort_by_key(|told| threshold(told));
            (found == expected).then_some(())
        });
    }
}
