//! `[api]`: as an operator writes it, and what the API stage runs with.

use super::resolve::Checker;
use crate::units::parse_size;
use meterline_api::{Settings, Tls, WhenStale};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// `[api]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawApi {
    /// Address and port that the API listens on. Default `127.0.0.1:8420`.
    pub listen: String,
    /// File with the server's certificate (PEM), its intermediates behind it. Default: none,
    /// plain HTTP for behind a proxy.
    pub tls_certificate_file: Option<String>,
    /// File with the certificate's private key (PEM). Default: none.
    pub tls_key_file: Option<String>,
    /// Origins that browsers may call from, such as `https://console.example`, separated by
    /// commas; no wildcards. Default: empty, no CORS header is ever sent.
    pub cors_origins: String,
    /// Largest request body. Default `8MiB`.
    pub body_bytes: String,
    /// Most events of one ingest call. Default 10,000.
    pub batch_events: u64,
    /// Longest time from a request's headers to its answer; of that of an ingest call, Kafka has
    /// half to acknowledge its events. Default `30s`.
    pub request_timeout: String,
    /// Longest time for the headers of a request, idle time on a kept connection included.
    /// Default `1m 15s`.
    pub header_timeout: String,
    /// Most open connections; further ones wait to be accepted. Default 4,096.
    pub connections: u64,
    /// Most requests that are worked on at once; further ones are answered 503. Default 1,024.
    pub requests: u64,
    /// Requests a second of a key that has no rate of its own, per instance. Default 1,000.
    pub rate: u64,
    /// Above this age of what is known, an answer of a check is stale. Of a partition without
    /// events nothing is heard but a tick, every `rollup.tick_interval`: keep it above that by some
    /// seconds. Default `1m`.
    pub max_view_age: String,
    /// What a stale check answers: `open`, as the last known use says, or `closed`, refused where
    /// the meter has a cap; then `api.max_view_age` must be above `rollup.tick_interval`, or all
    /// tenants of an idle partition would be refused. Default `open`.
    pub when_stale: String,
    /// How long a stopping process lets running requests end. Default `20s`.
    pub stop_timeout: String,
}

impl Default for RawApi {
    fn default() -> Self {
        let defaults = Settings::default();
        let text = |length: Duration| humantime::format_duration(length).to_string();
        let whole = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        Self {
            listen: defaults.listen.to_string(),
            tls_certificate_file: None,
            tls_key_file: None,
            cors_origins: String::new(),
            body_bytes: format!("{}MiB", defaults.body_bytes >> 20),
            batch_events: whole(defaults.batch_events),
            request_timeout: text(defaults.request_timeout),
            header_timeout: text(defaults.header_timeout),
            connections: whole(defaults.connections),
            requests: whole(defaults.requests),
            rate: defaults.rate.into(),
            max_view_age: text(defaults.max_view_age),
            when_stale: "open".to_owned(),
            stop_timeout: text(defaults.stop_timeout),
        }
    }
}

/// What the stage runs with.
pub(super) fn resolve(raw: &RawApi, checker: &mut Checker<'_>) -> Settings {
    let before = checker.count();
    let listen = raw.listen.parse();
    let listen =
        listen.map_err(|_| "must be an address and a port, such as 127.0.0.1:8420".to_owned());
    let origins = raw.cors_origins.split(',').map(str::trim);
    let settings = Settings {
        listen: checker
            .take("api.listen", listen)
            .unwrap_or(Settings::default().listen),
        tls: tls(raw, checker),
        cors_origins: origins
            .filter(|origin| !origin.is_empty())
            .map(str::to_owned)
            .collect(),
        body_bytes: checker
            .take("api.body_bytes", parse_size(&raw.body_bytes))
            .unwrap_or(0),
        batch_events: checker.count_of("api.batch_events", raw.batch_events),
        request_timeout: checker.length("api.request_timeout", &raw.request_timeout),
        header_timeout: checker.length("api.header_timeout", &raw.header_timeout),
        connections: checker.count_of("api.connections", raw.connections),
        requests: checker.count_of("api.requests", raw.requests),
        rate: checker.number("api.rate", raw.rate).unwrap_or(0),
        max_view_age: checker.length("api.max_view_age", &raw.max_view_age),
        when_stale: when_stale(&raw.when_stale, checker),
        stop_timeout: checker.length("api.stop_timeout", &raw.stop_timeout),
    };
    let checked = settings.check().map_err(|error| (error.key, error.rule));
    checker.bounds("api", before, checked);
    settings
}

/// Refuses to fail closed at an age that an idle partition's view has between two ticks. Without
/// other problems alone: a tick that could not be read says nothing.
pub(super) fn check_against_ticks(api: &Settings, tick: Duration, checker: &mut Checker<'_>) {
    let refuses_idle = api.when_stale == WhenStale::Closed && api.max_view_age <= tick;
    if checker.count() == 0 && refuses_idle {
        let tick = humantime::format_duration(tick);
        let reason =
            format!("must be above rollup.tick_interval ({tick}) where api.when_stale is closed");
        checker.refuse("api.max_view_age", reason);
    }
}

fn tls(raw: &RawApi, checker: &mut Checker<'_>) -> Option<Tls> {
    let (missing, other) = match (&raw.tls_certificate_file, &raw.tls_key_file) {
        (None, None) => return None,
        (Some(certificate), Some(key)) => {
            return Some(Tls {
                certificate: PathBuf::from(certificate),
                key: PathBuf::from(key),
            });
        }
        (None, Some(_)) => ("api.tls_certificate_file", "api.tls_key_file"),
        (Some(_), None) => ("api.tls_key_file", "api.tls_certificate_file"),
    };
    checker.refuse(
        missing,
        format!("is not set, and {other} is: TLS needs both"),
    );
    None
}

fn when_stale(text: &str, checker: &mut Checker<'_>) -> WhenStale {
    match text {
        "open" => WhenStale::Open,
        "closed" => WhenStale::Closed,
        _ => {
            checker.refuse("api.when_stale", "must be open or closed");
            WhenStale::Open
        }
    }
}
