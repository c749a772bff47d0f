//! What a worker process runs with.
//!
//! Nothing here changes a result: two workers with different settings write the same values. The
//! settings decide cost, freshness and memory. They are checked once, before anything starts.

use std::net::SocketAddr;
use std::time::Duration;

/// Settings of one worker process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How to reach Kafka.
    pub kafka: meterline_kafka::Settings,
    /// How to reach ClickHouse.
    pub clickhouse: meterline_clickhouse::Settings,
    /// Where checkpoints are kept.
    pub checkpoint: meterline_checkpoint::StoreSettings,
    /// Where health, metrics and status are served; `None`: nowhere.
    pub http_listen: Option<SocketAddr>,
    /// Consumer group that shares the partitions of usage among worker processes. Ownership is a
    /// performance hint: two groups on one topic cost twice and write the same values.
    pub group: String,
    /// Name of this process in logs and as Kafka's client id.
    pub instance: String,
    /// The rollup stage.
    pub rollup: RollupSettings,
    /// The archive stage.
    pub archive: meterline_relay::StageSettings,
    /// The re-keying stage.
    pub rekey: meterline_relay::StageSettings,
    /// The limits stage.
    pub limits: meterline_limits::LimitsSettings,
    /// Notifications, which the limits stage sends.
    pub notifications: meterline_notify::Settings,
    /// The billing stage.
    pub stripe: meterline_billing::BillingSettings,
    /// The API stage.
    pub api: meterline_api::Settings,
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

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// Twenty inserts a second are the most that merges keep up with; nobody waits minutes for hours.
const FLUSH_INTERVAL: Bounds<Duration> = (
    Duration::from_millis(50),
    Duration::from_secs(300),
    "from 50ms to 5m",
);
/// Days and months are larger sets of rows than hours, and may wait until the next sealed hour.
const LEVELS_INTERVAL: Bounds<Duration> = (Duration::from_millis(100), HOUR, "from 100ms to 1h");
/// A checkpoint is several writes to the store; a restart replays what came since the last one.
const CHECKPOINT_INTERVAL: Bounds<Duration> = (SECOND, HOUR, "from 1s to 1h");
/// Few records would make a checkpoint of every batch, many a restart of hours.
const CHECKPOINT_RECORDS: Bounds<u64> = (1_000, 100_000_000, "from 1,000 to 100,000,000");
/// Less than a batch of changes would pause for every batch; each change holds some 100 bytes.
const UNFLUSHED_MAX: Bounds<usize> = (1_000, 10_000_000, "from 1,000 to 10,000,000");
/// Windows of an idle log close by ticks: with fewer than one an hour they would stay open.
const TICK_INTERVAL: Bounds<Duration> = (MIN_TICK_INTERVAL, HOUR, "at least 30 s and at most 1h");
/// Clocks differ by less than a second only with luck; a day ahead is a clock that is wrong.
const CLOCK_TOLERANCE: Bounds<Duration> = (SECOND, Duration::from_secs(86_400), "from 1s to 24h");
/// A fetch may take a second; a partition that stands for an hour must have been reported.
const PROGRESS_TIMEOUT: Bounds<Duration> = (SECOND, HOUR, "from 1s to 1h");
/// Ten heartbeats fit in a second; 30 minutes is the most that brokers take unless told otherwise
/// (`group.max.session.timeout.ms`).
const SESSION_TIMEOUT: Bounds<Duration> = (SECOND, Duration::from_secs(1_800), "from 1s to 30m");
/// A last flush takes a moment; whoever stops a process waits for minutes at most.
const STOP_TIMEOUT: Bounds<Duration> = (SECOND, Duration::from_secs(600), "from 1s to 10m");

