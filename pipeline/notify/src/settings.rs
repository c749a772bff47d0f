//! What notifications run with.
//!
//! Nothing here decides which alerts there are or who is told of them: that is in the logs. These
//! say how hard and how long is tried, how receivers are reached, and what is never reached.

use meterline_clickhouse::Secret;
use std::path::PathBuf;
use std::time::Duration;

/// Fewest bytes of a signing key: what a guess of it costs must be that of its signatures.
const SIGNING_KEY_BYTES_MIN: usize = 32;

/// Settings of notifications; the section is `[notifications]`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Key of the deployment from which the secret of every webhook is derived; the same for all
    /// instances, at least 32 bytes. Default: empty, webhooks are refused.
    pub signing_key: Secret,
    /// How long a notification is tried before it is parked. Default 24 h.
    pub retry_for: Duration,
    /// Pause after a first failed attempt; each further one doubles it. Default 5 s.
    pub backoff_min: Duration,
    /// Longest pause between two attempts. Default 1 h.
    pub backoff_max: Duration,
    /// How long an instance waits for a word of the one whose turn it is before it sends in its
    /// place; up to half of it again is added, other for each instance. Default 60 s.
    pub takeover_delay: Duration,
    /// How long an alert waits for others of its route, to go with them. Default 2 s.
    pub bundle_window: Duration,
    /// Most alerts of one request, e-mail or record. Default 100.
    pub bundle_size: usize,
    /// How long alerts are known, for replays; at least twice `retry_for`. Default 7 days.
    pub remember_for: Duration,
    /// Most alerts that are known although nobody is left to be told, oldest forgotten first;
    /// about 1 KiB each. Default 100,000.
    pub remembered_max: usize,
    /// Webhooks.
    pub webhook: WebhookSettings,
    /// The mail server; `None`, the default: e-mail is refused.
    pub smtp: Option<SmtpSettings>,
    /// Topics that no route may name: Meterline's own. Default: none.
    pub reserved_topics: Vec<String>,
}

/// Settings of webhooks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebhookSettings {
    /// How long one request may take, answer included. Default 15 s.
    pub timeout: Duration,
    /// Whether `http://` is taken: alerts then cross the network readable. Default false.
    pub allow_http: bool,
    /// Whether receivers may have private, loopback or link-local addresses: whoever sets a route
    /// can then reach what only this process should. Default false.
    pub allow_private_addresses: bool,
    /// Authorities to trust beside the operating system's, in PEM. Default: none.
    pub ca_file: Option<PathBuf>,
    /// Most requests at one time, over all routes; one route has one. Default 256.
    pub concurrency: usize,
}

/// Settings of the mail server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SmtpSettings {
    /// Its name; its certificate must be for it.
    pub host: String,
    /// Its port. Default 587.
    pub port: u16,
    /// How the connection is kept private. Default [`SmtpTls::StartTls`].
    pub tls: SmtpTls,
    /// User; empty, the default: none is given.
    pub user: String,
    /// The user's password.
    pub password: Secret,
    /// The sender: an address, or `Name <address>`.
    pub from: String,
    /// How long each step of the protocol may take. Default 15 s.
    pub timeout: Duration,
    /// Authorities to trust in the place of the operating system's, in PEM. Default: none.
    pub ca_file: Option<PathBuf>,
    /// Most e-mails that are handed over at one time. Default 4.
    pub concurrency: usize,
}

/// How a connection to the mail server is kept private.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SmtpTls {
    /// By STARTTLS; a server that does not offer it is told nothing.
    #[default]
    StartTls,
    /// By TLS from the first byte (port 465).
    Implicit,
    /// Not at all: for a relay on the same host.
    None,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            signing_key: Secret::default(),
            retry_for: Duration::from_secs(24 * 3_600),
            backoff_min: Duration::from_secs(5),
            backoff_max: Duration::from_secs(3_600),
            takeover_delay: Duration::from_secs(60),
            bundle_window: Duration::from_secs(2),
            bundle_size: 100,
            remember_for: Duration::from_secs(7 * 24 * 3_600),
            remembered_max: 100_000,
            webhook: WebhookSettings::default(),
            smtp: None,
            reserved_topics: Vec::new(),
        }
    }
}

impl Default for WebhookSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
            allow_http: false,
            allow_private_addresses: false,
            ca_file: None,
            concurrency: 256,
        }
    }
}

impl SmtpSettings {
    /// The defaults, for that server and sender.
    #[must_use]
    pub fn new(host: &str, from: &str) -> Self {
        Self {
            host: host.to_owned(),
            port: 587,
            tls: SmtpTls::default(),
            user: String::new(),
            password: Secret::default(),
            from: from.to_owned(),
            timeout: Duration::from_secs(15),
            ca_file: None,
            concurrency: 4,
        }
    }
}

/// A setting that cannot be run with.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{key}` must be {rule}")]
pub struct SettingsError {
    /// The setting's key in the section `notifications`.
    pub key: &'static str,
    /// What it must be.
    pub rule: &'static str,
}

impl Settings {
    /// Checks the bounds of each setting, and those that two have on each other.
    ///
    /// # Errors
    /// The first setting that cannot be run with.
    pub fn check(&self) -> Result<(), SettingsError> {
        let key = self.signing_key.expose();
        let long_enough = key.is_empty() || key.len() >= SIGNING_KEY_BYTES_MIN;
        within("signing_key", long_enough, "at least 32 bytes, or empty")?;
        self.check_times()?;
        // A request of a thousand alerts is half a megabyte, about what receivers take.
        let bundle = (1..=1_000).contains(&self.bundle_size);
        within("bundle_size", bundle, "from 1 to 1,000")?;
        let remembered = (1_000..=10_000_000).contains(&self.remembered_max);
        within("remembered_max", remembered, "from 1,000 to 10,000,000")?;
        self.webhook.check()?;
        self.smtp.as_ref().map_or(Ok(()), SmtpSettings::check)
    }

