//! A deployment of its own for a test: topics, tables, a catalog, a Stripe, and the stage in this
//! process.

use crate::catalog::{EVENT_NAME, METER, catalog};
use meterline_billing::{Billing, BillingSettings, BillingStatus, Connections, Health};
use meterline_clickhouse::{ClickHouse, Secret};
use meterline_control::{
    AccountLog, AccountsOptions, Author, CatalogApplied, ControlLog, InitSpec, init_topics,
};
use meterline_core::account::{AccountChange, AccountStatus, AccountTerms, RunningPeriod};
use meterline_core::bucket::{Bucket, BucketRow, Kind, Series};
use meterline_core::catalog::Aggregation;
use meterline_core::catalog::stripe::StripeMapping;
use meterline_core::control::Decision;
use meterline_core::counters::Counters;
use meterline_core::hash::partition_of;
use meterline_core::position::{LogPartition, Offset, Stamp, TopicId};
use meterline_core::time::{EventTime, Hour, Level, LogTime, Window};
use meterline_fake_stripe::{Clock, FakeStripe};
use meterline_kafka::{Admin, Outgoing, Producer, Settings};
use meterline_schemas::records::{Progress, encode_progress, encode_total};
use meterline_stack::{PASSWORD, Parts, Stack, USER};
use meterline_stripe::Client;
use meterline_stripe::requests::meters::{self, NewMeter};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::oneshot;

/// Far above what any step takes, two minutes of quiet included; only a failing test waits for it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(300);

/// Partitions of every topic.
pub(crate) const PARTITIONS: u32 = 2;

/// The key of every stage.
pub(crate) const KEY: &str = "sk_test_hunter2";

static RUNNING: Mutex<Weak<Stack>> = Mutex::new(Weak::new());
static SITES: AtomicU32 = AtomicU32::new(0);

/// A deployment.
pub(crate) struct Site {
    _stack: Arc<Stack>,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) kafka: Settings,
    database: meterline_clickhouse::Settings,
    pub(crate) clickhouse: ClickHouse,
    pub(crate) stripe: FakeStripe,
    log: AccountLog,
    producer: Producer,
    usage: TopicId,
    /// The next offset of each partition of usage.
    next: Mutex<BTreeMap<u32, Offset>>,
}

/// A stage that runs in this process; it stops when this is dropped.
pub(crate) struct Running {
    health: Arc<Health>,
    stop: Option<oneshot::Sender<()>>,
    ended: Option<tokio::task::JoinHandle<()>>,
    handle: tokio::runtime::Handle,
}

impl Running {
    /// Why it is not ready.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.health.problems(Instant::now(), SystemTime::now())
    }

    /// What it shows.
    pub(crate) fn status(&self) -> BillingStatus {
        self.health.status(Instant::now(), SystemTime::now())
    }

    /// Waits until it is ready.
    pub(crate) fn until_ready(&self) {
        until("the stage is ready", || {
            self.problems().is_empty().then_some(())
        });
    }

    /// Waits until it says a problem that holds these words.
    pub(crate) fn until_problem(&self, words: &str) {
        until(words, || {
            let problems = self.problems();
            let is_said = problems.iter().any(|problem| problem.contains(words));
            is_said.then_some(())
        });
    }
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

fn clock() -> LogTime {
    SystemTime::now().into()
}

