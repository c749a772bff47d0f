//! Why a stage cannot run; what may pass is waited for instead.

use crate::settings::SettingsError;
use rdkafka::error::KafkaError;

/// A stage cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// A setting that cannot be run with.
    #[error("a setting of the {stage} stage cannot be used")]
    Settings {
        /// The stage.
        stage: &'static str,
        /// Which, and what it must be.
        source: SettingsError,
    },
    /// A client of Kafka could not be made.
    #[error(transparent)]
    Kafka(#[from] meterline_kafka::Error),
    /// The client library refused the consumer's or producer's settings, or failed for good.
    #[error("the kafka client of the {stage} stage failed for good")]
    Consumer {
        /// The stage.
        stage: &'static str,
        /// Why.
        source: KafkaError,
    },
    /// The control log cannot be followed.
    #[error(transparent)]
    Control(#[from] meterline_control::ControlError),
    /// ClickHouse's settings cannot be used, or its tables are not those of this version.
    #[error(transparent)]
    ClickHouse(#[from] meterline_clickhouse::Error),
    /// The stage's thread panicked.
    #[error("the thread of the {stage} stage ended without an answer")]
    Thread {
        /// The stage.
        stage: &'static str,
        /// Why.
        source: tokio::task::JoinError,
    },
}