/// Least and most value, and how both read in a message.
type Bounds<T> = (T, T, &'static str);

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
        within("rollup.flush_interval", self.flush_interval, FLUSH_INTERVAL)?;
        within(
            "rollup.levels_interval",
            self.levels_interval,
            LEVELS_INTERVAL,
        )?;
        let interval = self.checkpoint_interval;
        within("rollup.checkpoint_interval", interval, CHECKPOINT_INTERVAL)?;
        let records = self.checkpoint_records;
        within("rollup.checkpoint_records", records, CHECKPOINT_RECORDS)?;
        within("rollup.unflushed_max", self.unflushed_max, UNFLUSHED_MAX)?;
        within("rollup.tick_interval", self.tick_interval, TICK_INTERVAL)?;
        within(
            "rollup.clock_tolerance",
            self.clock_tolerance,
            CLOCK_TOLERANCE,
        )?;
        within(
            "rollup.progress_timeout",
            self.progress_timeout,
            PROGRESS_TIMEOUT,
        )?;
        within(
            "rollup.session_timeout",
            self.session_timeout,
            SESSION_TIMEOUT,
        )?;
        within("rollup.stop_timeout", self.stop_timeout, STOP_TIMEOUT)?;
        let share = (1..=100).contains(&self.flush_share_percent);
        require("rollup.flush_share_percent", share, "from 1 to 100")?;
        let letters = self.dead_letters_bytes >= MIN_DEAD_LETTERS_BYTES;
        require("rollup.dead_letters_bytes", letters, "at least 1 MiB")?;
        let fetch = (1_024..=1 << 20).contains(&self.fetch_ahead_kib);
        require("rollup.fetch_ahead_kib", fetch, "from 1,024 to 1,048,576")
    }
}

fn within<T: PartialOrd>(
    key: &'static str,
    value: T,
    (least, most, rule): Bounds<T>,
) -> Result<(), SettingsError> {
    require(key, (least..=most).contains(&value), rule)
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

    /// Checks that a setting may have its bounds, and neither what is below nor what is above.
    fn bounds<T: Copy>(
        key: &str,
        set: impl Fn(&mut RollupSettings, T),
        inside: [T; 2],
        outside: [T; 2],
    ) {
        let check = |value| {
            let mut settings = RollupSettings::default();
            set(&mut settings, value);
            settings.check()
        };
        for value in inside {
            assert_eq!(check(value), Ok(()), "{key}");
        }
        for value in outside {
            assert_eq!(check(value).expect_err(key).key, key);
        }
    }

    /// The same for a duration: one millisecond beyond its bounds is refused.
    fn durations(
        key: &str,
        set: impl Fn(&mut RollupSettings, Duration),
        least_millis: u64,
        most_secs: u64,
    ) {
        let millis = Duration::from_millis;
        let most_millis = most_secs * 1_000;
        let inside = [millis(least_millis), millis(most_millis)];
        let outside = [millis(least_millis - 1), millis(most_millis + 1)];
        bounds(key, set, inside, outside);
    }

    #[test]
    fn the_defaults_can_be_run_with() {
        assert_eq!(RollupSettings::default().check(), Ok(()));
    }

    #[test]
    fn durations_have_a_least_and_a_most() {
        durations(
            "rollup.flush_interval",
            |s, v| s.flush_interval = v,
            50,
            300,
        );
        durations(
            "rollup.levels_interval",
            |s, v| s.levels_interval = v,
            100,
            3_600,
        );
        let key = "rollup.checkpoint_interval";
        durations(key, |s, v| s.checkpoint_interval = v, 1_000, 3_600);
        durations(
            "rollup.tick_interval",
            |s, v| s.tick_interval = v,
            30_000,
            3_600,
        );
        durations(
            "rollup.clock_tolerance",
            |s, v| s.clock_tolerance = v,
            1_000,
            86_400,
        );
        durations(
            "rollup.progress_timeout",
            |s, v| s.progress_timeout = v,
            1_000,
            3_600,
        );
        durations(
            "rollup.session_timeout",
            |s, v| s.session_timeout = v,
            1_000,
            1_800,
        );
        durations("rollup.stop_timeout", |s, v| s.stop_timeout = v, 1_000, 600);
    }

    #[test]
    fn numbers_have_a_least_and_a_most() {
        let key = "rollup.checkpoint_records";
        let outside = [999, 100_000_001];
        bounds(
            key,
            |s, v| s.checkpoint_records = v,
            [1_000, 100_000_000],
            outside,
        );
        let (inside, outside) = ([1_000, 10_000_000], [999, 10_000_001]);
        bounds(
            "rollup.unflushed_max",
            |s, v| s.unflushed_max = v,
            inside,
            outside,
        );
        bounds(
            "rollup.flush_share_percent",
            |s, v| s.flush_share_percent = v,
            [1, 100],
            [0, 101],
        );
        let (inside, outside) = ([1_024, 1 << 20], [1_023, (1 << 20) + 1]);
        bounds(
            "rollup.fetch_ahead_kib",
            |s, v| s.fetch_ahead_kib = v,
            inside,
            outside,
        );
    }
}