    fn check_times(&self) -> Result<(), SettingsError> {
        let (second, day) = (Duration::from_secs(1), Duration::from_secs(86_400));
        let tried = (second..=7 * day).contains(&self.retry_for);
        within("retry_for", tried, "from 1s to 7 days")?;
        let hour = day / 24;
        let first = (second / 20..=hour).contains(&self.backoff_min);
        within("backoff_min", first, "from 50ms to 1h")?;
        let longest = (self.backoff_min..=6 * hour).contains(&self.backoff_max);
        within("backoff_max", longest, "from `backoff_min` to 6h")?;
        let takeover = (second..=hour).contains(&self.takeover_delay);
        within("takeover_delay", takeover, "from 1s to 1h")?;
        // An alert is told within seconds, so it cannot wait for minutes.
        let window = self.bundle_window <= 60 * second;
        within("bundle_window", window, "at most 60s")?;
        let known = (2 * self.retry_for..=30 * day).contains(&self.remember_for);
        within(
            "remember_for",
            known,
            "from twice `retry_for` up to 30 days",
        )
    }
}

impl WebhookSettings {
    fn check(&self) -> Result<(), SettingsError> {
        within_timeout("webhook.timeout", self.timeout)?;
        let concurrency = (1..=4_096).contains(&self.concurrency);
        within("webhook.concurrency", concurrency, "from 1 to 4,096")
    }
}

impl SmtpSettings {
    fn check(&self) -> Result<(), SettingsError> {
        within("smtp.host", !self.host.is_empty(), "the server's name")?;
        within("smtp.port", self.port > 0, "from 1 to 65535")?;
        let from = self.from.parse::<lettre::message::Mailbox>();
        within("smtp.from", from.is_ok(), "an address, or Name <address>")?;
        let private = self.tls != SmtpTls::None || self.user.is_empty();
        within("smtp.user", private, "empty where `smtp.tls` is none")?;
        within_timeout("smtp.timeout", self.timeout)?;
        let concurrency = (1..=64).contains(&self.concurrency);
        within("smtp.concurrency", concurrency, "from 1 to 64")
    }
}

fn within_timeout(key: &'static str, timeout: Duration) -> Result<(), SettingsError> {
    // A receiver that needs more than minutes keeps a slot from others.
    let bounds = Duration::from_millis(100)..=Duration::from_secs(120);
    within(key, bounds.contains(&timeout), "from 100ms to 2m")
}

fn within(key: &'static str, holds: bool, rule: &'static str) -> Result<(), SettingsError> {
    if holds {
        Ok(())
    } else {
        Err(SettingsError { key, rule })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut Settings), expected: Option<&str>) {
        let mut settings = Settings {
            smtp: Some(SmtpSettings::new("mail.example.com", "alerts@example.com")),
            ..Settings::default()
        };
        change(&mut settings);
        assert_eq!(settings.check().err().map(|e| e.key), expected);
    }

    fn smtp(change: impl FnOnce(&mut SmtpSettings), expected: Option<&str>) {
        check(|s| change(s.smtp.as_mut().expect("it is set")), expected);
    }

    #[test]
    fn settings_out_of_bounds_are_refused_by_key() {
        let (zero, day) = (Duration::ZERO, Duration::from_secs(86_400));
        check(|_| (), None);
        check(|s| s.smtp = None, None);
        check(
            |s| s.signing_key = Secret::new("short"),
            Some("signing_key"),
        );
        check(|s| s.signing_key = Secret::new("k".repeat(32)), None);
        check(|s| s.retry_for = 8 * day, Some("retry_for"));
        check(|s| s.backoff_min = zero, Some("backoff_min"));
        check(|s| s.backoff_max = s.backoff_min / 2, Some("backoff_max"));
        check(|s| s.takeover_delay = zero, Some("takeover_delay"));
        check(|s| s.bundle_window = day, Some("bundle_window"));
        check(|s| s.bundle_size = 0, Some("bundle_size"));
        check(|s| s.remember_for = s.retry_for, Some("remember_for"));
        check(|s| s.remembered_max = 0, Some("remembered_max"));
        check(|s| s.webhook.timeout = zero, Some("webhook.timeout"));
        check(|s| s.webhook.concurrency = 0, Some("webhook.concurrency"));
    }

    #[test]
    fn settings_of_the_mail_server_are_refused_by_key() {
        smtp(|s| s.host.clear(), Some("smtp.host"));
        smtp(|s| s.port = 0, Some("smtp.port"));
        smtp(|s| s.from = "nobody".into(), Some("smtp.from"));
        smtp(|s| s.from = "Alerts <a@example.com>".into(), None);
        smtp(|s| s.timeout = Duration::ZERO, Some("smtp.timeout"));
        smtp(|s| s.concurrency = 65, Some("smtp.concurrency"));
        let plain = |s: &mut SmtpSettings| {
            s.tls = SmtpTls::None;
            s.user = "user".into();
        };
        smtp(plain, Some("smtp.user"));
    }

    #[test]
    fn secrets_are_not_printed() {
        let mut settings = Settings {
            signing_key: Secret::new("a key that nobody may see, ever!"),
            smtp: Some(SmtpSettings::new("mail.example.com", "alerts@example.com")),
            ..Settings::default()
        };
        let smtp = settings.smtp.as_mut().expect("it is set");
        smtp.password = Secret::new("a password that nobody may see");
        assert!(!format!("{settings:?}").contains("nobody may see"));
    }
}
