//! Settings of the connection to Stripe, checked before anything is sent.
//!
//! Refuses an address that would carry the key over a network in the clear, and times and numbers
//! without bounds.

use meterline_clickhouse::Secret;
use std::ops::RangeInclusive;
use std::time::Duration;
use url::{Host, Url};

/// Where Stripe is.
pub const API_BASE: &str = "https://api.stripe.com";

/// A connection that takes longer has no use: its call's deadline passes.
const CONNECT_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(60);
/// Stripe's own client libraries wait for 80 seconds.
const ANSWER_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(120);
/// Each connection costs some 100 kB with TLS; 1,000 calls a second of 200 ms need 200.
const CONNECTIONS: RangeInclusive<usize> = 1..=1_000;

/// Where Stripe is, who asks, and how long is waited.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// `https://` and a host, by default [`API_BASE`]; `http://` for a loopback address only. No
    /// path: requests name the API's version themselves.
    pub api_base: String,
    /// A secret key (`sk_…`) or a restricted one (`rk_…`).
    pub api_key: Secret,
    /// How long a TCP connection may take, at most 60 s.
    pub connect_timeout: Duration,
    /// How long a whole call may take, from asking for a connection to the last byte of its
    /// answer; at most 120 s.
    pub answer_timeout: Duration,
    /// Calls at one time, at most 1,000; those beyond wait for their turn.
    pub connections_max: usize,
}

impl Settings {
    /// The defaults with a key: 5 s, 30 s, 64 calls.
    #[must_use]
    pub fn new(api_key: Secret) -> Self {
        Self {
            api_base: API_BASE.to_owned(),
            api_key,
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(30),
            connections_max: 64,
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// The first field that cannot be used.
    pub fn check(&self) -> Result<(), SettingsError> {
        check_base(&self.api_base)?;
        let key = self.api_key.expose();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SettingsError::Key);
        }
        for (name, value, bounds) in [
            ("connect_timeout", self.connect_timeout, CONNECT_TIMEOUT),
            ("answer_timeout", self.answer_timeout, ANSWER_TIMEOUT),
        ] {
            if !bounds.contains(&value) {
                let max = *bounds.end();
                return Err(SettingsError::Time { name, max });
            }
        }
        if !CONNECTIONS.contains(&self.connections_max) {
            return Err(SettingsError::Connections);
        }
        Ok(())
    }

    /// `scheme://host:port`, what requests' paths are put behind.
    pub(crate) fn origin(&self) -> &str {
        self.api_base.trim_end_matches('/')
    }
}

fn check_base(base: &str) -> Result<(), SettingsError> {
    let refused = |reason| Err(SettingsError::Base { reason });
    let Ok(url) = Url::parse(base) else {
        return refused("it is no URL");
    };
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return refused("it has no host"),
    };
    match url.scheme() {
        "https" => {}
        "http" if is_loopback => {}
        "http" => return refused("http:// would show the key to the network; use https://"),
        _ => return refused("it must begin with https://"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refused("the key is a setting of its own");
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return refused("nothing may follow the host and its port");
    }
    Ok(())
}

/// A setting that cannot be used. It quotes neither the key nor the address, which may hold one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SettingsError {
    /// The address.
    #[error("stripe.api_base cannot be used: {reason}")]
    Base {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No key, or one that no header can carry.
    #[error("stripe.api_key cannot be used: it is empty, or has blanks or special characters")]
    Key,
    /// A time out of bounds.
    #[error("stripe.{name} must be between 1 ms and {max:?}")]
    Time {
        /// The field.
        name: &'static str,
        /// The longest.
        max: Duration,
    },
    /// No call at all, or too many at one time.
    #[error("stripe.connections_max must be between 1 and {}", CONNECTIONS.end())]
    Connections,
    /// The operating system has no certificates to trust.
    #[error("no certificate authorities to know Stripe by; install ca-certificates: {reason}")]
    Authorities {
        /// What was looked for.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut Settings), expected: Option<&str>) {
        let mut settings = Settings::new(Secret::new("sk_test_1"));
        change(&mut settings);
        let refused = settings.check().err().map(|error| error.to_string());
        match expected {
            None => assert_eq!(refused, None),
            Some(part) => assert!(
                refused.as_deref().is_some_and(|text| text.contains(part)),
                "{refused:?} does not say {part}"
            ),
        }
    }

    #[test]
    fn addresses_that_would_show_the_key_are_refused() {
        for base in [
            API_BASE,
            "https://stripe.example:8443/",
            "http://127.0.0.1:12111",
            "http://[::1]:12111",
            "http://localhost:12111",
        ] {
            check(|s| s.api_base = base.into(), None);
        }
        for (base, part) in [
            ("api.stripe.com", "no URL"),
            ("http://api.stripe.com", "use https://"),
            ("http://10.0.0.1", "use https://"),
            ("http://localhost.example", "use https://"),
            ("ftp://127.0.0.1", "begin with https://"),
            ("https://sk_live_1@api.stripe.com", "setting of its own"),
            ("https://api.stripe.com/v1", "nothing may follow"),
            ("https://api.stripe.com?a=b", "nothing may follow"),
        ] {
            check(|s| s.api_base = base.into(), Some(part));
        }
    }

    #[test]
    fn every_other_field_has_bounds() {
        for key in ["", "sk test", "sk_test\n", "schlüssel"] {
            check(|s| s.api_key = Secret::new(key), Some("stripe.api_key"));
        }
        check(
            |s| s.connect_timeout = Duration::ZERO,
            Some("connect_timeout"),
        );
        check(
            |s| s.answer_timeout = Duration::from_secs(121),
            Some("answer_timeout"),
        );
        check(|s| s.connections_max = 0, Some("connections_max"));
        check(|s| s.connections_max = 1_001, Some("connections_max"));
    }

    #[test]
    fn the_key_is_not_printed() {
        let settings = Settings::new(Secret::new("sk_live_hunter2"));
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
