//! A site: one installation of Meterline, alone on its topics, tables and checkpoints.

use super::clickhouse::Sql;
use super::faults::Fault;
use super::guard::run_folder;
use super::kafka::Kafka;
use super::load::{Publisher, Raw};
use super::process::{Ended, binary};
use super::stack::{PASSWORD, Stack, USER, free_port, shared};
use super::wait::until;
use super::worker::Worker;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Settings of workers that should not be waited for: everything often, sessions short.
const BRISK: [(&str, &str); 7] = [
    ("rollup.flush_interval", "\"300ms\""),
    ("rollup.levels_interval", "\"1s\""),
    ("rollup.checkpoint_interval", "\"2s\""),
    ("rollup.flush_share_percent", "100"),
    ("rollup.session_timeout", "\"1500ms\""),
    ("rollup.progress_timeout", "\"5s\""),
    ("rollup.stop_timeout", "\"20s\""),
];

/// The newest progress of one partition, from the table.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(crate) struct Progress {
    pub(crate) log_partition: i32,
    pub(crate) to_offset: i64,
    pub(crate) levels_to: i64,
    pub(crate) totals_offset: Option<i64>,
}

/// One installation.
#[derive(Debug)]
pub(crate) struct Site {
    name: String,
    folder: PathBuf,
    brokers: String,
    /// Where the test itself asks and sends: the same, or a listener without TLS.
    plain_brokers: String,
    clickhouse_url: String,
    /// Changes of the settings, for every command and worker.
    common: Vec<(String, String)>,
}

impl Site {
    /// An installation on the shared stack; `name` is its own among all tests.
    pub(crate) fn new(name: &str) -> Self {
        let stack = shared();
        Self::on(name, &stack.brokers(), &stack.clickhouse_url())
    }

    /// An installation on the shared broker and a ClickHouse of its own.
    pub(crate) fn with_clickhouse(name: &str, clickhouse: &Stack) -> Self {
        Self::on(name, &shared().brokers(), &clickhouse.clickhouse_url())
    }

    /// An installation on a broker of its own and the shared ClickHouse.
    pub(crate) fn with_kafka(name: &str, kafka: &Stack) -> Self {
        Self::on(name, &kafka.brokers(), &shared().clickhouse_url())
    }

    /// An installation that reaches a stack by TLS, and Kafka with a password.
    pub(crate) fn secured(name: &str, stack: &Stack) -> Self {
        let mut site = Self::on(name, &stack.sasl_brokers(), &stack.clickhouse_url());
        site.plain_brokers = stack.brokers();
        site
    }

    fn on(name: &str, brokers: &str, clickhouse_url: &str) -> Self {
        let folder = run_folder().join("sites").join(name);
        std::fs::create_dir(&folder).expect("every test has a site of its own name");
        Self {
            name: name.to_owned(),
            folder,
            brokers: brokers.to_owned(),
            plain_brokers: brokers.to_owned(),
            clickhouse_url: clickhouse_url.to_owned(),
            common: Vec::new(),
        }
    }

    /// Changes a setting (a TOML value) for every command and worker from here on.
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        self.common.push((key.to_owned(), value.to_owned()));
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn checkpoints(&self) -> PathBuf {
        self.folder.join("checkpoints")
    }

    /// A topic of this installation.
    pub(crate) fn topic(&self, name: &str) -> String {
        format!("{}.{name}", self.name)
    }

    pub(crate) fn usage_topic(&self) -> String {
        self.topic("usage.events")
    }

    /// `host:port` of the broker.
    pub(crate) fn brokers(&self) -> &str {
        &self.brokers
    }

    pub(crate) fn kafka(&self) -> Kafka {
        Kafka::new(&self.plain_brokers)
    }

    /// The installation's database.
    pub(crate) fn sql(&self) -> Sql {
        Sql::new(&self.clickhouse_url, &self.name)
    }

    /// The database of the raw table and the recount.
    pub(crate) fn raw_sql(&self) -> Sql {
        self.sql().database(&format!("{}_raw", self.name))
    }

    /// A rule for queries on this installation's database.
    pub(crate) fn fault(&self, kind: &str, pattern: &str, more: &Value) -> Fault {
        let mut rule = json!({"match": pattern, "kind": kind, "database": self.name});
        let rule_keys = rule.as_object_mut().expect("it was made as an object");
        rule_keys.extend(more.as_object().expect("keys and values").clone());
        Fault::new(&self.clickhouse_url, &rule)
    }

    /// Writes a settings file; later changes win.
    pub(crate) fn settings(&self, file: &str, changes: &[(&str, &str)]) -> PathBuf {
        let quoted = |text: &str| format!("\"{text}\"");
        let base = [
            ("kafka.brokers", quoted(&self.brokers)),
            ("kafka.topic_prefix", quoted(&format!("{}.", self.name))),
            ("kafka.group", quoted(&self.name)),
            ("clickhouse.url", quoted(&self.clickhouse_url)),
            ("clickhouse.user", quoted(USER)),
            ("clickhouse.password", quoted(PASSWORD)),
            ("clickhouse.database", quoted(&self.name)),
            ("clickhouse.request_timeout", quoted("20s")),
            (
                "checkpoint.url",
                quoted(&format!("file://{}", self.checkpoints().display())),
            ),
        ];
        let mut values: BTreeMap<&str, String> = base.into_iter().collect();
        values.extend(BRISK.map(|(key, value)| (key, value.to_owned())));
        values.extend(self.common.iter().map(|(k, v)| (k.as_str(), v.clone())));
        values.extend(
            changes
                .iter()
                .map(|(key, value)| (*key, (*value).to_owned())),
        );
        let mut text = String::new();
        for (key, value) in values {
            writeln!(text, "{key} = {value}").expect("a text takes everything");
        }
        // Commands may run side by side: none of them reads a file that is half written.
        let path = self.folder.join(file);
        let mut part = tempfile::NamedTempFile::new_in(&self.folder).expect("a file can be made");
        std::io::Write::write_all(&mut part, text.as_bytes()).expect("a file can be written");
        part.persist(&path).expect("a file can be renamed");
        path
    }

