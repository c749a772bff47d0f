//! A deployment of its own for a test: topics, tables, a catalog, a key, and the API in this
//! process.

use meterline_api::{Api, Connections, Health, NewToken, Settings};
use meterline_clickhouse::{ClickHouse, Secret};
use meterline_control::{
    AccountsOptions, Author, CatalogApplied, ControlLog, Expected, InitSpec, init_topics,
};
use meterline_core::account::{ApiKey, Role, TenantScope};
use meterline_core::catalog::plans::{Cap, PeriodZone, Plan, Plans, Reset, Terms};
use meterline_core::catalog::{Aggregation, Catalog, Meter};
use meterline_core::control::Decision;
use meterline_core::quantity::Quantity;
use meterline_stack::{PASSWORD, Parts, Stack, USER};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Far above what any step takes; only a failing test waits for it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);

/// Partitions of every topic.
pub(crate) const PARTITIONS: u32 = 2;

static RUNNING: Mutex<Weak<Stack>> = Mutex::new(Weak::new());
static SITES: AtomicU32 = AtomicU32::new(0);

/// A deployment.
pub(crate) struct Site {
    _stack: Arc<Stack>,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) kafka: meterline_kafka::Settings,
    pub(crate) clickhouse: ClickHouse,
    pub(crate) log: ControlLog,
    database: meterline_clickhouse::Settings,
    /// Token of a key that may do everything.
    pub(crate) token: String,
}

/// An API that runs in this process; it stops when this is dropped.
pub(crate) struct Running<'a> {
    site: &'a Site,
    address: SocketAddr,
    pub(crate) health: Arc<Health>,
    client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    ended: Option<tokio::task::JoinHandle<()>>,
}

pub(crate) fn number(n: i128) -> Quantity {
    Quantity::from_unscaled(n, 0).expect("small numbers fit")
}

pub(crate) fn author() -> Author {
    Author {
        actor: "test".to_owned(),
        note: "a test".to_owned(),
    }
}

/// Waits until the answer is there.
pub(crate) fn until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Meters `calls`, and `tokens` by model and region; plan `free` of 100 calls a month, hard.
fn catalog() -> Catalog {
    let terms = Terms {
        included: None,
        limit: Some(number(100)),
        cap: Cap::Hard,
        grace: None,
        thresholds: Vec::new(),
        reset: Reset::Month,
        zone: PeriodZone::Utc,
        price: None,
    };
    Catalog {
        plans: Plans {
            plans: vec![Plan {
                name: "free".to_owned(),
                title: "Free".to_owned(),
                base: None,
                meters: BTreeMap::from([("calls".to_owned(), terms)]),
            }],
            ..Plans::default()
        },
        ..Catalog::new(
            "test",
            vec![
                meter("calls", Aggregation::Count, &[]),
                meter("tokens", Aggregation::Sum, &["model", "region"]),
            ],
        )
    }
}

fn meter(name: &str, aggregation: Aggregation, group_by: &[&str]) -> Meter {
    Meter {
        name: name.to_owned(),
        description: "For tests.".to_owned(),
        unit: "one".to_owned(),
        event_type: name.trim_end_matches('s').to_owned(),
        filter: Vec::new(),
        value: None,
        scale: Quantity::ONE,
        aggregation,
        group_by: group_by.iter().map(|key| (*key).to_owned()).collect(),
        negative: false,
        max_dimensions: 10_000,
    }
}

impl Site {
    /// A deployment with its catalog and adoptions, and one key.
    pub(crate) fn new() -> Self {
        let stack = Stack::running(&RUNNING, Parts::default());
        let number = SITES.fetch_add(1, Ordering::Relaxed);
        let kafka = meterline_kafka::Settings {
            brokers: stack.brokers(),
            properties: BTreeMap::new(),
            topic_prefix: format!("api{number}."),
        };
        let mut database = meterline_clickhouse::Settings::new(&stack.clickhouse_url());
        USER.clone_into(&mut database.user);
        database.password = Secret::new(PASSWORD);
        database.database = format!("api_{number}");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let clickhouse = ClickHouse::connect(database.clone()).expect("settings");
        runtime.block_on(clickhouse.migrate()).expect("tables");
        let spec = InitSpec {
            partitions: PARTITIONS,
            replicas: None,
            author: author(),
        };
        init_topics(&kafka, &spec, TIMEOUT).expect("topics");
        let log = ControlLog::connect(&kafka).expect("a client");
        let applied = log.apply_catalog(catalog(), "", &author(), TIMEOUT);
        assert!(matches!(applied, Ok(CatalogApplied::New(_))), "{applied:?}");
        let mut site = Self {
            _stack: stack,
            runtime,
            kafka,
            clickhouse,
            log,
            database,
            token: String::new(),
        };
        site.adopt();
        site.token = site.key(TenantScope::All);
        site
    }

