//! What can go wrong with a request, whose fault it is, and what to do next.
//!
//! `classify` is the one place that decides what is tried again. Only what a repetition cannot
//! change stops; an error that nobody thought of is tried again, because stopping for a hiccup
//! is worse than a line in the log.

use crate::config::SettingsError;
use meterline_schemas::rows::WindowOutOfRange;
use std::time::Duration;

/// Most bytes of a cause's text: servers quote whole statements.
const CAUSE_BYTES: usize = 1 << 10;

/// Whose fault an error is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The operator's: a setting, a right, a missing `init`.
    User,
    /// The network's or the server's.
    External,
    /// Ours: a bug.
    Ours,
}

/// What to do after an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Try again, with growing pauses.
    Retry,
    /// Trying again cannot help.
    Stop,
}

/// A failed action on ClickHouse.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Settings that cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No connection, or one that broke.
    #[error("failed to {action}: no answer from ClickHouse at {url}; check clickhouse.url")]
    Unreachable {
        /// What was to be done.
        action: String,
        /// The setting `clickhouse.url`, which holds no password.
        url: String,
        /// What the connection says.
        source: Cause,
    },
    /// No whole answer in time; the request may still have taken effect.
    #[error(
        "failed to {action}: no answer from ClickHouse at {url} within {timeout:?}; check \
         clickhouse.url"
    )]
    TimedOut {
        /// What was to be done.
        action: String,
        /// The setting `clickhouse.url`, which holds no password.
        url: String,
        /// The setting `request_timeout`.
        timeout: Duration,
    },
    /// The server could not do it now, or says something that nobody thought of.
    #[error("failed to {action}: ClickHouse could not do it")]
    Busy {
        /// What was to be done.
        action: String,
        /// What the server says.
        source: Cause,
    },
    /// User, password or rights.
    #[error(
        "failed to {action}: ClickHouse refused the user; check clickhouse.user, its password \
         and its rights"
    )]
    Denied {
        /// What was to be done.
        action: String,
        /// What the server says.
        source: Cause,
    },
    /// A database, table, column or type that is not there.
    #[error(
        "failed to {action}: the database does not have the tables of this version; run \
         `meterline init`"
    )]
    Schema {
        /// What was to be done.
        action: String,
        /// What the server says.
        source: Cause,
    },
    /// The server did not understand the request, or we not its answer.
    #[error("failed to {action}: ClickHouse and this version do not understand each other")]
    Misunderstood {
        /// What was to be done.
        action: String,
        /// What the server or the client says.
        source: Cause,
    },
    /// A row that does not fit its columns.
    #[error("failed to {action}: a row does not fit its table")]
    Row {
        /// What was to be done.
        action: String,
        /// What does not fit.
        source: WindowOutOfRange,
    },
    /// A migration was applied with another text than this binary has.
    #[error(
        "migration {number} ({name}) of database {database} was applied with another text; use \
         the version of meterline that made the database"
    )]
    MigrationChanged {
        /// Number of the migration.
        number: u32,
        /// Its name.
        name: String,
        /// The database.
        database: String,
    },
    /// The database has migrations that this binary does not know.
    #[error(
        "database {database} is at migration {found}, this version knows up to {newest}; use a \
         newer version of meterline"
    )]
    DatabaseIsNewer {
        /// The database.
        database: String,
        /// Highest number applied there.
        found: u32,
        /// Highest number known here.
        newest: u32,
    },
    /// The database lacks migrations of this binary.
    #[error("database {database} lacks migration {number}; run `meterline init`")]
    NotMigrated {
        /// The database.
        database: String,
        /// First migration that is missing.
        number: u32,
    },
}

impl Error {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Busy { .. } => Fault::External,
            Self::Misunderstood { .. } | Self::Row { .. } => Fault::Ours,
            Self::Settings(_)
            | Self::Denied { .. }
            | Self::Schema { .. }
            | Self::MigrationChanged { .. }
            | Self::DatabaseIsNewer { .. }
            | Self::NotMigrated { .. } => Fault::User,
        }
    }

    /// What to do next: only what is nobody's fault but the world's is tried again.
    #[must_use]
    pub const fn next(&self) -> Next {
        match self.fault() {
            Fault::External => Next::Retry,
            Fault::User | Fault::Ours => Next::Stop,
        }
    }
}

/// The words of the server, the connection or the client, cut at a bound.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Cause(String);

