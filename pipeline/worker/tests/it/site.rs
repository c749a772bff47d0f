//! One deployment per test: topics under a prefix, a database, a checkpoint store, and workers.

use clickhouse::{Client, Row, RowOwned, RowRead};
use meterline_checkpoint::StoreSettings;
use meterline_clickhouse::{ClickHouse, Keep, Secret};
use meterline_control::{Author, ControlLog, Decided, InitSpec, init_topics, propose};
use meterline_core::control::{Decision, Verdict, VerdictAction};
use meterline_core::position::LogPartition;
use meterline_kafka::{Admin, Outgoing, Producer};
use meterline_schemas::catalog_yaml;
use meterline_stack::{PASSWORD, Parts, Stack, USER, free_port};
use meterline_worker::{RollupSettings, RunError, Settings, Stage, StageSettings};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Far above what any step takes; only a failing test waits for it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// How often what is waited for is asked for.
const ASK: Duration = Duration::from_millis(100);

static RUNNING: Mutex<Weak<Stack>> = Mutex::new(Weak::new());
static SITES: AtomicU32 = AtomicU32::new(0);

/// A deployment.
pub(crate) struct Site {
    stack: Arc<Stack>,
    name: String,
    checkpoints: TempDir,
    partitions: u32,
}

/// A worker in this process.
pub(crate) struct Worker {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), RunError>>,
    pub(crate) address: SocketAddr,
}

impl Worker {
    /// Stops it gracefully.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap();
    }

    /// Status code and body of a GET; code 0 while nobody listens yet.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        match reqwest::get(format!("http://{}{path}", self.address)).await {
            Ok(answer) => (answer.status().as_u16(), answer.text().await.unwrap()),
            Err(_) => (0, String::new()),
        }
    }
}

impl Site {
    /// Topics and tables, and no catalog yet.
    pub(crate) async fn made(partitions: u32) -> Self {
        let number = SITES.fetch_add(1, Ordering::Relaxed);
        let site = Self {
            stack: Stack::running(&RUNNING, Parts::default()),
            name: format!("site_{number}"),
            checkpoints: tempfile::tempdir().unwrap(),
            partitions,
        };
        let (kafka, author) = (site.kafka(), author());
        let spec = InitSpec {
            partitions,
            replicas: Some(1),
            author,
        };
        let made = move || init_topics(&kafka, &spec, TIMEOUT).unwrap();
        tokio::task::spawn_blocking(made).await.unwrap();
        let clickhouse = ClickHouse::connect(site.settings().clickhouse).unwrap();
        clickhouse.migrate().await.unwrap();
        site
    }

    /// Publishes a catalog.
    pub(crate) async fn apply(&self, yaml: &str) {
        let catalog = catalog_yaml::read("test.yaml", yaml).unwrap();
        let log = ControlLog::connect(&self.kafka()).unwrap();
        let apply = |log: &ControlLog| log.apply_catalog(catalog, "", &author(), TIMEOUT);
        log.off_thread(apply).await.unwrap();
    }

    fn kafka(&self) -> meterline_kafka::Settings {
        meterline_kafka::Settings {
            brokers: self.stack.brokers(),
            properties: BTreeMap::new(),
            topic_prefix: format!("{}.", self.name),
        }
    }

    /// Settings of a worker here: everything happens soon.
    pub(crate) fn settings(&self) -> Settings {
        let url = self.stack.clickhouse_url();
        let mut clickhouse = meterline_clickhouse::Settings::new(&url);
        USER.clone_into(&mut clickhouse.user);
        clickhouse.password = Secret::new(PASSWORD);
        clickhouse.database.clone_from(&self.name);
        clickhouse.retention.bucket_hourly = Keep::Forever;
        Settings {
            kafka: self.kafka(),
            clickhouse,
            checkpoint: StoreSettings::new(&format!(
                "file://{}",
                self.checkpoints.path().display()
            )),
            http_listen: None,
            group: "rollup".to_owned(),
            instance: "worker".to_owned(),
            rollup: RollupSettings {
                flush_interval: Duration::from_millis(200),
                levels_interval: Duration::from_secs(1),
                checkpoint_interval: Duration::from_secs(1),
                session_timeout: Duration::from_secs(6),
                ..RollupSettings::default()
            },
            archive: StageSettings::new("archive"),
            rekey: StageSettings::new("rekey"),
            limits: meterline_limits::LimitsSettings::default(),
            stripe: meterline_billing::BillingSettings::default(),
            notifications: meterline_notify::Settings::default(),
            api: meterline_api::Settings::default(),
        }
    }

