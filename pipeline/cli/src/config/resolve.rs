//! From what was written to what commands run with: units read, secrets fetched, bounds checked.

use super::raw::{RawClickHouse, RawKafka, RawLog, RawRollup, RawSettings};
use super::stage::RawStage;
use super::{Leaves, Origin, Problem, known};

use crate::telemetry;
use crate::units::{Length, parse_size};
use meterline_clickhouse::{Keep, Replication, Retention};
use meterline_worker::{BillingSettings, LimitsSettings, RollupSettings, StageSettings};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

mod checkpoint;
pub(super) mod secrets;

/// Settings that commands run with.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How to reach Kafka.
    pub kafka: meterline_kafka::Settings,
    /// Consumer group of the rollup stage.
    pub group: String,
    /// How to reach ClickHouse.
    pub clickhouse: meterline_clickhouse::Settings,
    /// The checkpoint store, where one is set.
    pub checkpoint: Option<meterline_checkpoint::StoreSettings>,
    /// The rollup stage.
    pub rollup: RollupSettings,
    /// The archive stage.
    pub archive: StageSettings,
    /// The re-keying stage.
    pub rekey: StageSettings,
    /// The limits stage.
    pub limits: LimitsSettings,
    /// Notifications, which the limits stage sends.
    pub notifications: meterline_notify::Settings,
    /// The billing stage, and what reaches Stripe.
    pub stripe: BillingSettings,
    /// The API stage.
    pub api: meterline_api::Settings,
    /// Where `run` serves and `status` asks.
    pub http_listen: Option<SocketAddr>,
    /// What is logged.
    pub log_level: String,
    /// How it is logged.
    pub log_format: LogFormat,
    /// Name of this process.
    pub instance: Option<String>,
    /// Traces; `None`: there are none.
    pub telemetry: Option<telemetry::Settings>,
}

/// How logs are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Makes settings of what was written; all problems at once.
pub(crate) fn resolve(raw: &RawSettings, leaves: &Leaves) -> Result<Settings, Vec<Problem>> {
    let mut checker = Checker {
        leaves,
        problems: Vec::new(),
    };
    let settings = Settings {
        kafka: kafka(&raw.kafka, &mut checker),
        group: checker.not_empty("kafka.group", &raw.kafka.group),
        clickhouse: clickhouse(&raw.clickhouse, &mut checker),
        checkpoint: checkpoint::settings(&raw.checkpoint, &mut checker),
        rollup: rollup(&raw.rollup, &mut checker),
        archive: stage("archive", &raw.archive, &raw.kafka.group, &mut checker),
        rekey: stage("rekey", &raw.rekey, &raw.kafka.group, &mut checker),
        limits: super::limits::resolve(&raw.limits, &mut checker),
        notifications: notifications(raw, &mut checker),
        stripe: super::stripe::resolve(&raw.stripe, &mut checker),
        api: super::api::resolve(&raw.api, &mut checker),
        http_listen: raw.http.listen.as_ref().and_then(|text| {
            let reason = || "must be an address and a port, such as 127.0.0.1:9464".to_owned();
            checker.take("http.listen", text.parse().map_err(|_| reason()))
        }),
        log_level: log_level(&raw.log, &mut checker),
        log_format: log_format(&raw.log, &mut checker),
        instance: raw.worker.instance.clone(),
        telemetry: super::traces::resolve(&raw.telemetry, &mut checker),
    };
    let tick = settings.rollup.tick_interval;
    super::api::check_against_ticks(&settings.api, tick, &mut checker);
    if checker.problems.is_empty() {
        Ok(settings)
    } else {
        Err(checker.problems)
    }
}