impl Cause {
    /// The error with everything behind it that its own text leaves out.
    fn of(error: &dyn std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut inner = error.source();
        while let Some(error) = inner {
            let more = error.to_string();
            if !text.ends_with(&more) {
                text = format!("{text}: {more}");
            }
            inner = error.source();
        }
        let mut ends = (0..=text.len().min(CAUSE_BYTES)).rev();
        let end = ends.find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        Self(text)
    }
}

/// Gives a failed request its place: the one decision on what is tried again.
pub(crate) fn classify(action: String, url: &str, error: &clickhouse::error::Error) -> Error {
    use clickhouse::error::Error as Client;
    let source = Cause::of(error);
    match error {
        Client::BadResponse(text) => match exception_code(text) {
            Some(code) => by_code(code, action, source),
            None => Error::Busy { action, source },
        },
        Client::Network(_) | Client::TimedOut => Error::Unreachable {
            action,
            url: url.to_owned(),
            source,
        },
        Client::SchemaMismatch(_) | Client::InvalidColumnsHeader(_) => {
            Error::Schema { action, source }
        }
        // A damaged stream looks like these; so does a bug, and then the log repeats it.
        Client::NotEnoughData | Client::DataFormat(_) | Client::Other(_) => {
            Error::Busy { action, source }
        }
        _ => Error::Misunderstood { action, source },
    }
}

/// Number of the server's exception; the text begins with `Code: 60. DB::Exception: …`.
fn exception_code(text: &str) -> Option<u32> {
    let (_, after) = text.split_once("Code: ")?;
    let end = after.find(|c: char| !c.is_ascii_digit());
    after[..end.unwrap_or(after.len())].parse().ok()
}

/// Source of the numbers: `src/Common/ErrorCodes.cpp` of ClickHouse.
fn by_code(code: u32, action: String, source: Cause) -> Error {
    match code {
        // UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD, ACCESS_DENIED, AUTHENTICATION_FAILED
        192..=194 | 497 | 516 => Error::Denied { action, source },
        // THERE_IS_NO_COLUMN, NOT_FOUND_COLUMN_IN_BLOCK, NO_SUCH_COLUMN_IN_TABLE,
        // UNKNOWN_IDENTIFIER, TYPE_MISMATCH, UNKNOWN_TABLE, UNKNOWN_DATABASE
        8 | 10 | 16 | 47 | 53 | 60 | 81 => Error::Schema { action, source },
        // BAD_ARGUMENTS, UNKNOWN_FUNCTION, SYNTAX_ERROR, UNKNOWN_SETTING, INCORRECT_DATA,
        // BAD_QUERY_PARAMETER, UNKNOWN_QUERY_PARAMETER
        36 | 46 | 62 | 115 | 117 | 456 | 457 => Error::Misunderstood { action, source },
        _ => Error::Busy { action, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clickhouse::error::Error as Client;

    fn check(error: &Client, fault: Fault, next: Next) {
        let classified = classify(
            "insert 3 rows into bucket_hourly".into(),
            "http://ch:1",
            error,
        );
        assert_eq!(
            (classified.fault(), classified.next()),
            (fault, next),
            "{error}"
        );
    }

    #[test]
    fn only_what_a_repetition_cannot_change_stops() {
        let server = |text: &str| Client::BadResponse(text.into());
        check(&Client::TimedOut, Fault::External, Next::Retry);
        check(
            &Client::Network("refused".into()),
            Fault::External,
            Next::Retry,
        );
        check(&server("502 Bad Gateway"), Fault::External, Next::Retry);
        for (code, fault, next) in [
            (516, Fault::User, Next::Stop),
            (81, Fault::User, Next::Stop),
            (60, Fault::User, Next::Stop),
            (62, Fault::Ours, Next::Stop),
            (241, Fault::External, Next::Retry),
            (252, Fault::External, Next::Retry),
            (9999, Fault::External, Next::Retry),
        ] {
            let text = format!("Code: {code}. DB::Exception: text (NAME) (version 26.9)");
            check(&server(&text), fault, next);
        }
        check(&Client::SchemaMismatch("x".into()), Fault::User, Next::Stop);
        check(&Client::Unsupported("x".into()), Fault::Ours, Next::Stop);
    }

    #[test]
    fn causes_are_whole_and_bounded() {
        let inner = std::io::Error::other("connection refused");
        let error = Client::Network(Box::new(Client::Other(Box::new(inner))));
        let text = Cause::of(&error).to_string();
        assert_eq!(text, "network error: connection refused");
        let long = Client::BadResponse("ä".repeat(CAUSE_BYTES));
        assert!((CAUSE_BYTES - 1..=CAUSE_BYTES).contains(&Cause::of(&long).to_string().len()));
    }
}
