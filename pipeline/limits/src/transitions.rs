//! Transitions on their way to `usage.alerts`.
//!
//! Each is written by a task of its own, acknowledged by all in-sync replicas, and is in flight
//! until the judge reads it back: only then is it known whether it is in force. One that failed is
//! given up; that it may be in the log after all does no harm, it then is read like any other.

use crate::metrics::{Metrics, Outcome};
use crossbeam_channel::Sender;
use meterline_core::alert::{AlertKey, Transition};
use meterline_core::causes::chain;
use meterline_core::hash::partition_of;
use meterline_core::time::LogTime;
use meterline_follow::{Health, clock};
use meterline_kafka::{Outgoing, Producer};
use meterline_schemas::records::encode_transition;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Most transitions that are sent and not read back: a storm goes in portions, each some megabytes.
pub(crate) const IN_FLIGHT_MAX: usize = 4_096;

/// What health calls the topic.
const NEED: &str = "usage.alerts";

/// A transition that could not be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Unwritten {
    pub(crate) key: AlertKey,
    pub(crate) write_id: u128,
}

/// Writes transitions.
#[derive(Clone)]
pub(crate) struct Writer {
    pub(crate) producer: Producer,
    pub(crate) topic: String,
    /// Its partitions, which never change.
    pub(crate) partitions: u32,
    pub(crate) runtime: tokio::runtime::Handle,
    /// Has room for all that is in flight.
    pub(crate) failed: Sender<Unwritten>,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Metrics,
}

impl Writer {
    /// Writes a transition, which tells of a change of that log time where there is one.
    pub(crate) fn write(&self, transition: Transition, changed: Option<LogTime>) {
        let writer = self.clone();
        self.runtime.spawn(async move {
            writer.attempt(transition, changed).await;
        });
    }

    async fn attempt(self, transition: Transition, changed: Option<LogTime>) {
        let mut bytes = Vec::with_capacity(512);
        encode_transition(&transition, &mut bytes);
        let tenant = transition.key.tenant.as_bytes();
        let record = Outgoing {
            topic: &self.topic,
            partition: Some(partition_of(tenant, self.partitions)),
            key: Some(tenant),
            payload: Some(&bytes),
            headers: &[],
        };
        let (state, severity) = (transition.state, transition.severity);
        match self.producer.send(record).await {
            Ok(_) => {
                self.health.works(NEED);
                self.metrics.transition(Outcome::Written, state, severity);
                if let Some(changed) = changed {
                    self.metrics.crossed(since(changed, clock()));
                }
            }
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(
                    stage = "limits",
                    need = NEED,
                    error,
                    "failed, judging again"
                );
                self.metrics.failed("kafka");
                self.health.fails(NEED, &error, Instant::now());
                let unwritten = Unwritten {
                    key: transition.key,
                    write_id: transition.write_id,
                };
                // Nobody is there to judge again where the stage has stopped.
                let _ = self.failed.try_send(unwritten);
            }
        }
    }
}

fn since(from: LogTime, to: LogTime) -> Duration {
    let millis = to.0.saturating_sub(from.0);
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

/// What was sent and is not read back, by write id.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    sent: HashMap<u128, (Instant, Transition)>,
}

impl InFlight {
    pub(crate) fn len(&self) -> usize {
        self.sent.len()
    }

    pub(crate) fn add(&mut self, transition: Transition, now: Instant) {
        self.sent.insert(transition.write_id, (now, transition));
    }

    /// It was read back, or given up; `None` where another process wrote it.
    pub(crate) fn remove(&mut self, write_id: u128) -> Option<Transition> {
        self.sent
            .remove(&write_id)
            .map(|(_, transition)| transition)
    }

    /// Those that were sent longer ago than `timeout`.
    pub(crate) fn overdue(&mut self, now: Instant, timeout: Duration) -> Vec<Transition> {
        let sent = self
            .sent
            .extract_if(|_, (at, _)| now.duration_since(*at) >= timeout);
        sent.map(|(_, (_, transition))| transition).collect()
    }
}