    /// Starts a worker.
    pub(crate) fn start(&self) -> Worker {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut settings = self.settings();
        settings.http_listen = Some(address);
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move {
            // A test that fails drops the sender, which stops the worker too.
            let _ = stopped.await;
        };
        let run = async move { meterline_worker::run(settings, &[Stage::Rollup], shutdown).await };
        Worker {
            stop,
            task: tokio::spawn(run),
            address,
        }
    }

    /// Writes records to the usage topic: (key, value).
    pub(crate) async fn produce(&self, records: &[(String, String)]) {
        let producer = Producer::connect(&self.kafka()).unwrap();
        let topic = self.kafka().topics().usage_events();
        let records = records.iter().map(|(key, value)| Outgoing {
            topic: &topic,
            key: Some(key.as_bytes()),
            payload: Some(value.as_bytes()),
            ..Outgoing::default()
        });
        producer
            .send_all(records.collect::<Vec<_>>())
            .await
            .unwrap();
    }

    /// Ends of a topic's partitions, summed up.
    pub(crate) async fn end_of(&self, name: &str) -> u64 {
        let (kafka, partitions) = (self.kafka(), self.partitions);
        let topic = format!("{}{name}", kafka.topic_prefix);
        let ask = move || {
            let admin = Admin::connect(&kafka).unwrap();
            let end = |partition| admin.watermarks(&topic, partition, TIMEOUT).unwrap().1;
            (0..partitions).map(end).sum()
        };
        tokio::task::spawn_blocking(ask).await.unwrap()
    }

    /// Deletes the records of partition 0 of the usage topic that lie before an offset.
    pub(crate) async fn delete_records_before(&self, offset: u64) {
        let config = self.kafka().admin_config();
        let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
        let mut list = TopicPartitionList::new();
        let topic = self.kafka().topics().usage_events();
        let offset = Offset::Offset(i64::try_from(offset).unwrap());
        list.add_partition_offset(&topic, 0, offset).unwrap();
        let options = AdminOptions::new().operation_timeout(Some(TIMEOUT));
        admin.delete_records(&list, &options).await.unwrap();
    }

    /// Removes everything from the checkpoint store.
    pub(crate) fn lose_checkpoints(&self) {
        for entry in std::fs::read_dir(self.checkpoints.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap();
            } else {
                std::fs::remove_file(path).unwrap();
            }
        }
    }

    /// Writes a verdict on partition 0.
    pub(crate) async fn decide(&self, offset: u64, action: VerdictAction) {
        let topic = self.kafka().topics().usage_events();
        let log = ControlLog::connect(&self.kafka()).unwrap();
        let decide = move |log: &ControlLog| {
            let view = log.read_to_end(TIMEOUT).unwrap();
            let topic_id = view.topic_created(&topic).unwrap().topic_id;
            let verdict = Decision::Verdict(Verdict {
                log_partition: LogPartition {
                    topic_id,
                    partition: 0,
                },
                offset,
                action,
            });
            log.decide(&propose(&view, verdict, &author()), TIMEOUT)
        };
        let decided = log.off_thread(decide).await.unwrap();
        assert!(matches!(decided, Decided::InForce { .. }));
    }

    /// Rows of a statement.
    pub(crate) async fn rows<T: Row + RowOwned + RowRead>(&self, sql: &str) -> Vec<T> {
        let clickhouse = self.settings().clickhouse;
        let client = Client::default()
            .with_url(&clickhouse.url)
            .with_user(&clickhouse.user)
            .with_password(clickhouse.password.expose())
            .with_database(&clickhouse.database);
        client.query_raw(sql).fetch_all().await.unwrap()
    }

    /// Waits until rows of all levels are complete up to the log's end.
    pub(crate) async fn settled(&self) {
        eventually("all rows are complete", async || {
            let end = self.end_of("usage.events").await;
            let sql = "SELECT sum(to_offset) AS to, sum(levels_to) AS levels FROM progress FINAL";
            let rows: Vec<(u64, u64)> = self.rows(sql).await;
            rows == [(end, end)]
        })
        .await;
    }
}

/// Waits for a condition.
pub(crate) async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !holds().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(ASK).await;
    }
}

fn author() -> Author {
    Author {
        actor: "test".to_owned(),
        note: String::new(),
    }
}
