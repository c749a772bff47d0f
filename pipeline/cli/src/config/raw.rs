//! Settings as an operator writes them. The comment of each field is its manual.
//!
//! Durations have a unit (`500ms`, `2s`, `5m`), sizes too (`32MiB`). Every key can also be a
//! variable: `rollup.flush_interval` is `METERLINE__ROLLUP__FLUSH_INTERVAL`, and
//! `kafka.properties` takes `METERLINE__KAFKA__PROPERTIES__SECURITY_PROTOCOL` for
//! `security.protocol`.

use super::api::RawApi;
use super::limits::RawLimits;
use super::notifications::RawNotifications;
use super::stage::RawStage;
use super::stripe::RawStripe;
use meterline_clickhouse::Retention;
use meterline_worker::RollupSettings;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// All sections.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSettings {
    /// How to reach Kafka.
    pub kafka: RawKafka,
    /// How to reach ClickHouse.
    pub clickhouse: RawClickHouse,
    /// Where checkpoints are kept.
    pub checkpoint: RawCheckpoint,
    /// The rollup stage.
    pub rollup: RawRollup,
    /// The archive stage.
    pub archive: RawStage,
    /// The re-keying stage.
    pub rekey: RawStage,
    /// The limits stage.
    pub limits: RawLimits,
    /// Who is told of alerts, and how: part of the limits stage.
    pub notifications: RawNotifications,
    /// The billing stage, and what reaches Stripe.
    pub stripe: RawStripe,
    /// The API stage.
    pub api: RawApi,
    /// Health, metrics and status.
    pub http: RawHttp,
    /// Logs.
    pub log: RawLog,
    /// This process.
    pub worker: RawWorker,
    /// Traces.
    pub telemetry: RawTelemetry,
}

/// `[kafka]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawKafka {
    /// `host:port` of some brokers, separated by commas; the others are found through them.
    /// Default `localhost:9092`.
    pub brokers: String,
    /// librdkafka settings, such as `security.protocol` for TLS and SASL. Those that safety
    /// depends on are refused by name. Secrets may come from files: `sasl.password_file` names
    /// the file of `sasl.password`. Default: none.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
    /// Put before the name of every topic, so that several deployments share a cluster. Default:
    /// empty.
    pub topic_prefix: String,
    /// Consumer group that shares the partitions among workers. Two groups on one topic cost
    /// twice and write the same values. Default `meterline`.
    pub group: String,
}

impl Default for RawKafka {
    fn default() -> Self {
        Self {
            brokers: "localhost:9092".to_owned(),
            properties: BTreeMap::new(),
            topic_prefix: String::new(),
            group: "meterline".to_owned(),
        }
    }
}

/// `[clickhouse]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawClickHouse {
    /// Address of the HTTP interface, `http://` or `https://`. Default `http://localhost:8123`.
    pub url: String,
    /// File with the certificates (PEM) of the authorities that `https` trusts. Default: those of
    /// the operating system.
    pub ca_file: Option<String>,
    /// The cluster on which `init` makes replicated tables. Default: none, one server.
    pub cluster: Option<String>,
    /// Replicas that must have a row before it counts as written: `auto` (a majority) or a
    /// number. Default: none, one.
    pub insert_quorum: Option<String>,
    /// `true`: reads see every row of the quorum, or fail; needs `insert_quorum`, and makes
    /// inserts into a table wait for one another. Default `false`.
    pub sequential_reads: bool,
    /// Name of the user. Default `default`.
    pub user: String,
    /// The user's password; better in a file. Never printed. Default: none.
    pub password: Option<String>,
    /// File that holds the password; a line feed at its end does not count. Default: none.
    pub password_file: Option<String>,
    /// The database of all tables and views. Default `meterline`.
    pub database: String,
    /// How long one request may take before it counts as failed. Default `30s`.
    pub request_timeout: String,
    /// How long tables keep their rows.
    pub retention: RawRetention,
}

impl Default for RawClickHouse {
    fn default() -> Self {
        let defaults = meterline_clickhouse::Settings::new("http://localhost:8123");
        Self {
            url: defaults.url,
            ca_file: None,
            cluster: None,
            insert_quorum: None,
            sequential_reads: false,
            user: defaults.user,
            password: None,
            password_file: None,
            database: defaults.database,
            request_timeout: duration(defaults.request_timeout),
            retention: RawRetention::default(),
        }
    }
}

/// `[clickhouse.retention]`: `forever`, `90 days` or `13 months`; takes effect with `init`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRetention {
    /// Hour buckets, by the start of their window. Default `13 months`.
    pub bucket_hourly: String,
    /// Day buckets. Default `forever`.
    pub bucket_daily: String,
    /// Month buckets. Default `forever`.
    pub bucket_monthly: String,
    /// Progress records; the newest of each log partition stays for ever. Default `90 days`.
    pub progress_history: String,
    /// Dead letters. Default `forever`.
    pub dead_letters: String,
    /// The archive of raw usage, by append time. Default `93 days`.
    pub usage_events: String,
    /// Outcomes of notifications, by append time; alerts stay for ever. Default `90 days`.
    pub alert_deliveries: String,
    /// Steps of pushes to Stripe, by the start of their window; carries stay for ever. Default
    /// `13 months`.
    pub stripe_pushes: String,
}

impl Default for RawRetention {
    fn default() -> Self {
        let defaults = Retention::default();
        Self {
            bucket_hourly: defaults.bucket_hourly.to_string(),
            bucket_daily: defaults.bucket_daily.to_string(),
            bucket_monthly: defaults.bucket_monthly.to_string(),
            progress_history: defaults.progress_history.to_string(),
            dead_letters: defaults.dead_letters.to_string(),
            usage_events: defaults.usage_events.to_string(),
            alert_deliveries: defaults.alert_deliveries.to_string(),
            stripe_pushes: defaults.stripe_pushes.to_string(),
        }
    }
}

