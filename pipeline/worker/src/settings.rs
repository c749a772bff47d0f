//! What a worker process runs with.
//!
//! Nothing here changes a result: two workers with different settings write the same values. The
//! settings decide cost, freshness and memory. They are checked once, before anything starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Settings of one worker process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How to reach Kafka.
    pub kafka: meterline_kafka::Settings,
    /// How to reach ClickHouse.
    pub clickhouse: meterline_clickhouse::Settings,
    /// Where checkpoints are kept, as a URL: `file:///folder`.
    pub checkpoint_url: String,
    /// Local folder for runs of a store that is not local; unused for `file:` URLs.
    pub checkpoint_cache: Option<PathBuf>,
    /// Where health, metrics and status are served; `None`: nowhere.
    pub http_listen: Option<SocketAddr>,
    /// Consumer group that shares the partitions of usage among worker processes. Ownership is a
    /// performance hint: two groups on one topic cost twice and write the same values.
    pub group: String,
    /// Name of this process in logs and as Kafka's client id.
    pub instance: String,
    /// The rollup stage.
    pub rollup: RollupSettings,
}

/// Settings of the rollup stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RollupSettings {
    /// How often hour rows and totals are flushed. Default 2 s.
    pub flush_interval: Duration,
    /// How often day and month rows are flushed, beside every sealed hour. Default 60 s.
    pub levels_interval: Duration,
    /// How often a checkpoint is taken. Default 30 s.
    pub checkpoint_interval: Duration,
    /// Records after which a checkpoint is taken earlier. Default 1,000,000.
    pub checkpoint_records: u64,
    /// Share of one core that flushing may take in this process, in percent; intervals stretch
    /// to keep it. Default 25.
    pub flush_share_percent: u32,
    /// Changes per partition that wait for their flush before the partition is paused.
    /// Default 500,000.
    pub unflushed_max: usize,
    /// Bytes of dead letters per partition that wait before it is paused. Default 32 MiB.
    pub dead_letters_bytes: usize,
    /// Idle time after which the end of a log gets a tick. Default 30 s, and not below: ticks are
    /// records, and their number is promised to be small.
    pub tick_interval: Duration,
    /// How far append times may be ahead of this machine's clock before the partition stalls.
    /// Default 5 minutes.
    pub clock_tolerance: Duration,
    /// How long a partition may have lag without moving before the process is not ready, and how
    /// often the topic's id, partition count and timestamp type are checked. Default 30 s.
    pub progress_timeout: Duration,
    /// Time after which Kafka gives the partitions of a silent worker to others. Default 45 s.
    pub session_timeout: Duration,
    /// Records fetched ahead per partition, in KiB. Default 16,384.
    pub fetch_ahead_kib: u32,
    /// How long a stopping process drains before it gives up. Default 30 s.
    pub stop_timeout: Duration,
}

impl Default for RollupSettings {
    fn default() -> Self {
        Self {
            flush_interval: Duration::from_secs(2),
            levels_interval: Duration::from_secs(60),
            checkpoint_interval: Duration::from_secs(30),
            checkpoint_records: 1_000_000,
            flush_share_percent: 25,
            unflushed_max: 500_000,
            dead_letters_bytes: 32 << 20,
            tick_interval: MIN_TICK_INTERVAL,
            clock_tolerance: Duration::from_secs(300),
            progress_timeout: Duration::from_secs(30),
            session_timeout: Duration::from_secs(45),
            fetch_ahead_kib: 16_384,
            stop_timeout: Duration::from_secs(30),
        }
    }
}

/// Ticks are written at most this often.
pub const MIN_TICK_INTERVAL: Duration = Duration::from_secs(30);

/// The bound of dead letters that wait must hold a few of the largest ones.
pub const MIN_DEAD_LETTERS_BYTES: usize = 1 << 20;

/// A setting that cannot be run with.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{key}` must be {rule}")]
pub struct SettingsError {
    /// The setting's key in the configuration.
    pub key: &'static str,
    /// What it must be.
    pub rule: String,
}

impl RollupSettings {
    /// Checks bounds that one setting has on its own.
    ///
    /// # Errors
    /// The first setting that cannot be run with.
    pub fn check(&self) -> Result<(), SettingsError> {
        let positive = |key, value: Duration| require(key, !value.is_zero(), "above zero");
        positive("rollup.flush_interval", self.flush_interval)?;
        positive("rollup.levels_interval", self.levels_interval)?;
        positive("rollup.checkpoint_interval", self.checkpoint_interval)?;
        positive("rollup.progress_timeout", self.progress_timeout)?;
        positive("rollup.session_timeout", self.session_timeout)?;
        let records = self.checkpoint_records > 0;
        require("rollup.checkpoint_records", records, "above zero")?;
        let share = (1..=100).contains(&self.flush_share_percent);
        require("rollup.flush_share_percent", share, "from 1 to 100")?;
        let unflushed = self.unflushed_max > 0;
        require("rollup.unflushed_max", unflushed, "above zero")?;
        let letters = self.dead_letters_bytes >= MIN_DEAD_LETTERS_BYTES;
        require("rollup.dead_letters_bytes", letters, "at least 1 MiB")?;
        let ticks = self.tick_interval >= MIN_TICK_INTERVAL;
        require("rollup.tick_interval", ticks, "at least 30 s")?;
        let fetch = (1_024..=1 << 20).contains(&self.fetch_ahead_kib);
        require("rollup.fetch_ahead_kib", fetch, "from 1,024 to 1,048,576")
    }
}

fn require(key: &'static str, holds: bool, rule: &str) -> Result<(), SettingsError> {
    if holds {
        return Ok(());
    }
    let rule = rule.to_owned();
    Err(SettingsError { key, rule })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_be_run_with_are_named() {
        assert_eq!(RollupSettings::default().check(), Ok(()));
        let zero = Duration::ZERO;
        let base = RollupSettings::default;
        let cases = [
            (
                "rollup.flush_interval",
                RollupSettings {
                    flush_interval: zero,
                    ..base()
                },
            ),
            (
                "rollup.flush_share_percent",
                RollupSettings {
                    flush_share_percent: 101,
                    ..base()
                },
            ),
            (
                "rollup.tick_interval",
                RollupSettings {
                    tick_interval: Duration::from_secs(1),
                    ..base()
                },
            ),
            (
                "rollup.unflushed_max",
                RollupSettings {
                    unflushed_max: 0,
                    ..base()
                },
            ),
        ];
        for (key, settings) in cases {
            assert_eq!(settings.check().expect_err(key).key, key);
        }
    }
}
