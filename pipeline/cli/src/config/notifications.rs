//! `[notifications]`: as an operator writes it, and what notifications run with.

use super::resolve::{Checker, secrets};
use meterline_notify::{Settings, SmtpSettings, SmtpTls, WebhookSettings};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// `[notifications]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawNotifications {
    /// Key of the deployment from which the secret of every webhook is derived, at least 32
    /// bytes, the same for all instances; better in a file. Never printed. Default: none, and
    /// webhooks are refused.
    pub signing_key: Option<String>,
    /// File that holds the signing key; a line feed at its end does not count. Default: none.
    pub signing_key_file: Option<String>,
    /// How long a notification is tried before it is parked. Default `1day`.
    pub retry_for: String,
    /// Pause after a first failed attempt; each further one doubles it. Default `5s`.
    pub backoff_min: String,
    /// Longest pause between two attempts. Default `1h`.
    pub backoff_max: String,
    /// How long an instance waits for a word of the one whose turn it is before it sends in its
    /// place. Default `1m`.
    pub takeover_delay: String,
    /// How long an alert waits for others of its route, to go with them. Default `2s`.
    pub bundle_window: String,
    /// Most alerts of one request, e-mail or record. Default 100.
    pub bundle_size: u64,
    /// How long alerts are known, for replays; at least twice `retry_for`. Default `7days`.
    pub remember_for: String,
    /// Most alerts that are known although nobody is left to be told; about 1 KiB each. Default
    /// 100,000.
    pub remembered_max: u64,
    /// Webhooks.
    pub webhook: RawWebhook,
    /// The mail server.
    pub smtp: RawSmtp,
}

/// `[notifications.webhook]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawWebhook {
    /// How long one request may take, answer included. Default `15s`.
    pub timeout: String,
    /// `true`: `http://` is taken too, and alerts cross the network readable. Default `false`.
    pub allow_http: bool,
    /// `true`: receivers may have private, loopback or link-local addresses; whoever sets a route
    /// can then reach what only this process should. Default `false`.
    pub allow_private_addresses: bool,
    /// File with the certificates (PEM) of authorities to trust beside the operating system's.
    /// Default: none.
    pub ca_file: Option<String>,
    /// Most requests at one time, over all routes; one route has one. Default 256.
    pub concurrency: u64,
}

/// `[notifications.smtp]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawSmtp {
    /// The mail server's name; its certificate must be for it. Default: none, e-mail is refused.
    pub host: Option<String>,
    /// Its port. Default 587.
    pub port: u64,
    /// `starttls`; `implicit` (TLS from the first byte, port 465); `none`, for a relay on the same
    /// host. Default `starttls`.
    pub tls: String,
    /// User; empty: none is given. Default: empty.
    pub user: String,
    /// The user's password; better in a file. Never printed. Default: none.
    pub password: Option<String>,
    /// File that holds the password; a line feed at its end does not count. Default: none.
    pub password_file: Option<String>,
    /// The sender: an address, or `Name <address>`; required where there is a host. Default: none.
    pub from: Option<String>,
    /// How long each step of the protocol may take. Default `15s`.
    pub timeout: String,
    /// File with the certificates (PEM) of the authorities to trust in the place of the operating
    /// system's. Default: none.
    pub ca_file: Option<String>,
    /// Most e-mails that are handed over at one time. Default 4.
    pub concurrency: u64,
}

fn text(length: Duration) -> String {
    humantime::format_duration(length).to_string()
}

