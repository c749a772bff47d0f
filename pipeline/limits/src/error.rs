//! Why the stage cannot run; what may pass is waited for instead.

use crate::settings::SettingsError;

/// The limits stage cannot run.
#[derive(Debug, thiserror::Error)]
pub enum LimitsError {
    /// A setting that cannot be run with.
    #[error("a setting of the limits stage cannot be used")]
    Settings {
        /// Which, and what it must be.
        #[from]
        source: SettingsError,
    },
    /// A client of Kafka could not be made.
    #[error(transparent)]
    Kafka(#[from] meterline_kafka::Error),
    /// Its logs cannot be read.
    #[error(transparent)]
    Follow(#[from] meterline_follow::FollowError),
    /// The control log cannot be followed.
    #[error(transparent)]
    Control(#[from] meterline_control::ControlError),
    /// ClickHouse's settings cannot be used, or its tables are not those of this version.
    #[error(transparent)]
    ClickHouse(#[from] meterline_clickhouse::Error),
    /// A thread that reads a log ended although nothing had halted.
    #[error("a reading thread of the limits stage ended without an answer")]
    Ended,
    /// Notifications cannot be sent with these settings.
    #[error(transparent)]
    Notify(#[from] meterline_notify::NotifyError),
    /// A thread of the stage panicked.
    #[error("a thread of the limits stage ended without an answer")]
    Thread {
        /// Why.
        source: tokio::task::JoinError,
    },
}
