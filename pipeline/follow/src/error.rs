//! Why logs cannot be read; what may pass is waited for instead.

use meterline_core::halt::Halt;

/// A stage cannot read its logs.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The client library refused the consumer's settings.
    #[error("the kafka client of the {stage} stage could not be made")]
    Consumer {
        /// The stage.
        stage: &'static str,
        /// Why.
        source: Box<rdkafka::error::KafkaError>,
    },
    /// A thread could not be started.
    #[error("failed to start the thread {name}")]
    Spawn {
        /// The thread's name, which begins with its stage's.
        name: String,
        /// Why.
        source: std::io::Error,
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