fn whole(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl Default for RawNotifications {
    fn default() -> Self {
        let defaults = Settings::default();
        Self {
            signing_key: None,
            signing_key_file: None,
            retry_for: text(defaults.retry_for),
            backoff_min: text(defaults.backoff_min),
            backoff_max: text(defaults.backoff_max),
            takeover_delay: text(defaults.takeover_delay),
            bundle_window: text(defaults.bundle_window),
            bundle_size: whole(defaults.bundle_size),
            remember_for: text(defaults.remember_for),
            remembered_max: whole(defaults.remembered_max),
            webhook: RawWebhook::default(),
            smtp: RawSmtp::default(),
        }
    }
}

impl Default for RawWebhook {
    fn default() -> Self {
        let defaults = WebhookSettings::default();
        Self {
            timeout: text(defaults.timeout),
            allow_http: defaults.allow_http,
            allow_private_addresses: defaults.allow_private_addresses,
            ca_file: None,
            concurrency: whole(defaults.concurrency),
        }
    }
}

impl Default for RawSmtp {
    fn default() -> Self {
        let defaults = SmtpSettings::new("", "");
        Self {
            host: None,
            port: defaults.port.into(),
            tls: "starttls".to_owned(),
            user: defaults.user,
            password: None,
            password_file: None,
            from: None,
            timeout: text(defaults.timeout),
            ca_file: None,
            concurrency: whole(defaults.concurrency),
        }
    }
}

/// What notifications run with; `reserved_topics` are Meterline's own.
pub(super) fn resolve(
    raw: &RawNotifications,
    reserved_topics: Vec<String>,
    checker: &mut Checker<'_>,
) -> Settings {
    let before = checker.count();
    let key = |name: &str| format!("notifications.{name}");
    let signing_key = (&raw.signing_key, &raw.signing_key_file);
    let settings = Settings {
        signing_key: secrets::given("notifications.signing_key", signing_key, checker),
        retry_for: checker.length(&key("retry_for"), &raw.retry_for),
        backoff_min: checker.length(&key("backoff_min"), &raw.backoff_min),
        backoff_max: checker.length(&key("backoff_max"), &raw.backoff_max),
        takeover_delay: checker.length(&key("takeover_delay"), &raw.takeover_delay),
        bundle_window: checker.length(&key("bundle_window"), &raw.bundle_window),
        bundle_size: checker.count_of(&key("bundle_size"), raw.bundle_size),
        remember_for: checker.length(&key("remember_for"), &raw.remember_for),
        remembered_max: checker.count_of(&key("remembered_max"), raw.remembered_max),
        webhook: webhook(&raw.webhook, checker),
        smtp: smtp(&raw.smtp, checker),
        reserved_topics,
    };
    let checked = settings.check().map_err(|error| (error.key, error.rule));
    checker.bounds("notifications", before, checked);
    settings
}

fn webhook(raw: &RawWebhook, checker: &mut Checker<'_>) -> WebhookSettings {
    let key = |name: &str| format!("notifications.webhook.{name}");
    WebhookSettings {
        timeout: checker.length(&key("timeout"), &raw.timeout),
        allow_http: raw.allow_http,
        allow_private_addresses: raw.allow_private_addresses,
        ca_file: raw.ca_file.as_ref().map(PathBuf::from),
        concurrency: checker.count_of(&key("concurrency"), raw.concurrency),
    }
}

fn smtp(raw: &RawSmtp, checker: &mut Checker<'_>) -> Option<SmtpSettings> {
    let key = |name: &str| format!("notifications.smtp.{name}");
    let password = (&raw.password, &raw.password_file);
    let password = secrets::given("notifications.smtp.password", password, checker);
    let tls = match raw.tls.as_str() {
        "starttls" => SmtpTls::StartTls,
        "implicit" => SmtpTls::Implicit,
        "none" => SmtpTls::None,
        _ => {
            checker.refuse(&key("tls"), "must be starttls, implicit or none");
            SmtpTls::StartTls
        }
    };
    let host = raw.host.clone()?;
    let Some(from) = raw.from.clone() else {
        let reason = "is not set, and notifications.smtp.host is: say who e-mails are from";
        checker.refuse(&key("from"), reason);
        return None;
    };
    Some(SmtpSettings {
        host,
        port: checker.number(&key("port"), raw.port).unwrap_or(0),
        tls,
        user: raw.user.clone(),
        password,
        from,
        timeout: checker.length(&key("timeout"), &raw.timeout),
        ca_file: raw.ca_file.as_ref().map(PathBuf::from),
        concurrency: checker.count_of(&key("concurrency"), raw.concurrency),
    })
}
