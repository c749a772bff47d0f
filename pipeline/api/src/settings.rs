//! What the API runs with.
//!
//! Nothing here changes what is counted or decided: only where the API listens, how much it takes
//! at once, and what it says when it knows too little.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// How to reach what the API needs.
#[derive(Clone, Debug)]
pub struct Connections {
    /// How to reach Kafka.
    pub kafka: meterline_kafka::Settings,
    /// How to reach ClickHouse.
    pub clickhouse: meterline_clickhouse::Settings,
    /// Where snapshots of the control log are; `None`: it is read from its beginning.
    pub snapshots: Option<meterline_control::Snapshots>,
    /// What notifications are sent by: routes are judged by it, and shown their secrets. `None`:
    /// routes are taken as they come, and judged where they are used.
    pub notifications: Option<meterline_notify::Settings>,
    /// Name of this process in logs and as Kafka's client id.
    pub instance: String,
}

/// What a check answers where what the API knows is older than [`Settings::max_view_age`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum WhenStale {
    /// As the last known use says: the gateway goes on. Default.
    #[default]
    Open,
    /// Refused where the meter has a cap: nobody uses what cannot be counted in time.
    Closed,
}

/// Certificate and key of the server, both PEM files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tls {
    /// The certificate, with its intermediates behind it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Settings of the API.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Where to listen. Default 127.0.0.1:8420.
    pub listen: SocketAddr,
    /// Serve TLS, versions 1.2 and 1.3; `None`: plain HTTP, for behind a proxy. Default none.
    pub tls: Option<Tls>,
    /// Origins that browsers may call from, such as `https://console.example`; exact, no
    /// wildcards. Default none: no CORS header is ever sent.
    pub cors_origins: Vec<String>,
    /// Largest request body. Default 8 MiB.
    pub body_bytes: usize,
    /// Most events of one ingest call. Default 10,000.
    pub batch_events: usize,
    /// Longest time from a request's headers to its answer; of that of an ingest call, Kafka has
    /// half to acknowledge its events. Default 30 s.
    pub request_timeout: Duration,
    /// Longest time for the headers of a request, idle time on a kept connection included.
    /// Default 75 s: above what proxies keep an idle connection for, so that they close first.
    pub header_timeout: Duration,
    /// Most open connections; further ones wait to be accepted. Default 4,096.
    pub connections: usize,
    /// Most requests that are worked on at once; further ones are answered 503. Default 1,024.
    pub requests: usize,
    /// Requests a second of a key that has no rate of its own, per instance. Default 1,000.
    pub rate: u32,
    /// Above this age of what is known, an answer of a check is stale. Default 60 s.
    ///
    /// Of a partition without events nothing is heard but a tick, every `rollup.tick_interval`:
    /// below that its tenants' answers are stale though nothing is wrong.
    pub max_view_age: Duration,
    /// What a stale check answers. Default as the last known use says. `Closed` needs a
    /// [`Settings::max_view_age`] above 30 s, the shortest tick interval, or it would refuse
    /// whoever is on an idle partition.
    pub when_stale: WhenStale,
    /// How long a stopping process lets running requests end. Default 20 s.
    pub stop_timeout: Duration,
}

/// The shortest `rollup.tick_interval`: an idle partition is heard of no more often.
const TICK_INTERVAL_MIN: Duration = Duration::from_secs(30);

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8_420)),
            tls: None,
            cors_origins: Vec::new(),
            body_bytes: 8 << 20,
            batch_events: 10_000,
            request_timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(75),
            connections: 4_096,
            requests: 1_024,
            rate: 1_000,
            max_view_age: Duration::from_secs(60),
            when_stale: WhenStale::default(),
            stop_timeout: Duration::from_secs(20),
        }
    }
}

/// The rule for [`Settings::max_view_age`] where [`Settings::when_stale`] is closed.
const ABOVE_TICKS: &str = "above 30s where when_stale is closed: an idle partition is heard of \
                           no more often, and its tenants would be refused";