/// Collects problems with where their keys were written.
pub(super) struct Checker<'a> {
    leaves: &'a Leaves,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    pub(super) fn refuse(&mut self, key: &str, reason: impl Into<String>) {
        let origin = self
            .leaves
            .get(key)
            .map_or(&Origin::Default, |leaf| &leaf.origin);
        let origin = match origin {
            Origin::Default => "settings".to_owned(),
            written => written.to_string(),
        };
        self.problems.push(Problem {
            origin,
            key: key.to_owned(),
            reason: reason.into(),
        });
    }

    pub(super) fn take<T>(&mut self, key: &str, value: Result<T, String>) -> Option<T> {
        value.map_err(|reason| self.refuse(key, reason)).ok()
    }

    pub(super) fn not_empty(&mut self, key: &str, text: &str) -> String {
        if text.is_empty() {
            self.refuse(key, "must not be empty");
        }
        text.to_owned()
    }

    /// How many problems there are so far.
    pub(super) fn count(&self) -> usize {
        self.problems.len()
    }

    /// Refuses what a section's own check refuses, unless values could not be read since `before`:
    /// their stand-ins would be refused for the wrong reason.
    pub(super) fn bounds(
        &mut self,
        section: &str,
        before: usize,
        checked: Result<(), (&'static str, &'static str)>,
    ) {
        if let Err((key, rule)) = checked
            && self.problems.len() == before
        {
            self.refuse(&format!("{section}.{key}"), format!("must be {rule}"));
        }
    }

    /// A number of things; 0 where it does not fit, which no bound takes.
    pub(super) fn count_of(&mut self, key: &str, number: u64) -> usize {
        self.number(key, number).unwrap_or(0)
    }

    pub(super) fn length(&mut self, key: &str, text: &str) -> Duration {
        self.take(key, text.parse::<Length>())
            .map_or(Duration::ZERO, |Length(length)| length)
    }

    pub(super) fn number<T: TryFrom<u64>>(&mut self, key: &str, number: u64) -> Option<T> {
        self.take(
            key,
            T::try_from(number).map_err(|_| format!("is too large: {number}")),
        )
    }

    fn keep(&mut self, key: &str, text: &str) -> Keep {
        self.take(
            key,
            text.parse()
                .map_err(|e: meterline_clickhouse::SettingsError| e.to_string()),
        )
        .unwrap_or(Keep::Forever)
    }
}

fn kafka(raw: &RawKafka, checker: &mut Checker<'_>) -> meterline_kafka::Settings {
    let settings = meterline_kafka::Settings {
        brokers: raw.brokers.clone(),
        properties: secrets::from_files(
            &raw.properties,
            known::PROPERTIES,
            &secrets::PROPERTIES,
            checker,
        ),
        topic_prefix: raw.topic_prefix.clone(),
    };
    if let Err(error) = settings.check_properties() {
        use meterline_kafka::Error;
        let key = match &error {
            Error::Reserved { key, .. } | Error::Property { key } => {
                format!("{}{key}", known::PROPERTIES)
            }
            Error::TopicPrefix { .. } => "kafka.topic_prefix".to_owned(),
            _ => "kafka.brokers".to_owned(),
        };
        let refused = format!("cannot be used: {}", crate::failure::chain(&error));
        checker.refuse(&key, refused);
    }
    settings
}

fn clickhouse(raw: &RawClickHouse, checker: &mut Checker<'_>) -> meterline_clickhouse::Settings {
    let settings = meterline_clickhouse::Settings {
        url: raw.url.clone(),
        user: raw.user.clone(),
        password: secrets::given(
            "clickhouse.password",
            (&raw.password, &raw.password_file),
            checker,
        ),
        ca_file: raw.ca_file.as_ref().map(PathBuf::from),
        replication: replication(raw, checker),
        database: raw.database.clone(),
        request_timeout: checker.length("clickhouse.request_timeout", &raw.request_timeout),
        retention: Retention {
            bucket_hourly: checker.keep(
                "clickhouse.retention.bucket_hourly",
                &raw.retention.bucket_hourly,
            ),
            bucket_daily: checker.keep(
                "clickhouse.retention.bucket_daily",
                &raw.retention.bucket_daily,
            ),
            bucket_monthly: checker.keep(
                "clickhouse.retention.bucket_monthly",
                &raw.retention.bucket_monthly,
            ),
            progress_history: checker.keep(
                "clickhouse.retention.progress_history",
                &raw.retention.progress_history,
            ),
            dead_letters: checker.keep(
                "clickhouse.retention.dead_letters",
                &raw.retention.dead_letters,
            ),
            usage_events: checker.keep(
                "clickhouse.retention.usage_events",
                &raw.retention.usage_events,
            ),
            alert_deliveries: checker.keep(
                "clickhouse.retention.alert_deliveries",
                &raw.retention.alert_deliveries,
            ),
            stripe_pushes: checker.keep(
                "clickhouse.retention.stripe_pushes",
                &raw.retention.stripe_pushes,
            ),
        },
    };
    if let Err(error) = settings.check() {
        use meterline_clickhouse::SettingsError;
        let (key, reason) = match error {
            SettingsError::Database { .. } => ("clickhouse.database", error.to_string()),
            // A duration that cannot be read was refused already, with a better reason.
            SettingsError::Timeout => return settings,
            SettingsError::Url { reason } => ("clickhouse.url", reason),
            SettingsError::Ca { .. } | SettingsError::NoCa { .. } => {
                ("clickhouse.ca_file", error.to_string())
            }
            SettingsError::Cluster { .. } => ("clickhouse.cluster", error.to_string()),
            SettingsError::Quorum { .. } | SettingsError::NoQuorum => {
                ("clickhouse.insert_quorum", error.to_string())
            }
            SettingsError::Letters { .. } => {
                ("clickhouse.retention.dead_letters", error.to_string())
            }
            SettingsError::Keep { .. } => ("clickhouse.retention", error.to_string()),
        };
        checker.refuse(key, format!("cannot be used: {reason}"));
    }
    settings
}

