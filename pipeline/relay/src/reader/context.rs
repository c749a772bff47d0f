//! What the client library calls back: rebalances and log lines.
//!
//! A rebalance is answered at once and changes nothing but lists: a partition that was given is
//! placed by the stage's own loop, one that was taken is no longer fetched. Ownership is a
//! performance hint, so nothing has to be finished before a partition goes.

use rdkafka::bindings::rd_kafka_resp_err_t as Code;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

/// The consumer of a stage.
pub(crate) type Consumer = BaseConsumer<Context>;

/// A change of what the process owns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Change {
    Given(Vec<u32>),
    Taken(Vec<u32>),
}

/// Collects changes until the stage's loop looks.
#[derive(Debug, Default)]
pub(crate) struct Context {
    changes: Mutex<Vec<Change>>,
}

impl Context {
    /// The changes since the last call, in their order.
    pub(super) fn take(&self) -> Vec<Change> {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *changes)
    }

    fn push(&self, change: Change) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        changes.push(change);
    }
}

/// The partition numbers of a list.
fn partitions(list: &TopicPartitionList) -> Vec<u32> {
    let elements = list.elements();
    let numbers = elements.iter().map(|e| u32::try_from(e.partition()));
    numbers.filter_map(Result::ok).collect()
}

/// Stops fetching those of the partitions that are fetched: the client library refuses a list as a
/// whole where one of it is not, and then goes on with all of them.
pub(super) fn unassign(consumer: &Consumer, list: &TopicPartitionList) -> KafkaResult<()> {
    let assigned = consumer.assignment()?;
    let assigned: BTreeSet<_> = assigned.elements().iter().map(|e| e.partition()).collect();
    let mut fetched = TopicPartitionList::new();
    for element in list.elements() {
        if assigned.contains(&element.partition()) {
            fetched.add_partition(element.topic(), element.partition());
        }
    }
    consumer.incremental_unassign(&fetched)
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        // The client library waits for an answer, even for an empty list.
        let answered = match code {
            Code::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.push(Change::Given(partitions(list)));
                consumer.incremental_assign(&TopicPartitionList::new())
            }
            Code::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => {
                self.push(Change::Taken(partitions(list)));
                unassign(consumer, list)
            }
            _ => {
                tracing::error!(?code, "a rebalance failed");
                return;
            }
        };
        answered.unwrap_or_else(|error| tracing::error!(%error, "a rebalance was not answered"));
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

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client");
    }
}
