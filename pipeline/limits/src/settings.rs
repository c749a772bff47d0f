//! What the limits stage runs with.
//!
//! Nothing here changes what is judged: two instances with different settings write the same
//! transitions and standings. The settings decide freshness, cost and when somebody hears of a
//! failure.

use std::time::Duration;

/// How to reach what the stage needs.
#[derive(Clone, Debug)]
pub struct Connections {
    /// How to reach Kafka.
    pub kafka: meterline_kafka::Settings,
    /// How to reach ClickHouse.
    pub clickhouse: meterline_clickhouse::Settings,
    /// Name of this process in logs, in records and as Kafka's client id.
    pub instance: String,
}

/// Settings of the limits stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LimitsSettings {
    /// How often changed standings go to the topic `usage.standing`; what gateways know is this
    /// much older than what is judged. Default 500 ms.
    pub standing_interval: Duration,
    /// How often changed standings, alerts and deliveries go to ClickHouse. Default 2 s.
    pub table_interval: Duration,
    /// How long a transition that was sent may stay unread before it is given up and judged
    /// again. Default 15 s.
    pub alert_timeout: Duration,
    /// How old the newest progress of a log partition may be before the process is not ready.
    /// Default 90 s: an idle partition has a record every 30 s.
    pub progress_timeout: Duration,
    /// How long a stopping process waits for what it has sent. Default 30 s.
    pub stop_timeout: Duration,
}

impl Default for LimitsSettings {
    fn default() -> Self {
        Self {
            standing_interval: Duration::from_millis(500),
            table_interval: Duration::from_secs(2),
            alert_timeout: Duration::from_secs(15),
            progress_timeout: Duration::from_secs(90),
            stop_timeout: Duration::from_secs(30),
        }
    }
}

impl LimitsSettings {
    /// Checks bounds that one setting has on its own.
    ///
    /// # Errors
    /// The first setting that cannot be run with; its key is without the section.
    pub fn check(&self) -> Result<(), SettingsError> {
        let millis = Duration::from_millis;
        let seconds = Duration::from_secs;
        // Less would make a batch of every record; gateways that wait for minutes know nothing.
        let standing = (millis(10)..=seconds(60)).contains(&self.standing_interval);
        within("standing_interval", standing, "from 10ms to 1m")?;
        // Twenty inserts a second are the most that merges keep up with.
        let table = (millis(50)..=seconds(300)).contains(&self.table_interval);
        within("table_interval", table, "from 50ms to 5m")?;
        // The producer of decisions tries a record for 10 s.
        let alert = (seconds(11)..=seconds(300)).contains(&self.alert_timeout);
        within("alert_timeout", alert, "from 11s to 5m")?;
        let progress = (seconds(1)..=seconds(3_600)).contains(&self.progress_timeout);
        within("progress_timeout", progress, "from 1s to 1h")?;
        let stop = (seconds(1)..=seconds(600)).contains(&self.stop_timeout);
        within("stop_timeout", stop, "from 1s to 10m")
    }
}

fn within(key: &'static str, holds: bool, rule: &'static str) -> Result<(), SettingsError> {
    if holds {
        return Ok(());
    }
    Err(SettingsError { key, rule })
}

/// A setting that cannot be run with.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{key}` must be {rule}")]
pub struct SettingsError {
    /// The setting's key in the section `[limits]`.
    pub key: &'static str,
    /// What it must be.
    pub rule: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut LimitsSettings), expected: Option<&str>) {
        let mut settings = LimitsSettings::default();
        change(&mut settings);
        assert_eq!(settings.check().err().map(|e| e.key), expected);
    }

    #[test]
    fn settings_out_of_bounds_are_refused_by_key() {
        let (millis, seconds) = (Duration::from_millis, Duration::from_secs);
        check(|_| (), None);
        check(
            |s| s.standing_interval = millis(9),
            Some("standing_interval"),
        );
        check(|s| s.standing_interval = seconds(60), None);
        check(|s| s.table_interval = millis(49), Some("table_interval"));
        check(|s| s.table_interval = seconds(301), Some("table_interval"));
        check(|s| s.alert_timeout = seconds(10), Some("alert_timeout"));
        check(
            |s| s.progress_timeout = seconds(86_400),
            Some("progress_timeout"),
        );
        check(|s| s.stop_timeout = Duration::ZERO, Some("stop_timeout"));
    }
}