fn replication(raw: &RawClickHouse, checker: &mut Checker<'_>) -> Replication {
    let quorum = raw.insert_quorum.as_ref().and_then(|text| {
        let parsed = text
            .parse()
            .map_err(|e: meterline_clickhouse::SettingsError| e.to_string());
        checker.take("clickhouse.insert_quorum", parsed)
    });
    Replication {
        cluster: raw.cluster.clone(),
        insert_quorum: quorum,
        sequential_reads: raw.sequential_reads,
    }
}

fn rollup(raw: &RawRollup, checker: &mut Checker<'_>) -> RollupSettings {
    let before = checker.problems.len();
    let settings = RollupSettings {
        flush_interval: checker.length("rollup.flush_interval", &raw.flush_interval),
        levels_interval: checker.length("rollup.levels_interval", &raw.levels_interval),
        checkpoint_interval: checker.length("rollup.checkpoint_interval", &raw.checkpoint_interval),
        checkpoint_records: raw.checkpoint_records,
        flush_share_percent: checker
            .number("rollup.flush_share_percent", raw.flush_share_percent)
            .unwrap_or(0),
        unflushed_max: checker
            .number("rollup.unflushed_max", raw.unflushed_max)
            .unwrap_or(0),
        dead_letters_bytes: checker
            .take(
                "rollup.dead_letters_bytes",
                parse_size(&raw.dead_letters_bytes),
            )
            .unwrap_or(0),
        tick_interval: checker.length("rollup.tick_interval", &raw.tick_interval),
        clock_tolerance: checker.length("rollup.clock_tolerance", &raw.clock_tolerance),
        progress_timeout: checker.length("rollup.progress_timeout", &raw.progress_timeout),
        session_timeout: checker.length("rollup.session_timeout", &raw.session_timeout),
        fetch_ahead_kib: checker
            .number("rollup.fetch_ahead_kib", raw.fetch_ahead_kib)
            .unwrap_or(0),
        stop_timeout: checker.length("rollup.stop_timeout", &raw.stop_timeout),
    };
    // Where a value could not be read, the stand-in would be refused for the wrong reason.
    if checker.problems.len() == before
        && let Err(error) = settings.check()
    {
        checker.refuse(error.key, format!("must be {}", error.rule));
    }
    settings
}

fn stage(
    name: &str,
    raw: &RawStage,
    rollup_group: &str,
    checker: &mut Checker<'_>,
) -> StageSettings {
    let before = checker.problems.len();
    let key = |key: &str| format!("{name}.{key}");
    let group = raw.group.clone();
    let settings = StageSettings {
        group: group.unwrap_or_else(|| format!("{rollup_group}.{name}")),
        flush_interval: checker.length(&key("flush_interval"), &raw.flush_interval),
        batch_records: checker
            .number(&key("batch_records"), raw.batch_records)
            .unwrap_or(0),
        batch_bytes: checker
            .take(&key("batch_bytes"), parse_size(&raw.batch_bytes))
            .unwrap_or(0),
        progress_timeout: checker.length(&key("progress_timeout"), &raw.progress_timeout),
        session_timeout: checker.length(&key("session_timeout"), &raw.session_timeout),
        stop_timeout: checker.length(&key("stop_timeout"), &raw.stop_timeout),
    };
    let checked = settings.check().map_err(|error| (error.key, error.rule));
    checker.bounds(name, before, checked);
    settings
}

fn notifications(raw: &RawSettings, checker: &mut Checker<'_>) -> meterline_notify::Settings {
    let topics = meterline_kafka::Topics::new(&raw.kafka.topic_prefix);
    super::notifications::resolve(&raw.notifications, topics.all(), checker)
}

fn log_level(raw: &RawLog, checker: &mut Checker<'_>) -> String {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let by_module = raw.level.contains(['=', ',']);
    // A single word that is no level would be taken for a module's name, and nothing be logged.
    if !by_module && !LEVELS.contains(&raw.level.as_str()) {
        checker.refuse("log.level", format!("must be one of {}", LEVELS.join(", ")));
    } else if let Err(error) = EnvFilter::try_new(&raw.level) {
        checker.refuse("log.level", format!("cannot be read: {error}"));
    }
    raw.level.clone()
}

fn log_format(raw: &RawLog, checker: &mut Checker<'_>) -> LogFormat {
    match raw.format.as_str() {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        _ => {
            checker.refuse("log.format", "must be text or json");
            LogFormat::Text
        }
    }
}