/// `[checkpoint]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawCheckpoint {
    /// The store, as a URL: `file:///var/lib/meterline`, `s3://bucket/prefix`,
    /// `gs://bucket/prefix`, `az://container/prefix` or `abfss://container@account/prefix`. All
    /// workers share one; without it no stage runs. Default: none.
    pub url: Option<String>,
    /// Options of the object store's client by the names of the `object_store` library, such as
    /// `aws_region`, `aws_endpoint`, `allow_http`. Credentials come from the environment, as the
    /// provider's own tools find them, or from here; secrets may come from files:
    /// `aws_secret_access_key_file` names the file of `aws_secret_access_key`. Default: none.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// Local folder for copies of the runs of an object store; it may be deleted at any time.
    /// Default: none, and required there.
    pub cache: Option<String>,
    /// Size of the copies above which those that no open run needs are removed. Default `20GiB`.
    pub cache_size: String,
}

impl Default for RawCheckpoint {
    fn default() -> Self {
        Self {
            url: None,
            options: BTreeMap::new(),
            cache: None,
            cache_size: "20GiB".to_owned(),
        }
    }
}

/// `[rollup]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawRollup {
    /// How often hour rows and totals are flushed: what freshness costs. Default `2s`.
    pub flush_interval: String,
    /// How often day and month rows are flushed, beside every sealed hour. Default `1m`.
    pub levels_interval: String,
    /// How often a checkpoint is taken: what is read again after a kill. Default `30s`.
    pub checkpoint_interval: String,
    /// Records after which a checkpoint is taken earlier. Default 1,000,000.
    pub checkpoint_records: u64,
    /// Share of one core that flushing may take, in percent; intervals stretch to keep it.
    /// Default 25.
    pub flush_share_percent: u64,
    /// Changes per partition that wait for their flush before it is paused: bounds memory while
    /// ClickHouse is away. Default 500,000.
    pub unflushed_max: u64,
    /// Size of dead letters per partition that wait before it is paused. Default `32MiB`.
    pub dead_letters_bytes: String,
    /// Idle time after which the end of a log gets a tick, so that windows close. Default `30s`,
    /// and not below.
    pub tick_interval: String,
    /// How far append times may be ahead of this machine's clock before the partition stalls.
    /// Default `5m`.
    pub clock_tolerance: String,
    /// How long a partition may have lag without moving before the process is not ready.
    /// Default `30s`.
    pub progress_timeout: String,
    /// Time after which Kafka gives the partitions of a silent worker to others. Default `45s`.
    pub session_timeout: String,
    /// Records fetched ahead per partition, in KiB. Default 16,384.
    pub fetch_ahead_kib: u64,
    /// How long a stopping process drains before it gives up. Default `30s`.
    pub stop_timeout: String,
}

impl Default for RawRollup {
    fn default() -> Self {
        let defaults = RollupSettings::default();
        let whole = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        Self {
            flush_interval: duration(defaults.flush_interval),
            levels_interval: duration(defaults.levels_interval),
            checkpoint_interval: duration(defaults.checkpoint_interval),
            checkpoint_records: defaults.checkpoint_records,
            flush_share_percent: u64::from(defaults.flush_share_percent),
            unflushed_max: whole(defaults.unflushed_max),
            dead_letters_bytes: format!("{}MiB", defaults.dead_letters_bytes >> 20),
            tick_interval: duration(defaults.tick_interval),
            clock_tolerance: duration(defaults.clock_tolerance),
            progress_timeout: duration(defaults.progress_timeout),
            session_timeout: duration(defaults.session_timeout),
            fetch_ahead_kib: u64::from(defaults.fetch_ahead_kib),
            stop_timeout: duration(defaults.stop_timeout),
        }
    }
}

/// `[http]`
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawHttp {
    /// Address that `run` serves `/health`, `/metrics` and `/status` on, and that `status` asks,
    /// such as `127.0.0.1:9464`. Default: none.
    pub listen: Option<String>,
}

/// `[log]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLog {
    /// `error`, `warn`, `info`, `debug`, `trace` or `off`, also by module:
    /// `info,meterline_worker=debug`. Default `info`.
    pub level: String,
    /// `text` or `json`. Default `text`.
    pub format: String,
}

impl Default for RawLog {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: "text".to_owned(),
        }
    }
}

/// `[worker]`
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawWorker {
    /// Name of this process in logs and at the brokers. Default: host name and process id.
    pub instance: Option<String>,
}

/// `[telemetry]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawTelemetry {
    /// Address of an OpenTelemetry collector that takes OTLP over HTTP, such as
    /// `http://localhost:4318`; spans go to `/v1/traces` below it. Without it there are no traces.
    /// Default: none.
    pub otlp_endpoint: Option<String>,
    /// File with HTTP headers of every request, one `name: value` a line, for collectors that want
    /// a key. Never printed. Default: none.
    pub otlp_headers_file: Option<String>,
    /// Share of traces that are sent, in percent. Default 100: a partition makes about one trace
    /// a second.
    pub sample_percent: u64,
    /// `service.name` of the spans. Default `meterline`.
    pub service_name: String,
}

impl Default for RawTelemetry {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            otlp_headers_file: None,
            sample_percent: 100,
            service_name: "meterline".to_owned(),
        }
    }
}

fn duration(length: Duration) -> String {
    humantime::format_duration(length).to_string()
}
