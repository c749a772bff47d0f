//! Why the stage cannot run; what may pass is waited for instead.

use crate::settings::SettingsError;
use meterline_core::halt::Halt;

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
    /// The client library refused the consumer's settings.
    #[error("the kafka client of the limits stage could not be made")]
    Consumer {
        /// Why.
        source: Box<rdkafka::error::KafkaError>,
    },
    /// The control log cannot be followed.
    #[error(transparent)]
    Control(#[from] meterline_control::ControlError),
    /// ClickHouse's settings cannot be used, or its tables are not those of this version.
    #[error(transparent)]
    ClickHouse(#[from] meterline_clickhouse::Error),
    /// A thread of the stage could not be started.
    #[error("failed to start the thread {name} of the limits stage")]
    Spawn {
        /// The thread's name.
        name: &'static str,
        /// Why.
        source: std::io::Error,
    },
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

/// A log that the stage cannot read on: it stops judging, and says so until it is started again.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("topic {topic} partition {partition} at offset {offset}")]
pub struct LogHalt {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset of the record, or the position where there is none.
    pub offset: u64,
    /// Why.
    pub source: Halt,
}
