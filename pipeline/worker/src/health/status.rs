//! What `GET /status` answers: the form that the `status` command reads.

use serde::{Deserialize, Serialize};

/// What a partition does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartitionState {
    /// Its state is being read from the checkpoint store, or waits for that.
    #[default]
    Loading,
    /// It folds records, or waits for some at the log's end.
    Running,
    /// It takes no records until what it has is flushed.
    Paused,
    /// It waits at one record; this ends by itself.
    Stalled,
    /// It stopped; a person must decide.
    Halted,
    /// It was taken away and writes what it has.
    Draining,
}

impl PartitionState {
    /// All states.
    pub const ALL: [Self; 6] = [
        Self::Loading,
        Self::Running,
        Self::Paused,
        Self::Stalled,
        Self::Halted,
        Self::Draining,
    ];

    /// The name in metrics and answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stalled => "stalled",
            Self::Halted => "halted",
            Self::Draining => "draining",
        }
    }
}

/// One partition, as `GET /status` shows it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PartitionStatus {
    /// The partition's number.
    pub partition: u32,
    /// What it does.
    pub state: PartitionState,
    /// Why it does not run; for halts and stalls beginning with their name.
    pub reason: Option<String>,
    /// Number of verdicts applied.
    pub epoch: u16,
    /// The next record to fold.
    pub position: u64,
    /// The log's end, as it was last asked for.
    pub log_end: Option<u64>,
    /// Records from the position to the log's end.
    pub lag_records: u64,
    /// Running maximum of append times: milliseconds since 1970-01-01 UTC.
    pub log_time: i64,
    /// Hours that end at or before this are sealed: microseconds since 1970-01-01 UTC.
    pub sealed_to: i64,
    /// Hour rows, totals and dead letters are acknowledged up to here.
    pub complete_to: u64,
    /// Day and month rows are acknowledged up to here.
    pub levels_to: u64,
    /// Catalog version in force.
    pub catalog_version: u32,
    /// Position of the newest checkpoint that this process knows.
    pub checkpoint_offset: Option<u64>,
    /// How old the oldest change is that is not published, in seconds; 0 where there is none.
    #[serde(default)]
    pub freshness_seconds: u64,
    /// Seconds since that checkpoint was written or loaded.
    pub checkpoint_age_seconds: Option<u64>,
}

/// A worker process, as `GET /status` shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StatusReport {
    /// The process's name.
    pub instance: String,
    /// Its consumer group.
    pub group: String,
    /// The usage topic.
    pub topic: String,
    /// Why the process is not ready; empty where it is.
    pub problems: Vec<String>,
    /// The partitions that its rollup owns.
    pub partitions: Vec<PartitionStatus>,
    /// Its stages without state.
    #[serde(default)]
    pub relays: Vec<meterline_relay::RelayStatus>,
    /// Its limits stage.
    #[serde(default)]
    pub limits: Option<meterline_limits::LimitsStatus>,
    /// Its billing stage.
    #[serde(default)]
    pub stripe: Option<meterline_billing::BillingStatus>,
    /// Its API stage.
    #[serde(default)]
    pub api: Option<meterline_api::ApiStatus>,
}
