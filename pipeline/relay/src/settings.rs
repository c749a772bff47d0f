//! What a stage without state runs with.
//!
//! Nothing here changes what is written, only when, in which portions and by whom.

use std::time::Duration;

/// How to reach what the stages need.
#[derive(Clone, Debug)]
pub struct Connections {
    /// How to reach Kafka.
    pub kafka: meterline_kafka::Settings,
    /// How to reach ClickHouse.
    pub clickhouse: meterline_clickhouse::Settings,
    /// Name of this process in logs and as Kafka's client id.
    pub instance: String,
}

/// Settings of one stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StageSettings {
    /// Consumer group that shares the partitions among processes.
    pub group: String,
    /// How long a record waits at most for others of its batch. Default 1 s.
    pub flush_interval: Duration,
    /// Most records of one batch. Default 100,000.
    pub batch_records: usize,
    /// Most bytes of one batch, give or take a record. Default 32 MiB.
    pub batch_bytes: usize,
    /// How long a partition may have lag without moving before the process is not ready, and how
    /// often what the log's ends are is asked at least. Default 30 s.
    pub progress_timeout: Duration,
    /// Time after which Kafka gives the partitions of a silent process to others. Default 45 s.
    pub session_timeout: Duration,
    /// How long a stopping process tries to deliver its last batch. Default 30 s.
    pub stop_timeout: Duration,
}

impl StageSettings {
    /// The defaults, for that consumer group.
    #[must_use]
    pub fn new(group: &str) -> Self {
        Self {
            group: group.to_owned(),
            flush_interval: Duration::from_secs(1),
            batch_records: 100_000,
            batch_bytes: 32 << 20,
            progress_timeout: Duration::from_secs(30),
            session_timeout: Duration::from_secs(45),
            stop_timeout: Duration::from_secs(30),
        }
    }

    /// Checks bounds that one setting has on its own.
    ///
    /// # Errors
    /// The first setting that cannot be run with; its key is without the stage's section.
    pub fn check(&self) -> Result<(), SettingsError> {
        let within = |key, holds, rule| {
            if holds {
                Ok(())
            } else {
                Err(SettingsError { key, rule })
            }
        };
        let millis = Duration::from_millis;
        let seconds = Duration::from_secs;
        within("group", !self.group.is_empty(), "a name")?;
        // Twenty inserts a second are the most that merges keep up with.
        let interval = (millis(50)..=seconds(300)).contains(&self.flush_interval);
        within("flush_interval", interval, "from 50ms to 5m")?;
        // Fewer records would make a part of every handful; more would be held for nothing.
        let records = (100..=1_000_000).contains(&self.batch_records);
        within("batch_records", records, "from 100 to 1,000,000")?;
        let bytes = (1 << 20..=256 << 20).contains(&self.batch_bytes);
        within("batch_bytes", bytes, "from 1MiB to 256MiB")?;
        let progress = (seconds(1)..=seconds(3_600)).contains(&self.progress_timeout);
        within("progress_timeout", progress, "from 1s to 1h")?;
        // 30 minutes is the most that brokers take unless told otherwise.
        let session = (seconds(1)..=seconds(1_800)).contains(&self.session_timeout);
        within("session_timeout", session, "from 1s to 30m")?;
        let stop = (seconds(1)..=seconds(600)).contains(&self.stop_timeout);
        within("stop_timeout", stop, "from 1s to 10m")
    }
}

/// A setting that cannot be run with.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{key}` must be {rule}")]
pub struct SettingsError {
    /// The setting's key in the stage's section.
    pub key: &'static str,
    /// What it must be.
    pub rule: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut StageSettings), expected: Option<&str>) {
        let mut settings = StageSettings::new("meterline.archive");
        change(&mut settings);
        assert_eq!(settings.check().err().map(|e| e.key), expected);
    }

    #[test]
    fn settings_out_of_bounds_are_refused_by_key() {
        check(|_| (), None);
        check(|s| s.group.clear(), Some("group"));
        check(|s| s.batch_records = 99, Some("batch_records"));
        check(|s| s.batch_bytes = (256 << 20) + 1, Some("batch_bytes"));
        let (zero, day) = (Duration::ZERO, Duration::from_secs(86_400));
        check(|s| s.flush_interval = zero, Some("flush_interval"));
        check(|s| s.progress_timeout = day, Some("progress_timeout"));
        check(|s| s.session_timeout = day, Some("session_timeout"));
        check(|s| s.stop_timeout = zero, Some("stop_timeout"));
    }
}
