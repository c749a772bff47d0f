//! Settings of a stage without state, as an operator writes them: `[archive]` and `[rekey]`.

use meterline_worker::StageSettings;
use serde::{Deserialize, Serialize};

/// `[archive]`, `[rekey]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawStage {
    /// Consumer group that shares the partitions among processes. A group of another name begins
    /// again: `rekey` at the beginning of its log, `archive` where the archive ends. Default:
    /// `kafka.group`, a dot and the stage's name.
    pub group: Option<String>,
    /// How long a record waits at most for others of its batch. Default `1s`.
    pub flush_interval: String,
    /// Most records of one batch: each is one insert or one round of acknowledgements. Default
    /// 100,000.
    pub batch_records: u64,
    /// Size of one batch, which is held in memory until it is acknowledged. Default `32MiB`.
    pub batch_bytes: String,
    /// How long a partition may have lag without moving before the process is not ready.
    /// Default `30s`.
    pub progress_timeout: String,
    /// Time after which Kafka gives the partitions of a silent process to others. Default `45s`.
    pub session_timeout: String,
    /// How long a stopping process tries to deliver its last batch. Default `30s`.
    pub stop_timeout: String,
}

impl Default for RawStage {
    fn default() -> Self {
        let defaults = StageSettings::new("");
        let text = |length| humantime::format_duration(length).to_string();
        Self {
            group: None,
            flush_interval: text(defaults.flush_interval),
            batch_records: u64::try_from(defaults.batch_records).unwrap_or(u64::MAX),
            batch_bytes: format!("{}MiB", defaults.batch_bytes >> 20),
            progress_timeout: text(defaults.progress_timeout),
            session_timeout: text(defaults.session_timeout),
            stop_timeout: text(defaults.stop_timeout),
        }
    }
}
