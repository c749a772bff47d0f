//! What the client library calls back: rebalances, errors, log lines.

use super::assign::Assigner;
use crate::health::Need;
use crate::metrics::Rebalance;
use crate::shared::Shared;
use rdkafka::bindings::rd_kafka_resp_err_t as Code;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The client library's way into this process.
pub(crate) struct Context {
    shared: Arc<Shared>,
    assigner: Mutex<Option<Assigner>>,
}

impl Context {
    /// A context whose assigner comes with the consumer that it needs.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            assigner: Mutex::new(None),
        }
    }

    /// The assigner. The consumer's own thread asks in callbacks and between them, never while
    /// it polls; the watch asks for a moment.
    pub(crate) fn assigner(&self) -> MutexGuard<'_, Option<Assigner>> {
        self.assigner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The partition numbers of a list.
fn partitions(list: &TopicPartitionList) -> Vec<u32> {
    let elements = list.elements();
    let numbers = elements.iter().map(|e| u32::try_from(e.partition()));
    numbers.filter_map(Result::ok).collect()
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let mut assigner = self.assigner();
        let Some(assigner) = assigner.as_mut() else {
            tracing::error!("a rebalance came before the consumer was ready; it is left alone");
            return;
        };
        let partitions = partitions(list);
        let work = self.shared.metrics.work();
        let count = partitions.len();
        let _span = tracing::info_span!("rebalance", partitions = count).entered();
        match code {
            Code::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                work.rebalanced(Rebalance::Assigned);
                assigner.assigned(consumer, &partitions);
            }
            Code::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => {
                let is_lost = consumer.assignment_lost();
                work.rebalanced(if is_lost {
                    Rebalance::Lost
                } else {
                    Rebalance::Revoked
                });
                assigner.revoked(consumer, &partitions);
            }
            _ => {
                work.rebalanced(Rebalance::Failed);
                tracing::error!(?code, "a rebalance failed");
            }
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error => tracing::warn!(facility, line, "kafka client"),
            RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice => {
                tracing::info!(facility, line, "kafka client");
            }
            RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(facility, line, "kafka client");
            }
        }
    }

    fn stats(&self, statistics: Statistics) {
        self.shared.metrics.client(&statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.shared.board.fails(Need::Kafka, reason, Instant::now());
        }
        tracing::debug!(%error, reason, "kafka client");
    }
}
