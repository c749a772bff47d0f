//! How to reach ClickHouse, and how long tables keep their rows.
//!
//! These are checked settings to run with; what an operator writes is read by the binary. No
//! setting here changes a result: retention removes rows, it never alters one.

use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

mod keep;
mod replication;

use keep::ARCHIVE_PART_DAYS;
pub use keep::{Keep, Retention};
pub use replication::{Quorum, Replication};

/// Longest database name: it is part of file names on the server.
const DATABASE_BYTES: usize = 64;

/// Where ClickHouse is and how to work with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Address of the HTTP interface, like `http://127.0.0.1:8123` or `https://host:8443`; no
    /// user, no query.
    pub url: String,
    /// File with the certificates (PEM) of the authorities that are trusted with `https`. `None`,
    /// the default: those of the operating system.
    pub ca_file: Option<PathBuf>,
    /// What a replicated cluster needs. Default: one server.
    pub replication: Replication,
    /// Name of the user.
    pub user: String,
    /// The user's password; may be empty.
    pub password: Secret,
    /// The database of all tables and views: `[A-Za-z_][A-Za-z0-9_]*`, at most 64 bytes.
    /// Default `meterline`.
    pub database: String,
    /// How long one request may take before it counts as failed. Default 30 s.
    pub request_timeout: Duration,
    /// How long tables keep their rows; applied by [`crate::ClickHouse::migrate`].
    pub retention: Retention,
}

impl Settings {
    /// Settings for that address, with the defaults for everything else and no password.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            ca_file: None,
            replication: Replication::default(),
            user: "default".to_owned(),
            password: Secret::default(),
            database: "meterline".to_owned(),
            request_timeout: Duration::from_secs(30),
            retention: Retention::default(),
        }
    }

    /// Whether these settings can be used at all.
    ///
    /// # Errors
    /// Names the setting and what is wrong with it.
    pub fn check(&self) -> Result<(), SettingsError> {
        let url = url::Url::parse(&self.url).map_err(|error| SettingsError::Url {
            reason: error.to_string(),
        })?;
        let refused = |reason: &str| {
            Err(SettingsError::Url {
                reason: reason.to_owned(),
            })
        };
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return refused("it has the form http://host:port or https://host:port");
        }
        // Credentials in an address end up in logs; the others would be dropped without a word.
        if !url.username().is_empty() || url.password().is_some() {
            return refused("user and password have settings of their own");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refused("nothing may follow the path");
        }
        if !is_identifier(&self.database) {
            return Err(SettingsError::Database {
                name: self.database.clone(),
            });
        }
        if self.request_timeout.is_zero() {
            return Err(SettingsError::Timeout);
        }
        if let (Some(path), "http") = (&self.ca_file, url.scheme()) {
            return Err(SettingsError::Ca {
                path: path.clone(),
                reason: "clickhouse.url is not https".to_owned(),
            });
        }
        self.retention.check()?;
        self.replication.check()
    }
}

/// Why settings cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SettingsError {
    /// No address of an HTTP interface. The address is not shown: it may hold a password.
    #[error("clickhouse.url cannot be used: {reason}")]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// Not a name that needs no quoting.
    #[error(
        "clickhouse.database cannot be `{name}`: letters, digits and _ only, no digit first, \
         at most {DATABASE_BYTES} bytes"
    )]
    Database {
        /// The name.
        name: String,
    },
    /// Certificates that cannot be used.
    #[error("clickhouse.ca_file {} cannot be used: {reason}", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The operating system's certificates cannot be used.
    #[error(
        "the operating system has no certificates to trust ({reason}); install ca-certificates, \
         or name a file with clickhouse.ca_file"
    )]
    NoCa {
        /// Why not.
        reason: String,
    },
    /// Not a name of a cluster.
    #[error("clickhouse.cluster cannot be `{name}`: letters, digits, `_`, `-` and `.` only")]
    Cluster {
        /// The name.
        name: String,
    },
    /// Not a quorum.
    #[error("`{text}` is no quorum: write `auto`, or a number of replicas from 2")]
    Quorum {
        /// What was written.
        text: String,
    },
    /// Sequential reads without what makes them possible.
    #[error("clickhouse.sequential_reads needs clickhouse.insert_quorum")]
    NoQuorum,
    /// No time at all.
    #[error("clickhouse.request_timeout cannot be 0")]
    Timeout,
    /// Archived records without the letters that say which of them were rejected.
    #[error(
        "clickhouse.retention.dead_letters ({dead_letters}) must outlive usage_events \
         ({usage_events}) by {ARCHIVE_PART_DAYS} days: without its letter a rejected record would \
         be shown as counted"
    )]
    Letters {
        /// How long letters are kept.
        dead_letters: Keep,
        /// How long archived records are kept.
        usage_events: Keep,
    },
    /// Not a length of retention.
    #[error("`{text}` is no retention: write `forever`, or a number and `days` or `months`")]
    Keep {
        /// What was written.
        text: String,
    },
}

/// Whether the name is `[A-Za-z_][A-Za-z0-9_]*` and not too long.
fn is_identifier(name: &str) -> bool {
    let first = name.bytes().next().unwrap_or(b'0');
    let is_word = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_word && !first.is_ascii_digit() && name.len() <= DATABASE_BYTES
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut Settings), expected: Option<&str>) {
        let mut settings = Settings::new("http://127.0.0.1:8123");
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
    fn settings_that_cannot_work_are_refused_by_name() {
        check(|_| (), None);
        check(|s| s.url = "https://host:8443".into(), None);
        check(|s| s.ca_file = Some("ca.pem".into()), Some("not https"));
        check(|s| s.database = "_usage_2".into(), None);
        for name in ["", "2a", "a-b", "a`b", "a b", "ä", &"a".repeat(65)] {
            check(|s| s.database = name.into(), Some("clickhouse.database"));
        }
        for (url, part) in [
            ("127.0.0.1:8123", "clickhouse.url"),
            ("ftp://host", "http://host:port"),
            ("http://u:p@host:8123", "settings of their own"),
            ("http://host:8123?database=x", "nothing may follow"),
        ] {
            check(|s| s.url = url.into(), Some(part));
        }
        check(
            |s| s.request_timeout = Duration::ZERO,
            Some("request_timeout"),
        );
    }

    #[test]
    fn secrets_are_not_printed() {
        let mut settings = Settings::new("http://host");
        settings.password = Secret::new("hunter2");
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
