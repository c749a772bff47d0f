//! Why the stage cannot run; what may pass is waited for instead.

use crate::settings::SettingsError;

/// The billing stage cannot run.
#[derive(Debug, thiserror::Error)]
pub enum BillingError {
    /// A setting that cannot be run with.
    #[error("a setting of the billing stage cannot be used")]
    Settings {
        /// Which, and what it must be.
        #[from]
        source: SettingsError,
    },
    /// Stripe's key or address cannot be used.
    #[error(transparent)]
    Stripe(#[from] meterline_stripe::SettingsError),
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
    #[error("a reading thread of the billing stage ended without an answer")]
    Ended,
    /// A thread of the stage panicked.
    #[error("a thread of the billing stage ended without an answer")]
    Thread {
        /// Why.
        source: tokio::task::JoinError,
    },
}
