//! The local stack of this test binary, started by the first test that asks and stopped with the
//! last that holds it.

use clickhouse::{Client, Row, RowOwned, RowRead};
use meterline_clickhouse::{ClickHouse, Keep, Secret, Settings};
use meterline_stack::{PASSWORD, Parts, Service, Stack, USER};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};

static RUNNING: Mutex<Weak<Stack>> = Mutex::new(Weak::new());
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// A database of one test.
pub(crate) struct Database {
    stack: Arc<Stack>,
    name: String,
}

impl Database {
    /// A name that no other test has; nothing is there yet.
    pub(crate) fn unmade() -> Self {
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        Self {
            stack: Stack::running(&RUNNING, Parts::only(Service::Clickhouse)),
            name: format!("test_{number}"),
        }
    }

    /// A migrated database and its sink.
    pub(crate) async fn migrated() -> (Self, ClickHouse) {
        let database = Self::unmade();
        let sink = database.sink();
        sink.migrate().await.unwrap();
        (database, sink)
    }

    /// The settings that point at the database. Rows are kept for ever: those of the tests are of
    /// a fixed time, which no test may outlive.
    pub(crate) fn settings(&self) -> Settings {
        let mut settings = Settings::new(&self.stack.clickhouse_url());
        USER.clone_into(&mut settings.user);
        settings.password = Secret::new(PASSWORD);
        settings.database.clone_from(&self.name);
        settings.retention.bucket_hourly = Keep::Forever;
        settings.retention.progress_history = Keep::Forever;
        settings.retention.alert_deliveries = Keep::Forever;
        settings.retention.stripe_pushes = Keep::Forever;
        settings
    }

    pub(crate) fn sink(&self) -> ClickHouse {
        ClickHouse::connect(self.settings()).unwrap()
    }

    /// A plain client, for what the sink does not offer.
    pub(crate) fn client(&self) -> Client {
        Client::default()
            .with_url(self.stack.clickhouse_url())
            .with_user(USER)
            .with_password(PASSWORD)
            .with_database(&self.name)
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.client().query_raw(sql).execute().await.unwrap();
    }

    /// Inserts what is in a file, in the format that the statement names.
    pub(crate) async fn upload(&self, sql: &str, file: Vec<u8>) {
        let asked = [("database", self.name.as_str()), ("query", sql)];
        let url = url::Url::parse_with_params(&self.stack.clickhouse_url(), asked).unwrap();
        let answer = reqwest::Client::new()
            .post(url)
            .basic_auth(USER, Some(PASSWORD))
            .body(file)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{status}: {text}");
    }

    pub(crate) async fn fetch<T: Row + RowOwned + RowRead>(&self, sql: &str) -> Vec<T> {
        self.client().query_raw(sql).fetch_all().await.unwrap()
    }

    /// Names and types of the columns of a table or view.
    pub(crate) async fn columns(&self, table: &str) -> Vec<(String, String)> {
        let sql = format!(
            "SELECT name, type FROM system.columns WHERE database = currentDatabase() \
             AND table = '{table}' ORDER BY position"
        );
        self.fetch(&sql).await
    }

    /// Lets statements of this database fail; the rule's number.
    pub(crate) async fn fault(&self, mut rule: Value) -> u64 {
        rule["database"] = json!(self.name);
        let url = format!("{}/__faults", self.stack.clickhouse_url());
        let answer = reqwest::Client::new()
            .post(url)
            .json(&rule)
            .send()
            .await
            .unwrap();
        let made: Value = answer.json().await.unwrap();
        made["id"].as_u64().unwrap()
    }

    /// How often a rule acted.
    pub(crate) async fn hits(&self, rule: u64) -> u64 {
        let url = format!("{}/__faults/{rule}", self.stack.clickhouse_url());
        let answer = reqwest::get(url).await.unwrap();
        let rule: Value = answer.json().await.unwrap();
        rule["hits"].as_u64().unwrap()
    }
}