    /// Runs a command of Meterline to its end.
    pub(crate) fn meterline(&self, arguments: &[&str]) -> Ended {
        let config = self.settings("command.toml", &[]);
        Ended::of(self.command(&config).args(arguments))
    }

    /// What a command says as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.meterline(&[arguments, &["--output", "json"]].concat());
        let ended = ended.ok();
        serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {ended}"))
    }

    /// Makes an API key; gives its token.
    pub(crate) fn key(&self, words: &[&str]) -> String {
        let made = self.meterline(&[&["key", "create", "--name", "a test"], words].concat());
        made.ok().stdout.trim().to_owned()
    }

    /// Starts a command of Meterline, to be ended or waited for by the caller.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let config = self.settings("command.toml", &[]);
        let mut command = self.command(&config);
        command.args(arguments).stdin(Stdio::null());
        let started = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        started.unwrap_or_else(|e| panic!("{command:?} cannot be started: {e}"))
    }

    fn command(&self, config: &Path) -> Command {
        let mut command = Command::new(binary());
        let ours = std::env::vars().filter(|(key, _)| key.starts_with("METERLINE"));
        for (key, _) in ours {
            command.env_remove(key);
        }
        command
            .current_dir(&self.folder)
            .arg("--config")
            .arg(config);
        command
    }

    /// `init`, then a catalog of `tests/it/catalogs`.
    pub(crate) fn init(&self, partitions: u32, catalog: &str) {
        self.meterline(&["init", "--partitions", &partitions.to_string()])
            .ok();
        self.apply(catalog);
    }

    /// Puts a catalog of `tests/it/catalogs` in force.
    pub(crate) fn apply(&self, catalog: &str) {
        let file = catalog_file(catalog);
        let file = file.to_str().expect("the repository's path is text");
        self.meterline(&["catalog", "apply", file]).ok();
    }

    /// Starts a worker; its settings and log carry its name.
    pub(crate) fn worker(&self, name: &str, changes: &[(&str, &str)]) -> Worker {
        self.worker_of("rollup", name, changes)
    }

    /// Starts a worker of these stages.
    pub(crate) fn worker_of(&self, stages: &str, name: &str, changes: &[(&str, &str)]) -> Worker {
        let http = format!("127.0.0.1:{}", free_port());
        let listen = format!("\"{http}\"");
        let changes = [changes, &[("http.listen", &listen)]].concat();
        let config = self.settings(&format!("{name}.toml"), &changes);
        let log = self.folder.join(format!("{name}.log"));
        let mut command = self.command(&config);
        Worker::start(command.args(["run", "--stages", stages]), &http, &log)
    }

    /// An API that is ready, and where it listens, as `host:port`.
    pub(crate) fn api(&self, name: &str, changes: &[(&str, &str)]) -> (Worker, String) {
        let address = format!("127.0.0.1:{}", free_port());
        let listen = format!("\"{address}\"");
        let changes = [changes, &[("api.listen", &listen)]].concat();
        let mut worker = self.worker_of("api", name, &changes);
        worker.wait_ready(200);
        (worker, address)
    }

    /// A producer for the usage topic, with its raw table.
    pub(crate) fn publisher(&self) -> Publisher {
        let raw = Raw::create(self.raw_sql(), &self.folder);
        Publisher::new(&self.kafka(), &self.usage_topic(), raw)
    }

    /// The newest progress of every partition that has any; none while ClickHouse is away.
    pub(crate) fn progress(&self) -> Vec<Progress> {
        let query = "SELECT log_partition, to_offset, levels_to, totals_offset \
                     FROM progress FINAL ORDER BY log_partition FORMAT JSONEachRow";
        let text = self.sql().try_run(query).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}")))
            .collect()
    }

    /// Position of the newest manifest, by partition; empty where there are none.
    pub(crate) fn manifests(&self) -> BTreeMap<i32, i64> {
        let mut newest = BTreeMap::new();
        for path in files_below(&self.checkpoints().join("manifests")) {
            let parts: Vec<&str> = path.iter().filter_map(|part| part.to_str()).collect();
            let [.., partition, _epoch, name] = parts.as_slice() else {
                continue;
            };
            let Some((offset, _writer)) =
                name.strip_suffix(".json").and_then(|n| n.split_once('-'))
            else {
                continue;
            };
            let partition: i32 = partition.parse().expect("manifests lie by partition");
            let offset: i64 = offset.parse().expect("manifests are named by their offset");
            let kept: &mut i64 = newest.entry(partition).or_default();
            *kept = offset.max(*kept);
        }
        newest
    }

    /// Waits until hours, days and months are complete up to these ends, by partition.
    pub(crate) fn wait_complete(&self, ends: &BTreeMap<i32, i64>, limit: Duration) {
        until(&format!("progress to reach {ends:?}"), limit, || {
            let progress = self.progress();
            let reaches = |(partition, end): (&i32, &i64)| {
                progress
                    .iter()
                    .find(|p| p.log_partition == *partition)
                    .is_some_and(|p| p.to_offset >= *end && p.levels_to >= *end)
            };
            ends.iter()
                .all(reaches)
                .then_some(())
                .ok_or_else(|| format!("{progress:?}"))
        });
    }
}

/// A catalog of `tests/it/catalogs`.
pub(crate) fn catalog_file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/catalogs");
    folder.join(format!("{name}.yaml"))
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
