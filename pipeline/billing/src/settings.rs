//! What the billing stage runs with.
//!
//! Nothing here changes what is billed: two instances with different settings decide alike. The
//! settings say where Stripe is, how fast it is called, and when somebody hears of a failure.

use crate::engine::EngineSettings;
use meterline_clickhouse::Secret;
use meterline_core::time::Millis;
use std::time::Duration;

/// How to reach what the stage needs, but for Stripe.
#[derive(Clone, Debug)]
pub struct Connections {
    /// How to reach Kafka.
    pub kafka: meterline_kafka::Settings,
    /// How to reach ClickHouse.
    pub clickhouse: meterline_clickhouse::Settings,
    /// Name of this process in logs, in records and as Kafka's client id.
    pub instance: String,
}

/// Settings of the billing stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BillingSettings {
    /// The account's secret or restricted key. Without one the stage does not start.
    pub api_key: Secret,
    /// Where Stripe is. Default `https://api.stripe.com`.
    pub api_base: String,
    /// How often the window of the open hour is pushed where it changes. Default 5 min.
    pub open_hour_interval: Duration,
    /// How long a draft invoice is held at most, from its making. Default 48 h; Stripe allows 72.
    pub hold_max: Duration,
    /// Most meter events a second. Default 900: Stripe allows 1,000.
    pub pushes_per_second: u32,
    /// Most other requests a second. Default 20: Stripe allows 25 at one endpoint.
    pub requests_per_second: u32,
    /// Whether everything is done but the calls that change something: to run beside another biller
    /// and compare. Default false.
    pub shadow: bool,
    /// How often what was pushed since, and what is open, is reconciled with Stripe. Default 1 h.
    pub reconcile_interval: Duration,
    /// How often rows of what was decided go to ClickHouse. Default 2 s.
    pub table_interval: Duration,
    /// How old the newest progress of a log partition may be before the process is not ready.
    /// Default 90 s: an idle partition has a record every 30 s.
    pub progress_timeout: Duration,
    /// How long a stopping process waits for what it has sent. Default 30 s.
    pub stop_timeout: Duration,
}

impl Default for BillingSettings {
    fn default() -> Self {
        Self {
            api_key: Secret::new(""),
            api_base: meterline_stripe::API_BASE.to_owned(),
            open_hour_interval: Duration::from_secs(300),
            hold_max: Duration::from_secs(48 * 3_600),
            pushes_per_second: 900,
            requests_per_second: 20,
            shadow: false,
            reconcile_interval: Duration::from_secs(3_600),
            table_interval: Duration::from_secs(2),
            progress_timeout: Duration::from_secs(90),
            stop_timeout: Duration::from_secs(30),
        }
    }
}

impl BillingSettings {
    /// Checks bounds that one setting has on its own. Key and address are checked when the stage
    /// starts: no other needs them.
    ///
    /// # Errors
    /// The first setting that cannot be run with; its key is without the section.
    pub fn check(&self) -> Result<(), SettingsError> {
        let seconds = Duration::from_secs;
        // Stripe should know the open hour at least every five minutes; each push is three records.
        let open = (seconds(10)..=seconds(3_600)).contains(&self.open_hour_interval);
        within("open_hour_interval", open, "from 10s to 1h")?;
        // Stripe's drafts become final by themselves after 72 hours at most.
        let hold = (seconds(3_600)..=seconds(71 * 3_600)).contains(&self.hold_max);
        within("hold_max", hold, "from 1h to 71h")?;
        let pushes = (1..=1_000).contains(&self.pushes_per_second);
        within("pushes_per_second", pushes, "from 1 to 1000")?;
        let requests = (1..=100).contains(&self.requests_per_second);
        within("requests_per_second", requests, "from 1 to 100")?;
        let reconcile = (seconds(10)..=seconds(86_400)).contains(&self.reconcile_interval);
        within("reconcile_interval", reconcile, "from 10s to 1d")?;
        let table = (Duration::from_millis(50)..=seconds(300)).contains(&self.table_interval);
        within("table_interval", table, "from 50ms to 5m")?;
        let progress = (seconds(1)..=seconds(3_600)).contains(&self.progress_timeout);
        within("progress_timeout", progress, "from 1s to 1h")?;
        let stop = (seconds(1)..=seconds(600)).contains(&self.stop_timeout);
        within("stop_timeout", stop, "from 1s to 10m")
    }

    /// What the engine runs with.
    pub(crate) fn engine(&self) -> EngineSettings {
        let millis =
            |length: Duration| Millis(u32::try_from(length.as_millis()).unwrap_or(u32::MAX));
        EngineSettings {
            open_every: millis(self.open_hour_interval),
            hold_max: millis(self.hold_max),
            pushes_per_second: self.pushes_per_second,
            shadow: self.shadow,
            ..EngineSettings::default()
        }
    }

    /// What the client runs with: room for everything that the engine has in flight.
    pub(crate) fn client(&self) -> meterline_stripe::Settings {
        let engine = self.engine();
        meterline_stripe::Settings {
            api_base: self.api_base.clone(),
            connections_max: engine.calls_max + engine.reads_max + OTHER_CALLS,
            ..meterline_stripe::Settings::new(self.api_key.clone())
        }
    }
}

/// Calls about invoices and names at one time.
const OTHER_CALLS: usize = 8;

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
    /// The setting's key in the section `[stripe]`.
    pub key: &'static str,
    /// What it must be.
    pub rule: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut BillingSettings), expected: Option<&str>) {
        let mut settings = BillingSettings::default();
        change(&mut settings);
        assert_eq!(settings.check().err().map(|e| e.key), expected);
    }

    #[test]
    fn settings_out_of_bounds_are_refused_by_key() {
        let seconds = Duration::from_secs;
        check(|_| (), None);
        check(
            |s| s.open_hour_interval = seconds(9),
            Some("open_hour_interval"),
        );
        check(|s| s.hold_max = seconds(72 * 3_600), Some("hold_max"));
        check(|s| s.pushes_per_second = 0, Some("pushes_per_second"));
        check(|s| s.pushes_per_second = 1_001, Some("pushes_per_second"));
        check(|s| s.requests_per_second = 101, Some("requests_per_second"));
        check(
            |s| s.reconcile_interval = seconds(9),
            Some("reconcile_interval"),
        );
        check(
            |s| s.table_interval = Duration::ZERO,
            Some("table_interval"),
        );
        check(
            |s| s.progress_timeout = Duration::ZERO,
            Some("progress_timeout"),
        );
        check(|s| s.stop_timeout = seconds(601), Some("stop_timeout"));
    }

    #[test]
    fn the_client_has_room_for_all_that_the_engine_has_in_flight() {
        let settings = BillingSettings {
            api_key: Secret::new("sk_test_1"),
            ..BillingSettings::default()
        };
        let client = settings.client();
        assert_eq!(client.check(), Ok(()));
        let engine = settings.engine();
        assert!(client.connections_max > engine.calls_max + engine.reads_max);
    }
}