impl Settings {
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
        let span = |value: &Duration, from, to| {
            (Duration::from_millis(from)..=Duration::from_secs(to)).contains(value)
        };
        let origins = self.cors_origins.iter().all(|text| is_origin(text));
        within("cors_origins", origins, "origins such as https://host")?;
        // A smaller body would not hold one event, a larger one is no batch but a file.
        let body = (64 << 10..=64 << 20).contains(&self.body_bytes);
        within("body_bytes", body, "from 64KiB to 64MiB")?;
        let events = (1..=100_000).contains(&self.batch_events);
        within("batch_events", events, "from 1 to 100,000")?;
        let timeout = span(&self.request_timeout, 1_000, 600);
        within("request_timeout", timeout, "from 1s to 10m")?;
        let headers = span(&self.header_timeout, 1_000, 600);
        within("header_timeout", headers, "from 1s to 10m")?;
        let connections = (1..=100_000).contains(&self.connections);
        within("connections", connections, "from 1 to 100,000")?;
        let requests = (1..=100_000).contains(&self.requests);
        within("requests", requests, "from 1 to 100,000")?;
        let rate = (1..=1_000_000).contains(&self.rate);
        within("rate", rate, "from 1 to 1,000,000 a second")?;
        // Progress comes with every flush, or with a tick where nothing is used.
        let age = span(&self.max_view_age, 1_000, 86_400);
        within("max_view_age", age, "from 1s to 1 day")?;
        let outlasts_ticks =
            self.when_stale == WhenStale::Open || self.max_view_age > TICK_INTERVAL_MIN;
        within("max_view_age", outlasts_ticks, ABOVE_TICKS)?;
        let stop = span(&self.stop_timeout, 1_000, 600);
        within("stop_timeout", stop, "from 1s to 10m")
    }
}

/// Whether a text is an origin as browsers send it: scheme, host, port; no path, no wildcard.
fn is_origin(text: &str) -> bool {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    host.is_some_and(|host| !host.is_empty() && host.chars().all(is_part))
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

    fn check(change: impl FnOnce(&mut Settings), expected: Option<&str>) {
        let mut settings = Settings::default();
        change(&mut settings);
        assert_eq!(settings.check().err().map(|e| e.key), expected);
    }

    #[test]
    fn settings_out_of_bounds_are_refused_by_key() {
        check(|_| (), None);
        check(|s| s.body_bytes = 1, Some("body_bytes"));
        check(|s| s.batch_events = 0, Some("batch_events"));
        check(|s| s.connections = 0, Some("connections"));
        check(|s| s.requests = 0, Some("requests"));
        check(|s| s.rate = 0, Some("rate"));
        let (zero, week) = (Duration::ZERO, Duration::from_secs(604_800));
        check(|s| s.request_timeout = zero, Some("request_timeout"));
        check(|s| s.header_timeout = week, Some("header_timeout"));
        check(|s| s.max_view_age = week, Some("max_view_age"));
        check(|s| s.stop_timeout = zero, Some("stop_timeout"));
    }

    #[test]
    fn failing_closed_needs_an_age_above_the_ticks_of_idle_partitions() {
        let of = |seconds, when_stale| {
            move |s: &mut Settings| {
                s.max_view_age = Duration::from_secs(seconds);
                s.when_stale = when_stale;
            }
        };
        check(of(30, WhenStale::Closed), Some("max_view_age"));
        check(of(31, WhenStale::Closed), None);
        check(of(1, WhenStale::Open), None);
    }

    #[test]
    fn origins_are_whole_and_have_no_wildcards() {
        let origin = |text: &str| {
            let text = text.to_owned();
            move |s: &mut Settings| s.cors_origins = vec![text]
        };
        check(origin("https://console.example:8443"), None);
        for text in [
            "*",
            "https://*.example",
            "https://a/b",
            "console",
            "https://",
        ] {
            check(origin(text), Some("cors_origins"));
        }
    }
}
