//! More partitions for a topic that is there.

use super::Admin;
use crate::error::Error;
use rdkafka::admin::{AdminOptions, NewPartitions};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::time::Duration;

impl Admin {
    /// Gives a topic this many partitions in all; fewer than it has is refused by the brokers.
    ///
    /// # Errors
    /// [`Error::Create`], or [`Error::NoAnswer`].
    pub fn grow_topic(&self, topic: &str, count: u32, timeout: Duration) -> Result<(), Error> {
        let failed = |source| {
            Error::Create {
                topic: topic.to_owned(),
                source: Box::new(source),
            }
            .at(&self.brokers, self.last_failure())
        };
        let count = usize::try_from(count).expect("partition counts are 31 bits");
        let partitions = NewPartitions::new(topic, count);
        let options = AdminOptions::new()
            .request_timeout(Some(timeout))
            .operation_timeout(Some(timeout));
        let grown = self.client.create_partitions([&partitions], &options);
        match futures::executor::block_on(grown).map_err(failed)?.pop() {
            Some(Ok(_)) => Ok(()),
            Some(Err((_, code))) => Err(failed(KafkaError::AdminOp(code))),
            None => Err(failed(KafkaError::AdminOp(RDKafkaErrorCode::BadMessage))),
        }
    }
}