/// The hour before the running one.
pub(crate) fn last_hour() -> Hour {
    Hour(clock().as_event_time().hour().0 - 1)
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

/// A tenant's calls in an hour.
pub(crate) fn bucket_row(
    tenant: &str,
    hour: Hour,
    count: u64,
    changed: Stamp,
    updated_at: LogTime,
) -> BucketRow {
    BucketRow {
        series: Arc::new(Series {
            tenant: tenant.into(),
            meter: METER.into(),
            kind: Kind::Only,
            aggregation: Aggregation::Count,
            dimensions: Box::default(),
            dimensions_hash: 0,
        }),
        window: Window::of(Level::Hour, hour),
        bucket: Bucket {
            events: count,
            changed,
            updated_at,
            ..Bucket::default()
        },
    }
}

impl Site {
    /// Topics, tables, a catalog and a Stripe that has the meter.
    pub(crate) fn new() -> Self {
        Self::with_clock(Clock::Wall)
    }

    /// The same with a Stripe by another clock.
    pub(crate) fn with_clock(clock: Clock) -> Self {
        let stack = Stack::running(&RUNNING, Parts::default());
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
        let behaviour = meterline_fake_stripe::Settings {
            limits: None,
            arrival_delay_max: 0,
            ..meterline_fake_stripe::Settings::default()
        };
        let stripe = FakeStripe::start(behaviour, clock).expect("a port");
        let site = Self {
            _stack: stack,
            producer: Producer::connect(&kafka).expect("a client"),
            runtime,
            kafka,
            database,
            clickhouse,
            stripe,
            log,
            usage,
            next: Mutex::default(),
        };
        site.make_meter();
        site
    }

    pub(crate) fn client(&self) -> Client {
        let settings = meterline_stripe::Settings {
            api_base: self.stripe.url(),
            ..meterline_stripe::Settings::new(Secret::new(KEY))
        };
        Client::new(settings).expect("settings that can be used")
    }

    fn make_meter(&self) {
        let meter = meters::create(&NewMeter {
            display_name: "Calls",
            event_name: EVENT_NAME,
            customer_key: StripeMapping::CUSTOMER_KEY,
            value_key: "value",
        });
        let made = self.runtime.block_on(self.client().write(&meter));
        made.expect("a meter");
    }

    /// Starts a stage.
    pub(crate) fn start(&self, instance: &str) -> Running {
        self.start_with(instance, |_| ())
    }

    /// Starts a stage with other settings.
    pub(crate) fn start_with(
        &self,
        instance: &str,
        change: impl FnOnce(&mut BillingSettings),
    ) -> Running {
        // Partitions without progress are not ready; idle ones have ticks.
        for partition in 0..PARTITIONS {
            self.progress(partition);
        }
        let connections = Connections {
            kafka: self.kafka.clone(),
            clickhouse: self.database.clone(),
            instance: instance.to_owned(),
        };
        let mut settings = BillingSettings {
            api_key: Secret::new(KEY),
            api_base: self.stripe.url(),
            // Nobody publishes ticks here.
            progress_timeout: Duration::from_secs(3_600),
            ..BillingSettings::default()
        };
        change(&mut settings);
        let _context = self.runtime.enter();
        let (billing, _) = Billing::new(connections, settings).expect("a stage");
        let health = billing.health();
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = self.runtime.spawn(async move {
            let stopped = async {
                // A sender that is dropped stops the stage, too.
                let _ = stopped.await;
            };
            billing.run(stopped).await.expect("the stage runs");
        });
        Running {
            health,
            stop: Some(stop),
            ended: Some(ended),
            handle: self.runtime.handle().clone(),
        }
    }

    /// Publishes that the tenant made so many calls in an hour, and that this is all.
    pub(crate) fn calls(&self, tenant: &str, hour: Hour, count: u64) {
        let partition = partition_of(tenant.as_bytes(), PARTITIONS);
        let offset = self.take_offset(partition);
        let row = bucket_row(tenant, hour, count, Stamp { epoch: 0, offset }, clock());
        let mut bytes = Vec::new();
        encode_total(self.log_partition(partition), &row, &mut bytes);
        self.publish(&self.kafka.topics().totals(), partition, &bytes);
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
            sealed_to: last_hour().end(),
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

    pub(crate) fn take_offset(&self, partition: u32) -> Offset {
        let mut next = self.next.lock().expect("no test panics in it");
        let next = next.entry(partition).or_default();
        *next += 1;
        *next - 1
    }

    pub(crate) fn log_partition(&self, partition: u32) -> LogPartition {
        LogPartition {
            topic_id: self.usage,
            partition,
        }
    }

    /// Makes a customer at Stripe, and links an account to it; its id.
    pub(crate) fn link(&self, tenant: &str) -> String {
        let customer = self.customer(tenant);
        let decision = Decision::Account(Box::new(AccountChange {
            account: tenant.to_owned(),
            effective: None,
            running: RunningPeriod::Keep,
            origin: String::new(),
            terms: AccountTerms {
                name: String::new(),
                plan: String::new(),
                status: AccountStatus::Active,
                start: "2020-01-01".to_owned(),
                time_zone: "UTC".to_owned(),
                overrides: BTreeMap::new(),
                contacts: Vec::new(),
                stripe_customer: Some(customer.clone()),
            },
        }));
        let record = self.log.propose(decision, &author());
        let decided = self.log.control().decide(&record, TIMEOUT);
        decided.expect("in force");
        customer
    }
}