    /// Workers would do it when they are assigned the partitions.
    fn adopt(&self) {
        let admin = meterline_kafka::Admin::connect(&self.kafka).expect("a client");
        let name = self.kafka.topics().usage_events();
        let topic = admin.describe_topic(&name, TIMEOUT).expect("an answer");
        let topic = topic.expect("made by init");
        for partition in 0..PARTITIONS {
            let adopted = self
                .log
                .adopt_created(&topic, partition, &author(), TIMEOUT);
            adopted.expect("adopted");
        }
    }

    /// Token of a key that may do everything for one tenant.
    pub(crate) fn key_for(&self, tenant: &str) -> String {
        self.key(TenantScope::These(vec![tenant.to_owned()]))
    }

    fn key(&self, tenants: TenantScope) -> String {
        let log = ControlLog::connect_with_accounts(&self.kafka, AccountsOptions::default());
        let log = log.expect("a client");
        let new = NewToken::mint();
        let key = ApiKey {
            id: new.id,
            name: "a test".to_owned(),
            hash: new.hash,
            previous: None,
            roles: vec![Role::Admin],
            tenants,
            rate: Some(1_000_000),
            revoked: false,
            expires: None,
        };
        let decision = Decision::ApiKey(Box::new(key));
        let changed = log.change(decision, Expected::Head(None), &author(), TIMEOUT);
        changed.expect("in force");
        new.token
    }

    /// Starts the API; it may not be ready yet.
    fn start(&self) -> Running<'_> {
        self.start_with(self.database.clone())
    }

    /// Starts the API with a ClickHouse that does not answer.
    pub(crate) fn start_without_clickhouse(&self) -> Running<'_> {
        let mut database = self.database.clone();
        database.url = format!("http://127.0.0.1:{}", meterline_stack::free_port());
        self.start_with(database)
    }

    fn start_with(&self, database: meterline_clickhouse::Settings) -> Running<'_> {
        let settings = Settings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, meterline_stack::free_port())),
            ..Settings::default()
        };
        let connections = Connections {
            kafka: self.kafka.clone(),
            clickhouse: database,
            snapshots: None,
            notifications: None,
            instance: "test".to_owned(),
        };
        let address = settings.listen;
        let (api, _metrics) = Api::new(connections, settings).expect("settings");
        let health = api.health();
        let (stop, stopped) = oneshot::channel();
        let ended = self.runtime.spawn(async move {
            let shutdown = async {
                // A dropped sender says the same.
                let _ = stopped.await;
            };
            api.run(shutdown).await.expect("the API runs");
        });
        Running {
            site: self,
            address,
            health,
            client: reqwest::Client::new(),
            stop: Some(stop),
            ended: Some(ended),
        }
    }

    /// Starts the API and waits until it is ready.
    pub(crate) fn start_ready(&self) -> Running<'_> {
        let running = self.start();
        until("ready", || {
            running
                .health
                .problems(Instant::now())
                .is_empty()
                .then_some(())
        });
        running
    }
}

impl Running<'_> {
    /// Status of a path that needs no key; `None` while nobody listens.
    pub(crate) fn try_get(&self, path: &str) -> Option<u16> {
        let url = format!("http://{}{path}", self.address);
        let answer = self.site.runtime.block_on(self.client.get(url).send());
        answer.ok().map(|answer| answer.status().as_u16())
    }

    /// A request by the first key.
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.request_by(&self.site.token, method, path)
    }

    /// A request by any key.
    pub(crate) fn request_by(
        &self,
        token: &str,
        method: &str,
        path: &str,
    ) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        let url = format!("http://{}{path}", self.address);
        self.client.request(method, url).bearer_auth(token)
    }

    /// Sends a request; its status and JSON.
    pub(crate) fn send(&self, request: reqwest::RequestBuilder) -> (u16, Value) {
        self.site.runtime.block_on(async {
            let response = request.send().await.expect("an answer");
            let status = response.status().as_u16();
            let bytes = response.bytes().await.expect("whole");
            (
                status,
                serde_json::from_slice(&bytes).unwrap_or(Value::Null),
            )
        })
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.ended.take().expect("it runs once");
        self.site
            .runtime
            .block_on(ended)
            .expect("the API ended well");
    }
}
